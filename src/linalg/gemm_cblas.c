/* gemm_cblas.c: providers over a CBLAS library that was loaded at run time. */
#include <limits.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "linalg/blas_library.h"
#include "linalg/gemm.h"

static const struct blas_row *row_named(const char *name)
{
    const struct blas_row *row = NULL;
    for (size_t i = 0; name && (row = gm_blas_row_at(i)) && strcmp(row->name, name) != 0; i++)
        ;
    return row;
}

static gemmlp_status open_library(const char *spec, struct gemm_provider *provider,
                                  gemmlp_error *error)
{
    struct blas_library *library = malloc(sizeof *library);
    if (!library)
        return gm_fail_memory(error, "a provider of matrix products", sizeof *library);
    gemmlp_status status = spec && strchr(spec, '/')
                               ? gm_blas_open_path(spec, library, error)
                               : gm_blas_open(row_named(spec), library, error);
    if (status != GEMMLP_OK) {
        free(library);
        return status;
    }
    snprintf(provider->name, sizeof provider->name, "%s", library->name);
    snprintf(provider->version, sizeof provider->version, "%s", library->version);
    snprintf(provider->kernel, sizeof provider->kernel, "%s", library->kernel);
    snprintf(provider->path, sizeof provider->path, "%s", library->path);
    provider->context = library;
    return GEMMLP_OK;
}

static void close_library(struct gemm_provider *provider)
{
    free(provider->context);
}

static const char *notice(const struct gemm_provider *provider, int threads)
{
    const struct blas_library *library = provider->context;
    return threads > 1 ? library->notice : NULL;
}

static gemmlp_status prepare(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **plan, gemmlp_error *error)
{
    const struct blas_library *library = provider->context;
    (void)plan;
    return gm_gemm_check_sizes(problem, library->wide ? INT64_MAX : INT_MAX, error);
}

/* The values of CBLAS, which are the same in all of its headers. */
enum { ROW_MAJOR = 101, NO_TRANSPOSE = 111, TRANSPOSE = 112 };

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    const struct blas_library *l = gemm->provider->context;
    const struct gemm_problem *p = &gemm->problem;
    const int op_a = p->transpose_a ? TRANSPOSE : NO_TRANSPOSE;
    const int op_b = p->transpose_b ? TRANSPOSE : NO_TRANSPOSE;
    gm_blas_set_threads(l, omp_get_max_threads());
    if (p->precision == GEMM_F32 && l->wide)
        l->sgemm_wide(ROW_MAJOR, op_a, op_b, (int64_t)p->m, (int64_t)p->n, (int64_t)p->k,
                      (float)alpha, a, (int64_t)p->lda, b, (int64_t)p->ldb, (float)beta, c,
                      (int64_t)p->ldc);
    else if (p->precision == GEMM_F32)
        l->sgemm(ROW_MAJOR, op_a, op_b, (int)p->m, (int)p->n, (int)p->k, (float)alpha, a,
                 (int)p->lda, b, (int)p->ldb, (float)beta, c, (int)p->ldc);
    else if (l->wide)
        l->dgemm_wide(ROW_MAJOR, op_a, op_b, (int64_t)p->m, (int64_t)p->n, (int64_t)p->k, alpha, a,
                      (int64_t)p->lda, b, (int64_t)p->ldb, beta, c, (int64_t)p->ldc);
    else
        l->dgemm(ROW_MAJOR, op_a, op_b, (int)p->m, (int)p->n, (int)p->k, alpha, a, (int)p->lda, b,
                 (int)p->ldb, beta, c, (int)p->ldc);
    if (epilogue)
        gm_gemm_sweep(p, c, epilogue);
}

const struct gemm_kind gm_gemm_cblas = {
    .name = "cblas",
    .description = "a CBLAS library, then one sweep for the epilogue",
    .open = open_library,
    .close = close_library,
    .notice = notice,
    .prepare = prepare,
    .run = run,
};
