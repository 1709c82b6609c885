/* workspace.c: what a pass needs before it can run: buffers for one batch, and the products of
 * every layer, prepared. */
#include <omp.h>
#include <stdlib.h>

#include "linalg/planner.h"
#include "nn/pass.h"

static size_t widest(const struct model *model)
{
    size_t n = 0;
    for (size_t l = 0; l < model->layer_count; l++)
        n = model->layers[l].n_out > n ? model->layers[l].n_out : n;
    return n;
}

static real *take(struct arena *arena, size_t rows, size_t columns)
{
    return gm_arena_take(arena, rows, columns * sizeof(real));
}

static gm_bf16 *take_bf16(struct arena *arena, size_t rows, size_t columns)
{
    return gm_arena_take(arena, rows, columns * sizeof(gm_bf16));
}

/* sigma' needs z where it cannot be had from a, and a before dropout where there is dropout. */
static bool keeps_apart(const struct layer *layer)
{
    return layer->activation->needs_z || layer->dropout > 0;
}

static void lay_out(struct pass *pass, struct arena *arena, size_t rows)
{
    const struct model *model = pass->model;
    const size_t wide = widest(model), last = model->layer_count - 1;
    const bool train = pass->purpose != PASS_PREDICT, bf16 = pass->purpose == PASS_TRAIN_BF16;
    if (bf16)
        pass->x16 = take_bf16(arena, rows, model->layers[0].n_in);
    else
        pass->x = take(arena, rows, model->layers[0].n_in);
    pass->y = take(arena, rows, model->layers[last].n_out);
    pass->cost = gm_arena_take(arena, rows, sizeof *pass->cost);
    real *pair[2] = {take(arena, rows, wide), take(arena, rows, wide)};
    gm_bf16 *pair16[2] = {NULL, NULL};
    for (size_t i = 0; bf16 && i < 2; i++)
        pair16[i] = take_bf16(arena, rows, wide);
    /* The two buffers that all layers share: activations to predict, deltas to train. */
    for (size_t l = 0; l <= last; l++) {
        const struct layer *layer = &model->layers[l];
        struct pass_layer *at = &pass->layers[l];
        at->activation = l == last && output_takes_z(model->loss, layer->activation)
                             ? activation_find("identity")
                             : layer->activation;
        const bool apart = train && keeps_apart(layer), hidden16 = bf16 && l < last;
        if (!(apart && hidden16))
            at->a = train ? take(arena, rows, layer->n_out) : pair[l & 1];
        at->kept = apart ? take(arena, rows, layer->n_out) : at->a;
        at->delta = train ? pair[l & 1] : NULL;
        at->a16 = hidden16 ? take_bf16(arena, rows, layer->n_out) : NULL;
        at->delta16 = pair16[l & 1];
        if (train && layer->dropout > 0)
            at->mask = gm_arena_take(arena, rows, layer->n_out);
    }
}

size_t pass_workspace(const struct model *model, enum pass_purpose purpose, size_t rows)
{
    struct pass pass = {.model = model, .purpose = purpose};
    struct arena arena = {0};
    pass.layers = calloc(model->layer_count, sizeof *pass.layers);
    if (pass.layers)
        lay_out(&pass, &arena, rows);
    free(pass.layers);
    return !pass.layers ? 0 : arena.overflow ? SIZE_MAX : arena.used;
}

/* Only what will run: no gradient is taken of the network's inputs. */
static gemmlp_status prepare_layer(const struct pass *pass, size_t l,
                                   const struct gemm_provider *provider, size_t rows,
                                   struct products *products, gemmlp_error *error)
{
    const size_t n_in = pass->model->layers[l].n_in, n_out = pass->model->layers[l].n_out;
    const bool train = pass->purpose != PASS_PREDICT;
    const enum gemm_precision precision =
        pass->purpose == PASS_TRAIN_BF16 ? GEMM_BF16 : REAL_PRECISION;
    const size_t copy = l == 0 ? pass->x_stride : 0;
    const struct gemm_problem forward = {.precision = precision,
                                         .transpose_b = true,
                                         .m = rows,
                                         .n = n_out,
                                         .k = n_in,
                                         .lda = n_in,
                                         .ldb = n_in,
                                         .ldc = n_out,
                                         .copy_a = copy};
    const struct gemm_problem backward = {.precision = precision,
                                          .m = rows,
                                          .n = n_in,
                                          .k = n_out,
                                          .lda = n_out,
                                          .ldb = n_in,
                                          .ldc = n_in};
    const struct gemm_problem gradient = {.precision = precision,
                                          .transpose_a = true,
                                          .m = n_out,
                                          .n = n_in,
                                          .k = rows,
                                          .lda = n_out,
                                          .ldb = n_in,
                                          .ldc = n_in,
                                          .copy_b = copy};
    gemmlp_status status = gm_gemm_prepare(&products->forward, provider, &forward, error);
    if (status == GEMMLP_OK && train && l > 0)
        status = gm_gemm_prepare(&products->backward, provider, &backward, error);
    if (status == GEMMLP_OK && train)
        status = gm_gemm_prepare(&products->gradient, provider, &gradient, error);
    return status;
}

