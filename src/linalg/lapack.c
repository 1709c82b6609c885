/* lapack.c: see lapack.h. The only file that includes lapacke.h. */
#include "linalg/lapack.h"

#include <lapacke.h>
#include <limits.h>
#include <omp.h>
#include <stdlib.h>

#include "linalg/gemm.h"

gemmlp_status gm_lapack_orthonormal_rows(size_t rows, size_t columns, double *a,
                                         gemmlp_error *error)
{
    if (rows == 0 || rows > columns || columns > INT_MAX)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%zu orthonormal rows of %zu elements are not possible", rows, columns);
    double *tau = malloc(2 * rows * sizeof *tau);
    if (!tau)
        return gm_fail_memory(error, "a QR decomposition", 2 * rows * sizeof *tau);
    double *sign = tau + rows;
    /* Row-major (rows x columns) is, read by columns, the transpose: its columns are our rows. */
    lapack_int m = (lapack_int)columns, n = (lapack_int)rows, info;
    /* One thread: the bits must not depend on how many there are. */
    const int threads = omp_get_max_threads();
    omp_set_num_threads(1);
    gm_blas_follow_threads();
    info = LAPACKE_dgeqrf(LAPACK_COL_MAJOR, m, n, a, m, tau);
    for (size_t i = 0; i < rows; i++)
        sign[i] = a[i * columns + i] < 0 ? -1 : 1;
    if (info == 0)
        info = LAPACKE_dorgqr(LAPACK_COL_MAJOR, m, n, n, a, m, tau);
    omp_set_num_threads(threads);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < columns; j++)
            a[i * columns + j] *= sign[i];
    free(tau);
    if (info == LAPACK_WORK_MEMORY_ERROR || info == LAPACK_TRANSPOSE_MEMORY_ERROR)
        return gm_fail_memory(error, "a QR decomposition", rows * columns * sizeof *a);
    if (info != 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "the QR decomposition of a %zu x %zu matrix failed (LAPACK info %d)",
                       columns, rows, (int)info);
    return GEMMLP_OK;
}
