/* gemm_native_bf16.h: gemmlp's own products in bf16, which the provider `native` hands on. */
#ifndef GM_GEMM_NATIVE_BF16_H
#define GM_GEMM_NATIVE_BF16_H

#include "linalg/gemm.h"

/* What all products of a provider share: they run one at a time. Zero to begin with; grows when
 * they are prepared. */
struct native_bf16_scratch {
    unsigned char *base;
    size_t bytes;
};

/* UNSUPPORTED, and why, where there are no kernels for this CPU. */
gemmlp_status gm_native_bf16_check(gemmlp_error *error);
/* *plan is freed by free. */
gemmlp_status gm_native_bf16_prepare(struct native_bf16_scratch *scratch,
                                     const struct gemm_problem *problem, void **plan,
                                     gemmlp_error *error);
void gm_native_bf16_run(const void *plan, const struct gemm_problem *problem, double alpha,
                        const void *a, const void *b, double beta, void *c,
                        const struct gemm_epilogue *epilogue);

#endif
