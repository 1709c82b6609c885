/* bf16_kernels.h: the inner loops of gemmlp's own matrix products in bf16.
 *
 * The instruction multiplies pairs along k and adds both products to a float, so operands are
 * packed as pairs, zero where k is odd or a tile hangs over the edge:
 *
 *   A: tiles of BF16_ROWS rows, each  [pair of k][row]     one pair is broadcast
 *   B: panels of BF16_COLUMNS,  each  [pair of k][column]  a vector of pairs is loaded
 */
#ifndef GM_BF16_KERNELS_H
#define GM_BF16_KERNELS_H

#include <stdbool.h>

#include "core/bf16.h"

enum { BF16_ROWS = 14, BF16_COLUMNS = 32 };

typedef uint32_t bf16_pair; /* the lower half belongs to the lower k */

/* One tile of A times one panel of B, into C (rows x columns) = alpha A B + beta C; beta = 0: C is
 * not read. Meanwhile `fetched` lines, from `fetch` on and fetch_step elements apart, are brought
 * into L2: one in each step of k, for a burst would have the multipliers wait. */
struct bf16_tile {
    size_t pairs;
    const bf16_pair *a, *b;
    float alpha, beta;
    float *c;
    size_t ldc, rows, columns;
    const gm_bf16 *fetch; /* any address that may be fetched where fetched = 0 */
    size_t fetch_step, fetched;
};

struct bf16_kernels {
    const char *name; /* of the instruction set */
    bool (*supported)(void);
    void (*multiply)(const struct bf16_tile *tile);
    /* Packs `count` <= width rows, of k elements that lie together, `ld` from one to the next.
     * width: BF16_ROWS, or BF16_COLUMNS. */
    void (*pack)(const gm_bf16 *x, size_t ld, size_t count, size_t k, size_t width, bf16_pair *out);
    /* The same of columns, each row of k elements `ld` from the next; any number of them, in panels
     * of `width` that are `panel` pairs apart. */
    void (*pack_across)(const gm_bf16 *x, size_t ld, size_t count, size_t k, size_t width,
                        size_t panel, bf16_pair *out);
};

/* NULL: this processor multiplies no bf16, or the kernels for it are not written. */
const struct bf16_kernels *gm_bf16_kernels(void);

#endif
