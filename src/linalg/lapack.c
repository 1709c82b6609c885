/* lapack.c: see lapack.h. LAPACKE is loaded when it is needed, and brings its own BLAS: that one
 * computes nothing but these decompositions. */
#define _GNU_SOURCE
#include "linalg/lapack.h"

#include <dlfcn.h>
#include <limits.h>
#include <omp.h>
#include <stdlib.h>

#include "linalg/blas_library.h"

/* The values of lapacke.h. */
enum { COLUMN_MAJOR = 102, WORK_MEMORY_ERROR = -1010, TRANSPOSE_MEMORY_ERROR = -1011 };

struct lapack {
    struct blas_library blas; /* beneath it */
    int (*dgeqrf)(int layout, int m, int n, double *a, int lda, double *tau);
    int (*dorgqr)(int layout, int m, int n, int k, double *a, int lda, const double *tau);
};

/* Flags as in blas_library.c, for the same reasons. */
static gemmlp_status open_lapack(struct lapack *lapack, gemmlp_error *error)
{
    static const char library[] = "liblapacke.so.3";
    void *handle = dlopen(library, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!handle) {
        const char *reason = dlerror();
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "orthogonal weights need %s, which could not be loaded: %s; Debian's "
                       "package is liblapacke",
                       library, reason ? reason : "dlopen failed");
    }
    lapack->blas = gm_blas_beneath(handle);
    if (!gm_blas_symbol(&lapack->blas, "LAPACKE_dgeqrf", &lapack->dgeqrf) ||
        !gm_blas_symbol(&lapack->blas, "LAPACKE_dorgqr", &lapack->dorgqr))
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "orthogonal weights need LAPACKE_dgeqrf and LAPACKE_dorgqr, %s does not "
                       "have both",
                       library);
    return GEMMLP_OK;
}

/* One thread: the bits must not depend on how many there are. */
static int decompose(const struct lapack *lapack, int m, int n, double *a, double *tau,
                     double *sign)
{
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    const int blas_threads = gm_blas_set_threads(&lapack->blas, 1);
    int info = lapack->dgeqrf(COLUMN_MAJOR, m, n, a, m, tau);
    for (int i = 0; i < n; i++)
        sign[i] = a[(size_t)i * (size_t)m + (size_t)i] < 0 ? -1 : 1;
    if (info == 0)
        info = lapack->dorgqr(COLUMN_MAJOR, m, n, n, a, m, tau);
    omp_set_num_threads(threads);
    gm_blas_set_threads(&lapack->blas, blas_threads > 0 ? blas_threads : threads);
    return info;
}

gemmlp_status gm_lapack_orthonormal_rows(size_t rows, size_t columns, double *a,
                                         gemmlp_error *error)
{
    struct lapack lapack;
    if (rows == 0 || rows > columns || columns > INT_MAX)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%zu orthonormal rows of %zu elements are not possible", rows, columns);
    gemmlp_status status = open_lapack(&lapack, error);
    if (status != GEMMLP_OK)
        return status;
    double *tau = malloc(2 * rows * sizeof *tau);
    if (!tau)
        return gm_fail_memory(error, "a QR decomposition", 2 * rows * sizeof *tau);
    double *sign = tau + rows;
    /* Row-major (rows x columns) is, read by columns, the transpose: its columns are our rows. */
    const int info = decompose(&lapack, (int)columns, (int)rows, a, tau, sign);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            a[i * columns + j] *= sign[i];
    free(tau);
    if (info == WORK_MEMORY_ERROR || info == TRANSPOSE_MEMORY_ERROR)
        return gm_fail_memory(error, "a QR decomposition", rows * columns * sizeof *a);
    if (info != 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "the QR decomposition of a %zu x %zu matrix failed (LAPACK info %d)",
                       columns, rows, info);
    return GEMMLP_OK;
}
