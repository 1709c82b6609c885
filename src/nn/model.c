/* model.c: see model.h. */
#include "nn/model.h"

#include <stdlib.h>

#include "core/parallel.h"
#include "nn/init.h"
#include "nn/network.h"

/* The one place that lays out a slab. While the arena counts, only its size is known. */
static void lay_out(struct model *model, struct arena *arena)
{
    for (size_t l = 0; l < model->layer_count; l++) {
        struct layer *layer = &model->layers[l];
        layer->w_at = arena->used / sizeof(real);
        layer->w = gm_arena_take(arena, layer->n_out * layer->n_in, sizeof(real));
        layer->b_at = arena->used / sizeof(real);
        layer->b = gm_arena_take(arena, layer->n_out, sizeof(real));
    }
    model->slab = (real *)(void *)arena->base;
    model->slab_size = arena->used / sizeof(real);
}

gemmlp_status model_outline(const gemmlp_network *resolved, struct model **out, gemmlp_error *error)
{
    *out = NULL;
    struct model *model = calloc(1, sizeof *model);
    struct layer *layers = calloc(resolved->layer_count, sizeof *layers);
    if (!model || !layers) {
        free(model);
        free(layers);
        return gm_fail_memory(error, "the layers of a model",
                              sizeof *model + resolved->layer_count * sizeof *layers);
    }
    model->network = resolved;
    model->arena.slab = true;
    model->loss = loss_find(resolved->loss);
    model->layer_count = resolved->layer_count;
    model->layers = layers;
    for (size_t l = 0; l < model->layer_count; l++) {
        layers[l].n_in = gm_network_inputs(resolved, l);
        layers[l].n_out = resolved->layers[l].n_out;
        layers[l].activation = activation_find(resolved->layers[l].activation);
        layers[l].dropout = resolved->layers[l].dropout;
    }
    lay_out(model, &model->arena);
    *out = model;
    return GEMMLP_OK;
}

gemmlp_status model_create(const gemmlp_network *resolved, struct model **out, gemmlp_error *error)
{
    gemmlp_status status = model_outline(resolved, out, error);
    if (status == GEMMLP_OK)
        status = gm_arena_allocate(&(*out)->arena, "the parameters", error);
    if (status == GEMMLP_OK) {
        lay_out(*out, &(*out)->arena);
    } else {
        model_free(*out);
        *out = NULL;
    }
    return status;
}

gemmlp_status model_initialise(struct model *model, gemmlp_error *error)
{
    gemmlp_status status = GEMMLP_OK;
    for (size_t l = 0; status == GEMMLP_OK && l < model->layer_count; l++) {
        struct layer *layer = &model->layers[l];
        status = init_weights(model->network->layers[l].init, model->network->seed, l, layer->n_out,
                              layer->n_in, layer->w, layer->b, error);
    }
    return status;
}

static void take_half(struct model *model)
{
    model->half = gm_arena_take(&model->half_arena, model->slab_size, sizeof *model->half);
}

gemmlp_status model_halve(struct model *model, gemmlp_error *error)
{
    if (model->half_users == 0) {
        take_half(model);
        const gemmlp_status status =
            gm_arena_allocate(&model->half_arena, "the weights in bf16", error);
        if (status != GEMMLP_OK)
            return status;
        take_half(model);
    }
    model->half_users++;
    return GEMMLP_OK;
}

void model_unhalve(struct model *model)
{
    if (--model->half_users > 0)
        return;
    gm_arena_free(&model->half_arena);
    model->half = NULL;
}

enum { ROUND_PART = 4096 };

static void round_parts(const void *context, size_t first, size_t last)
{
    const struct model *model = context;
    const size_t start = first * ROUND_PART, end = last * ROUND_PART;
    const size_t stop = end < model->slab_size ? end : model->slab_size;
    real_to_bf16(stop - start, model->slab + start, model->half + start);
}

void model_round(const struct model *model)
{
    const size_t parts = (model->slab_size + ROUND_PART - 1) / ROUND_PART;
    gm_parallel(parts > 4, parts, round_parts, model);
}

void model_free(struct model *model)
{
    if (!model)
        return;
    gm_arena_free(&model->half_arena);
    gm_arena_free(&model->arena);
    free(model->layers);
    free(model);
}
