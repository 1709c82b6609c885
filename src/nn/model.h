/* model.h: the parameters of a network: one slab, [W1 | b1 | W2 | b2 | …], each tensor 64-byte
 * aligned. Gradient and optimizer slots are slabs of the same layout: what is at offset i of one
 * belongs to what is at offset i of the others. The padding is zero and stays zero. */
#ifndef GM_MODEL_H
#define GM_MODEL_H

#include "core/arena.h"
#include "nn/loss.h"

#define model_outline    GM_REAL(model_outline)
#define model_create     GM_REAL(model_create)
#define model_free       GM_REAL(model_free)
#define model_initialise GM_REAL(model_initialise)
#define model_halve      GM_REAL(model_halve)
#define model_unhalve    GM_REAL(model_unhalve)
#define model_round      GM_REAL(model_round)

struct layer {
    size_t n_in, n_out;
    const struct activation *activation;
    double dropout;
    real *w;     /* (n_out x n_in), row-major, owned by the model's arena */
    real *b;     /* (n_out) */
    size_t w_at; /* offsets of w and b in every slab, in elements */
    size_t b_at;
};

struct model {
    const gemmlp_network *network; /* resolved; borrowed, outlives the model */
    const struct loss *loss;
    size_t layer_count;
    struct layer *layers; /* (layer_count) */
    struct arena arena;
    real *slab;
    size_t slab_size; /* elements, with padding */

    /* bf16 mixed precision: the weights, rounded, at the same offsets as in the slab; every update
     * writes both. NULL: nobody trains so. */
    gm_bf16 *half;
    struct arena half_arena;
    size_t half_users;
};

/* Layers, offsets and slab_size, but no memory for the parameters: to count. */
gemmlp_status model_outline(const gemmlp_network *resolved, struct model **out,
                            gemmlp_error *error);
/* All parameters zero. */
gemmlp_status model_create(const gemmlp_network *resolved, struct model **out, gemmlp_error *error);
gemmlp_status model_initialise(struct model *model, gemmlp_error *error);
/* Makes `half`, or notes another user of it; what is in it is written by model_round. */
gemmlp_status model_halve(struct model *model, gemmlp_error *error);
void model_unhalve(struct model *model);
/* The whole of `half`, after parameters were written by anything but an optimizer. */
void model_round(const struct model *model);
void model_free(struct model *model);

#endif
