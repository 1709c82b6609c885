/* xsmm_combine.c: the one loop over memory that the products by libxsmm need: copies, scaled copies
 * and sums of rows; see xsmm_plan.h. */
#include "linalg/xsmm_plan.h"

GM_KERNEL static void combine_f32(size_t count, size_t length, float alpha, const float *in,
                                  size_t ld_in, float beta, float *out, size_t ld_out)
{
    for (size_t i = 0; i < count; i++, in += ld_in, out += ld_out) {
        if (beta != 0) {
#pragma omp simd
            for (size_t j = 0; j < length; j++)
                out[j] = alpha * in[j] + beta * out[j];
        } else {
#pragma omp simd
            for (size_t j = 0; j < length; j++)
                out[j] = alpha * in[j];
        }
    }
}

GM_KERNEL static void combine_f64(size_t count, size_t length, double alpha, const double *in,
                                  size_t ld_in, double beta, double *out, size_t ld_out)
{
    for (size_t i = 0; i < count; i++, in += ld_in, out += ld_out) {
        if (beta != 0) {
#pragma omp simd
            for (size_t j = 0; j < length; j++)
                out[j] = alpha * in[j] + beta * out[j];
        } else {
#pragma omp simd
            for (size_t j = 0; j < length; j++)
                out[j] = alpha * in[j];
        }
    }
}

void gm_xsmm_combine(enum gemm_precision precision, size_t count, size_t length, double alpha,
                     const void *in, size_t ld_in, double beta, void *out, size_t ld_out)
{
    if (precision == GEMM_F32)
        combine_f32(count, length, (float)alpha, in, ld_in, (float)beta, out, ld_out);
    else
        combine_f64(count, length, alpha, in, ld_in, beta, out, ld_out);
}