/* ---- copies of x ---- */

/* A batch of which each thread gathers a part, and reads all, goes from core to core in every step.
 * Where it fits into a core's cache beside the rest, each thread gathers all of it for itself: up
 * to four, for what many do over again costs more than it saves, and not in bf16, where there is
 * half of it to move, and rounding it takes longer. */
enum { COPY_BYTES = 1 << 19, COPY_THREADS = 4, COPY_UNIT = 64 / sizeof(real) };

/* Elements from one copy to the next; 0: there are none. */
static size_t copy_stride(const struct pass *pass, size_t rows)
{
    const size_t n_in = pass->model->layers[0].n_in, threads = (size_t)omp_get_max_threads();
    if (pass->purpose != PASS_TRAIN || threads == 1 || threads > COPY_THREADS ||
        rows > COPY_BYTES / sizeof(real) / n_in)
        return 0;
    return (rows * n_in + COPY_UNIT - 1) / COPY_UNIT * COPY_UNIT;
}

static gemmlp_status make_copies(struct pass *pass, gemmlp_error *error)
{
    const size_t threads = (size_t)omp_get_max_threads();
    take(&pass->copies, threads, pass->x_stride);
    const gemmlp_status status = gm_arena_allocate(&pass->copies, "copies of a batch", error);
    if (status == GEMMLP_OK) {
        pass->x = take(&pass->copies, threads, pass->x_stride);
        pass->x_copies = threads;
    }
    return status;
}

/* Whether any product does. */
static bool reads_copies(const struct pass *pass)
{
    bool any = false;
    for (int i = 0; i < 2 && pass->row_counts[i]; i++)
        any |= gm_gemm_reads_copies(&pass->products[i]->forward) ||
               gm_gemm_reads_copies(&pass->products[i]->gradient);
    return any;
}

static gemmlp_status prepare(struct pass *pass, const struct gemm_provider *provider,
                             gemmlp_error *error)
{
    const struct model *model = pass->model;
    gemmlp_status status = GEMMLP_OK;
    for (int i = 0; i < 2; i++)
        for (size_t l = 0; status == GEMMLP_OK && pass->row_counts[i] && l < model->layer_count;
             l++)
            status =
                prepare_layer(pass, l, provider, pass->row_counts[i], &pass->products[i][l], error);
    if (status == GEMMLP_OK && pass->x_stride > 0 && reads_copies(pass))
        status = make_copies(pass, error);
    return status == GEMMLP_OK ? gm_planner_save(provider, error) : status;
}

gemmlp_status pass_create(const struct model *model, const struct gemm_provider *provider,
                          enum pass_purpose purpose, size_t rows, size_t last_rows,
                          struct pass **out, gemmlp_error *error)
{
    const size_t layers = model->layer_count;
    *out = NULL;
    struct pass *pass = calloc(1, sizeof *pass);
    if (!pass)
        return gm_fail_memory(error, "a pass", sizeof *pass);
    pass->model = model;
    pass->purpose = purpose;
    pass->rows = rows;
    pass->row_counts[0] = rows;
    pass->row_counts[1] = last_rows;
    pass->layers = calloc(layers, sizeof *pass->layers);
    pass->products[0] = calloc(layers, sizeof *pass->products[0]);
    pass->products[1] = calloc(layers, sizeof *pass->products[1]);
    gemmlp_status status = GEMMLP_OK;
    if (!pass->layers || !pass->products[0] || !pass->products[1])
        status = gm_fail_memory(error, "a pass", layers * sizeof *pass->layers);
    if (status == GEMMLP_OK) {
        lay_out(pass, &pass->workspace, rows);
        status = gm_arena_allocate(&pass->workspace, "the workspace", error);
    }
    if (status == GEMMLP_OK) {
        lay_out(pass, &pass->workspace, rows);
        pass->x_copies = 1;
        pass->x_stride = copy_stride(pass, rows);
        status = prepare(pass, provider, error);
    }
    if (status != GEMMLP_OK) {
        pass_free(pass);
        return status;
    }
    *out = pass;
    return GEMMLP_OK;
}

void pass_free(struct pass *pass)
{
    if (!pass)
        return;
    for (int i = 0; i < 2; i++) {
        for (size_t l = 0; pass->products[i] && l < pass->model->layer_count; l++) {
            gm_gemm_release(&pass->products[i][l].forward);
            gm_gemm_release(&pass->products[i][l].backward);
            gm_gemm_release(&pass->products[i][l].gradient);
        }
        free(pass->products[i]);
    }
    gm_arena_free(&pass->workspace);
    gm_arena_free(&pass->copies);
    free(pass->layers);
    free(pass);
}
