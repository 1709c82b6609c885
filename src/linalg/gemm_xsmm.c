/* gemm_xsmm.c: the provider over libxsmm: code generated for each product, the epilogue on each
 * tile while it is in L2, one parallel region for all of it.
 *
 * In: the operands as they lie in memory. Panels of op(B) are copied (transposed, for NT) and tiles
 * of op(A) too where xsmm_plan.h says so, into scratch of the thread; C is written in place. Each
 * thread has a rectangle of the tiles, and waits for nobody.
 *
 * alpha is applied to the copy of op(A) where there is one. Elsewhere, and for a beta that is
 * neither 0 nor 1, a panel's product is made apart and then added to C: libxsmm knows alpha = 1 and
 * those two. The scratch is the provider's, shared by its products so that it stays in the cache:
 * they must run one at a time.
 */
#define _DEFAULT_SOURCE /* MAP_ANONYMOUS */
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>

#include "core/arena.h"
#include "linalg/xsmm_plan.h"

struct xsmm {
    struct arena arena;
    unsigned char *scratch; /* (threads x XSMM_SCRATCH_BYTES) */
    int threads;            /* more than these do not run */
};

/* ---- the provider ---- */

/* libxsmm does not ask: where this is forbidden it returns code that cannot be called. */
static bool may_run_generated_code(void)
{
    const size_t size = 4096;
    void *page = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (page == MAP_FAILED)
        return false;
    const bool may = mprotect(page, size, PROT_READ | PROT_EXEC) == 0;
    munmap(page, size);
    return may;
}

static gemmlp_status check_machine(gemmlp_error *error)
{
    if (!may_run_generated_code())
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "libxsmm generates code, and this system does not let memory be made "
                       "executable (SELinux, or MemoryDenyWriteExecute of systemd)");
    libxsmm_init();
    if (libxsmm_get_target_archid() < LIBXSMM_X86_AVX2)
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "libxsmm sees '%s' here: expected an x86-64 CPU with AVX2, and "
                       "LIBXSMM_TARGET not set to less",
                       libxsmm_get_target_arch());
    return GEMMLP_OK;
}

static gemmlp_status open_xsmm(const char *spec, struct gemm_provider *provider,
                               gemmlp_error *error)
{
    (void)spec;
    gemmlp_status status = check_machine(error);
    if (status != GEMMLP_OK)
        return status;
    struct xsmm *xsmm = calloc(1, sizeof *xsmm);
    if (!xsmm)
        return gm_fail_memory(error, "a provider of matrix products", sizeof *xsmm);
    const int most = omp_get_max_threads(), processors = omp_get_num_procs();
    xsmm->threads = most > processors ? most : processors;
    gm_arena_take(&xsmm->arena, (size_t)xsmm->threads, XSMM_SCRATCH_BYTES);
    status = gm_arena_allocate(&xsmm->arena, "scratch for libxsmm", error);
    if (status != GEMMLP_OK) {
        free(xsmm);
        return status;
    }
    xsmm->scratch = gm_arena_take(&xsmm->arena, (size_t)xsmm->threads, XSMM_SCRATCH_BYTES);
    snprintf(provider->name, sizeof provider->name, "%s", provider->kind->name);
    snprintf(provider->version, sizeof provider->version, "libxsmm %s", LIBXSMM_VERSION);
    snprintf(provider->kernel, sizeof provider->kernel, "%s", libxsmm_get_target_arch());
    provider->context = xsmm;
    return GEMMLP_OK;
}

static void close_xsmm(struct gemm_provider *provider)
{
    struct xsmm *xsmm = provider->context;
    gm_arena_free(&xsmm->arena);
    free(xsmm);
}

static gemmlp_status prepare(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **out, gemmlp_error *error)
{
    (void)provider;
    struct xsmm_plan *plan = malloc(sizeof *plan);
    if (!plan)
        return gm_fail_memory(error, "a plan of a matrix product", sizeof *plan);
    gemmlp_status status = gm_xsmm_plan(problem, plan, error);
    if (status != GEMMLP_OK) {
        free(plan);
        return status;
    }
    *out = plan;
    return GEMMLP_OK;
}

/* ---- one thread's part ---- */

/* A product that runs. */
struct run {
    const struct xsmm_plan *plan;
    const struct gemm_problem *problem;
    double alpha, beta;
    const unsigned char *a, *b;
    unsigned char *c;
    const struct gemm_epilogue *epilogue;
};

struct part { /* of the tiles and the panels, the ends excluded */
    size_t first_tile, end_tile, first_panel, end_panel;
};

struct scratch {
    unsigned char *panels, *tiles, *apart;
};

struct panel {
    enum xsmm_panel kind;
    size_t column, columns;
};

static struct panel panel_at(const struct xsmm_plan *plan, size_t index)
{
    const size_t wide = plan->count[XSMM_WIDE], narrow = plan->count[XSMM_NARROW];
    const size_t *width = plan->width;
    if (index < wide)
        return (struct panel){XSMM_WIDE, index * width[XSMM_WIDE], width[XSMM_WIDE]};
    const size_t column = wide * width[XSMM_WIDE] + (index - wide) * width[XSMM_NARROW];
    if (index < wide + narrow)
        return (struct panel){XSMM_NARROW, column, width[XSMM_NARROW]};
    return (struct panel){XSMM_LAST, column, plan->last_columns};
}

