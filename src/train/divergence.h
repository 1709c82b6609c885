/* divergence.h: where NaN or infinity came from. */
#ifndef GM_DIVERGENCE_H
#define GM_DIVERGENCE_H

#include "nn/pass.h"

bool gm_divergence_in_parameters(const struct model *model);
/* After a forward pass with a cost that is not finite, or an update that left such a parameter:
 * writes GEMMLP_DIVERGED and the first place in the order of the computation: inputs, then layer by
 * layer parameters and activations, then the cost. epoch and step are counted from 1. */
void gm_divergence_fail(const struct pass *pass, size_t epoch, size_t step, gemmlp_error *error);

#endif
