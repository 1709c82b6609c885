/* public_model.h: what a gemmlp_model is: network, parameters in float, pre-processing, class
 * names. */
#ifndef GM_PUBLIC_MODEL_H
#define GM_PUBLIC_MODEL_H

#include "nn/model.h"
#include "nn/network.h"

struct gemmlp_model {
    struct network network;
    struct model *core;
    float *factor, *offset; /* (n_in): x' = factor x + offset */
    char **class_names;     /* (outputs), or NULL: their numbers */
    char (*numbers)[24];    /* (outputs): those numbers as text */
    bool parameters_given;  /* the caller has a pointer to them, and may write at any time */
};

/* A model with all parameters zero, without pre-processing (factor 1, offset 0). */
gemmlp_status gm_public_model_create(const gemmlp_network *network, const gemmlp_dataset *data,
                                     gemmlp_model **out, gemmlp_error *error);

#endif
