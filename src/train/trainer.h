/* trainer.h: a training run between two steps: all that the next step depends on. */
#ifndef GM_TRAINER_H
#define GM_TRAINER_H

#include "data/batch.h"
#include "nn/public_model.h"
#include "train/evaluator.h"
#include "train/metrics.h"
#include "train/schedule.h"
#include "train/step.h"

struct gemmlp_trainer {
    gemmlp_model *model;
    gemmlp_training settings; /* batch is at most the examples */
    int threads;
    struct gemm_provider *provider;
    bool provider_by_path;
    enum gemm_precision precision; /* GEMM_F32 or GEMM_BF16 */
    bool halved, rounded; /* bf16: the model has copies of the weights; they are up to date */
    struct batch_source source;
    struct step step;
    struct schedule schedule;
    struct evaluator *valid; /* NULL: no validation set */
    struct tally tally;      /* of the running epoch */
    struct arena memory;     /* the buffers below */
    float *good;             /* slab: parameters after the last completed epoch */
    float *best;          /* slab: those with the lowest validation loss; NULL without patience */
    float *class_weights; /* (outputs), or NULL */
    uint32_t *order;      /* (examples): permutation of the running epoch */
    bool shuffled;        /* `order` is that of the running epoch */
    gemmlp_progress progress;
    gemmlp_metrics best_valid;
    gemmlp_error failure; /* status OK until training has diverged */
    /* For checkpoints. */
    bool fingerprinted; /* the two below are known */
    uint32_t train_crc, valid_crc;
    char mismatch[sizeof((gemmlp_error *)0)->message]; /* see gemmlp_trainer_mismatch */
};

/* plan: choices of the planner, as a checkpoint recorded them, which stands at `where`; NULL:
 * none. */
gemmlp_status gm_trainer_create(gemmlp_model *model, const gemmlp_dataset *train,
                                const gemmlp_dataset *valid, const gemmlp_training *training,
                                const char *plan, const char *where, gemmlp_trainer **out,
                                gemmlp_error *error);
/* Whether all epochs are done, or patience has run out. */
bool gm_trainer_finished(const struct gemmlp_trainer *trainer);

#endif
