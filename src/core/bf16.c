/* bf16.c: see bf16.h. */
#include "core/bf16.h"

GM_KERNEL static void round_row(size_t n, const float *restrict from, gm_bf16 *restrict to)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = gm_bf16_round(from[i]);
}

void gm_bf16_row(size_t n, const float *from, gm_bf16 *to)
{
    round_row(n, from, to);
}
