/* gemm_native.c: gemmlp's own matrix products: tiles in registers, blocks in the caches, the
 * epilogue on what is still there, one parallel region.
 *
 * C is cut into one rectangle for each thread, a rectangle into blocks of rows:
 *
 *   for each block of rows of A and C          (as much of A as L2 holds; packed where it pays)
 *     for each block of k                      (a panel of B in L1)
 *       for each strip of columns              native_kernels.h; after the last block of k the
 *                                              epilogue on the strip, which is in L2; one that it
 *                                              consumes lies in scratch, the same for every strip
 *
 * (After Goto and van de Geijn, "Anatomy of high-performance matrix multiplication", ACM TOMS
 * 2008.) The order in which an element of C is summed does not depend on how C is cut: the bits are
 * the same on any number of threads. */
#define _POSIX_C_SOURCE 200809L
#include <omp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "core/checked.h"
#include "linalg/gemm.h"
#include "linalg/gemm_native_bf16.h"
#include "linalg/native_cut.h"
#include "linalg/native_kernels.h"

enum {
    L1_BYTES = 32 << 10,
    L2_BYTES = 512 << 10, /* where the system does not say */
    OUTER_DEPTH = 384,    /* of a block of k: as often is C read and written again */
    DOT_DEPTH = 1024,
    STRIP = 512,                                            /* columns */
    CONSUMED_STRIP = 128,                                   /* of C in scratch */
    PANEL_BYTES = 2 * 2 * 16 * OUTER_DEPTH * sizeof(float), /* of two of the widest panels */
    LINE = 64,
    NEURON_UNIT = 16, /* rows of a gradient, which may be cut anywhere */
    PAGE = 4096,
    REUSE = 8,       /* times that something must be read again for packing it to pay */
    SHORT_DEPTH = 16 /* a k for which packing A takes as long as the product */
};
/* Below this a second thread takes longer to wake than it saves. */
static const double SERIAL_FLOP = 5e5;

struct native_plan {
    void *bf16; /* of gemm_native_bf16.c: then nothing below; else NULL */
    const struct native_kernels *kernels;
    bool dot; /* of rows of A and rows of B, else outer */
    bool pack_a, pack_panel, keep_panel;
    size_t depth;            /* of a block of k */
    size_t rows;             /* of a block of A */
    size_t strip;            /* columns that are computed before the epilogue */
    size_t consumed;         /* the same where it consumes them; 0: it never does */
    struct native_unit unit; /* of the kernel's tiles: where C may be cut */
    size_t threads;          /* that there is scratch for */
    struct native_cut cut;   /* for so many */
    size_t copy_a, copy_b;   /* of the problem, where each thread reads all of A or B; else 0 */
    size_t scratch_bytes;    /* of each thread */
    size_t c_at;             /* in it, of a consumed strip */
    unsigned char *scratch;  /* panels of B, the packed block of A, a consumed strip */
};

/* ---- the plan ---- */

static size_t round_up(size_t n, size_t unit)
{
    return (n + unit - 1) / unit * unit;
}

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

/* n in equal parts of at most `limit`, rounded up to the unit. */
static size_t part(size_t n, size_t limit, size_t unit)
{
    const size_t parts = (n + limit - 1) / limit;
    return round_up((n + parts - 1) / parts, unit);
}

/* Of L2, for a block of A: the panel of B that it meets needs the rest. Fewer rows would have B
 * copied, and fetched, once more for every block. */
static size_t block_bytes(void)
{
    long l2 = 0;
#ifdef _SC_LEVEL2_CACHE_SIZE
    l2 = sysconf(_SC_LEVEL2_CACHE_SIZE);
#endif
    return (l2 > 0 ? (size_t)l2 : L2_BYTES) / 4 * 3;
}

static struct native_cut cut_for(const struct native_plan *plan, const struct gemm_problem *p,
                                 size_t threads)
{
    const struct native_unit neurons = {NEURON_UNIT, plan->kernels->columns};
    return gm_native_cut(p, threads, plan->unit, neurons);
}

static bool is_serial(const struct gemm_problem *p)
{
    return 2.0 * (double)p->m * (double)p->n * (double)p->k < SERIAL_FLOP;
}

/* Of A B^T, by the vectors that are multiplied: outer transposes panels of B, which costs as much
 * as so many rows more, and takes for what is left beside whole panels as long as for one; dot sums
 * the lanes of each element of C at the end, and reads A for every few columns of C, from L2 if
 * half of that holds it. Dot wins where rows are few, panels are not full, or k is long. */
static bool dot_is_faster(const struct native_kernels *kernels, const struct gemm_problem *p)
{
    enum { TRANSPOSED_ROWS = 6, SUMMED_VECTORS = 2 };
    static const double beyond_l2 = 1.1;
    const size_t lanes = kernels->columns / 2;
    const size_t full_n = round_up(p->n, kernels->columns), full_k = round_up(p->k, lanes);
    const size_t a_bytes = p->m * at_most(p->k, DOT_DEPTH) * sizeof(float);
    const double outer = (double)full_n * (double)p->k * (double)(p->m + TRANSPOSED_ROWS);
    const double dot = (double)p->m * (double)p->n * (double)(full_k + SUMMED_VECTORS * lanes);
    return p->k >= lanes && dot * (a_bytes > block_bytes() / 3 * 2 ? beyond_l2 : 1) < outer;
}

