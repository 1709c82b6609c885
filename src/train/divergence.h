/* divergence.h: where NaN or infinity came from. */
#ifndef GM_DIVERGENCE_H
#define GM_DIVERGENCE_H

#include "nn/pass.h"

struct divergence {
    struct pass *pass;        /* of the step that met it; NULL: it showed in the validation loss */
    size_t epoch, step;       /* counted from 1 */
    const uint32_t *examples; /* (rows): which example of the training set each row is; NULL: the
                                 step is over, and its update has spoilt a parameter */
    const struct dropout *dropout; /* of the step */
};

bool gm_divergence_in_parameters(const struct model *model);
bool gm_divergence_in_slab(const float *slab, size_t size);
/* Writes GEMMLP_DIVERGED and the first place in the order of the computation: a parameter, which
 * the update of the step before has spoilt, from the last layer to the first; else an activation,
 * from the first layer to the last; else the cost. Runs the last layer once more, for its z is
 * gone. */
void gm_divergence_fail(const struct divergence *divergence, gemmlp_error *error);

#endif
