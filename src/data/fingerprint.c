/* fingerprint.c: see fingerprint.h. Blocks of examples have a CRC each, and those have one
 * together. */
#include "data/fingerprint.h"

#include <stdlib.h>
#include <zlib.h>

#include "core/parallel.h"
#include "io/crc32.h"

enum { BLOCK = 512 }; /* examples */

struct blocks {
    const gemmlp_dataset *dataset;
    uint32_t *crc;
};

static uLong add(uLong crc, const void *bytes, size_t size)
{
    return crc32_z(crc, bytes, size);
}

static uLong add_example(uLong crc, const gemmlp_arrays *a, size_t row)
{
    if (a->x_u8)
        crc = add(crc, a->x_u8 + row * a->features, a->features);
    else
        crc = add(crc, a->x_f32 + row * a->features, a->features * sizeof *a->x_f32);
    if (a->labels)
        crc = add(crc, a->labels + row, sizeof *a->labels);
    else if (a->targets)
        crc = add(crc, a->targets + row * a->outputs, a->outputs * sizeof *a->targets);
    return crc;
}

static void take_blocks(const void *context, size_t first, size_t last)
{
    const struct blocks *b = context;
    for (size_t block = first; block < last; block++) {
        const size_t start = block * BLOCK, left = b->dataset->examples - start;
        uLong crc = 0;
        for (size_t i = start; i < start + (left < BLOCK ? left : BLOCK); i++)
            crc = add_example(crc, &b->dataset->storage->arrays, gm_dataset_row(b->dataset, i));
        b->crc[block] = (uint32_t)crc;
    }
}

gemmlp_status gm_fingerprint(const gemmlp_dataset *dataset, uint32_t *out, gemmlp_error *error)
{
    const size_t count = (dataset->examples + BLOCK - 1) / BLOCK;
    struct blocks blocks = {dataset, calloc(count, sizeof *blocks.crc)};
    if (!blocks.crc)
        return gm_fail_memory(error, "the fingerprint of a data set", count * sizeof *blocks.crc);
    gm_parallel(count > 8, count, take_blocks, &blocks);
    *out = gm_crc32(0, blocks.crc, count * sizeof *blocks.crc);
    free(blocks.crc);
    return GEMMLP_OK;
}
