/* batch.c: see batch.h. */
#include "data/batch.h"

#include <string.h>

#include "core/parallel.h"
#include "core/portability.h"
#include "core/rng.h"

/* ---- shuffle ------------------------------------------------------------------------------- */

/* The 32-bit numbers of one stream in order. */
struct numbers {
    uint64_t seed, epoch, index;
    struct rng_block block;
    unsigned used;
};

static inline uint32_t next_number(struct numbers *numbers)
{
    if (numbers->used == 4) {
        numbers->block = gm_rng(numbers->seed, RNG_SHUFFLE, 0, numbers->epoch, numbers->index++);
        numbers->used = 0;
    }
    return numbers->block.u[numbers->used++];
}

/* Uniform in 0 .. bound - 1 without bias (Lemire, "Fast random integer generation in an interval",
 * ACM TOMACS 2019): the high word of number * bound; the 2^32 mod bound lowest words that would
 * make some results likelier are drawn again. */
static inline uint32_t below(struct numbers *numbers, uint32_t bound)
{
    uint64_t product = (uint64_t)next_number(numbers) * bound;
    if ((uint32_t)product < bound) {
        uint32_t rejected = -bound % bound;
        while ((uint32_t)product < rejected)
            product = (uint64_t)next_number(numbers) * bound;
    }
    return (uint32_t)(product >> 32);
}

void gm_shuffle(uint64_t seed, uint64_t epoch, size_t count, uint32_t *order)
{
    struct numbers numbers = {.seed = seed, .epoch = epoch, .used = 4};
    for (size_t i = 0; i < count; i++)
        order[i] = (uint32_t)i;
    for (size_t i = count; i-- > 1;) {
        uint32_t j = below(&numbers, (uint32_t)i + 1), moved = order[i];
        order[i] = order[j];
        order[j] = moved;
    }
}

/* ---- gather -------------------------------------------------------------------------------- */

/* Fewer elements than this are gathered faster by one thread. */
enum { SERIAL_ELEMENTS = 32768 };

GM_KERNEL
static void row_u8(const uint8_t *restrict x, const float *restrict factor,
                   const float *restrict offset, size_t features, float *restrict out)
{
    for (size_t k = 0; k < features; k++)
        out[k] = factor[k] * (float)x[k] + offset[k];
}

/* All features alike, as for pixels: factor and offset are one number each. */
GM_KERNEL
static void row_u8_alike(const uint8_t *restrict x, float factor, float offset, size_t features,
                         float *restrict out)
{
    for (size_t k = 0; k < features; k++)
        out[k] = factor * (float)x[k] + offset;
}

GM_KERNEL
static void row_f32(const float *restrict x, const float *restrict factor,
                    const float *restrict offset, size_t features, float *restrict out)
{
    for (size_t k = 0; k < features; k++)
        out[k] = factor[k] * x[k] + offset[k];
}

GM_KERNEL
static void row_u8_bf16(const uint8_t *restrict x, const float *restrict factor,
                        const float *restrict offset, size_t features, gm_bf16 *restrict out)
{
    for (size_t k = 0; k < features; k++)
        out[k] = gm_bf16_round(factor[k] * (float)x[k] + offset[k]);
}

GM_KERNEL
static void row_u8_alike_bf16(const uint8_t *restrict x, float factor, float offset,
                              size_t features, gm_bf16 *restrict out)
{
    for (size_t k = 0; k < features; k++)
        out[k] = gm_bf16_round(factor * (float)x[k] + offset);
}

GM_KERNEL
static void row_f32_bf16(const float *restrict x, const float *restrict factor,
                         const float *restrict offset, size_t features, gm_bf16 *restrict out)
{
    for (size_t k = 0; k < features; k++)
        out[k] = gm_bf16_round(factor[k] * x[k] + offset[k]);
}

/* A shuffled row lies anywhere. It is asked for so long before its turn that it is in cache then,
 * small batches ahead of their step: some rows, or fewer that are long. */
enum { ROWS_AHEAD = 16, BYTES_AHEAD = 16384, CACHE_LINE = 64 };

static size_t row_bytes(const gemmlp_arrays *arrays)
{
    return arrays->features * (arrays->x_u8 ? 1 : sizeof(float));
}

