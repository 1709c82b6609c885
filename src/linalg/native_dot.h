/* native_dot.h: the kernel `dot` (native_kernels.h), a part of native_body.h. */

/* Elements of v and w, the same of every four lanes. */
#if LANES == 4
#define EACH_FOUR(v, w, a, b, c, d) __builtin_shufflevector(v, w, a, b, c, d)
#elif LANES == 8
#define EACH_FOUR(v, w, a, b, c, d)                                                                \
    __builtin_shufflevector(v, w, a, b, c, d, (a) + 4, (b) + 4, (c) + 4, (d) + 4)
#else
#define EACH_FOUR(v, w, a, b, c, d)                                                                \
    __builtin_shufflevector(v, w, a, b, c, d, (a) + 4, (b) + 4, (c) + 4, (d) + 4, (a) + 8,         \
                            (b) + 8, (c) + 8, (d) + 8, (a) + 12, (b) + 12, (c) + 12, (d) + 12)
#endif
#define SUMS ((DOT_ROWS * DOT_COLUMNS + 3) / 4 * 4)

/* The sums of the lanes of four vectors: lanes of neighbours side by side, then fours of them. */
INLINE FOUR NAME(sums)(VECTOR v0, VECTOR v1, VECTOR v2, VECTOR v3)
{
    const VECTOR v01 =
        EACH_FOUR(v0, v1, 0, LANES, 1, LANES + 1) + EACH_FOUR(v0, v1, 2, LANES + 2, 3, LANES + 3);
    const VECTOR v23 =
        EACH_FOUR(v2, v3, 0, LANES, 1, LANES + 1) + EACH_FOUR(v2, v3, 2, LANES + 2, 3, LANES + 3);
    const VECTOR v = EACH_FOUR(v01, v23, 0, 1, LANES, LANES + 1) +
                     EACH_FOUR(v01, v23, 2, 3, LANES + 2, LANES + 3);
#if LANES == 4
    return v;
#else
#if LANES == 16
    const NAME(eight) half = __builtin_shufflevector(v, v, 0, 1, 2, 3, 4, 5, 6, 7) +
                             __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15);
#else
    const VECTOR half = v;
#endif
    return __builtin_shufflevector(half, half, 0, 1, 2, 3) +
           __builtin_shufflevector(half, half, 4, 5, 6, 7);
#endif
}

/* The last `count` < LANES elements of a row of k, in any lanes, the others 0. */
INLINE VECTOR NAME(tail)(const float *row, size_t k, size_t count)
{
    if (k >= LANES) /* the last LANES, without those that have been taken already */
        return (VECTOR)((NAME(bits))LOAD(row + k - LANES) &
                        *(const NAME(bits) *)(last_lanes + 16 - LANES + count));
    VECTOR v = {0};
    for (size_t l = 0; l < count; l++)
        v[l] = row[l];
    return v;
}

/* One tile; rows and columns are known when this is compiled, so that all sums are in registers. */
INLINE void NAME(dot_tile)(size_t rows, size_t columns, const struct native_block *t,
                           const float *a, const float *b, float *c)
{
    const float alpha = t->alpha, beta = t->beta;
    const size_t whole = t->k - t->k % LANES;
    VECTOR sum[SUMS];
#pragma GCC unroll 32
    for (size_t q = 0; q < SUMS; q++)
        sum[q] = (VECTOR){0};
    for (size_t p = 0; p < whole; p += LANES) {
        VECTOR y[DOT_COLUMNS];
#pragma GCC unroll 8
        for (size_t j = 0; j < columns; j++)
            y[j] = LOAD(b + j * t->b_column + p);
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++) {
            VECTOR x = LOAD(a + i * t->a_row + p);
            KEEP(x);
#pragma GCC unroll 8
            for (size_t j = 0; j < columns; j++)
                sum[i * columns + j] += x * y[j];
        }
    }
    if (whole < t->k) {
        VECTOR y[DOT_COLUMNS];
#pragma GCC unroll 8
        for (size_t j = 0; j < columns; j++)
            y[j] = NAME(tail)(b + j * t->b_column, t->k, t->k - whole);
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i++) {
            const VECTOR x = NAME(tail)(a + i * t->a_row, t->k, t->k - whole);
#pragma GCC unroll 8
            for (size_t j = 0; j < columns; j++)
                sum[i * columns + j] += x * y[j];
        }
    }
    float dots[SUMS];
#pragma GCC unroll 8
    for (size_t q = 0; q < rows * columns; q += 4)
        FOUR_AT(dots + q) = alpha * NAME(sums)(sum[q], sum[q + 1], sum[q + 2], sum[q + 3]);
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 8
        for (size_t j = 0; j < columns; j++) {
            float *to = c + i * t->ldc + j, was = beta != 0 ? beta * *to : 0;
            KEEP(was);
            *to = beta != 0 ? dots[i * columns + j] + was : dots[i * columns + j];
        }
}

#define DOT_CASE(rows, columns)                                                                    \
    case (rows)*8 + (columns):                                                                     \
        NAME(dot_tile)(rows, columns, t, a, b, c);                                                 \
        break;
#if DOT_COLUMNS > 3
#define DOT_CASES(rows)                                                                            \
    DOT_CASE(rows, 1)                                                                              \
    DOT_CASE(rows, 2)                                                                              \
    DOT_CASE(rows, 3)                                                                              \
    DOT_CASE(rows, 4)                                                                              \
    DOT_CASE(rows, 5)
#else
#define DOT_CASES(rows)                                                                            \
    DOT_CASE(rows, 1)                                                                              \
    DOT_CASE(rows, 2)                                                                              \
    DOT_CASE(rows, 3)
#endif

TARGET static void NAME(dot_rows)(size_t rows, size_t columns, const struct native_block *t,
                                  const float *a, const float *b, float *c)
{
    switch (rows * 8 + columns) {
        DOT_CASES(1)
        DOT_CASES(2)
        DOT_CASES(3)
        DOT_CASES(4)
#if DOT_ROWS > 4
        DOT_CASES(5)
#endif
    }
}

/* Tiles differ by one row or column at most, for a tile of one row has too few sums to keep the
 * multipliers busy: 11 rows are 4 + 4 + 3. */
TARGET static void NAME(dot)(const struct native_block *t)
{
    const size_t across = (t->n + DOT_COLUMNS - 1) / DOT_COLUMNS;
    const size_t down = (t->m + DOT_ROWS - 1) / DOT_ROWS;
    for (size_t q = 0, j = 0; q < across; q++) {
        const size_t columns = (t->n - j + across - q - 1) / (across - q);
        const float *b = t->b + j * t->b_column;
        for (size_t r = 0, i = 0; r < down; r++) {
            const size_t rows = (t->m - i + down - r - 1) / (down - r);
            NAME(dot_rows)
            (rows, columns, t, t->a + i * t->a_row, b, t->c + i * t->ldc + j);
            i += rows;
        }
        j += columns;
    }
}

#undef EACH_FOUR
#undef SUMS
#undef DOT_CASE
#undef DOT_CASES
