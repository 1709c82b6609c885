/* xsmm_plan.h: how one product is cut into calls of libxsmm's kernels.
 *
 * In: a problem (gemm.h). Out: a plan: sizes of tiles, and a kernel for each kind of tile, so that
 * to run it is loops and calls. C is cut into tiles of `rows` rows and panels of columns; k into
 * blocks of `depth`:
 *
 *              |<- wide ->|<- wide ->|  ...  |<-narrow->|<- last ->|
 *     rows     [ one call: a panel of op(B) (depth x width), a tile of op(A) (rows x depth)
 *     rows     [ ...
 *
 * libxsmm is column-major: its kernel has the panel of op(B) as its A, the tile of op(A) as its B.
 * It keeps 4 vectors by 3 rows (AVX2; 6 with AVX-512) of C in registers, or 3 by 3: so a panel is 4
 * or 3 vectors wide, and stays in L1 while the rows of a tile pass. The last panel may end within a
 * vector: it is padded, and its product is made apart, in scratch.
 *
 * The cuts depend on the problem alone, never on the number of threads, and each element of C is
 * summed in one order: every number of threads gives the same bits.
 */
#ifndef GM_XSMM_PLAN_H
#define GM_XSMM_PLAN_H

#include <libxsmm.h>

#include "linalg/gemm.h"

/* Where alpha is applied, for libxsmm knows only 1: to a copy, or to the product apart. */
enum xsmm_alpha { XSMM_ALPHA_A, XSMM_ALPHA_B, XSMM_ALPHA_APART };

enum xsmm_panel { XSMM_WIDE, XSMM_NARROW, XSMM_LAST, XSMM_PANELS };

/* Where a kernel leaves its product. */
enum xsmm_into { XSMM_STORE /* C */, XSMM_ADD /* + C */, XSMM_APART /* scratch */, XSMM_INTO };

/* A transposed copy of a matrix (rows x columns), in pieces that may overlap. */
struct xsmm_transpose {
    size_t element, rows, step, columns[2], last_column, ld_out;
    libxsmm_xtransfunction kernels[2];
};

bool gm_xsmm_transpose_prepare(struct xsmm_transpose *transpose, size_t element, size_t rows,
                               size_t columns, size_t ld_out);
void gm_xsmm_transpose(const struct xsmm_transpose *transpose, const void *in, size_t ld_in,
                       void *out);

struct xsmm_plan {
    size_t element;                         /* bytes */
    size_t rows, last_rows, row_tiles;      /* of a tile; of the last one; how many */
    size_t depth, last_depth, depth_blocks; /* the same of k */
    size_t count[XSMM_PANELS];              /* of panels, in this order from left to right */
    size_t width[XSMM_PANELS];              /* columns, the padding of the last one included */
    size_t panels, last_columns;            /* all of them; columns of the last that C has */
    size_t slab;                            /* panels that are in L2 at a time */
    size_t group;                           /* tiles that are packed together */
    size_t panel_bytes, tile_bytes;         /* of packed ones */
    bool pack_a,
        pack_b; /* tiles and panels are copied into scratch first; the last panel always is,
                            where it is padded */
    enum xsmm_alpha alpha;
    size_t ld_tile, ld_apart; /* from one row of a packed tile to the next; of a product apart */
    bool apart;               /* all products are made apart, not only those of padded panels */
    bool serial;              /* too little work for more than one thread */
    /* [panel][last tile][last block][into], [panel][last block] and [last tile][last block] */
    libxsmm_xmmfunction kernels[XSMM_PANELS][2][2][XSMM_INTO];
    struct xsmm_transpose transpose_b[XSMM_PANELS][2], transpose_a[2][2];
};

/* What a thread needs beside the operands, in bytes; the same for all plans. */
enum {
    XSMM_PANEL_BYTES = 264 << 10, /* a slab of packed panels */
    XSMM_TILE_BYTES = 1 << 20,    /* a group of packed tiles of op(A) */
    XSMM_APART_BYTES = 136 << 10, /* the product of a tile and a slab */
    XSMM_SCRATCH_BYTES = XSMM_PANEL_BYTES + XSMM_TILE_BYTES + XSMM_APART_BYTES
};

/* plan->... of a problem within libxsmm's limits. */
gemmlp_status gm_xsmm_plan(const struct gemm_problem *problem, struct xsmm_plan *plan,
                           gemmlp_error *error);

/* out (count rows of `length`) <- alpha in + beta out; beta = 0: out need not be initialised. */
void gm_xsmm_combine(enum gemm_precision precision, size_t count, size_t length, double alpha,
                     const void *in, size_t ld_in, double beta, void *out, size_t ld_out);

#endif
