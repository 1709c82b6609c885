/* gemm_native_bf16.c: gemmlp's own matrix products in bf16: see gemm_native_bf16.h.
 *
 *   all of A is packed (bf16_kernels.h), by all threads, into scratch that they share
 *   C is cut into a rectangle for each thread (native_cut.h), of blocks of rows x strips of columns:
 *     for each block of k
 *       a strip of B is packed                 (L2)
 *       for each tile of A                     (L1)
 *         for each panel of the strip          the kernel; C is in L2
 *     the epilogue, on what is still in L2; a block that it consumes lies in scratch, the same for all
 *
 * Each element of C is summed in one order however C is cut: the bits
 * are the same on any number of threads. */
#include "linalg/gemm_native_bf16.h"

#include <omp.h>
#include <stdlib.h>

#include "core/checked.h"
#include "linalg/bf16_kernels.h"
#include "linalg/native_cut.h"

enum {
    DEPTH = 512,      /* of a block of k: a tile of A is half of L1 */
    STRIP = 128,      /* columns */
    BLOCK_ROWS = 504, /* with a strip of C, of B and the A that goes with it: half of L2 */
    STRIP_PAIRS = STRIP * (DEPTH / 2),
    BLOCK_FLOATS = (BLOCK_ROWS + BF16_ROWS) * STRIP, /* a block is rounded up to whole tiles */
    LOW_ROWS = 10,                                   /* of a tile */
    LINE = 64,
    PAGE = 4096
};
/* Below this a second thread takes longer to wake than it saves. */
static const double SERIAL_FLOP = 1e6;

struct plan {
    const struct bf16_kernels *kernels;
    struct arena *scratch;   /* packed A, then a strip of B for each thread, and a block of C */
    size_t depth;            /* of a block of k, even */
    size_t tile_rows, tiles; /* of A */
    size_t tile_pairs;       /* of a tile, all of k */
    size_t b_at, c_at;       /* in the scratch */
    size_t threads;
    struct native_cut cut; /* for so many */
};

/* ---- the plan ---- */

static size_t divide_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
}

