/* vmath.h: exp, tanh, erfc and log1p for loops that vectorise: no branch, no call, no table.
 *
 * In float: the minimax polynomials of Cephes (S. L. Moshier), accurate to 3 ulp (erfc: 11) over
 * the whole range, with infinities, NaN and subnormal results as libm has them; tests/test_vmath.c
 * compares them with libm. In double, where accuracy is all that matters: libm itself. */
#ifndef GM_VMATH_H
#define GM_VMATH_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "core/portability.h"
#include "nn/real.h"

/* VM_SIMD stands before a loop that calls one of these; libm's functions are no vector code. */
#ifdef GEMMLP_F64
#define VM_SIMD
#else
#define VM_SIMD _Pragma("omp simd")
#endif

#ifdef GEMMLP_F64

GM_INLINE real vm_exp(real x)
{
    return exp(x);
}
GM_INLINE real vm_tanh(real x)
{
    return tanh(x);
}
GM_INLINE real vm_log1p_unit(real x)
{
    return log1p(x);
}
GM_INLINE real vm_erfc_positive(real x)
{
    return erfc(x);
}

#else

GM_INLINE uint32_t vm_bits(float x)
{
    uint32_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

GM_INLINE float vm_float(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

GM_INLINE float vm_exp(float x)
{
    /* Beyond these bounds the result is infinite, or zero; a comparison with NaN is false. */
    x = x > 89.0f ? 89.0f : x;
    x = x < -104.0f ? -104.0f : x;
    /* n = round(x / ln 2): adding 1.5 * 2^23 leaves n in the low bits of the mantissa. */
    const float magic = 12582912.0f;
    float shifted = x * 1.44269504088896341f + magic;
    float n = shifted - magic;
    float r = x - n * 0.693359375f + n * 2.12194440e-4f; /* ln 2 in two parts */
    float p = 1.9875691500e-4f;
    p = p * r + 1.3981999507e-3f;
    p = p * r + 8.3334519073e-3f;
    p = p * r + 4.1665795894e-2f;
    p = p * r + 1.6666665459e-1f;
    p = p * r + 5.0000001201e-1f;
    p = p * r * r + r + 1.0f;
    /* 2^n in two factors, so that neither overflows where the result does not. */
    int32_t k = (int32_t)(vm_bits(shifted) - 0x4b400000u);
    int32_t half = k >> 1;
    float first = vm_float((uint32_t)(half + 127) << 23);
    float second = vm_float((uint32_t)(k - half + 127) << 23);
    return p * first * second;
}

GM_INLINE float vm_tanh(float x)
{
    float magnitude = fabsf(x), square = x * x;
    float p = -5.70498872745e-3f;
    p = p * square + 2.06390887954e-2f;
    p = p * square - 5.37397155531e-2f;
    p = p * square + 1.33314422036e-1f;
    p = p * square - 3.33332819422e-1f;
    float near_zero = p * square * x + x;
    float far = 1.0f - 2.0f / (vm_exp(2.0f * magnitude) + 1.0f);
    return magnitude < 0.625f ? near_zero : copysignf(far, x);
}

/* log(1 + x) for x in [0, 1]. */
GM_INLINE float vm_log1p_unit(float x)
{
    float u = 1.0f + x;
    float above = u > 1.41421356f ? 1.0f : 0.0f; /* log u = log(u / 2) + log 2 */
    float f = (above != 0.0f ? 0.5f * u : u) - 1.0f;
    float p = 7.0376836292e-2f;
    p = p * f - 1.1514610310e-1f;
    p = p * f + 1.1676998740e-1f;
    p = p * f - 1.2420140846e-1f;
    p = p * f + 1.4249322787e-1f;
    p = p * f - 1.6668057665e-1f;
    p = p * f + 2.0000714765e-1f;
    p = p * f - 2.4999993993e-1f;
    p = p * f + 3.3333331174e-1f;
    float square = f * f;
    float log_u = (p * f - 0.5f) * square + f + above * 0.693147181f;
    return log_u + (x - (u - 1.0f)) / u; /* 1 + x was rounded to u */
}

/* erfc for x >= 0. */
GM_INLINE float vm_erfc_positive(float x)
{
    float q = 1.0f / x, y = q * q;
    float p = 2.326819970068386e-2f;
    p = p * y - 1.387039388740657e-1f;
    p = p * y + 3.687424674597105e-1f;
    p = p * y - 5.824733027278666e-1f;
    p = p * y + 6.210004621745983e-1f;
    p = p * y - 4.944515323274145e-1f;
    p = p * y + 3.404879937665872e-1f;
    p = p * y - 2.741127028184656e-1f;
    p = p * y + 5.638259427386472e-1f;
    float r = -1.047766399936249e+1f;
    r = r * y + 1.297719955372516e+1f;
    r = r * y - 7.495518717768503e+0f;
    r = r * y + 2.921019019210786e+0f;
    r = r * y - 1.015265279202700e+0f;
    r = r * y + 4.218463358204948e-1f;
    r = r * y - 2.820767439740514e-1f;
    r = r * y + 5.641895067754075e-1f;
    /* exp(-x^2) with x split, so that the rounding of the square does not show in the tail. */
    float high = vm_float(vm_bits(x) & 0xfffff000u), low = x - high;
    float tail = vm_exp(-high * high) * vm_exp(-low * (x + high)) * q * (x < 2.0f ? p : r);
    float square = x * x;
    float t = 7.853861353153693e-5f;
    t = t * square - 8.010193625184903e-4f;
    t = t * square + 5.188327685732524e-3f;
    t = t * square - 2.685381193529856e-2f;
    t = t * square + 1.128358514861418e-1f;
    t = t * square - 3.761262582423300e-1f;
    t = t * square + 1.128379165726710e+0f;
    float result = x < 1.0f ? 1.0f - x * t : tail;
    return x > 10.5f ? 0.0f : result; /* below the smallest subnormal; also keeps 0 * inf away */
}

#endif
#endif
