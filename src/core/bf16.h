/* bf16.h: bfloat16, the upper half of a float: its sign, its exponent, 8 bits of precision.
 *
 * Rounded to nearest, ties to even; infinity stays infinity, what is too large becomes it, NaN
 * stays NaN (made quiet, for its lower half may have been all that made it one). */
#ifndef GM_BF16_H
#define GM_BF16_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/portability.h"

typedef uint16_t gm_bf16;

GM_INLINE gm_bf16 gm_bf16_round(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    const uint32_t rounded = (u + 0x7fffu + (u >> 16 & 1)) >> 16, quiet = u >> 16 | 0x40u;
    return (gm_bf16)((u & 0x7fffffffu) > 0x7f800000u ? quiet : rounded);
}

GM_INLINE float gm_bf16_value(gm_bf16 h)
{
    const uint32_t u = (uint32_t)h << 16;
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* n elements; `to` does not overlap `from`. On the calling thread. Subnormal numbers may become
 * zero, as they do in every product of bf16. */
void gm_bf16_row(size_t n, const float *from, gm_bf16 *to);

#endif
