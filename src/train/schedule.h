/* schedule.h: the learning rate eta of every step. */
#ifndef GM_SCHEDULE_H
#define GM_SCHEDULE_H

#include "core/error.h"

struct schedule;

struct schedule_rule {
    const char *name, *description;
    double factor, epochs, warmup; /* defaults; epochs 0: a third of the run */
    double start;                  /* eta / (highest eta) from which a warm-up rises, linearly */
    /* eta / (highest eta) at step `step` >= the warm-up's end. */
    double (*rate)(const struct schedule *s, double step);
    bool to_the_end; /* the rate depends on how many steps there will be */
};

struct schedule {
    const struct schedule_rule *rule;
    double lr, factor, epochs;
    double steps, steps_per_epoch;
    double warmup, warmup_steps; /* the share of all steps, and how many that is */
    /* plateau: the factor so far, the best loss and how many epochs ago it was */
    double plateau_scale, best_loss;
    size_t waited;
};

const struct schedule_rule *gm_schedule_at(size_t index);
const char *gm_schedule_name(size_t index);
/* lr: the highest eta, resolved; the rest from training. */
gemmlp_status gm_schedule_init(struct schedule *schedule, const gemmlp_training *training,
                               double lr, size_t steps_per_epoch, gemmlp_error *error);
double gm_schedule_lr(const struct schedule *schedule, uint64_t step);
/* Whether both give the same rates up to where they are, though of another number of epochs. */
bool gm_schedule_same(const struct schedule *a, const struct schedule *b);
/* Tells the loss after an epoch (of the validation set where there is one). */
void gm_schedule_epoch(struct schedule *schedule, double loss);

#endif
