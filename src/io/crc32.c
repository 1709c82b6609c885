/* crc32.c: see crc32.h. Parts are taken apart and joined (zlib's crc32_combine), so the number of
 * threads does not change the result. */
#include "io/crc32.h"

#include <zlib.h>

#include "core/parallel.h"

enum { PART = 1 << 20, PARTS = 64 };

struct parts {
    const unsigned char *data;
    size_t size;
    uint32_t crc[PARTS];
};

static size_t part_size(const struct parts *parts, size_t i)
{
    const size_t left = parts->size - i * PART;
    return left < PART ? left : PART;
}

static void take_parts(const void *context, size_t first, size_t last)
{
    /* Each thread writes elements of its own. */
    struct parts *parts = *(struct parts *const *)context;
    for (size_t i = first; i < last; i++)
        parts->crc[i] = (uint32_t)crc32(0, parts->data + i * PART, (uInt)part_size(parts, i));
}

uint32_t gm_crc32(uint32_t crc, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    while (size > 0) {
        const size_t block = size < (size_t)PARTS * PART ? size : (size_t)PARTS * PART;
        const size_t count = (block + PART - 1) / PART;
        struct parts parts = {.data = bytes, .size = block}, *const context = &parts;
        gm_parallel(count > 1, count, take_parts, &context);
        for (size_t i = 0; i < count; i++)
            crc = (uint32_t)crc32_combine(crc, parts.crc[i], (z_off_t)part_size(&parts, i));
        bytes += block;
        size -= block;
    }
    return crc;
}
