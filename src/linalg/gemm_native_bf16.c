/* gemm_native_bf16.c: gemmlp's own matrix products in bf16: see gemm_native_bf16.h.
 *
 *   all of A is packed (bf16_kernels.h), by all threads, into scratch that they share
 *   C is cut into blocks of rows x strips of columns, which the threads take one after the other:
 *     for each block of k
 *       a strip of B is packed                 (L2)
 *       for each tile of A                     (L1)
 *         for each panel of the strip          the kernel; C is in L2
 *     the epilogue, on what is still in L2
 *
 * Each element of C is summed in one order however C is cut, and whoever takes a block: the bits
 * are the same on any number of threads. */
#include "linalg/gemm_native_bf16.h"

#include <omp.h>
#include <stdlib.h>

#include "core/checked.h"
#include "linalg/bf16_kernels.h"

enum {
    DEPTH = 512,      /* of a block of k: a tile of A is half of L1 */
    STRIP = 128,      /* columns */
    BLOCK_ROWS = 504, /* with a strip of C, of B and the A that goes with it: half of L2 */
    STRIP_PAIRS = STRIP * (DEPTH / 2),
    LINE = 64,
    PAGE = 4096
};
/* Below this a second thread takes longer to wake than it saves. */
static const double SERIAL_FLOP = 1e6;

struct plan {
    const struct bf16_kernels *kernels;
    struct arena *scratch;      /* packed A, then a strip of B for each thread */
    size_t depth, depth_blocks; /* of a block of k, even */
    size_t tiles, tile_pairs;   /* of A, all of k */
    size_t rows, row_blocks;    /* of a block of C: whole tiles */
    size_t strips;
    size_t b_at; /* in the scratch */
    size_t threads;
};

/* ---- the plan ---- */

static size_t divide_up(size_t n, size_t by)
{
    return (n + by - 1) / by;
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
    plan->depth_blocks = divide_up(p->k, DEPTH);
    plan->depth = divide_up(divide_up(p->k, plan->depth_blocks), 2) * 2;
    plan->tiles = divide_up(p->m, BF16_ROWS);
    plan->tile_pairs = divide_up(p->k, 2) * BF16_ROWS;
    plan->row_blocks = divide_up(p->m, BLOCK_ROWS);
    plan->rows = divide_up(plan->tiles, plan->row_blocks) * BF16_ROWS;
    plan->strips = divide_up(p->n, STRIP);
    size_t bytes, b_bytes;
    if (!gm_mul(plan->tiles, plan->tile_pairs, &bytes) ||
        !gm_mul(bytes, sizeof(bf16_pair), &bytes) || !gm_add(bytes, PAGE, &plan->b_at) ||
        !gm_mul(plan->threads, STRIP_PAIRS * sizeof(bf16_pair), &b_bytes) ||
        !gm_add(plan->b_at, b_bytes, &bytes)) {
        free(plan);
        return gm_fail_memory(error, "the scratch of a matrix product in bf16", bytes);
    }
    plan->b_at = plan->b_at / PAGE * PAGE;
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
    size_t next; /* block of C that nobody has taken */
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
        const size_t row = tile * BF16_ROWS, rows = at_most(p->m - row, BF16_ROWS);
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

/* Where block `index` of C lies, and its first piece of B; false: there is no such block. */
static bool block_at(const struct call *call, size_t index, struct gemm_tile *block,
                     struct piece *piece)
{
    const struct gemm_problem *p = call->problem;
    const struct plan *plan = call->plan;
    const size_t row = index % plan->row_blocks * plan->rows;
    const size_t column = index / plan->row_blocks * STRIP;
    if (index >= plan->strips * plan->row_blocks)
        return false;
    *block = (struct gemm_tile){
        call->c + row * p->ldc + column, p->ldc, row, column, at_most(p->m - row, plan->rows),
        at_most(p->n - column, STRIP)};
    *piece = (struct piece){column, block->columns, 0, at_most(p->k, plan->depth)};
    return true;
}

static void multiply_piece(const struct call *call, const struct gemm_tile *block,
                           const struct piece *piece, const struct piece *next, bf16_pair *strip)
{
    const struct plan *plan = call->plan;
    const size_t pairs = divide_up(piece->depth, 2), tiles = divide_up(block->rows, BF16_ROWS);
    struct bf16_tile tile = {.pairs = pairs,
                             .alpha = call->alpha,
                             .beta = piece->l == 0 ? call->beta : 1,
                             .ldc = block->ldc,
                             .fetch = call->b};
    const size_t panels = divide_up(block->columns, BF16_COLUMNS);
    pack_piece(call, piece, strip);
    for (size_t i = 0; i < tiles; i++) {
        const size_t row = i * BF16_ROWS;
        tile.a = tile_of(plan, block->row / BF16_ROWS + i) + piece->l / 2 * BF16_ROWS;
        tile.rows = at_most(block->rows - row, BF16_ROWS);
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

static size_t take_block(struct call *call)
{
    size_t index;
#pragma omp atomic capture
    index = call->next++;
    return index;
}

static void multiply_blocks(struct call *call, size_t thread)
{
    const struct plan *plan = call->plan;
    const size_t k = call->problem->k;
    bf16_pair *strip =
        (bf16_pair *)(void *)(plan->scratch->base + plan->b_at) + thread * STRIP_PAIRS;
    struct gemm_tile block, next_block;
    struct piece piece, next;
    bool more = block_at(call, take_block(call), &block, &piece);
    while (more) {
        next = piece;
        next.l += plan->depth;
        const bool last = next.l >= k;
        if (last)
            more = block_at(call, take_block(call), &next_block, &next);
        else
            next.depth = at_most(k - next.l, plan->depth);
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
    struct call call = {p, plan, (float)alpha, (float)beta, a, b, c, epilogue, 0};
    const double flop = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    const size_t threads = at_most((size_t)omp_get_max_threads(), plan->threads);
    if (threads == 1 || flop < SERIAL_FLOP) {
        pack_tiles(&call, 0, plan->tiles);
        multiply_blocks(&call, 0);
        return;
    }
#pragma omp parallel num_threads((int)threads)
    {
        const size_t team = (size_t)omp_get_num_threads(), thread = (size_t)omp_get_thread_num();
        pack_tiles(&call, plan->tiles * thread / team, plan->tiles * (thread + 1) / team);
#pragma omp barrier
        multiply_blocks(&call, thread);
    }
}
