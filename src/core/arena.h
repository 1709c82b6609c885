/* arena.h: one aligned block for one role (parameters, gradient, workspace, …).
 *
 * A layout function takes its buffers from the arena in order. It runs twice: while `base` is NULL
 * the arena only counts and hands out NULL; after gm_arena_allocate the same calls hand out memory.
 *
 *   base (64 bytes; 2 MiB and huge pages from 2 MiB on)
 *   |                                                            |
 *   [ buffer 0 | pad ][ buffer 1 | pad ][ buffer 2 | pad ] … spare
 *   each buffer starts at a multiple of 64 bytes; under AddressSanitizer the pad is at least 64
 *   bytes and poisoned, unless the arena is a slab that is swept from end to end
 */
#ifndef GM_ARENA_H
#define GM_ARENA_H

#include <stdbool.h>
#include <stddef.h>

#include "core/error.h"

struct arena {
    unsigned char *base;
    size_t capacity; /* bytes at base */
    size_t used;     /* bytes handed out, or counted */
    bool overflow;   /* a size did not fit into size_t */
    bool slab;       /* swept as one flat array: the pads are zero and may be read */
};

#define GM_ALIGNMENT ((size_t)64)

/* count elements of `size` bytes; NULL while counting. */
void *gm_arena_take(struct arena *arena, size_t count, size_t size);

/* Ends the size pass: allocates what was counted, zeroed by all OpenMP threads (so that each page
 * is first touched by a thread that computes), and starts over at 0. `what` is named in the
 * message. */
gemmlp_status gm_arena_allocate(struct arena *arena, const char *what, gemmlp_error *error);

void gm_arena_free(struct arena *arena);

#endif