static size_t round_up(size_t n, size_t unit)
{
    return divide_up(n, unit) * unit;
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

gemmlp_status gm_native_bf16_check(gemmlp_error *error)
{
    return gm_bf16_kernels() ? GEMMLP_OK
                             : gm_fail(error, GEMMLP_UNSUPPORTED,
                                       "bf16 needs a CPU with AVX512_BF16 (or, by oneDNN, AMX), "
                                       "which this one has not");
}

static gemmlp_status grow(struct arena *scratch, size_t bytes, gemmlp_error *error)
{
    struct arena larger = {0};
    if (bytes <= scratch->capacity)
        return GEMMLP_OK;
    gm_arena_take(&larger, bytes, 1);
    const gemmlp_status status =
        gm_arena_allocate(&larger, "the scratch of a matrix product in bf16", error);
    if (status != GEMMLP_OK)
        return status;
    gm_arena_free(scratch);
    *scratch = larger;
    return GEMMLP_OK;
}

static struct native_cut cut_for(const struct plan *plan, const struct gemm_problem *p,
                                 size_t threads)
{
    const struct native_unit unit = {plan->tile_rows, BF16_COLUMNS};
    return gm_native_cut(p, threads, unit, unit);
}

/* As many tiles for each thread as for the others, unless they would be low: each row is two sums,
 * and few cannot keep the multipliers busy. */
static size_t tile_rows(size_t m, size_t threads)
{
    const size_t tiles = divide_up(m, BF16_ROWS);
    const size_t rows = divide_up(m, round_up(tiles, threads));
    return rows < LOW_ROWS ? divide_up(m, tiles) : rows;
}

static void choose_blocks(struct plan *plan, const struct gemm_problem *p)
{
    plan->depth = round_up(divide_up(p->k, divide_up(p->k, DEPTH)), 2);
    plan->tile_rows = tile_rows(p->m, plan->threads);
    plan->tiles = divide_up(p->m, plan->tile_rows);
    plan->tile_pairs = divide_up(p->k, 2) * BF16_ROWS;
    plan->cut = cut_for(plan, p, plan->threads);
}

gemmlp_status gm_native_bf16_prepare(struct arena *scratch, const struct gemm_problem *p,
                                     void **out, gemmlp_error *error)
{
    gemmlp_status status = gm_gemm_check_sizes(p, INT64_MAX / 64, error);
    if (status != GEMMLP_OK)
        return status;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gm_fail_memory(error, "a matrix product", sizeof *plan);
    plan->kernels = gm_bf16_kernels();
    plan->scratch = scratch;
    plan->threads = (size_t)omp_get_max_threads();
    choose_blocks(plan, p);
    size_t bytes, b_bytes, c_bytes;
    if (!gm_mul(plan->tiles, plan->tile_pairs, &bytes) ||
        !gm_mul(bytes, sizeof(bf16_pair), &bytes) || !gm_add(bytes, PAGE, &plan->b_at) ||
        !gm_mul(plan->threads, STRIP_PAIRS * sizeof(bf16_pair), &b_bytes) ||
        !gm_add(plan->b_at, b_bytes, &plan->c_at) ||
        !gm_mul(plan->threads, BLOCK_FLOATS * sizeof(float), &c_bytes) ||
        !gm_add(plan->c_at, c_bytes, &bytes)) {
        free(plan);
        return gm_fail_memory(error, "the scratch of a matrix product in bf16", bytes);
    }
    plan->b_at = plan->b_at / PAGE * PAGE; /* no less than the bytes of A */
    plan->c_at = plan->c_at / PAGE * PAGE;
    status = grow(scratch, bytes, error);
    if (status != GEMMLP_OK) {
        free(plan);
        return status;
    }
    *out = plan;
    return GEMMLP_OK;
}

/* ---- packing ---- */

struct call {
    const struct gemm_problem *problem;
    const struct plan *plan;
    float alpha, beta;
    const gm_bf16 *a, *b;
    float *c;
    const struct gemm_epilogue *epilogue;
};

static bf16_pair *tile_of(const struct plan *plan, size_t tile)
{
    return (bf16_pair *)(void *)plan->scratch->base + tile * plan->tile_pairs;
}

static void pack_tiles(const struct call *call, size_t first, size_t last)
{
    const struct gemm_problem *p = call->problem;
    const struct plan *plan = call->plan;
    for (size_t tile = first; tile < last; tile++) {
        const size_t row = tile * plan->tile_rows, rows = at_most(p->m - row, plan->tile_rows);
        bf16_pair *out = tile_of(plan, tile);
        if (p->transpose_a)
            plan->kernels->pack_across(call->a + row, p->lda, rows, p->k, BF16_ROWS, 0, out);
        else
            plan->kernels->pack(call->a + row * p->lda, p->lda, rows, p->k, BF16_ROWS, out);
    }
}

/* A block of k of a strip of B. */
struct piece {
    size_t column, columns, l, depth;
};

/* As panels that lie one after the other. */
static void pack_piece(const struct call *call, const struct piece *at, bf16_pair *out)
{
    const struct gemm_problem *p = call->problem;
    const struct bf16_kernels *kernels = call->plan->kernels;
    const size_t panel = divide_up(at->depth, 2) * BF16_COLUMNS;
    if (!p->transpose_b) {
        kernels->pack_across(call->b + at->l * p->ldb + at->column, p->ldb, at->columns, at->depth,
                             BF16_COLUMNS, panel, out);
        return;
    }
    for (size_t j = 0; j < at->columns; j += BF16_COLUMNS, out += panel)
        kernels->pack(call->b + (at->column + j) * p->ldb + at->l, p->ldb,
                      at_most(at->columns - j, BF16_COLUMNS), at->depth, BF16_COLUMNS, out);
}

/* What product `index` of `count` fetches of the piece that is packed after them: some rows of one
 * of its columns of lines. */
static void fetch_of(const struct call *call, const struct piece *at, size_t index, size_t count,
                     struct bf16_tile *tile)
{
    const struct gemm_problem *p = call->problem;
    const bool t = p->transpose_b;
    const gm_bf16 *b = call->b + (t ? at->column * p->ldb + at->l : at->l * p->ldb + at->column);
    const size_t rows = t ? at->columns : at->depth, width = t ? at->depth : at->columns;
    const size_t line = LINE / sizeof *b, lines = divide_up(width, line);
    const size_t parts = count < lines ? 1 : count / lines, part = index / lines;
    tile->fetch = b;
    tile->fetch_step = p->ldb;
    tile->fetched = 0;
    if (part < parts) {
        const size_t first = rows * part / parts;
        tile->fetch = b + first * p->ldb + index % lines * line;
        tile->fetched = rows * (part + 1) / parts - first - 1;
    }
}

/* ---- blocks of C ---- */

/* A thread's rectangle of C, in blocks of whole tiles x strips. */
struct share {
    struct native_range rows, columns;
    size_t block_rows, row_blocks, strips;
};

static struct share share_of(const struct call *call, const struct native_cut *cut, size_t thread)
{
    struct share share;
    gm_native_share(call->problem, cut, thread, &share.rows, &share.columns);
    const size_t rows = share.rows.last - share.rows.first, blocks = divide_up(rows, BLOCK_ROWS);
    share.block_rows = blocks ? round_up(divide_up(rows, blocks), call->plan->tile_rows) : 1;
    share.row_blocks = divide_up(rows, share.block_rows);
    share.strips = divide_up(share.columns.last - share.columns.first, STRIP);
    return share;
}

/* Where block `index` of a share lies, and its first piece of B; false: there is no such block. */
static bool block_at(const struct call *call, const struct share *share, size_t index,
                     struct gemm_tile *block, struct piece *piece)
{
    const struct gemm_problem *p = call->problem;
    if (index >= share->strips * share->row_blocks)
        return false;
    const size_t row = share->rows.first + index % share->row_blocks * share->block_rows;
    const size_t column = share->columns.first + index / share->row_blocks * STRIP;
    *block = (struct gemm_tile){.c = call->c + row * p->ldc + column,
                                .ldc = p->ldc,
                                .row = row,
                                .column = column,
                                .rows = at_most(share->rows.last - row, share->block_rows),
                                .columns = at_most(share->columns.last - column, STRIP)};
    *piece = (struct piece){column, block->columns, 0, at_most(p->k, call->plan->depth)};
    return true;
}

static void multiply_piece(const struct call *call, const struct gemm_tile *block,
                           const struct piece *piece, const struct piece *next, bf16_pair *strip)
{
    const struct plan *plan = call->plan;
    const size_t pairs = divide_up(piece->depth, 2),
                 tiles = divide_up(block->rows, plan->tile_rows);
    struct bf16_tile tile = {.pairs = pairs,
                             .alpha = call->alpha,
                             .beta = piece->l == 0 ? call->beta : 1,
                             .ldc = block->ldc,
                             .fetch = call->b};
    const size_t panels = divide_up(block->columns, BF16_COLUMNS);
    pack_piece(call, piece, strip);
    for (size_t i = 0; i < tiles; i++) {
        const size_t row = i * plan->tile_rows;
        tile.a = tile_of(plan, block->row / plan->tile_rows + i) + piece->l / 2 * BF16_ROWS;
        tile.rows = at_most(block->rows - row, plan->tile_rows);
        for (size_t panel = 0; panel < panels; panel++) {
            const size_t j = panel * BF16_COLUMNS;
            tile.b = strip + j * pairs;
            tile.c = (float *)block->c + row * block->ldc + j;
            tile.columns = at_most(block->columns - j, BF16_COLUMNS);
            if (next)
                fetch_of(call, next, i * panels + panel, tiles * panels, &tile);
            plan->kernels->multiply(&tile);
        }
    }
}

static void multiply_share(const struct call *call, const struct share *share, size_t thread)
{
    const struct plan *plan = call->plan;
    const size_t k = call->problem->k;
    bf16_pair *strip =
        (bf16_pair *)(void *)(plan->scratch->base + plan->b_at) + thread * STRIP_PAIRS;
    float *consumed = (float *)(void *)(plan->scratch->base + plan->c_at) + thread * BLOCK_FLOATS;
    const bool consumes = call->epilogue && call->epilogue->consumes;
    struct gemm_tile block, next_block;
    struct piece piece, next;
    size_t index = 0;
    bool more = block_at(call, share, index, &block, &piece);
    while (more) {
        next = piece;
        next.l += plan->depth;
        const bool last = next.l >= k;
        if (last)
            more = block_at(call, share, ++index, &next_block, &next);
        else
            next.depth = at_most(k - next.l, plan->depth);
        if (consumes) {
            block.c = consumed;
            block.ldc = STRIP;
        }
        multiply_piece(call, &block, &piece, more ? &next : NULL, strip);
        if (last && call->epilogue)
            call->epilogue->apply(call->epilogue->context, &block);
        if (last)
            block = next_block;
        piece = next;
    }
}

void gm_native_bf16_run(const void *prepared, const struct gemm_problem *p, double alpha,
                        const void *a, const void *b, double beta, void *c,
                        const struct gemm_epilogue *epilogue)
{
    const struct plan *plan = prepared;
    const struct call call = {p, plan, (float)alpha, (float)beta, a, b, c, epilogue};
    const double flop = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    const size_t threads = at_most((size_t)omp_get_max_threads(), plan->threads);
    if (threads == 1 || flop < SERIAL_FLOP) {
        const struct native_cut whole = {1, 1, {1, 1}};
        const struct share share = share_of(&call, &whole, 0);
        pack_tiles(&call, 0, plan->tiles);
        multiply_share(&call, &share, 0);
        return;
    }
#pragma omp parallel num_threads((int)threads)
    {
        const size_t team = (size_t)omp_get_num_threads(), thread = (size_t)omp_get_thread_num();
        pack_tiles(&call, plan->tiles * thread / team, plan->tiles * (thread + 1) / team);
        const struct native_cut cut = team == plan->threads ? plan->cut : cut_for(plan, p, team);
        const struct share share = share_of(&call, &cut, thread);
#pragma omp barrier
        multiply_share(&call, &share, thread);
    }
}
