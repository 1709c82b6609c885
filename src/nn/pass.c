/* pass.c: the passes over a mini-batch; see pass.h. */
#include "nn/pass.h"

#include <string.h>

#include "core/parallel.h"
#include "core/rng.h"

void pass_set_rows(struct pass *pass, size_t rows)
{
    pass->rows = rows;
}

static const struct products *products_of(const struct pass *pass, size_t l)
{
    return &pass->products[pass->rows != pass->row_counts[0]][l];
}

/* ---- operands: of bf16 mixed precision the rounded copies ---- */

static bool is_bf16(const struct pass *pass)
{
    return pass->purpose == PASS_TRAIN_BF16;
}

static const void *input_of(const struct pass *pass, size_t l)
{
    if (is_bf16(pass))
        return l ? pass->layers[l - 1].a16 : pass->x16;
    return l ? pass->layers[l - 1].a : pass->x;
}

static const void *weights_of(const struct pass *pass, size_t l)
{
    const struct layer *layer = &pass->model->layers[l];
    return is_bf16(pass) ? (const void *)(pass->model->half + layer->w_at) : layer->w;
}

static const void *delta_of(const struct pass *pass, size_t l)
{
    const struct pass_layer *at = &pass->layers[l];
    return is_bf16(pass) ? (const void *)at->delta16 : at->delta;
}

/* ---- dropout ---- */

