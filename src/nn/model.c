/* model.c: see model.h. */
#include "nn/model.h"

#include <stdlib.h>

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

void model_free(struct model *model)
{
    if (!model)
        return;
    gm_arena_free(&model->arena);
    free(model->layers);
    free(model);
}
