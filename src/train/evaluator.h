/* evaluator.h: a model over a whole data set, in large batches; allocates once, runs many times. */
#ifndef GM_EVALUATOR_H
#define GM_EVALUATOR_H

#include "data/batch.h"
#include "nn/pass.h"
#include "nn/public_model.h"
#include "train/metrics.h"

struct evaluator {
    struct gemm_provider *own; /* closed with the evaluator; NULL: the provider is another's */
    struct pass *pass;
    struct batch_source source;
    size_t rows; /* of a full batch */
    size_t first, count;
    struct tally tally;
    struct arena arena; /* of the tally */
};

/* Over examples first .. first + count - 1 of `dataset`, whose features must fit the model. */
gemmlp_status gm_evaluator_create(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                  size_t first, size_t count, const struct gemm_provider *provider,
                                  struct evaluator **out, gemmlp_error *error);
void gm_evaluator_free(struct evaluator *evaluator);
/* Call both within gm_compute_begin and gm_compute_end. */
gemmlp_metrics gm_evaluator_run(struct evaluator *evaluator, size_t *confusion);
void gm_evaluator_predict(struct evaluator *evaluator, float *out);

/* GEMM_F32 or GEMM_BF16, by the name that the caller wishes. */
gemmlp_status gm_compute_precision(const gemmlp_compute *compute, enum gemm_precision *precision,
                                   gemmlp_error *error);
/* Threads and provider from the caller's wishes; the provider is to be closed. It can multiply in
 * f32 and in the precision that was wished. */
gemmlp_status gm_compute_resolve(const gemmlp_compute *compute, int *threads,
                                 struct gemm_provider **provider, gemmlp_error *error);

#endif
