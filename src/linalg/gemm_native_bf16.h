/* gemm_native_bf16.h: gemmlp's own products in bf16, which the provider `native` hands on. */
#ifndef GM_GEMM_NATIVE_BF16_H
#define GM_GEMM_NATIVE_BF16_H

#include "core/arena.h"
#include "linalg/gemm.h"

/* UNSUPPORTED, and why, where there are no kernels for this CPU. */
gemmlp_status gm_native_bf16_check(gemmlp_error *error);
/* scratch: what all products of a provider share, for they run one at a time; empty to begin with,
 * it grows when they are prepared. *plan is freed by free. */
gemmlp_status gm_native_bf16_prepare(struct arena *scratch, const struct gemm_problem *problem,
                                     void **plan, gemmlp_error *error);
void gm_native_bf16_run(const void *plan, const struct gemm_problem *problem, double alpha,
                        const void *a, const void *b, double beta, void *c,
                        const struct gemm_epilogue *epilogue);

#endif