static void choose_blocks(struct native_plan *plan, const struct gemm_problem *p)
{
    const struct native_kernels *kernels = plan->kernels;
    plan->dot = p->transpose_b && !p->transpose_a && dot_is_faster(kernels, p);
    plan->unit.rows = plan->dot ? kernels->dot_rows : kernels->rows;
    plan->unit.columns = plan->dot ? kernels->dot_columns : kernels->columns;
    plan->depth = part(p->k, plan->dot ? DOT_DEPTH : OUTER_DEPTH, LINE / sizeof(float));
    plan->rows =
        part(p->m, at_most(block_bytes() / (plan->depth * sizeof(float)), 4096), plan->unit.rows);
    plan->strip = round_up(STRIP, plan->unit.columns);
    if (p->transpose_a && p->k <= plan->depth) /* a gradient, of which nothing is added later */
        plan->consumed = at_most(CONSUMED_STRIP, round_up(p->n, plan->unit.columns));
    plan->cut = cut_for(plan, p, plan->threads);
    if (plan->threads > 1 && !is_serial(p)) {
        plan->copy_a = plan->cut.down == 1 ? p->copy_a : 0;
        plan->copy_b = plan->cut.across == 1 ? p->copy_b : 0;
    }
    const size_t panels = p->n / plan->cut.across / plan->unit.columns;
    const size_t tiles = p->m / plan->cut.down / plan->unit.rows;
    if (!plan->dot) {
        plan->keep_panel = p->k <= kernels->short_k; /* whatever the share of a thread */
        plan->pack_a = panels > REUSE && p->k > SHORT_DEPTH && !plan->keep_panel;
        plan->pack_panel = tiles > REUSE && plan->depth * LINE > L1_BYTES / 4;
    }
}

/* Of an opened provider. */
struct native {
    const struct native_kernels *kernels;
    struct arena bf16_scratch;
};

static gemmlp_status prepare_bf16(struct native *native, const struct gemm_problem *problem,
                                  void **out, gemmlp_error *error)
{
    struct native_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gm_fail_memory(error, "a matrix product", sizeof *plan);
    const gemmlp_status status =
        gm_native_bf16_prepare(&native->bf16_scratch, problem, &plan->bf16, error);
    if (status == GEMMLP_OK)
        *out = plan;
    else
        free(plan);
    return status;
}

static gemmlp_status prepare(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **out, gemmlp_error *error)
{
    struct native *native = provider->context;
    if (problem->precision == GEMM_BF16)
        return prepare_bf16(native, problem, out, error);
    if (problem->precision != GEMM_F32)
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "native multiplies in f32 and bf16 only, found a product in f64");
    const gemmlp_status status = gm_gemm_check_sizes(problem, INT64_MAX, error);
    if (status != GEMMLP_OK)
        return status;
    struct native_plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gm_fail_memory(error, "a matrix product", sizeof *plan);
    plan->kernels = native->kernels;
    plan->threads = (size_t)omp_get_max_threads();
    choose_blocks(plan, problem);
    size_t bytes = plan->pack_a ? plan->rows * plan->depth * sizeof(float) : 0;
    plan->c_at = round_up(PANEL_BYTES + bytes, PAGE);
    plan->scratch_bytes = round_up(plan->c_at + plan->rows * plan->consumed * sizeof(float), PAGE);
    void *scratch = NULL;
    if (!gm_mul(plan->threads, plan->scratch_bytes, &bytes) ||
        posix_memalign(&scratch, PAGE, bytes) != 0) {
        free(plan);
        return gm_fail_memory(error, "the scratch of a matrix product", bytes);
    }
    plan->scratch = scratch;
    *out = plan;
    return GEMMLP_OK;
}

static void release(void *pointer)
{
    struct native_plan *plan = pointer;
    if (plan) {
        free(plan->scratch);
        free(plan->bf16);
    }
    free(plan);
}

/* ---- one thread ---- */

struct call {
    const struct gemm *gemm;
    double alpha, beta;
    const float *a, *b;
    float *c;
    const struct gemm_epilogue *epilogue;
};

/* A block of rows over a block of k, all columns of the range; `last`: nothing is added later. */
static void multiply_block(const struct call *call, struct native_block *block,
                           struct native_range rows, struct native_range columns, bool last,
                           float *scratch)
{
    const struct native_plan *plan = call->gemm->plan;
    const struct gemm_problem *p = &call->gemm->problem;
    const float *b = block->b;
    const bool consumes = plan->consumed && call->epilogue && call->epilogue->consumes;
    const size_t strip = consumes ? plan->consumed : plan->strip;
    block->ldc = consumes ? strip : p->ldc;
    for (size_t j = columns.first; j < columns.last; j += strip) {
        block->n = at_most(columns.last - j, strip);
        block->b = b + j * block->b_column;
        block->c = consumes ? scratch : call->c + rows.first * p->ldc + j;
        if (plan->dot)
            plan->kernels->dot(block);
        else
            plan->kernels->outer(block);
        if (last && call->epilogue) {
            const struct gemm_tile tile = {.c = block->c,
                                           .ldc = block->ldc,
                                           .row = rows.first,
                                           .column = j,
                                           .rows = block->m,
                                           .columns = block->n};
            call->epilogue->apply(call->epilogue->context, &tile);
        }
    }
}

