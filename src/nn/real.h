/* real.h: the numerical core is compiled twice from the same source: in float, for training, and in
 * double (-DGEMMLP_F64), to verify gradients and to explain them. Names of functions that exist
 * twice are mapped by their header: `#define pass_forward GM_REAL(pass_forward)`. */
#ifndef GM_REAL_H
#define GM_REAL_H

#include "core/bf16.h"
#include "linalg/gemm.h"

#ifdef GEMMLP_F64
typedef double real;
#define GM_REAL(name)  gm_f64_##name
#define REAL_PRECISION GEMM_F64
/* Doubles have no bf16 copies: this is never called. */
static inline void real_to_bf16(size_t n, const real *from, gm_bf16 *to)
{
    (void)n;
    (void)from;
    (void)to;
}
#else
typedef float real;
#define GM_REAL(name)  gm_f32_##name
#define REAL_PRECISION GEMM_F32
static inline void real_to_bf16(size_t n, const real *from, gm_bf16 *to)
{
    gm_bf16_row(n, from, to);
}
#endif

#endif
