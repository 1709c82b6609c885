/* checkpoint.h: a trainer as a file, and back.
 *
 * The file is a safetensors file with a checksum (io/safetensors.h), and a model's file as well:
 * what opens models opens it. Tensors, all F32, N counting the layers:
 *   layers.N.weight, layers.N.bias, preprocess.factor, preprocess.offset   the model
 *   optimizer.slotI.layers.N.…     the optimizer's slots
 *   good.layers.N.…                after the last completed epoch; absent: as the model's
 *   best.layers.N.…                with the lowest validation loss; absent: as the good ones
 * Metadata, beside a model's: checkpoint = "1" (the version of all this), and JSON objects
 *   training      every setting, defaults filled in, but for schedule_epochs, whose default depends
 *                 on the number of epochs (-1: the default)
 *   conditions    version, precision, CPU, threads, provider
 *   data          of train and valid: sizes and a fingerprint
 *   state         counters, sums of the running epoch, early stopping, schedule
 *   plan          the choices of the planner; absent without one
 *   note          a text of the caller's; absent without one
 * Numbers that are not finite are absent. */
#ifndef GM_CHECKPOINT_H
#define GM_CHECKPOINT_H

#include <jansson.h>

#include "io/safetensors.h"
#include "train/trainer.h"

#define CHECKPOINT_VERSION "1"

struct gemmlp_checkpoint {
    char *path;
    struct safetensors *file;
    json_t *network, *training, *conditions, *data, *state;
    gemmlp_training settings; /* as `training` has them */
    double *class_weights;    /* (count), of the settings; or NULL */
    size_t class_weight_count;
    gemmlp_progress progress; /* counters only */
    char passed_over[sizeof((gemmlp_error *)0)->message];
};

/* checkpoint_text.c: the JSON objects of a trainer; NULL: out of memory. Freed by the caller. */
json_t *gm_checkpoint_training(const struct gemmlp_trainer *trainer);
json_t *gm_checkpoint_conditions(const struct gemmlp_trainer *trainer);
json_t *gm_checkpoint_data(const struct gemmlp_trainer *trainer); /* fingerprinted */
json_t *gm_checkpoint_state(const struct gemmlp_trainer *trainer);
/* And back, checked; `settings` gets no class weights and no compute. */
gemmlp_status gm_checkpoint_settings(const char *path, const json_t *training,
                                     gemmlp_training *settings, gemmlp_error *error);

/* What `state` holds. */
struct checkpoint_state {
    gemmlp_progress progress; /* epoch, step, steps_per_epoch, learning_rate, valid, best_epoch,
                                 train_seconds, finished */
    gemmlp_metrics best_valid;
    uint64_t optimizer_steps;
    struct tally tally; /* its sums */
    double plateau_scale, plateau_loss;
    size_t plateau_waited;
};
gemmlp_status gm_checkpoint_parse_state(const char *path, const json_t *state,
                                        struct checkpoint_state *out, gemmlp_error *error);

/* Fills in the trainer's fingerprints. */
gemmlp_status gm_checkpoint_fingerprint(struct gemmlp_trainer *trainer, gemmlp_error *error);

#endif
