/* gemm_reference.c: the naive triple loop: slow, and simple enough to be trusted. */
#include <stdio.h>

#include "linalg/gemm.h"

static gemmlp_status open_reference(const char *spec, struct gemm_provider *provider,
                                    gemmlp_error *error)
{
    (void)spec;
    (void)error;
    snprintf(provider->name, sizeof provider->name, "%s", provider->kind->name);
    snprintf(provider->version, sizeof provider->version, "gemmlp %s triple loop", GEMMLP_VERSION);
    return GEMMLP_OK;
}

static const char *notice(const struct gemm_provider *provider, int threads)
{
    (void)provider;
    (void)threads;
    return "the reference is a naive loop on one thread: OpenBLAS (Debian: libopenblas0-openmp) is "
           "a hundred times faster";
}

static double element(const void *matrix, enum gemm_precision precision, size_t index)
{
    return precision == GEMM_F32   ? (double)((const float *)matrix)[index]
           : precision == GEMM_F64 ? ((const double *)matrix)[index]
                                   : (double)gm_bf16_value(((const gm_bf16 *)matrix)[index]);
}

static gemmlp_status bf16(const struct gemm_provider *provider, gemmlp_error *error)
{
    (void)provider;
    (void)error;
    return GEMMLP_OK;
}

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    const struct gemm_problem *p = &gemm->problem;
    const enum gemm_precision result = p->precision == GEMM_F64 ? GEMM_F64 : GEMM_F32;
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0;
            for (size_t l = 0; l < p->k; l++)
                sum += element(a, p->precision, p->transpose_a ? l * p->lda + i : i * p->lda + l) *
                       element(b, p->precision, p->transpose_b ? j * p->ldb + l : l * p->ldb + j);
            size_t at = i * p->ldc + j;
            double value = alpha * sum + (beta != 0 ? beta * element(c, result, at) : 0);
            if (result == GEMM_F32)
                ((float *)c)[at] = (float)value;
            else
                ((double *)c)[at] = value;
        }
    }
    if (epilogue)
        gm_gemm_sweep(p, c, epilogue);
}

const struct gemm_kind gm_gemm_reference = {
    .name = "reference",
    .description = "naive triple loop that sums in double: slow, to check the others against",
    .open = open_reference,
    .bf16 = bf16,
    .notice = notice,
    .run = run,
};
