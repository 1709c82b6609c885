/* native_outer.h: the kernel `outer` (native_kernels.h), a part of native_body.h. */

/* beta was, rounded whatever is done with it: joined with an addition in one tile and not in
 * another, bits would depend on how C is cut. */
INLINE VECTOR NAME(times)(float beta, VECTOR was)
{
    if (beta != 1)
        was *= beta;
    KEEP(was);
    return was;
}

/* Rows of a matrix, `step` apart, of which COLUMNS elements will be wanted soon. */
struct NAME(fetch) {
    const float *from;
    size_t step, count; /* count > 0 */
};

INLINE void NAME(fetch_row)(const float *from)
{
    GM_PREFETCH(from);
    if (LANES == 16) /* 128 bytes, which are in three lines unless they begin with one */
        GM_PREFETCH(from + 16);
    GM_PREFETCH(from + COLUMNS - 1);
}

/* A tile of C, of one or two vectors of columns, and its operands. */
struct NAME(tile) {
    size_t rows, k;
    const float *a;
    size_t a_row, a_step;
    const float *b;
    size_t b_step;
    float alpha, beta;
    float *c;
    size_t ldc;
    struct NAME(fetch) next; /* wanted by the next tiles */
};

/* One tile; rows, vectors (of a row of C) and one of a_row and a_step are known when this is
 * compiled, so that all sums are in registers. A row of C, then of what the next tiles want, is
 * fetched at each step of k: a processor can wait for some 20 lines at once, and a burst of more
 * would have it wait with its multipliers idle. */
INLINE void NAME(outer_tile)(const struct NAME(tile) * t, size_t rows, size_t vectors, size_t a_row,
                             size_t a_step)
{
    VECTOR sum[ROWS][2], y[2];
    const float *a[(ROWS + 2) / 3], *b = t->b, *fetch = t->c; /* every third row */
    const size_t k = t->k, b_step = t->b_step, ldc = t->ldc, fetched = rows + t->next.count;
    size_t fetch_step = ldc;
#pragma GCC unroll 8
    for (size_t i = 0; i < rows; i += 3)
        a[i / 3] = t->a + i * a_row;
    for (size_t i = 0; i < rows; i++)
        sum[i][0] = sum[i][1] = (VECTOR){0};
    for (size_t p = 0; p < k; p++) {
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++)
            y[v] = LOAD(b + v * LANES);
#pragma GCC unroll 16
        for (size_t i = 0; i < rows; i++)
#pragma GCC unroll 2
            for (size_t v = 0; v < vectors; v++)
                sum[i][v] += a[i / 3][i % 3 * a_row] * y[v];
        if (a_row == 1)
            GM_PREFETCH(a[0] + 32 * a_step);
        NAME(fetch_row)(fetch);
        fetch += p + 1 < fetched ? fetch_step : 0;
        if (p + 1 == rows) {
            fetch = t->next.from;
            fetch_step = t->next.step;
        }
#pragma GCC unroll 8
        for (size_t i = 0; i < rows; i += 3)
            a[i / 3] += a_step;
        b += b_step;
    }
    const float alpha = t->alpha, beta = t->beta;
    float *c = t->c;
#pragma GCC unroll 16
    for (size_t i = 0; i < rows; i++) {
        VECTOR *row = (VECTOR *)(c + i * ldc);
#pragma GCC unroll 2
        for (size_t v = 0; v < vectors; v++) {
            if (beta == 0)
                row[v] = alpha * sum[i][v];
            else
                row[v] = NAME(times)(beta, row[v]) + alpha * sum[i][v];
        }
    }
}

#define OUTER_CASE(n)                                                                              \
    case n:                                                                                        \
        if (t->a_row == 1)                                                                         \
            NAME(outer_tile)(t, n, vectors, 1, t->a_step);                                         \
        else                                                                                       \
            NAME(outer_tile)(t, n, vectors, t->a_row, 1);                                          \
        break;

INLINE void NAME(outer_rows)(const struct NAME(tile) * t, size_t vectors)
{
    switch (t->rows) {
        OUTER_CASE(1)
        OUTER_CASE(2)
        OUTER_CASE(3)
        OUTER_CASE(4)
        OUTER_CASE(5)
        OUTER_CASE(6)
#if ROWS > 6
        OUTER_CASE(7)
        OUTER_CASE(8)
        OUTER_CASE(9)
        OUTER_CASE(10)
        OUTER_CASE(11)
        OUTER_CASE(12)
        OUTER_CASE(13)
        OUTER_CASE(14)
#endif
    }
}

TARGET static void NAME(outer_one)(const struct NAME(tile) * t)
{
    NAME(outer_rows)(t, 1);
}

