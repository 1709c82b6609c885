/* optimizer.c: how an update is joined to its product; see optimizer.h. */
#include "train/optimizer.h"

#include <math.h>
#include <stdlib.h>

#include "core/parallel.h"

/* ---- life ---- */

static double or_default(double value, double fallback)
{
    return value < 0 ? fallback : value;
}

/* Fills in the defaults of the rule and checks everything. */
static gemmlp_status resolve(gemmlp_training *s, const struct optimizer_rule *rule,
                             gemmlp_error *error)
{
    s->optimizer = rule->name;
    s->lr = or_default(s->lr, rule->lr);
    s->momentum = or_default(s->momentum, 0.9);
    s->beta2 = or_default(s->beta2, rule->beta2);
    s->epsilon = or_default(s->epsilon, 1e-8);
    s->weight_decay = or_default(s->weight_decay, rule->weight_decay);
    const struct {
        const char *name;
        double value, limit; /* must be below */
    } checks[] = {
        {"the learning rate", s->lr, INFINITY},
        {"momentum", s->momentum, 1},
        {"beta2", s->beta2, 1},
        {"epsilon", s->epsilon, INFINITY},
        {"l1", s->l1, INFINITY},
        {"l2", s->l2, INFINITY},
        {"weight decay", s->weight_decay, INFINITY},
        {"the clipping norm", s->clip_norm, INFINITY},
    };
    for (size_t i = 0; i < sizeof checks / sizeof *checks; i++)
        if (!(checks[i].value >= 0 && checks[i].value < checks[i].limit))
            return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                           "%s must be at least 0 and below %g, found %g", checks[i].name,
                           checks[i].limit, checks[i].value);
    if (s->lr * s->weight_decay > 1)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "weight decay %g times the learning rate %g must not exceed 1",
                       s->weight_decay, s->lr);
    if (rule->beta2 > 0 && (float)s->epsilon <= 0) /* g / (sqrt(v) + epsilon), where g may be 0 */
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "%s divides by epsilon: it must not be %g",
                       rule->name, s->epsilon);
    return GEMMLP_OK;
}

/* A product that ends in the weights rounds each part of its sum over the examples at the size of a
 * weight, a library after every few hundred of them, netlib after each one. A gradient summed apart
 * rounds at its own size, and beside the products of a large batch costs nothing. */
static const size_t FOLD_MAX_BATCH = 1024;

enum fold optimizer_fold(const struct optimizer_rule *rule, const gemmlp_training *training)
{
    const bool into_weights = rule->fold == FOLD_INTO_WEIGHTS;
    if (training->clip_norm > 0 || training->general_path)
        return FOLD_NONE;
    if (into_weights && (training->l1 > 0 || training->batch > FOLD_MAX_BATCH))
        return FOLD_NONE;
    return rule->fold;
}

enum { NORM_PART = 65536 }; /* elements summed together, whatever the number of threads */

static size_t norm_parts(const struct model *model)
{
    return (model->slab_size + NORM_PART - 1) / NORM_PART;
}

static void lay_out(struct optimizer *optimizer)
{
    struct arena *arena = &optimizer->arena;
    const size_t size = optimizer->model->slab_size;
    if (optimizer->fold == FOLD_NONE)
        optimizer->gradient = gm_arena_take(arena, size, sizeof(real));
    for (size_t i = 0; i < optimizer->rule->slots; i++)
        optimizer->slots[i] = gm_arena_take(arena, size, sizeof(real));
    if (optimizer->settings.clip_norm > 0)
        optimizer->norm_parts =
            gm_arena_take(arena, norm_parts(optimizer->model), sizeof *optimizer->norm_parts);
}

