/* products.h: for tests of matrix products: the provider under test and the reference one, matrices
 * of either precision, and a product of them. */
#ifndef GM_TEST_PRODUCTS_H
#define GM_TEST_PRODUCTS_H

#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linalg/gemm.h"

/* One BLAS in a process: other libraries are tested by giving their name or path. */
static struct gemm_provider *tested, *reference;
static bool tested_automatically;

/* The provider under test, the reference; NULL past the last. */
static inline const struct gemm_provider *provider_at(size_t index)
{
    return index == 0 ? tested : index == 1 ? reference : NULL;
}

/* Some have no products in double. */
static inline bool has_precision(const struct gemm_provider *provider,
                                 enum gemm_precision precision)
{
    const struct gemm_problem smallest = {precision, false, false, 1, 1, 1, 1, 1, 1, 0, 0};
    struct gemm gemm;
    const gemmlp_status status = gm_gemm_prepare(&gemm, provider, &smallest, NULL);
    gm_gemm_release(&gemm);
    assert_true(status == GEMMLP_OK || (status == GEMMLP_UNSUPPORTED && precision != GEMM_F32));
    return status == GEMMLP_OK;
}

/* oneDNN gets no row of op(A) and no column of C whose elements lie apart. */
static inline bool is_refused(const struct gemm_provider *provider, const struct gemm_problem *p)
{
    const bool row = p->m == 1 && p->k > 1 && p->transpose_a && p->lda > 1;
    const bool column = p->n == 1 && p->m > 1 && p->ldc > 1;
    struct gemm gemm;
    gemmlp_error error;
    if (strcmp(provider->name, "onednn") != 0 || !(row || column))
        return false;
    assert_int_equal(gm_gemm_prepare(&gemm, provider, p, &error), GEMMLP_UNSUPPORTED);
    assert_non_null(strstr(error.message, "no vector whose elements lie apart"));
    gm_gemm_release(&gemm);
    return true;
}

/* Opens both; the one under test is that of the first argument, else the automatic one. ABSENT:
 * this build has no such provider; what is wrong is said. */
enum opened { OPENED, ABSENT, BROKEN };

static inline enum opened open_providers(int argc, char **argv)
{
    gemmlp_error error;
    tested_automatically = argc < 2;
    gemmlp_status status = gm_gemm_open(argc < 2 ? NULL : argv[1], &tested, &error);
    if (status == GEMMLP_UNSUPPORTED && argc > 1 && strchr(argv[1], '/') == NULL) {
        print_message("# %s is not tested: %s\n", argv[1], error.message);
        return ABSENT;
    }
    if (status != GEMMLP_OK || gm_gemm_open("reference", &reference, &error) != GEMMLP_OK) {
        fprintf(stderr, "%s\n", error.message);
        return BROKEN;
    }
    print_message("# %s: %s (%s), %s\n", tested->name, tested->version, tested->kernel,
                  tested->path);
    return OPENED;
}

static inline void close_providers(void)
{
    gm_gemm_close(tested);
    gm_gemm_close(reference);
}

/* How a test ends that has no provider to test: by a plan of no tests, or as a failure. */
static inline int end_without_providers(enum opened opened)
{
    if (opened == ABSENT)
        puts("1..0 # SKIP");
    return opened == BROKEN;
}

/* ---- matrices of either precision ------------------------------------------------------------ */

static inline size_t element_size(enum gemm_precision precision)
{
    return precision == GEMM_F64 ? sizeof(double) : sizeof(float);
}

static inline double get(enum gemm_precision precision, const void *matrix, size_t index)
{
    return precision == GEMM_F64 ? ((const double *)matrix)[index]
                                 : (double)((const float *)matrix)[index];
}

static inline void set(enum gemm_precision precision, void *matrix, size_t index, double value)
{
    if (precision == GEMM_F64)
        ((double *)matrix)[index] = value;
    else
        ((float *)matrix)[index] = (float)value;
}

/* (rows x ld): random numbers in [-1, 1) in the first `columns` columns, `rest` in the others. */
static inline void *matrix_create(enum gemm_precision precision, size_t rows, size_t columns,
                                  size_t ld, uint64_t seed, double rest)
{
    void *matrix = malloc(rows * ld * element_size(precision));
    assert_non_null(matrix);
    for (size_t i = 0; i < rows; i++)
        for (size_t j = 0; j < ld; j++)
            set(precision, matrix, i * ld + j,
                j < columns ? (double)(float)(2 * random_uniform(&seed) - 1) : rest);
    return matrix;
}

static inline void run(const struct gemm_provider *provider, const struct gemm_problem *problem,
                       double alpha, const void *a, const void *b, double beta, void *c,
                       const struct gemm_epilogue *epilogue)
{
    struct gemm gemm;
    assert_int_equal(gm_gemm_prepare(&gemm, provider, problem, NULL), GEMMLP_OK);
    gm_gemm_run(&gemm, alpha, a, b, beta, c, epilogue);
    gm_gemm_release(&gemm);
    assert_null(gemm.provider);
}

static inline const char *describe(const struct gemm_provider *provider,
                                   const struct gemm_problem *p, double alpha, double beta)
{
    static char text[200];
    snprintf(text, sizeof text,
             "%s %s %c%c m %zu n %zu k %zu lda %zu ldb %zu ldc %zu alpha %g beta %g",
             provider->name, p->precision == GEMM_F64 ? "f64" : "f32", p->transpose_a ? 'T' : 'N',
             p->transpose_b ? 'T' : 'N', p->m, p->n, p->k, p->lda, p->ldb, p->ldc, alpha, beta);
    return text;
}

static const double PAD = -77; /* beyond the last column of C, where nothing may be written */

#endif