TARGET static void NAME(outer_two)(const struct NAME(tile) * t)
{
    NAME(outer_rows)(t, 2);
}

/* Of the tiles that m rows are cut into; the last may have less. As equal as can be: a tile of few
 * rows has too few sums to keep the multipliers busy. */
INLINE size_t NAME(tile_rows)(size_t m)
{
    const size_t tiles = (m + ROWS - 1) / ROWS;
    return (m + tiles - 1) / tiles;
}

#if SHORT_K > 0
/* `group` rows of C from row i on; k and group are known when this is compiled. */
INLINE void NAME(short_group)(size_t k, size_t group, const struct NAME(tile) * t, size_t i,
                              VECTOR y[SHORT_K][2])
{
    const float *a = t->a + i * t->a_row;
    float *c = t->c + i * t->ldc;
    VECTOR sum[2][2] = {{{0}}};
#pragma GCC unroll 16
    for (size_t p = 0; p < k; p++)
#pragma GCC unroll 4
        for (size_t r = 0; r < group; r++) {
            const float x = a[r * t->a_row + p * t->a_step];
            sum[r][0] += x * y[p][0];
            sum[r][1] += x * y[p][1];
        }
#pragma GCC unroll 4
    for (size_t r = 0; r < group; r++, c += t->ldc) {
        VECTOR *row = (VECTOR *)c;
#pragma GCC unroll 2
        for (size_t v = 0; v < 2; v++) {
            if (t->beta == 0)
                row[v] = sum[r][v];
            else
                row[v] = NAME(times)(t->beta, row[v]) + sum[r][v];
        }
    }
}

/* Of a short k: all of the panel of B, times alpha, stays in registers while the rows of C pass. */
INLINE void NAME(short_rows)(size_t k, const struct NAME(tile) * t)
{
    const struct NAME(tile) tile = *t;
    VECTOR y[SHORT_K][2];
#pragma GCC unroll 16
    for (size_t p = 0; p < k; p++) {
        y[p][0] = tile.alpha * LOAD(tile.b + p * tile.b_step);
        y[p][1] = tile.alpha * LOAD(tile.b + p * tile.b_step + LANES);
    }
    size_t i = 0;
    for (; i + 2 <= tile.rows; i += 2)
        NAME(short_group)(k, 2, &tile, i, y);
    for (; i < tile.rows; i++)
        NAME(short_group)(k, 1, &tile, i, y);
}

#define SHORT_CASE(k)                                                                              \
    case k:                                                                                        \
        NAME(short_rows)(k, t);                                                                    \
        break;

TARGET static void NAME(outer_short)(const struct NAME(tile) * t)
{
    switch (t->k) {
        SHORT_CASE(1)
        SHORT_CASE(2)
        SHORT_CASE(3)
        SHORT_CASE(4)
        SHORT_CASE(5)
        SHORT_CASE(6)
        SHORT_CASE(7)
        SHORT_CASE(8)
        SHORT_CASE(9)
        SHORT_CASE(10)
        SHORT_CASE(11)
        SHORT_CASE(12)
    }
}
#endif

/* Four rows of four elements, `step` apart, become columns, to_step apart. */
INLINE void NAME(transpose)(const float *from, size_t step, float *to, size_t to_step)
{
    const FOUR a = *(const FOUR *)from, b = *(const FOUR *)(from + step);
    const FOUR c = *(const FOUR *)(from + 2 * step), d = *(const FOUR *)(from + 3 * step);
    const FOUR ab_low = __builtin_shufflevector(a, b, 0, 4, 1, 5);
    const FOUR ab_high = __builtin_shufflevector(a, b, 2, 6, 3, 7);
    const FOUR cd_low = __builtin_shufflevector(c, d, 0, 4, 1, 5);
    const FOUR cd_high = __builtin_shufflevector(c, d, 2, 6, 3, 7);
    FOUR_AT(to) = __builtin_shufflevector(ab_low, cd_low, 0, 1, 4, 5);
    FOUR_AT(to + to_step) = __builtin_shufflevector(ab_low, cd_low, 2, 3, 6, 7);
    FOUR_AT(to + 2 * to_step) = __builtin_shufflevector(ab_high, cd_high, 0, 1, 4, 5);
    FOUR_AT(to + 3 * to_step) = __builtin_shufflevector(ab_high, cd_high, 2, 3, 6, 7);
}

/* A matrix of rows x columns, rows `step` apart, becomes its transpose, rows to_step apart. A line
 * of each row at a time, for rows can be so far apart that few of them stay in L1. */