static size_t rows_ahead(const gemmlp_arrays *arrays)
{
    const size_t rows = BYTES_AHEAD / row_bytes(arrays);
    return rows < 2 ? 2 : rows < ROWS_AHEAD ? rows : ROWS_AHEAD;
}

static void prefetch_row(const gemmlp_arrays *arrays, size_t row)
{
    const size_t size = row_bytes(arrays);
    const unsigned char *x =
        arrays->x_u8 ? arrays->x_u8 : (const unsigned char *)(const void *)arrays->x_f32;
    for (size_t at = 0; at < size; at += CACHE_LINE)
        GM_PREFETCH(x + row * size + at);
}

static void gather_targets(const gemmlp_arrays *arrays, size_t row, size_t outputs, float *y)
{
    if (arrays->labels) {
        memset(y, 0, outputs * sizeof *y);
        y[arrays->labels[row]] = 1;
    } else
        memcpy(y, arrays->targets + row * arrays->outputs, arrays->outputs * sizeof *y);
}

static inline size_t source_row(const struct batch_source *source, const uint32_t *order, size_t i)
{
    return gm_dataset_row(source->dataset, order ? order[i] : i);
}

struct gather {
    const struct batch_source *source;
    const uint32_t *order;
    size_t first, rows; /* of the batch, in `order` */
    struct batch to;
    bool alike; /* all features */
};

GM_KERNEL
static bool all_equal(const float *x, size_t n)
{
    uint32_t different = 0;
    for (size_t k = 1; k < n; k++)
        different |= x[k] != x[0];
    return !different;
}

static void convert_row(const struct gather *g, size_t row, size_t to)
{
    const struct batch_source *s = g->source;
    const gemmlp_arrays *arrays = &s->dataset->storage->arrays;
    const size_t n = arrays->features;
    const uint8_t *pixels = arrays->x_u8 ? arrays->x_u8 + row * n : NULL;
    if (g->to.x && pixels && g->alike)
        row_u8_alike(pixels, s->factor[0], s->offset[0], n, g->to.x + to * n);
    else if (pixels && g->alike)
        row_u8_alike_bf16(pixels, s->factor[0], s->offset[0], n, g->to.x16 + to * n);
    else if (g->to.x && pixels)
        row_u8(pixels, s->factor, s->offset, n, g->to.x + to * n);
    else if (g->to.x)
        row_f32(arrays->x_f32 + row * n, s->factor, s->offset, n, g->to.x + to * n);
    else if (pixels)
        row_u8_bf16(pixels, s->factor, s->offset, n, g->to.x16 + to * n);
    else
        row_f32_bf16(arrays->x_f32 + row * n, s->factor, s->offset, n, g->to.x16 + to * n);
}

static void gather_rows(const void *context, size_t first, size_t last)
{
    const struct gather *g = context;
    const struct batch_source *source = g->source;
    const gemmlp_arrays *arrays = &source->dataset->storage->arrays;
    const size_t outputs = source->outputs;
    const size_t ahead = rows_ahead(arrays), examples = source->dataset->examples;
    for (size_t i = first; i < last; i++) {
        const size_t row = source_row(source, g->order, g->first + i);
        if (g->first + i + ahead < examples)
            prefetch_row(arrays, source_row(source, g->order, g->first + i + ahead));
        convert_row(g, row, i);
        if (g->to.y)
            gather_targets(arrays, row, outputs, g->to.y + i * outputs);
    }
}

static void gather_copies(const void *context, size_t first, size_t last)
{
    for (size_t copy = first; copy < last; copy++) {
        struct gather g = *(const struct gather *)context;
        g.to.x += copy * g.to.stride;
        if (copy > 0)
            g.to.y = NULL;
        gather_rows(&g, 0, g.rows);
    }
}

void gm_batch_gather(const struct batch_source *source, const uint32_t *order, size_t first,
                     size_t rows, const struct batch *to)
{
    const size_t features = source->dataset->storage->arrays.features;
    const bool alike = source->dataset->storage->arrays.x_u8 &&
                       all_equal(source->factor, features) && all_equal(source->offset, features);
    const struct gather gather = {source, order, first, rows, *to, alike};
    const size_t width = features + source->outputs;
    if (to->copies > 1)
        gm_parallel(true, to->copies, gather_copies, &gather);
    else
        gm_parallel(rows * width > SERIAL_ELEMENTS, rows, gather_rows, &gather);
}