gemmlp_status optimizer_create(struct model *model, const gemmlp_training *training,
                               struct optimizer **out, gemmlp_error *error)
{
    *out = NULL;
    const struct optimizer_rule *rule;
    gemmlp_training settings = *training;
    gemmlp_status status = optimizer_find(training->optimizer, &rule, error);
    if (status == GEMMLP_OK)
        status = resolve(&settings, rule, error);
    if (status != GEMMLP_OK)
        return status;
    struct optimizer *optimizer = calloc(1, sizeof *optimizer);
    if (!optimizer)
        return gm_fail_memory(error, "an optimizer", sizeof *optimizer);
    *optimizer = (struct optimizer){.rule = rule,
                                    .model = model,
                                    .settings = settings,
                                    .fold = optimizer_fold(rule, &settings)};
    optimizer->arena.slab = true;
    lay_out(optimizer);
    status = gm_arena_allocate(&optimizer->arena, "gradient and optimizer slots", error);
    if (status != GEMMLP_OK) {
        optimizer_free(optimizer);
        return status;
    }
    lay_out(optimizer);
    *out = optimizer;
    return GEMMLP_OK;
}

void optimizer_free(struct optimizer *optimizer)
{
    if (!optimizer)
        return;
    gm_arena_free(&optimizer->arena);
    free(optimizer);
}

/* ---- one step ---- */

void optimizer_begin(struct optimizer *optimizer, double lr)
{
    const gemmlp_training *s = &optimizer->settings;
    const double t = (double)++optimizer->t;
    optimizer->biases = (struct update){
        .lr = (real)lr,
        .momentum = (real)s->momentum,
        .fresh1 = (real)(1 - s->momentum),
        .beta2 = (real)s->beta2,
        .fresh2 = (real)(1 - s->beta2),
        .epsilon = (real)s->epsilon,
        .keep = 1,
        .correction1 = (real)(1 / (1 - pow(s->momentum, t))),
        .correction2 = (real)(1 / (1 - pow(s->beta2, t))),
    };
    optimizer->weights = optimizer->biases;
    optimizer->weights.keep = (real)(1 - lr * s->weight_decay);
    optimizer->weights.l1 = (real)s->l1;
    optimizer->weights.l2 = (real)s->l2;
}

static real *at(real *slab, size_t offset)
{
    return slab ? slab + offset : NULL;
}

/* Beside every weight that was changed, while it is in L1. */
static void round_weights(const struct model *model, size_t offset, size_t n)
{
    if (model->half)
        real_to_bf16(n, model->slab + offset, model->half + offset);
}

/* The update of one piece of the slabs; g (n) is its gradient, not read where it is folded into the
 * slot. */
static void update(const struct optimizer *o, const struct update *u, size_t offset, size_t n,
                   const real *g)
{
    real *w = o->model->slab + offset;
    if (o->fold == FOLD_INTO_SLOT)
        o->rule->folded(u, n, w, o->slots[0] + offset);
    else
        o->rule->update(u, n, w, g, at(o->slots[0], offset), at(o->slots[1], offset));
    round_weights(o->model, offset, n);
}

struct update_context {
    const struct optimizer *optimizer;
    const struct layer *layer;
};

static void update_epilogue(const void *context, const struct gemm_tile *tile)
{
    const struct update_context *c = context;
    for (size_t i = 0; i < tile->rows; i++)
        update(c->optimizer, &c->optimizer->weights,
               c->layer->w_at + (tile->row + i) * c->layer->n_in + tile->column, tile->columns,
               (const real *)tile->c + i * tile->ldc);
}

/* The product was the update. */
static void round_epilogue(const void *context, const struct gemm_tile *tile)
{
    const struct update_context *c = context;
    for (size_t i = 0; i < tile->rows; i++)
        round_weights(c->optimizer->model,
                      c->layer->w_at + (tile->row + i) * c->layer->n_in + tile->column,
                      tile->columns);
}

/* Clipping sees the gradient of the whole objective, so penalties come first. */
static void penalise_epilogue(const void *context, const struct gemm_tile *tile)
{
    const struct update_context *c = context;
    for (size_t i = 0; i < tile->rows; i++) {
        real *g = (real *)tile->c + i * tile->ldc;
        const real *w = c->layer->w + (tile->row + i) * c->layer->n_in + tile->column;
        for (size_t j = 0; j < tile->columns; j++)
            g[j] = optimizer_penalised(&c->optimizer->weights, g[j], w[j]);
    }
}

