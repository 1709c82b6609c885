/* xsmm_plan.c: see xsmm_plan.h. */
#include "linalg/xsmm_plan.h"

static size_t ceil_div(size_t a, size_t b)
{
    return (a + b - 1) / b;
}

/* What the caches want, at 4 bytes to an element; in double tiles have half the rows. */
enum {
    DEPTH = 256, /* a wide panel of so many rows fills L1 (32 KiB), a slab of 8 half of L2 */
    DEEP = 1024, /* instead, for products of at most SHORT rows: nothing comes back to L1 */
    SHORT = 16,
    L1_BYTES = 24 << 10,   /* of a panel wider than that */
    WIDEST = 1024,         /* columns of a panel */
    ROWS = 96,             /* of a tile: it passes through L1 for each panel of the slab */
    FEW_ROWS = 24,         /* no smaller tile is worth a call of its own */
    TILES = 32,            /* as many as there should be for threads to share, when rows allow */
    APART_DEPTH = 64,      /* rows that end within a vector lie across cache lines: from so long a
                              sum on C is better added to in one sweep */
    PACK_ROWS = 48,        /* from so many rows on a copy of B costs less than its strides */
    C_BYTES = 128 << 10,   /* of the tile of C that the epilogue finds in L2 */
    SERIAL_WORK = 1 << 19, /* multiplications that are done before threads have started */
    MOST_BYTES = 1 << 30   /* from the first row of a tile to the last: kernels count in 32 bits */
};

/* The columns, in units of a vector. Long sums: panels of 4 and 3. Short ones: panels of one size,
 * as wide as L1 allows, in which C passes by row after row; and what remains. In both cases the
 * last panel takes the unit that has to be padded, if there is one. */
static void cut_columns(struct xsmm_plan *plan, size_t n, size_t unit)
{
    const size_t units = ceil_div(n, unit), column = plan->depth * plan->element;
    const size_t fours = L1_BYTES / (4 * unit * column), most = 4 * (fours ? fours : 1);
    const size_t panels = ceil_div(units, most < WIDEST / unit ? most : WIDEST / unit);
    const size_t wide = ceil_div(ceil_div(units, panels), 4) * 4;
    size_t narrow = 3, narrows = (4 - units % 4) % 4, last = 0;
    if (wide > 4) {
        last = n % unit != 0 ? (units - 1) % 4 + 1 : 0;
        narrow = (units - last) % wide;
        narrows = narrow != 0;
    } else if (3 * narrows > units) { /* 1, 2 or 5 */
        narrows = 0;
        last = units % 4;
    } else if (n % unit != 0) {
        last = narrows ? 3 : 4;
        narrows -= narrows != 0;
    }
    const size_t wides = (units - last - narrows * narrow) / wide;
    plan->count[XSMM_WIDE] = wides;
    plan->count[XSMM_NARROW] = narrows;
    plan->count[XSMM_LAST] = last != 0;
    plan->width[XSMM_WIDE] = wide * unit;
    plan->width[XSMM_NARROW] = narrow * unit;
    plan->width[XSMM_LAST] = last * unit;
    plan->panels = wides + narrows + (last != 0);
    plan->last_columns = n - (wides * wide + narrows * narrow) * unit;
}

/* The rows: tiles of one size, an even number of them. */
static void cut_rows(struct xsmm_plan *plan, const struct gemm_problem *p)
{
    const size_t c_rows = C_BYTES / plan->width[XSMM_WIDE] / plan->element;
    size_t most = ROWS * sizeof(float) / plan->element;
    if (most > c_rows)
        most = c_rows;
    size_t tiles = ceil_div(p->m, most);
    if (!plan->serial && tiles * plan->panels < TILES)
        tiles = ceil_div(TILES, plan->panels);
    if (tiles > ceil_div(p->m, FEW_ROWS))
        tiles = ceil_div(p->m, FEW_ROWS);
    tiles += tiles > 1 ? tiles % 2 : 0;
    const size_t largest_ld = p->ldc > p->lda ? p->ldc : p->lda;
    most = MOST_BYTES / plan->element / largest_ld;
    plan->rows = ceil_div(p->m, tiles);
    if (plan->rows > most)
        plan->rows = most;
    plan->row_tiles = ceil_div(p->m, plan->rows);
    plan->last_rows = p->m - (plan->row_tiles - 1) * plan->rows;
}

static void cut_depth(struct xsmm_plan *plan, size_t m, size_t k)
{
    const size_t blocks = ceil_div(k, m > SHORT ? DEPTH : DEEP);
    plan->depth = ceil_div(k, blocks);
    if (blocks > 1)
        plan->depth = ceil_div(plan->depth, 4) * 4; /* the kernels' loop takes 4 at a time */
    plan->depth_blocks = ceil_div(k, plan->depth);
    plan->last_depth = k - (plan->depth_blocks - 1) * plan->depth;
}

/* Rows that lie a multiple of 4 KiB apart fall into the same few sets of a cache. */
static bool collides(size_t ld, size_t element)
{
    return ld * element % 4096 < 64 && ld * element >= 4096;
}

