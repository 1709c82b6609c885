/* gemm_reference.c: the naive triple loop: slow, and simple enough to be trusted. */
#include "linalg/gemm.h"

static const char *version(void)
{
    return "gemmlp " GEMMLP_VERSION " triple loop";
}

static double element(const void *matrix, enum gemm_precision precision, size_t index)
{
    return precision == GEMM_F32 ? (double)((const float *)matrix)[index]
                                 : ((const double *)matrix)[index];
}

static void run(const struct gemm_problem *p, void *plan, double alpha, const void *a,
                const void *b, double beta, void *c, const struct gemm_epilogue *epilogue)
{
    (void)plan;
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->n; j++) {
            double sum = 0;
            for (size_t l = 0; l < p->k; l++)
                sum += element(a, p->precision, p->transpose_a ? l * p->lda + i : i * p->lda + l) *
                       element(b, p->precision, p->transpose_b ? j * p->ldb + l : l * p->ldb + j);
            size_t at = i * p->ldc + j;
            double value = alpha * sum + (beta != 0 ? beta * element(c, p->precision, at) : 0);
            if (p->precision == GEMM_F32)
                ((float *)c)[at] = (float)value;
            else
                ((double *)c)[at] = value;
        }
    }
    if (epilogue)
        gm_gemm_sweep(p, c, epilogue);
}

const struct gemm_provider gm_gemm_reference = {
    .name = "reference",
    .description = "naive triple loop that sums in double: slow, to check the others against",
    .version = version,
    .run = run,
};
