/* arena.c: see arena.h. */
#define _DEFAULT_SOURCE
#include "core/arena.h"

#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/checked.h"

#define HUGE_PAGE ((size_t)2 << 20)

static bool round_up(size_t n, size_t multiple, size_t *out)
{
    bool fits = gm_add(n, multiple - 1, out);
    *out = fits ? *out / multiple * multiple : SIZE_MAX;
    return fits;
}

void *gm_arena_take(struct arena *arena, size_t count, size_t size)
{
    const size_t red_zone = arena->slab ? 0 : GM_RED_ZONE;
    size_t bytes, padded, end;
    if (!gm_mul(count, size, &bytes) || !gm_add(bytes, red_zone, &padded) ||
        !round_up(padded, GM_ALIGNMENT, &padded) || !gm_add(arena->used, padded, &end)) {
        arena->overflow = true;
        return NULL;
    }
    assert(!arena->base || end <= arena->capacity); /* both passes lay out the same */
    unsigned char *start = arena->base ? arena->base + arena->used : NULL;
    arena->used = end;
    if (start && red_zone)
        GM_POISON(start + bytes, padded - bytes);
    return start;
}

static void touch_all(unsigned char *base, size_t bytes)
{
    size_t pages = (bytes + HUGE_PAGE - 1) / HUGE_PAGE;
#pragma omp parallel for schedule(static) if (pages > 1)
    for (size_t i = 0; i < pages; i++) {
        size_t start = i * HUGE_PAGE, left = bytes - start;
        memset(base + start, 0, left < HUGE_PAGE ? left : HUGE_PAGE);
    }
}

gemmlp_status gm_arena_allocate(struct arena *arena, const char *what, gemmlp_error *error)
{
    size_t alignment = arena->used >= HUGE_PAGE ? HUGE_PAGE : GM_ALIGNMENT, bytes;
    if (arena->overflow || !round_up(arena->used, alignment, &bytes) || bytes > PTRDIFF_MAX)
        return gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                       "the size of %s overflows: it has more bytes than can be addressed", what);
    if (bytes == 0)
        bytes = alignment;
    arena->base = aligned_alloc(alignment, bytes);
    if (!arena->base)
        return gm_fail_memory(error, what, bytes);
    if (alignment == HUGE_PAGE)
        madvise(arena->base, bytes, MADV_HUGEPAGE); /* advice: without it only speed is lost */
    touch_all(arena->base, bytes);
    arena->capacity = bytes;
    arena->used = 0;
    return GEMMLP_OK;
}

void gm_arena_free(struct arena *arena)
{
    if (arena->base)
        GM_UNPOISON(arena->base, arena->capacity);
    free(arena->base);
    *arena = (struct arena){0};
}
