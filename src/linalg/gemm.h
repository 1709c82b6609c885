/* gemm.h: matrix product with an epilogue, the one contract under everything.
 *
 *     C = epilogue(alpha op(A) op(B) + beta C)        C (m x n), op(A) (m x k), op(B) (k x n)
 *
 * all row-major, with leading dimensions in elements. In bf16 mixed precision A and B are bf16, C
 * is f32, and so is every sum. Every elementwise formula of training belongs
 * to the product before it (bias and activation, times sigma', the optimizer's update). It is
 * written once as an epilogue, a function on a tile of C, and the provider runs it where that is
 * cheapest. An epilogue sees every element of C once, in no order, from several threads at a time.
 *
 * Who computes is a provider: a kind of them (CBLAS, the reference) that was opened, and with it
 * whatever library is beneath. To add a CBLAS library: a row in blas_library.c. To add another
 * kind: fill a struct gemm_kind in a file of its own, add one row in gemm.c.
 */
#ifndef GM_GEMM_H
#define GM_GEMM_H

#include "core/bf16.h"
#include "core/error.h"

enum gemm_precision { GEMM_F32, GEMM_F64, GEMM_BF16 };

extern const char *const gm_gemm_precisions[]; /* their names, of GEMM_F32 … */
enum { GEMM_PRECISIONS = 3 };

/* Bytes of an element of A and B, and of C. */
static inline size_t gm_gemm_input_bytes(enum gemm_precision precision)
{
    return precision == GEMM_F64    ? sizeof(double)
           : precision == GEMM_BF16 ? sizeof(gm_bf16)
                                    : sizeof(float);
}
static inline size_t gm_gemm_output_bytes(enum gemm_precision precision)
{
    return precision == GEMM_F64 ? sizeof(double) : sizeof(float);
}

struct gemm_problem {
    enum gemm_precision precision;
    bool transpose_a; /* A is stored (k x m) */
    bool transpose_b; /* B is stored (n x k) */
    size_t m, n, k;
    size_t lda, ldb, ldc;
    /* Elements from one copy of A or of B to the next, of which each of omp_get_max_threads() has
     * one, in its own cache (gm_gemm_reads_copies). 0: there is one for all. */
    size_t copy_a, copy_b;
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
    /* Nobody reads C after it, and beta is 0: a tile may lie anywhere, and C keep what was there. */
    bool consumes;
};

struct gemm;
struct gemm_kind;

/* A kind, opened: owned by the caller of gm_gemm_open; must outlive what was prepared with it. */
struct gemm_provider {
    const struct gemm_kind *kind;
    char name[32];     /* of gm_gemm_name_at, also when a path led to it; "cblas": a library that
                          no row knows */
    char version[128]; /* "OpenBLAS 0.3.21" */
    char kernel[64];   /* "Zen"; "" when unknown */
    char path[1024];   /* real path of the shared library; "" when there is none */
    void *context;     /* of the kind */
};

struct gemm_kind {
    const char *name, *description;
    bool f32_only;
    /* Fills the provider. spec: the name or path that was asked for; NULL: whatever is there. */
    gemmlp_status (*open)(const char *spec, struct gemm_provider *provider, gemmlp_error *error);
    void (*close)(struct gemm_provider *provider); /* may be NULL */
    /* Whether it multiplies bf16 on this CPU, else why not; NULL: it has no such products. */
    gemmlp_status (*bf16)(const struct gemm_provider *provider, gemmlp_error *error);
    /* What the user of so many threads should know, or NULL; may itself be NULL. */
    const char *(*notice)(const struct gemm_provider *provider, int threads);
    /* Checks the problem against the provider's limits (bf16 was asked for before); may allocate
     * and keep a plan. NULL: all is possible and nothing need be kept. */
    gemmlp_status (*prepare)(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **plan, gemmlp_error *error);
    /* epilogue may be NULL. Threads: omp_get_max_threads(). */
    void (*run)(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue);
    void (*release)(void *plan); /* may be NULL */
    /* Whether threads read their own copies; NULL: they all read the first. */
    bool (*reads_copies)(const struct gemm *gemm);
};

/* A prepared product. */
struct gemm {
    const struct gemm_provider *provider;
    struct gemm_problem problem;
    void *plan;
};

/* By name, or by the path (it has a '/') of a CBLAS library; NULL and "auto" give the first that is
 * there. *out is NULL on failure; freed by gm_gemm_close, which takes NULL. */
gemmlp_status gm_gemm_open(const char *name, struct gemm_provider **out, gemmlp_error *error);
/* The first that is there and multiplies in double. */
gemmlp_status gm_gemm_open_f64(struct gemm_provider **out, gemmlp_error *error);
/* As gm_gemm_open; it multiplies in f32 and in bf16. Automatic: the first that is fast at it. */
gemmlp_status gm_gemm_open_bf16(const char *name, struct gemm_provider **out, gemmlp_error *error);
/* UNSUPPORTED, and what is missing, unless the provider multiplies bf16 on this CPU. */
gemmlp_status gm_gemm_check_bf16(const struct gemm_provider *provider, gemmlp_error *error);
void gm_gemm_close(struct gemm_provider *provider);

void gm_gemm_describe(const struct gemm_provider *provider, int threads,
                      gemmlp_provider_info *info);

/* The names that there are, in the order in which "auto" tries them; all NULL past the last. */
struct gemm_name {
    const char *name, *description;
    const struct gemm_kind *kind;
};
struct gemm_name gm_gemm_name_at(size_t index);

gemmlp_status gm_gemm_prepare(struct gemm *gemm, const struct gemm_provider *provider,
                              const struct gemm_problem *problem, gemmlp_error *error);
/* Allocates nothing. beta = 0: C need not be initialised. Products of one provider run one at a
 * time: they may share its scratch. */
void gm_gemm_run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                 void *c, const struct gemm_epilogue *epilogue);
void gm_gemm_release(struct gemm *gemm);
/* Whether every thread reads all of the copied A or B, and each its own copy; else the first copy
 * serves all, and no others are needed. */
bool gm_gemm_reads_copies(const struct gemm *gemm);

/* For providers that cannot do better: one parallel sweep of the epilogue over C. */
void gm_gemm_sweep(const struct gemm_problem *problem, void *c,
                   const struct gemm_epilogue *epilogue);

/* For a kind's prepare: each size and leading dimension is from 1 to `most`. */
gemmlp_status gm_gemm_check_sizes(const struct gemm_problem *problem, uint64_t most,
                                  gemmlp_error *error);

extern const struct gemm_kind gm_gemm_cblas, gm_gemm_native, gm_gemm_xsmm, gm_gemm_onednn,
    gm_gemm_reference;

#endif