static const unsigned char *element_of(const struct run *run, bool transposed,
                                       const unsigned char *matrix, size_t ld, size_t row,
                                       size_t column)
{
    return matrix + (transposed ? column * ld + row : row * ld + column) * run->plan->element;
}

/* alpha where it is applied at this place, else 1. */
static double alpha_at(const struct run *run, enum xsmm_alpha place)
{
    return run->plan->alpha == place ? run->alpha : 1;
}

/* Copies the panels first .. end of op(B) into scratch, a few rows of all of them at a time, as
 * they lie in memory; or transposes them. */
static void pack_panels(const struct run *run, size_t block, size_t first, size_t end,
                        unsigned char *packed)
{
    enum { ROWS = 8 };
    const struct xsmm_plan *plan = run->plan;
    const struct gemm_problem *p = run->problem;
    const bool last = block == plan->depth_blocks - 1;
    const size_t depth = last ? plan->last_depth : plan->depth, at = block * plan->depth;
    const size_t step = p->transpose_b ? depth : ROWS;
    for (size_t row = 0; row < depth; row += step) {
        for (size_t i = first; i < end; i++) {
            const struct panel panel = panel_at(plan, i);
            const size_t width = plan->width[panel.kind];
            unsigned char *out = packed + (i - first) * plan->panel_bytes;
            const unsigned char *b =
                element_of(run, p->transpose_b, run->b, p->ldb, at + row, panel.column);
            if (!plan->pack_b && panel.kind != XSMM_LAST)
                continue;
            if (p->transpose_b)
                gm_xsmm_transpose(&plan->transpose_b[panel.kind][last], b, p->ldb, out);
            else
                gm_xsmm_combine(p->precision, depth - row < step ? depth - row : step,
                                panel.columns, alpha_at(run, XSMM_ALPHA_B), b, p->ldb, 0,
                                out + row * width * plan->element, width);
        }
    }
}

/* Copies a tile of op(A) into scratch, (rows x depth) whichever way it is stored. */
static void pack_tile(const struct run *run, size_t tile, size_t block, unsigned char *packed)
{
    const struct xsmm_plan *plan = run->plan;
    const struct gemm_problem *p = run->problem;
    const bool last_tile = tile == plan->row_tiles - 1,
               last_block = block == plan->depth_blocks - 1;
    const size_t rows = last_tile ? plan->last_rows : plan->rows;
    const size_t depth = last_block ? plan->last_depth : plan->depth;
    const unsigned char *a =
        element_of(run, p->transpose_a, run->a, p->lda, tile * plan->rows, block * plan->depth);
    const double alpha = alpha_at(run, XSMM_ALPHA_A);
    if (!p->transpose_a) {
        gm_xsmm_combine(p->precision, rows, depth, alpha, a, p->lda, 0, packed, plan->ld_tile);
        return;
    }
    gm_xsmm_transpose(&plan->transpose_a[last_tile][last_block], a, p->lda, packed);
    if (alpha != 1)
        gm_xsmm_combine(p->precision, rows, depth, alpha, packed, plan->ld_tile, 0, packed,
                        plan->ld_tile);
}

/* Where the product of a tile and the panels first .. end goes. */
static enum xsmm_into destination(const struct run *run, size_t block, size_t end)
{
    const struct xsmm_plan *plan = run->plan;
    const double alpha = alpha_at(run, XSMM_ALPHA_APART), beta = block == 0 ? run->beta : 1;
    const bool padded = plan->count[XSMM_LAST] && end == plan->panels;
    if (plan->apart || padded || alpha != 1 || (beta != 0 && beta != 1))
        return XSMM_APART;
    return beta == 0 ? XSMM_STORE : XSMM_ADD;
}

/* A tile of op(A) times the panels first .. end, which lie in a slab. */
static void run_tile(const struct run *run, size_t tile, size_t block, const void *a, size_t first,
                     size_t end, const struct scratch *scratch)
{
    const struct xsmm_plan *plan = run->plan;
    const struct gemm_problem *p = run->problem;
    const bool last_tile = tile == plan->row_tiles - 1,
               last_block = block == plan->depth_blocks - 1;
    const size_t row = tile * plan->rows, rows = last_tile ? plan->last_rows : plan->rows;
    const enum xsmm_into into = destination(run, block, end);
    const struct panel left = panel_at(plan, first), right = panel_at(plan, end - 1);
    const size_t columns = right.column + right.columns - left.column;
    unsigned char *c = run->c + (row * p->ldc + left.column) * plan->element;
    unsigned char *out = into == XSMM_APART ? scratch->apart : c;
    for (size_t i = first; i < end; i++) {
        const struct panel panel = panel_at(plan, i);
        const void *b = scratch->panels + (i - first) * plan->panel_bytes;
        if (!plan->pack_b && panel.kind != XSMM_LAST)
            b = element_of(run, false, run->b, p->ldb, block * plan->depth, panel.column);
        const libxsmm_xmmfunction kernel = plan->kernels[panel.kind][last_tile][last_block][into];
        if (p->precision == GEMM_F32)
            kernel.smm(b, a, (float *)out + panel.column - left.column);
        else
            kernel.dmm(b, a, (double *)out + panel.column - left.column);
    }
    if (into == XSMM_APART)
        gm_xsmm_combine(p->precision, rows, columns, alpha_at(run, XSMM_ALPHA_APART), out,
                        plan->ld_apart, block == 0 ? run->beta : 1, c, p->ldc);
    if (!run->epilogue || !last_block)
        return;
    const struct gemm_tile seen = {c, p->ldc, row, left.column, rows, columns};
    run->epilogue->apply(run->epilogue->context, &seen);
}

