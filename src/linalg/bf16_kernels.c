/* bf16_kernels.c: see bf16_kernels.h. The instruction has no other name than its intrinsic: C has
 * no bf16. */
#include "linalg/bf16_kernels.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>

#define TARGET __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))

enum { LANES = 16, VECTORS = BF16_COLUMNS / LANES };

/* ---- the product ---- */

GM_INLINE TARGET __m512bh pairs_of(__m512i x)
{
    __m512bh pairs;
    memcpy(&pairs, &x, sizeof pairs);
    return pairs;
}

/* Sums of one row into C. */
GM_INLINE TARGET void store(float *c, __mmask16 mask, __m512 alpha, __m512 beta, bool added,
                            __m512 sum)
{
    __m512 value = _mm512_mul_ps(alpha, sum);
    if (added)
        value = _mm512_fmadd_ps(beta, _mm512_maskz_loadu_ps(mask, c), value);
    _mm512_mask_storeu_ps(c, mask, value);
}

GM_INLINE TARGET void store_rows(const struct bf16_tile *t, const int rows, const bool whole,
                                 const bool added, __m512 alpha, __m512 beta,
                                 __m512 sums[BF16_ROWS][VECTORS])
{
    const uint32_t mask = whole ? 0xffffffffu : (1u << t->columns) - 1;
    float *c = t->c;
    _Pragma("GCC unroll 14") for (int i = 0; i < rows; i++, c += t->ldc)
    {
        store(c, (__mmask16)mask, alpha, beta, added, sums[i][0]);
        if (mask >> LANES)
            store(c + LANES, (__mmask16)(mask >> LANES), alpha, beta, added, sums[i][1]);
    }
}

/* A row of C, which is wanted after the sums, and a line of what is wanted later. */
GM_INLINE TARGET void fetch_row(const struct bf16_tile *t, size_t p)
{
    const float *c = t->c + (p < t->rows ? p : t->rows - 1) * t->ldc;
    GM_PREFETCH(c);
    GM_PREFETCH(c + LANES);
    GM_PREFETCH(c + BF16_COLUMNS - 1);
    GM_PREFETCH_L2(t->fetch + (p < t->fetched ? p : t->fetched) * t->fetch_step);
}

/* `rows` is a constant where this is called: sums stay in registers. */
GM_INLINE TARGET void multiply_rows(const struct bf16_tile *t, const int rows)
{
    __m512 sums[BF16_ROWS][VECTORS];
    _Pragma("GCC unroll 14") for (int i = 0; i < rows; i++)
    {
        sums[i][0] = sums[i][1] = _mm512_setzero_ps();
    }
    const bf16_pair *a = t->a, *b = t->b;
    for (size_t p = 0; p < t->pairs; p++, a += BF16_ROWS, b += BF16_COLUMNS) {
        const __m512bh b0 = pairs_of(_mm512_loadu_si512(b));
        const __m512bh b1 = pairs_of(_mm512_loadu_si512(b + LANES));
        _Pragma("GCC unroll 14") for (int i = 0; i < rows; i++)
        {
            const __m512bh x = pairs_of(_mm512_set1_epi32((int)a[i]));
            sums[i][0] = _mm512_dpbf16_ps(sums[i][0], x, b0);
            sums[i][1] = _mm512_dpbf16_ps(sums[i][1], x, b1);
        }
        fetch_row(t, p);
    }
    const __m512 alpha = _mm512_set1_ps(t->alpha), beta = _mm512_set1_ps(t->beta);
    if (t->columns == BF16_COLUMNS && t->beta == 0)
        store_rows(t, rows, true, false, alpha, beta, sums);
    else if (t->columns == BF16_COLUMNS)
        store_rows(t, rows, true, true, alpha, beta, sums);
    else
        store_rows(t, rows, false, t->beta != 0, alpha, beta, sums);
}

TARGET static void multiply(const struct bf16_tile *t)
{
#define ROWS(n)                                                                                    \
    case n:                                                                                        \
        multiply_rows(t, n);                                                                       \
        break;
    switch (t->rows) {
        ROWS(1)
        ROWS(2)
        ROWS(3)
        ROWS(4)
        ROWS(5)
        ROWS(6)
        ROWS(7)
        ROWS(8)
        ROWS(9)
        ROWS(10)
        ROWS(11)
        ROWS(12)
        ROWS(13)
        ROWS(14)
    }
#undef ROWS
}

/* ---- packing ---- */