static void choose_copies(struct xsmm_plan *plan, const struct gemm_problem *p)
{
    plan->pack_a = p->transpose_a || (collides(p->lda, plan->element) && plan->panels > 4);
    plan->pack_b =
        p->transpose_b || p->m >= PACK_ROWS || p->ldb > MOST_BYTES / plan->element / plan->depth;
    plan->alpha = plan->pack_b && !p->transpose_b ? XSMM_ALPHA_B
                  : plan->pack_a                  ? XSMM_ALPHA_A
                                                  : XSMM_ALPHA_APART;
    /* An odd number of cache lines: a column of the tile spreads over all sets of L1. */
    const size_t line = 64 / plan->element;
    plan->ld_tile = plan->depth < line ? plan->depth : (plan->depth / line / 2 * 2 + 1) * line;
    if (plan->ld_tile < plan->depth)
        plan->ld_tile += 2 * line;
    plan->panel_bytes = plan->depth * plan->width[XSMM_WIDE] * plan->element;
    if (plan->panel_bytes % 4096 == 0)
        plan->panel_bytes += 16 * 64; /* not all panels into the same sets */
    plan->tile_bytes = plan->rows * plan->ld_tile * plan->element;
    plan->group = plan->pack_a ? XSMM_TILE_BYTES / plan->tile_bytes : plan->row_tiles;
    plan->slab = XSMM_PANEL_BYTES / plan->panel_bytes;
    const size_t c_panels = C_BYTES / (plan->rows * plan->width[XSMM_WIDE] * plan->element);
    if (plan->slab > c_panels)
        plan->slab = c_panels ? c_panels : 1;
    if (plan->slab > plan->panels)
        plan->slab = plan->panels;
    plan->ld_apart = plan->slab * plan->width[XSMM_WIDE] + (plan->slab > 1 ? line : 0);
    plan->apart = plan->count[XSMM_LAST] && plan->depth >= APART_DEPTH;
}

static libxsmm_xmmfunction dispatch(const struct xsmm_plan *plan, const struct gemm_problem *p,
                                    enum xsmm_panel panel, size_t rows, size_t depth,
                                    enum xsmm_into into)
{
    const bool packed = plan->pack_b || panel == XSMM_LAST;
    const int ld_panel = (int)(packed ? plan->width[panel] : p->ldb);
    const int ld_tile = (int)(plan->pack_a ? plan->ld_tile : p->lda);
    const int ld_c = (int)(into == XSMM_APART ? plan->ld_apart : p->ldc);
    const int flags = LIBXSMM_GEMM_FLAG_NONE, prefetch = LIBXSMM_GEMM_PREFETCH_NONE;
    const int m = (int)plan->width[panel], n = (int)rows, k = (int)depth;
    libxsmm_xmmfunction kernel = {NULL};
    if (p->precision == GEMM_F32) {
        const float alpha = 1, beta = into == XSMM_ADD;
        kernel.smm = libxsmm_smmdispatch(m, n, k, &ld_panel, &ld_tile, &ld_c, &alpha, &beta, &flags,
                                         &prefetch);
    } else {
        const double alpha = 1, beta = into == XSMM_ADD;
        kernel.dmm = libxsmm_dmmdispatch(m, n, k, &ld_panel, &ld_tile, &ld_c, &alpha, &beta, &flags,
                                         &prefetch);
    }
    return kernel;
}

/* What a panel needs, for blocks of one depth. */
static bool dispatch_panel(struct xsmm_plan *plan, const struct gemm_problem *p,
                           enum xsmm_panel panel, bool last_block)
{
    const size_t depth = last_block ? plan->last_depth : plan->depth;
    const size_t columns = panel == XSMM_LAST ? plan->last_columns : plan->width[panel];
    const enum xsmm_into first = panel == XSMM_LAST ? XSMM_APART : XSMM_STORE;
    bool all = true;
    for (int last_tile = 0; last_tile < 2; last_tile++) {
        const size_t rows = last_tile ? plan->last_rows : plan->rows;
        libxsmm_xmmfunction *kernels = plan->kernels[panel][last_tile][last_block];
        for (enum xsmm_into into = first; into < XSMM_INTO; into++) {
            kernels[into] = dispatch(plan, p, panel, rows, depth, into);
            all = all && kernels[into].xmm;
        }
    }
    if (p->transpose_b) {
        all = gm_xsmm_transpose_prepare(&plan->transpose_b[panel][last_block], plan->element,
                                        columns, depth, plan->width[panel]) &&
              all;
    }
    return all;
}

static bool dispatch_all(struct xsmm_plan *plan, const struct gemm_problem *p)
{
    bool all = true;
    for (int last_block = 0; last_block < 2; last_block++) {
        for (enum xsmm_panel panel = 0; panel < XSMM_PANELS; panel++)
            all = all && (!plan->count[panel] || dispatch_panel(plan, p, panel, last_block));
        const size_t depth = last_block ? plan->last_depth : plan->depth;
        for (int last_tile = 0; p->transpose_a && last_tile < 2; last_tile++) {
            const size_t rows = last_tile ? plan->last_rows : plan->rows;
            all = all && gm_xsmm_transpose_prepare(&plan->transpose_a[last_tile][last_block],
                                                   plan->element, depth, rows, plan->ld_tile);
        }
    }
    return all;
}

gemmlp_status gm_xsmm_plan(const struct gemm_problem *problem, struct xsmm_plan *plan,
                           gemmlp_error *error)
{
    *plan = (struct xsmm_plan){.element =
                                   problem->precision == GEMM_F32 ? sizeof(float) : sizeof(double)};
    gemmlp_status status = gm_gemm_check_sizes(problem, MOST_BYTES / plan->element, error);
    if (status != GEMMLP_OK)
        return status;
    const size_t vector = libxsmm_get_target_archid() < LIBXSMM_X86_AVX512 ? 32 : 64;
    plan->serial = (double)problem->m * (double)problem->n * (double)problem->k < SERIAL_WORK;
    cut_depth(plan, problem->m, problem->k);
    cut_columns(plan, problem->n, vector / plan->element);
    cut_rows(plan, problem);
    choose_copies(plan, problem);
    if (!dispatch_all(plan, problem))
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "libxsmm generated no kernel for a product of m = %zu, n = %zu, k = %zu",
                       problem->m, problem->n, problem->k);
    return GEMMLP_OK;
}
