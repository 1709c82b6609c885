/* network.h: from what the user asked for to a network in which everything is said. */
#ifndef GM_NETWORK_H
#define GM_NETWORK_H

#include "core/error.h"

struct network {
    gemmlp_network spec;  /* resolved: no NULL, no 0; spec.layers == layers */
    gemmlp_layer *layers; /* owned */
};

/* Fills in all defaults, takes sizes and task from `data` (may be NULL) and checks everything.
 * Names point to static storage. */
gemmlp_status gm_network_resolve(const gemmlp_network *network, const gemmlp_dataset *data,
                                 struct network *out, gemmlp_error *error);
void gm_network_free(struct network *network);

size_t gm_network_outputs(const gemmlp_network *network);
/* n_in of one layer. */
size_t gm_network_inputs(const gemmlp_network *network, size_t layer);
/* Weights in all layers. */
size_t gm_network_weights(const gemmlp_network *network);
/* 6 x weights - 2 x weights of the first layer: of one training step, for one example. */
double gm_network_flop(const gemmlp_network *network);

/* BAD_MODEL with both numbers unless the data's features suit the network, and its outputs. */
gemmlp_status gm_network_fits_features(const gemmlp_network *network, const gemmlp_dataset *data,
                                       gemmlp_error *error);
gemmlp_status gm_network_fits(const gemmlp_network *network, const gemmlp_dataset *data,
                              gemmlp_error *error);

#endif