INLINE void NAME(transpose_all)(size_t rows, size_t columns, const float *from, size_t step,
                                float *to, size_t to_step)
{
    enum { FLOATS = 16 };
    for (size_t line = 0; line < columns; line += FLOATS) {
        const size_t end = columns - line < FLOATS ? columns : line + FLOATS;
        for (size_t i = 0; i < rows; i += 4) {
            const float *row = from + i * step;
            size_t j = line;
            for (; i + 4 <= rows && j + 4 <= end; j += 4)
                NAME(transpose)(row + j, step, to + j * to_step + i, to_step);
            for (; j < end; j++)
                for (size_t r = i; r < rows && r < i + 4; r++)
                    to[j * to_step + r] = from[r * step + j];
        }
    }
}

/* A panel of B of full width, from b on: its rows first … last - 1 to packed (k x COLUMNS). */
INLINE void NAME(pack_rows)(const struct native_block *t, const float *b, size_t first, size_t last,
                            float *packed)
{
    if (t->b_column != 1) {
        NAME(transpose_all)
        (COLUMNS, last - first, b + first, t->b_column, packed + first * COLUMNS, COLUMNS);
        return;
    }
    for (size_t p = first; p < last; p++) {
        VECTOR *to = (VECTOR *)(packed + p * COLUMNS);
        to[0] = LOAD(b + p * t->b_step);
        to[1] = LOAD(b + p * t->b_step + LANES);
    }
}

/* All rows of a panel of B of one or two vectors; `tile` is the first; a_tile: from one tile of
 * rows of A to the next. Meanwhile the panel `next` is packed into `packed` (NULL: none), a few rows
 * after each tile, for its elements are too far apart for the processor to foresee, and so many at
 * once would push one another out of a cache; they are fetched during the tile before. */
TARGET static void NAME(outer_panel)(const struct native_block *t, size_t vectors,
                                     struct NAME(tile) tile, size_t a_tile, const float *next,
                                     float *packed)
{
    const size_t height = NAME(tile_rows)(t->m);
    const bool transposed = t->b_column != 1;
    size_t share = t->k * height / t->m + 1, p = 0; /* rows of `next` for each tile */
    if (transposed)
        share = (share + COLUMNS - 1) / COLUMNS * COLUMNS; /* whole lines */
#if SHORT_K > 0
    if (vectors == 2 && t->keep_panel) {
        tile.rows = t->m;
        NAME(outer_short)(&tile);
        return;
    }
#endif
    for (size_t i = 0; i < t->m; i += height) {
        const size_t end = p + share < t->k ? p + share : t->k;
        tile.rows = t->m - i < height ? t->m - i : height;
        tile.next = (struct NAME(fetch)){tile.c, 0, 1};
        if (packed && p < end)
            tile.next = transposed ? (struct NAME(fetch)){next + p, t->b_column, COLUMNS}
                                   : (struct NAME(fetch)){next + p * t->b_step, t->b_step, end - p};
        if (vectors == 1)
            NAME(outer_one)(&tile);
        else
            NAME(outer_two)(&tile);
        if (packed) {
            NAME(pack_rows)(t, next, p, end, packed);
            p = end;
        }
        tile.a += a_tile;
        tile.c += height * tile.ldc;
    }
}

/* packed (k x COLUMNS) <- columns j … j + width - 1 of B; those that B has not are 0. */
TARGET static void NAME(pack_panel)(const struct native_block *t, size_t j, size_t width,
                                    float *packed)
{
    const size_t columns = t->n - j < width ? t->n - j : width;
    const float *b = t->b + j * t->b_column;
    if (columns == COLUMNS) {
        NAME(pack_rows)(t, b, 0, t->k, packed);
        return;
    }
    if (t->b_column != 1)
        NAME(transpose_all)(columns, t->k, b, t->b_column, packed, COLUMNS);
    for (size_t p = 0; p < t->k; p++)
        for (size_t l = t->b_column != 1 ? columns : 0; l < width; l++)
            packed[p * COLUMNS + l] = l < columns ? b[p * t->b_step + l] : 0;
}

/* The last panel, of less than a vector: the vector that ends where C ends, in a tile of its own,
 * of which C gets the lanes that it lacks; or, where C has not so many columns, the first of a
 * panel that is filled with zeros. */
