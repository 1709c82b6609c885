/* gemm.h: matrix product with an epilogue, the one contract under everything.
 *
 *     C = epilogue(alpha op(A) op(B) + beta C)        C (m x n), op(A) (m x k), op(B) (k x n)
 *
 * all row-major, with leading dimensions in elements. Every elementwise formula of training belongs
 * to the product before it (bias and activation, times sigma', the optimizer's update). It is
 * written once as an epilogue, a function on a tile of C, and the provider runs it where that is
 * cheapest. An epilogue sees every element of C once, in no order, from several threads at a time.
 *
 * To add a provider: fill a struct gemm_provider in a file of its own, add one row in gemm.c.
 */
#ifndef GM_GEMM_H
#define GM_GEMM_H

#include "core/error.h"

enum gemm_precision { GEMM_F32, GEMM_F64 };

struct gemm_problem {
    enum gemm_precision precision;
    bool transpose_a; /* A is stored (k x m) */
    bool transpose_b; /* B is stored (n x k) */
    size_t m, n, k;
    size_t lda, ldb, ldc;
};

struct gemm_tile {
    void *c;    /* element (row, column) of C */
    size_t ldc; /* elements from one row to the next */
    size_t row, column;
    size_t rows, columns;
};

struct gemm_epilogue {
    void (*apply)(const void *context, const struct gemm_tile *tile);
    const void *context;
};

struct gemm_provider {
    const char *name, *description;
    const char *(*version)(void);       /* of the library beneath, and the kernel it chose */
    const char *(*notice)(int threads); /* what its user should know, or NULL; may itself be NULL */
    /* Checks the problem against the provider's limits; may allocate and keep a plan. NULL: all is
     * possible and nothing need be kept. */
    gemmlp_status (*prepare)(const struct gemm_problem *problem, void **plan, gemmlp_error *error);
    /* epilogue may be NULL. Threads: omp_get_max_threads(). */
    void (*run)(const struct gemm_problem *problem, void *plan, double alpha, const void *a,
                const void *b, double beta, void *c, const struct gemm_epilogue *epilogue);
    void (*release)(void *plan);
};

struct gemm {
    const struct gemm_provider *provider;
    struct gemm_problem problem;
    void *plan;
};

/* By name; NULL and "auto" give the first. */
gemmlp_status gm_gemm_provider(const char *name, const struct gemm_provider **out,
                               gemmlp_error *error);
const struct gemm_provider *gm_gemm_provider_at(size_t index);

gemmlp_status gm_gemm_prepare(struct gemm *gemm, const struct gemm_provider *provider,
                              const struct gemm_problem *problem, gemmlp_error *error);
/* Allocates nothing. beta = 0: C need not be initialised. */
void gm_gemm_run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                 void *c, const struct gemm_epilogue *epilogue);
void gm_gemm_release(struct gemm *gemm);

/* For providers that cannot do better: one parallel sweep of the epilogue over C. */
void gm_gemm_sweep(const struct gemm_problem *problem, void *c,
                   const struct gemm_epilogue *epilogue);

/* OpenBLAS built with OpenMP follows omp_set_num_threads; built with its own threads it must be
 * told before a call. */
void gm_blas_follow_threads(void);

extern const struct gemm_provider gm_gemm_cblas, gm_gemm_reference;

#endif