/* The tiles first .. end of all panels of a part, for one block of k: the tiles are packed once. */
static void run_group(const struct run *run, const struct part *part, size_t block,
                      size_t first_tile, size_t end_tile, const struct scratch *scratch)
{
    const struct xsmm_plan *plan = run->plan;
    for (size_t tile = first_tile; plan->pack_a && tile < end_tile; tile++)
        pack_tile(run, tile, block, scratch->tiles + (tile - first_tile) * plan->tile_bytes);
    for (size_t first = part->first_panel; first < part->end_panel; first += plan->slab) {
        const size_t end =
            part->end_panel - first < plan->slab ? part->end_panel : first + plan->slab;
        pack_panels(run, block, first, end, scratch->panels);
        for (size_t tile = first_tile; tile < end_tile; tile++) {
            const void *a = plan->pack_a ? scratch->tiles + (tile - first_tile) * plan->tile_bytes
                                         : element_of(run, false, run->a, run->problem->lda,
                                                      tile * plan->rows, block * plan->depth);
            run_tile(run, tile, block, a, first, end, scratch);
        }
    }
}

static void run_part(const struct run *run, const struct part *part, unsigned char *bytes)
{
    const struct xsmm_plan *plan = run->plan;
    const struct scratch scratch = {bytes, bytes + XSMM_PANEL_BYTES,
                                    bytes + XSMM_PANEL_BYTES + XSMM_TILE_BYTES};
    for (size_t first = part->first_tile; first < part->end_tile; first += plan->group) {
        const size_t end =
            part->end_tile - first < plan->group ? part->end_tile : first + plan->group;
        for (size_t block = 0; block < plan->depth_blocks; block++)
            run_group(run, part, block, first, end, &scratch);
    }
}

/* ---- the parts of all threads ---- */

struct grid {
    size_t down, across;
};

/* The grid whose largest part costs least. To copy a panel costs as much as PACKING rows. */
static struct grid choose_grid(const struct xsmm_plan *plan, size_t threads)
{
    enum { PACKING = 6 };
    struct grid best = {1, 1};
    size_t least = SIZE_MAX;
    for (size_t down = 1; down <= threads && down <= plan->row_tiles; down++) {
        const size_t share = threads / down;
        const size_t across = share < plan->panels ? share : plan->panels;
        const size_t rows = (plan->row_tiles + down - 1) / down * plan->rows;
        const size_t panels = (plan->panels + across - 1) / across;
        const size_t cost = panels * (rows + (plan->pack_b ? PACKING : 0));
        if (cost < least) {
            least = cost;
            best = (struct grid){down, across};
        }
    }
    return best;
}

static struct part part_at(const struct xsmm_plan *plan, struct grid grid, size_t index)
{
    const size_t i = index / grid.across, j = index % grid.across;
    return (struct part){
        .first_tile = plan->row_tiles * i / grid.down,
        .end_tile = plan->row_tiles * (i + 1) / grid.down,
        .first_panel = plan->panels * j / grid.across,
        .end_panel = plan->panels * (j + 1) / grid.across,
    };
}

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    const struct xsmm *xsmm = gemm->provider->context;
    const struct xsmm_plan *plan = gemm->plan;
    const struct run run = {plan, &gemm->problem, alpha, beta, a, b, c, epilogue};
    const int most = omp_get_max_threads();
    const int threads = plan->serial ? 1 : most < xsmm->threads ? most : xsmm->threads;
    if (threads == 1) {
        const struct part all = {0, plan->row_tiles, 0, plan->panels};
        run_part(&run, &all, xsmm->scratch);
        return;
    }
    const struct grid grid = choose_grid(plan, (size_t)threads);
#pragma omp parallel num_threads(threads)
    {
        const size_t thread = (size_t)omp_get_thread_num(), team = (size_t)omp_get_num_threads();
        for (size_t i = thread; i < grid.down * grid.across; i += team) {
            const struct part part = part_at(plan, grid, i);
            run_part(&run, &part, xsmm->scratch + thread * XSMM_SCRATCH_BYTES);
        }
    }
}

const struct gemm_kind gm_gemm_xsmm = {
    .name = "xsmm",
    .description = "libxsmm: generated kernels on tiles, each with its epilogue",
    .open = open_xsmm,
    .close = close_xsmm,
    .prepare = prepare,
    .run = run,
    .release = free,
};