TARGET static void NAME(outer_narrow)(const struct native_block *t, size_t a_tile, size_t j)
{
    const size_t columns = t->n - j, height = NAME(tile_rows)(t->m);
    const size_t first = t->n < LANES ? 0 : t->n - LANES;
    const bool pack = t->n < LANES || t->b_column != 1;
    const NAME(bits) fresh = *(const NAME(bits) *)(last_lanes + 16 - LANES + columns);
    float sums[ROWS * LANES];
    struct NAME(tile) tile = {.k = t->k,
                              .a = t->a,
                              .a_row = t->a_row,
                              .a_step = t->a_step,
                              .b = pack ? t->panel : t->b + first,
                              .b_step = pack ? COLUMNS : t->b_step,
                              .alpha = t->alpha,
                              .c = sums,
                              .ldc = LANES,
                              .next = {sums, 0, 1}};
    if (pack)
        NAME(pack_panel)(t, first, LANES, t->panel);
    for (size_t i = 0; i < t->m; i += height, tile.a += a_tile) {
        tile.rows = t->m - i < height ? t->m - i : height;
        NAME(outer_one)(&tile);
        for (size_t r = 0; t->n >= LANES && r < tile.rows; r++) {
            VECTOR *c = (VECTOR *)(t->c + (i + r) * t->ldc + first);
            const VECTOR was = *c;
            VECTOR is = LOAD(sums + r * LANES);
            if (t->beta != 0)
                is += NAME(times)(t->beta, was);
            *c = (VECTOR)(((NAME(bits))is & fresh) | ((NAME(bits))was & ~fresh));
        }
        for (size_t r = 0; t->n < LANES && r < tile.rows; r++) {
            float *c = t->c + (i + r) * t->ldc, row[LANES] = {0};
            memcpy(row, c, columns * sizeof *row);
            VECTOR is = LOAD(sums + r * LANES);
            if (t->beta != 0)
                is += NAME(times)(t->beta, LOAD(row));
            *(VECTOR *)row = is;
            memcpy(c, row, columns * sizeof *row);
        }
    }
}

/* Panels of two vectors, then what is left: of one vector, and of less. */
TARGET static void NAME(outer)(const struct native_block *t)
{
    const size_t a_tile = t->a_tile ? t->a_tile : NAME(tile_rows)(t->m) * t->a_row;
    const bool transposed = t->b_column != 1;
    float *panel = t->panel, *other = t->panel + t->k * COLUMNS;
    bool packed = false; /* panel j, already */
    for (size_t j = 0, width; j < t->n; j += width) {
        width = t->n - j < COLUMNS ? LANES : COLUMNS;
        const bool narrow = t->n - j < LANES;
        const bool pack = transposed || t->pack_panel;
        const bool ahead = pack && !t->keep_panel && j + 2 * COLUMNS <= t->n;
        if (narrow) {
            NAME(outer_narrow)(t, a_tile, j);
        } else {
            if (pack && !packed)
                NAME(pack_panel)(t, j, width, panel);
            const struct NAME(tile) first = {.k = t->k,
                                             .a = t->a,
                                             .a_row = t->a_row,
                                             .a_step = t->a_step,
                                             .b = pack ? panel : t->b + j,
                                             .b_step = pack ? COLUMNS : t->b_step,
                                             .alpha = t->alpha,
                                             .beta = t->beta,
                                             .c = t->c + j,
                                             .ldc = t->ldc};
            NAME(outer_panel)
            (t, width / LANES, first, a_tile, t->b + (j + COLUMNS) * t->b_column,
             ahead ? other : NULL);
        }
        packed = ahead;
        if (ahead) {
            float *swapped = panel;
            panel = other;
            other = swapped;
        }
    }
}

/* Columns of A that lie together: a step of k of some tiles at a time, so that whole lines are
 * read, and not again for the next tile. */
INLINE void NAME(copy_tiles)(const struct native_block *t, size_t tile, float *packed)
{
    enum { TILES = 8 };
    for (size_t first = 0; first < t->m; first += TILES * tile)
        for (size_t p = 0; p < t->k; p++)
            for (size_t i = first; i < t->m && i < first + TILES * tile; i += tile) {
                const float *from = t->a + i + p * t->a_step;
                const size_t rows = t->m - i < tile ? t->m - i : tile;
                float *to = packed + i * t->k + p * tile;
                size_t r = 0;
                GM_PREFETCH(from + 4 * t->a_step);
                for (; r + 4 <= rows; r += 4)
                    FOUR_AT(to + r) = *(const FOUR *)(from + r);
                for (; r < rows; r++)
                    to[r] = from[r];
            }
}

TARGET static void NAME(pack_a)(struct native_block *t, float *packed)
{
    const size_t tile = NAME(tile_rows)(t->m);
    if (t->a_row == 1)
        NAME(copy_tiles)(t, tile, packed);
    for (size_t i = 0; t->a_row != 1 && i < t->m; i += tile)
        NAME(transpose_all)
    (t->m - i < tile ? t->m - i : tile, t->k, t->a + i * t->a_row, t->a_row, packed + i * t->k,
     tile);
    t->a = packed;
    t->a_row = 1;
    t->a_step = tile;
    t->a_tile = t->k * tile;
}

#undef OUTER_CASE
#undef SHORT_CASE