/* v[i] lane j <-> v[j] lane i, of 16 x 16 pairs. */
GM_INLINE TARGET void transpose(__m512i v[LANES])
{
    __m512i w[LANES];
    _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i += 2)
    {
        w[i] = _mm512_unpacklo_epi32(v[i], v[i + 1]);
        w[i + 1] = _mm512_unpackhi_epi32(v[i], v[i + 1]);
    }
    _Pragma("GCC unroll 16") for (int i = 0; i < LANES; i += 4)
    {
        v[i] = _mm512_unpacklo_epi64(w[i], w[i + 2]);
        v[i + 1] = _mm512_unpackhi_epi64(w[i], w[i + 2]);
        v[i + 2] = _mm512_unpacklo_epi64(w[i + 1], w[i + 3]);
        v[i + 3] = _mm512_unpackhi_epi64(w[i + 1], w[i + 3]);
    }
    /* Now v[4 g + c] holds columns c, c + 4, c + 8, c + 12 of rows 4 g … 4 g + 3. */
    _Pragma("GCC unroll 16") for (int c = 0; c < 4; c++)
    {
        const __m512i even01 = _mm512_shuffle_i32x4(v[c], v[4 + c], 0x88);
        const __m512i odd01 = _mm512_shuffle_i32x4(v[c], v[4 + c], 0xdd);
        const __m512i even23 = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0x88);
        const __m512i odd23 = _mm512_shuffle_i32x4(v[8 + c], v[12 + c], 0xdd);
        w[c] = _mm512_shuffle_i32x4(even01, even23, 0x88);
        w[c + 4] = _mm512_shuffle_i32x4(odd01, odd23, 0x88);
        w[c + 8] = _mm512_shuffle_i32x4(even01, even23, 0xdd);
        w[c + 12] = _mm512_shuffle_i32x4(odd01, odd23, 0xdd);
    }
    memcpy(v, w, sizeof w);
}

/* Up to 16 rows into 16 of the `width` pairs of each step of k. */
GM_INLINE TARGET void pack_16(const gm_bf16 *x, size_t ld, size_t count, size_t k, size_t width,
                              __mmask16 lanes, bf16_pair *out)
{
    for (size_t l = 0; l < k; l += 2 * LANES) {
        const size_t left = k - l < 2 * LANES ? k - l : 2 * LANES;
        const __mmask32 mask = (__mmask32)(0xffffffffu >> (2 * LANES - left));
        __m512i v[LANES];
        _Pragma("GCC unroll 16") for (size_t i = 0; i < LANES; i++) v[i] =
            i < count ? _mm512_maskz_loadu_epi16(mask, x + i * ld + l) : _mm512_setzero_si512();
        transpose(v);
        for (size_t p = 0; p < (left + 1) / 2; p++)
            _mm512_mask_storeu_epi32(out + (l / 2 + p) * width, lanes, v[p]);
    }
}

TARGET static void pack(const gm_bf16 *x, size_t ld, size_t count, size_t k, size_t width,
                        bf16_pair *out)
{
    for (size_t i = 0; i < width; i += LANES) {
        const size_t rows = i < count ? count - i : 0,
                     lanes = width - i < LANES ? width - i : LANES;
        const __mmask16 mask = (__mmask16)(0xffffu >> (LANES - lanes));
        if (rows >= LANES)
            pack_16(x + i * ld, ld, LANES, k, width, mask, out + i);
        else
            pack_16(x + i * ld, ld, rows, k, width, mask, out + i);
    }
}

/* Two rows of k become one of pairs. */
GM_INLINE TARGET void pair_rows(const gm_bf16 *even, const gm_bf16 *odd, size_t count, size_t width,
                                bf16_pair *out)
{
    static const uint16_t order[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                       37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                       11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const __m512i low = _mm512_loadu_si512(order);
    const __mmask32 mask = (__mmask32)(0xffffffffu >> (32 - count));
    const __m512i first = _mm512_maskz_loadu_epi16(mask, even);
    const __m512i second = odd ? _mm512_maskz_loadu_epi16(mask, odd) : _mm512_setzero_si512();
    const __m512i pairs = _mm512_permutex2var_epi16(first, low, second);
    if (width < LANES) {
        _mm512_mask_storeu_epi32(out, (__mmask16)(0xffffu >> (LANES - width)), pairs);
        return;
    }
    const __m512i high = _mm512_add_epi16(low, _mm512_set1_epi16(LANES));
    _mm512_storeu_si512(out, pairs);
    _mm512_storeu_si512(out + LANES, _mm512_permutex2var_epi16(first, high, second));
}

TARGET static void pack_across(const gm_bf16 *x, size_t ld, size_t count, size_t k, size_t width,
                               size_t panel, bf16_pair *out)
{
    for (size_t l = 0; l < k; l += 2, out += width) {
        const gm_bf16 *even = x + l * ld;
        bf16_pair *to = out;
        for (size_t j = 0; j < count; j += width, to += panel)
            pair_rows(even + j, l + 1 < k ? even + ld + j : NULL,
                      count - j < width ? count - j : width, width, to);
    }
}

static bool has_avx512_bf16(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512bf16") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq");
}

static const struct bf16_kernels avx512 = {"AVX512_BF16", has_avx512_bf16, multiply, pack,
                                           pack_across};

const struct bf16_kernels *gm_bf16_kernels(void)
{
    return avx512.supported() ? &avx512 : NULL;
}
#else
const struct bf16_kernels *gm_bf16_kernels(void)
{
    return NULL;
}
#endif