/* Of the 16 bits drawn for each activation, values below this drop it. */
static uint32_t drop_threshold(double probability)
{
    const uint32_t threshold = (uint32_t)(probability * 65536 + 0.5);
    return threshold < 65535 ? threshold : 65535;
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

/* + b, sigma, dropout on a tile of Z, which lies where `kept` is; what is rounded to bf16 and need
 * not be kept as a float passes through a piece of the stack. */
enum { PIECE = 256 };

static void forward_epilogue_bf16(const void *context, const struct gemm_tile *tile)
{
    const struct forward_context *f = context;
    const struct layer *layer = &f->pass->model->layers[f->l];
    const struct pass_layer *at = &f->pass->layers[f->l];
    const bool apart = at->kept != at->a; /* `kept` must survive */
    const real scale = drop_scale(layer->dropout);
    for (size_t i = 0; i < tile->rows; i++)
        for (size_t j = 0; j < tile->columns; j += PIECE) {
            const size_t left = tile->columns - j, n = left < PIECE ? left : PIECE;
            const size_t row = tile->row + i, column = tile->column + j;
            const size_t offset = row * layer->n_out + column;
            real *z = (real *)tile->c + i * tile->ldc + j, piece[PIECE], *a = apart ? piece : z;
            real *sigma = at->activation->needs_z ? a : z;
            at->activation->forward(n, layer->b + column, z, sigma);
            if (at->mask) {
                draw_mask(f->dropout, f->l, layer, row, column, n, at->mask + offset);
                apply_mask(n, at->mask + offset, scale, sigma, a);
            }
            real_to_bf16(n, a, at->a16 + offset);
        }
}

/* Short rows that lie together, whole ones, are taken many at once: 30 neurons are no whole number
 * of vectors. Each has its copy of b. An element's sigma does not depend on where it lies. */
enum { ELEMENTS_TOGETHER = 1024, SHORT_LAYER = 128, VECTOR = 16 };

static void forward_together(const struct pass_layer *at, const struct layer *layer,
                             const struct gemm_tile *tile)
{
    const size_t n = tile->columns, most = ELEMENTS_TOGETHER / n;
    real b[ELEMENTS_TOGETHER], *z = tile->c, *a = at->a + tile->row * n;
    for (size_t i = 0; i < most && i < tile->rows; i++)
        memcpy(b + i * n, layer->b, n * sizeof *b);
    for (size_t i = 0; i < tile->rows; i += most) {
        const size_t rows = tile->rows - i < most ? tile->rows - i : most;
        real *sigma = at->activation->needs_z ? a + i * n : z + i * n;
        at->activation->forward(rows * n, b, z + i * n, sigma);
    }
}

static void forward_epilogue(const void *context, const struct gemm_tile *tile)
{
    const struct forward_context *f = context;
    const struct layer *layer = &f->pass->model->layers[f->l];
    const struct pass_layer *at = &f->pass->layers[f->l];
    const bool a_from_z = at->activation->needs_z; /* else sigma goes in place: `kept` is a */
    const real scale = drop_scale(layer->dropout);
    if (tile->columns == layer->n_out && tile->columns == tile->ldc &&
        tile->columns <= SHORT_LAYER && tile->columns % VECTOR && !at->mask) {
        forward_together(at, layer, tile);
        return;
    }
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

void pass_forward_layer(struct pass *pass, size_t l, const struct dropout *dropout)
{
    const struct forward_context context = {pass, dropout, l};
    const struct gemm_epilogue epilogue = {.apply = pass->layers[l].a16 ? forward_epilogue_bf16
                                                                        : forward_epilogue,
                                           .context = &context};
    gm_gemm_run(&products_of(pass, l)->forward, 1, input_of(pass, l), weights_of(pass, l), 0,
                pass->layers[l].kept, &epilogue);
}

void pass_forward(struct pass *pass, const struct dropout *dropout)
{
    for (size_t l = 0; l < pass->model->layer_count; l++)
        pass_forward_layer(pass, l, dropout);
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
        .delta16 = with_y ? pass->layers[last].delta16 : NULL,
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
        if (at->delta16)
            real_to_bf16(tile->columns, delta, at->delta16 + offset);
    }
}

void pass_backward(struct pass *pass, size_t l)
{
    const struct backward_context context = {pass, l - 1};
    const struct gemm_epilogue epilogue = {.apply = backward_epilogue, .context = &context};
    gm_gemm_run(&products_of(pass, l)->backward, 1, delta_of(pass, l), weights_of(pass, l), 0,
                pass->layers[l - 1].delta, &epilogue);
}

void pass_gradient(const struct pass *pass, size_t l, double alpha, double beta, real *g,
                   const struct gemm_epilogue *epilogue)
{
    gm_gemm_run(&products_of(pass, l)->gradient, alpha, delta_of(pass, l), input_of(pass, l), beta,
                g, epilogue);
}

/* Rows are summed in blocks, and the blocks' sums in turn, so that the error grows with the root of
 * a large batch only. */
enum { SUM_COLUMNS = 64, SUM_ROWS = 256 };

/* sum (n) += column sums of delta (rows x ld) over n <= SUM_COLUMNS columns. */
GM_KERNEL static void add_columns(size_t rows, size_t n, const real *delta, size_t ld, real *sum)
{
    real block[SUM_COLUMNS] = {0};
    for (size_t i = 0; i < rows; i++) {
#pragma omp simd
        for (size_t j = 0; j < n; j++)
            block[j] += delta[i * ld + j];
    }
    for (size_t j = 0; j < n; j++)
        sum[j] += block[j];
}

struct bias_gradient {
    size_t rows, n_out;
    const real *delta;
    real alpha, beta, *g;
};

/* Blocks of SUM_COLUMNS columns. */
static void sum_blocks(const void *context, size_t first_block, size_t last_block)
{
    const struct bias_gradient *c = context;
    for (size_t block = first_block; block < last_block; block++) {
        const size_t first = block * SUM_COLUMNS, left = c->n_out - first;
        const size_t n = left < SUM_COLUMNS ? left : SUM_COLUMNS;
        real sum[SUM_COLUMNS] = {0};
        for (size_t row = 0; row < c->rows; row += SUM_ROWS)
            add_columns(c->rows - row < SUM_ROWS ? c->rows - row : SUM_ROWS, n,
                        c->delta + row * c->n_out + first, c->n_out, sum);
        for (size_t j = first; j < first + n; j++)
            c->g[j] = c->alpha * sum[j - first] + (c->beta != 0 ? c->beta * c->g[j] : 0);
    }
}

void pass_bias_gradient(const struct pass *pass, size_t l, double alpha, double beta, real *g)
{
    const size_t n_out = pass->model->layers[l].n_out;
    const struct bias_gradient context = {pass->rows,  n_out,      pass->layers[l].delta,
                                          (real)alpha, (real)beta, g};
    gm_parallel(pass->rows * n_out > 16384, (n_out + SUM_COLUMNS - 1) / SUM_COLUMNS, sum_blocks,
                &context);
}
