/* pass.c: see pass.h. Workspace first, then the passes. */
#include "nn/pass.h"

#include <stdlib.h>

#include "core/rng.h"

/* ---- workspace ---- */

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

/* sigma' needs z where it cannot be had from a, and a before dropout where there is dropout. */
static bool keeps_apart(const struct layer *layer)
{
    return layer->activation->needs_z || layer->dropout > 0;
}

static void lay_out(struct pass *pass, struct arena *arena, size_t rows)
{
    const struct model *model = pass->model;
    const size_t wide = widest(model), last = model->layer_count - 1;
    const bool train = pass->purpose == PASS_TRAIN;
    pass->x = take(arena, rows, model->layers[0].n_in);
    pass->y = take(arena, rows, model->layers[last].n_out);
    pass->cost = gm_arena_take(arena, rows, sizeof *pass->cost);
    real *pair[2] = {take(arena, rows, wide), take(arena, rows, wide)};
    /* The two buffers that all layers share: activations to predict, deltas to train. */
    for (size_t l = 0; l <= last; l++) {
        const struct layer *layer = &model->layers[l];
        struct pass_layer *at = &pass->layers[l];
        at->activation = l == last && output_takes_z(model->loss, layer->activation)
                             ? activation_find("identity")
                             : layer->activation;
        at->a = train ? take(arena, rows, layer->n_out) : pair[l & 1];
        at->delta = train ? pair[l & 1] : NULL;
        at->kept = at->a;
        if (train && keeps_apart(layer))
            at->kept = take(arena, rows, layer->n_out);
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
    return arena.overflow || !pass.layers ? SIZE_MAX : arena.used;
}

static gemmlp_status prepare_layer(const struct layer *layer, const struct gemm_provider *provider,
                                   size_t rows, struct products *products, gemmlp_error *error)
{
    const size_t n_in = layer->n_in, n_out = layer->n_out;
    const struct gemm_problem forward = {.precision = REAL_PRECISION,
                                         .transpose_b = true,
                                         .m = rows,
                                         .n = n_out,
                                         .k = n_in,
                                         .lda = n_in,
                                         .ldb = n_in,
                                         .ldc = n_out};
    const struct gemm_problem backward = {.precision = REAL_PRECISION,
                                          .m = rows,
                                          .n = n_in,
                                          .k = n_out,
                                          .lda = n_out,
                                          .ldb = n_in,
                                          .ldc = n_in};
    const struct gemm_problem gradient = {.precision = REAL_PRECISION,
                                          .transpose_a = true,
                                          .m = n_out,
                                          .n = n_in,
                                          .k = rows,
                                          .lda = n_out,
                                          .ldb = n_in,
                                          .ldc = n_in};
    gemmlp_status status = gm_gemm_prepare(&products->forward, provider, &forward, error);
    if (status == GEMMLP_OK)
        status = gm_gemm_prepare(&products->backward, provider, &backward, error);
    if (status == GEMMLP_OK)
        status = gm_gemm_prepare(&products->gradient, provider, &gradient, error);
    return status;
}

static gemmlp_status prepare(struct pass *pass, const struct gemm_provider *provider,
                             gemmlp_error *error)
{
    const struct model *model = pass->model;
    gemmlp_status status = GEMMLP_OK;
    for (int i = 0; i < 2; i++)
        for (size_t l = 0; status == GEMMLP_OK && pass->row_counts[i] && l < model->layer_count;
             l++)
            status = prepare_layer(&model->layers[l], provider, pass->row_counts[i],
                                   &pass->products[i][l], error);
    return status;
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
    free(pass->layers);
    free(pass);
}

void pass_set_rows(struct pass *pass, size_t rows)
{
    pass->rows = rows;
}

static const struct products *products_of(const struct pass *pass, size_t l)
{
    return &pass->products[pass->rows != pass->row_counts[0]][l];
}

static const real *input_of(const struct pass *pass, size_t l)
{
    return l ? pass->layers[l - 1].a : pass->x;
}

/* ---- dropout ---- */

/* Of the 16 bits drawn for each activation, values below this drop it. */
static uint32_t drop_threshold(double probability)
{
    return (uint32_t)(probability * 65536 + 0.5);
}

static real drop_scale(double probability)
{
    return (real)(65536.0 / (65536.0 - drop_threshold(probability)));
}

/* mask (n) for columns column … of one row; eight activations share one random block. */
static void draw_mask(const struct dropout *dropout, size_t l, const struct layer *layer,
                      size_t row, size_t column, size_t n, uint8_t *mask)
{
    const uint32_t threshold = drop_threshold(layer->dropout);
    const size_t blocks_per_row = (layer->n_out + 7) / 8;
    for (size_t j = column; j < column + n;) {
        struct rng_block block = gm_rng(dropout->seed, RNG_DROPOUT, (uint32_t)l, dropout->step,
                                        row * blocks_per_row + j / 8);
        for (size_t end = (j / 8 + 1) * 8; j < end && j < column + n; j++)
            *mask++ = (block.u[j % 8 / 2] >> (j % 2 * 16) & 0xffff) >= threshold;
    }
}

GM_KERNEL static void apply_mask(size_t n, const uint8_t *mask, real scale, const real *from,
                                 real *to)
{
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        to[i] = (real)mask[i] * scale * from[i];
}

/* ---- the passes ---- */

struct forward_context {
    const struct pass *pass;
    const struct dropout *dropout;
    size_t l;
};

/* + b, sigma, dropout on a tile of Z, which lies where `kept` is. */
static void forward_epilogue(const void *context, const struct gemm_tile *tile)
{
    const struct forward_context *f = context;
    const struct layer *layer = &f->pass->model->layers[f->l];
    const struct pass_layer *at = &f->pass->layers[f->l];
    const bool a_from_z = at->activation->needs_z; /* else sigma goes in place: `kept` is a */
    const real scale = drop_scale(layer->dropout);
    for (size_t i = 0; i < tile->rows; i++) {
        const size_t row = tile->row + i, offset = row * layer->n_out + tile->column;
        real *z = (real *)tile->c + i * tile->ldc, *a = at->a + offset, *sigma = a_from_z ? a : z;
        at->activation->forward(tile->columns, layer->b + tile->column, z, sigma);
        if (at->mask) {
            draw_mask(f->dropout, f->l, layer, row, tile->column, tile->columns, at->mask + offset);
            apply_mask(tile->columns, at->mask + offset, scale, sigma, a);
        }
    }
}

void pass_forward(struct pass *pass, const struct dropout *dropout)
{
    for (size_t l = 0; l < pass->model->layer_count; l++) {
        const struct forward_context context = {pass, dropout, l};
        const struct gemm_epilogue epilogue = {forward_epilogue, &context};
        gm_gemm_run(&products_of(pass, l)->forward, 1, input_of(pass, l), pass->model->layers[l].w,
                    0, pass->layers[l].kept, &epilogue);
    }
}

double pass_cost(struct pass *pass, bool with_y, double label_smoothing, const real *class_weights)
{
    const size_t last = pass->model->layer_count - 1;
    const struct output output = {
        .loss = pass->model->loss,
        .activation = pass->model->layers[last].activation,
        .label_smoothing = label_smoothing,
        .class_weights = class_weights,
        .rows = pass->rows,
        .n = pass->model->layers[last].n_out,
        .a = pass->layers[last].a,
        .kept = pass->layers[last].kept,
        .y = with_y ? pass->y : NULL,
        .delta = with_y ? pass->layers[last].delta : NULL,
        .cost = with_y ? pass->cost : NULL,
    };
    output_cost(&output);
    double sum = 0; /* in order, whatever the number of threads */
    for (size_t i = 0; with_y && i < pass->rows; i++)
        sum += pass->cost[i];
    return sum;
}

/* delta_prev <- delta_prev * dropout * sigma'(z_prev) on a tile. */
struct backward_context {
    const struct pass *pass;
    size_t l; /* the layer whose delta is made */
};

static void backward_epilogue(const void *context, const struct gemm_tile *tile)
{
    const struct backward_context *b = context;
    const struct layer *layer = &b->pass->model->layers[b->l];
    const struct pass_layer *at = &b->pass->layers[b->l];
    const real scale = drop_scale(layer->dropout);
    for (size_t i = 0; i < tile->rows; i++) {
        const size_t offset = (tile->row + i) * layer->n_out + tile->column;
        real *delta = (real *)tile->c + i * tile->ldc;
        if (at->mask)
            apply_mask(tile->columns, at->mask + offset, scale, delta, delta);
        layer->activation->backward(tile->columns, at->kept + offset, delta);
    }
}

void pass_backward(struct pass *pass, size_t l)
{
    const struct backward_context context = {pass, l - 1};
    const struct gemm_epilogue epilogue = {backward_epilogue, &context};
    gm_gemm_run(&products_of(pass, l)->backward, 1, pass->layers[l].delta, pass->model->layers[l].w,
                0, pass->layers[l - 1].delta, &epilogue);
}

void pass_gradient(const struct pass *pass, size_t l, double alpha, double beta, real *g,
                   const struct gemm_epilogue *epilogue)
{
    gm_gemm_run(&products_of(pass, l)->gradient, alpha, pass->layers[l].delta, input_of(pass, l),
                beta, g, epilogue);
}

enum { SUM_COLUMNS = 64 };

/* sum (n) = column sums of delta (rows x ld) over n <= SUM_COLUMNS columns. */
GM_KERNEL static void column_sums(size_t rows, size_t n, const real *delta, size_t ld, real *sum)
{
    for (size_t j = 0; j < n; j++)
        sum[j] = 0;
    for (size_t i = 0; i < rows; i++) {
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            sum[j] += delta[i * ld + j];
    }
}

void pass_bias_gradient(const struct pass *pass, size_t l, double alpha, double beta, real *g)
{
    const size_t n_out = pass->model->layers[l].n_out, rows = pass->rows;
    const real *delta = pass->layers[l].delta;
#pragma omp parallel for schedule(static) if (rows * n_out > 16384)
    for (size_t first = 0; first < n_out; first += SUM_COLUMNS) {
        const size_t n = n_out - first < SUM_COLUMNS ? n_out - first : SUM_COLUMNS;
        real sum[SUM_COLUMNS];
        column_sums(rows, n, delta + first, n_out, sum);
        for (size_t j = 0; j < n; j++)
            g[first + j] = (real)alpha * sum[j] + (beta != 0 ? (real)beta * g[first + j] : 0);
    }
}