static void multiply_rectangle(const struct call *call, struct native_range rows,
                               struct native_range columns, unsigned char *scratch)
{
    const struct native_plan *plan = call->gemm->plan;
    const struct gemm_problem *p = &call->gemm->problem;
    const size_t a_row = p->transpose_a ? 1 : p->lda, a_step = p->transpose_a ? p->lda : 1;
    const size_t b_step = p->transpose_b ? 1 : p->ldb, b_column = p->transpose_b ? p->ldb : 1;
    float *packed = (float *)(void *)(scratch + PANEL_BYTES);
    for (size_t i = rows.first; i < rows.last; i += plan->rows) {
        const struct native_range block_rows = {i, i + at_most(rows.last - i, plan->rows)};
        for (size_t l = 0; l < p->k; l += plan->depth) {
            struct native_block block = {.m = block_rows.last - i,
                                         .k = at_most(p->k - l, plan->depth),
                                         .a = call->a + i * a_row + l * a_step,
                                         .a_row = a_row,
                                         .a_step = a_step,
                                         .b = call->b + l * b_step,
                                         .b_step = b_step,
                                         .b_column = b_column,
                                         .panel = (float *)(void *)scratch,
                                         .pack_panel = plan->pack_panel,
                                         .keep_panel = plan->keep_panel,
                                         .alpha = (float)call->alpha,
                                         .beta = l == 0 ? (float)call->beta : 1};
            if (plan->pack_a)
                plan->kernels->pack_a(&block, packed);
            multiply_block(call, &block, block_rows, columns, l + plan->depth >= p->k,
                           (float *)(void *)(scratch + plan->c_at));
        }
    }
}

/* ---- all threads ---- */

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    const struct native_plan *plan = gemm->plan;
    const struct gemm_problem *p = &gemm->problem;
    if (plan->bf16) {
        gm_native_bf16_run(plan->bf16, p, alpha, a, b, beta, c, epilogue);
        return;
    }
    const struct call call = {gemm, alpha, beta, a, b, c, epilogue};
    const size_t threads = at_most((size_t)omp_get_max_threads(), plan->threads);
    if (threads == 1 || is_serial(p)) {
        multiply_rectangle(&call, (struct native_range){0, p->m}, (struct native_range){0, p->n},
                           plan->scratch);
        return;
    }
#pragma omp parallel num_threads((int)threads)
    {
        /* As many as there are may be fewer than were asked for. */
        const size_t team = (size_t)omp_get_num_threads(), thread = (size_t)omp_get_thread_num();
        const struct native_cut cut = team == plan->threads ? plan->cut : cut_for(plan, p, team);
        struct native_range rows, columns;
        gm_native_share(p, &cut, thread, &rows, &columns);
        struct call mine = call;
        mine.a += thread * plan->copy_a;
        mine.b += thread * plan->copy_b;
        multiply_rectangle(&mine, rows, columns, plan->scratch + thread * plan->scratch_bytes);
    }
}

static bool reads_copies(const struct gemm *gemm)
{
    const struct native_plan *plan = gemm->plan;
    return plan->copy_a || plan->copy_b;
}

/* ---- the provider ---- */

static gemmlp_status open_native(const char *spec, struct gemm_provider *provider,
                                 gemmlp_error *error)
{
    struct native *native = calloc(1, sizeof *native);
    (void)spec;
    if (!native)
        return gm_fail_memory(error, "a provider of matrix products", sizeof *native);
    native->kernels = gm_native_kernels_at(0);
    snprintf(provider->name, sizeof provider->name, "%s", provider->kind->name);
    snprintf(provider->version, sizeof provider->version, "native (gemmlp %s)", GEMMLP_VERSION);
    snprintf(provider->kernel, sizeof provider->kernel, "%s", native->kernels->name);
    provider->context = native;
    return GEMMLP_OK;
}

static void close_native(struct gemm_provider *provider)
{
    struct native *native = provider->context;
    gm_arena_free(&native->bf16_scratch);
    free(native);
}

static gemmlp_status bf16(const struct gemm_provider *provider, gemmlp_error *error)
{
    (void)provider;
    return gm_native_bf16_check(error);
}

const struct gemm_kind gm_gemm_native = {
    .name = "native",
    .description = "gemmlp's own kernels, the epilogue on each block while it is in cache",
    .f32_only = true,
    .open = open_native,
    .close = close_native,
    .bf16 = bf16,
    .prepare = prepare,
    .run = run,
    .release = release,
    .reads_copies = reads_copies,
};