void optimizer_layer(struct optimizer *optimizer, const struct pass *pass, size_t l)
{
    const struct layer *layer = &optimizer->model->layers[l];
    const double mean = 1 / (double)pass->rows, lr = (double)optimizer->weights.lr;
    const gemmlp_training *s = &optimizer->settings;
    const struct update_context context = {optimizer, layer};
    const bool clip = s->clip_norm > 0;
    const struct gemm_epilogue update_now = {
        .apply = update_epilogue, .context = &context, .consumes = optimizer->fold == FOLD_NONE};
    const struct gemm_epilogue penalise = {.apply = penalise_epilogue, .context = &context};
    const struct gemm_epilogue round = {.apply = round_epilogue, .context = &context};
    if (optimizer->fold == FOLD_INTO_WEIGHTS) {
        pass_gradient(pass, l, -lr * mean, 1 - lr * (s->l2 + s->weight_decay), layer->w,
                      optimizer->model->half ? &round : NULL);
        pass_bias_gradient(pass, l, -lr * mean, 1, layer->b);
        return;
    }
    real *slab = optimizer->fold == FOLD_INTO_SLOT ? optimizer->slots[0] : optimizer->gradient;
    const double beta = optimizer->fold == FOLD_INTO_SLOT ? s->momentum : 0;
    pass_gradient(pass, l, mean, beta, slab + layer->w_at, clip ? &penalise : &update_now);
    pass_bias_gradient(pass, l, mean, beta, slab + layer->b_at);
    if (!clip)
        update(optimizer, &optimizer->biases, layer->b_at, layer->n_out, slab + layer->b_at);
}

static void square_parts(const void *context, size_t first, size_t last)
{
    const struct optimizer *optimizer = context;
    const size_t size = optimizer->model->slab_size;
    const real *g = optimizer->gradient;
    for (size_t i = first; i < last; i++) {
        const size_t end = (i + 1) * NORM_PART < size ? (i + 1) * NORM_PART : size;
        double sum = 0;
#pragma omp simd reduction(+ : sum)
        for (size_t j = i * NORM_PART; j < end; j++)
            sum += (double)g[j] * (double)g[j];
        optimizer->norm_parts[i] = sum;
    }
}

static double global_norm(const struct optimizer *optimizer)
{
    const size_t parts = norm_parts(optimizer->model);
    gm_parallel(parts > 1, parts, square_parts, optimizer);
    double sum = 0;
    for (size_t i = 0; i < parts; i++)
        sum += optimizer->norm_parts[i];
    return sqrt(sum);
}

enum { SWEEP_PART = 4096 };

struct sweep {
    const struct optimizer *optimizer;
    const struct update *update;
    size_t offset, n; /* of the slabs */
    real scale;       /* of the gradient */
};

static void sweep_parts(const void *context, size_t first_part, size_t last_part)
{
    const struct sweep *s = context;
    for (size_t part = first_part; part < last_part; part++) {
        const size_t first = part * SWEEP_PART, left = s->n - first;
        const size_t count = left < SWEEP_PART ? left : SWEEP_PART;
        real *g = s->optimizer->gradient + s->offset + first;
        for (size_t i = 0; i < count; i++)
            g[i] *= s->scale;
        update(s->optimizer, s->update, s->offset + first, count, g);
    }
}

static void sweep(const struct optimizer *optimizer, const struct update *u, size_t offset,
                  size_t n, real scale)
{
    const struct sweep context = {optimizer, u, offset, n, scale};
    gm_parallel(n > 4 * SWEEP_PART, (n + SWEEP_PART - 1) / SWEEP_PART, sweep_parts, &context);
}

bool optimizer_end(struct optimizer *optimizer)
{
    const double limit = optimizer->settings.clip_norm;
    if (limit <= 0)
        return true;
    const double norm = global_norm(optimizer);
    if (!isfinite(norm))
        return false;
    const real scale = norm > limit ? (real)(limit / norm) : 1;
    struct update weights = optimizer->weights;
    weights.l1 = weights.l2 = 0; /* they are in the gradient already */
    for (size_t l = 0; l < optimizer->model->layer_count; l++) {
        const struct layer *layer = &optimizer->model->layers[l];
        sweep(optimizer, &weights, layer->w_at, layer->n_out * layer->n_in, scale);
        sweep(optimizer, &optimizer->biases, layer->b_at, layer->n_out, scale);
    }
    return true;
}
