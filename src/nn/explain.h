/* explain.h: what explain.c, compiled in double, may know of a model trained in float. */
#ifndef GM_EXPLAIN_H
#define GM_EXPLAIN_H

#include "data/batch.h"

const float *gm_trained_weights(const gemmlp_model *model, size_t layer);
const float *gm_trained_biases(const gemmlp_model *model, size_t layer);
struct batch_source gm_trained_source(const gemmlp_model *model, const gemmlp_dataset *dataset);

#endif
