/* metrics.h: what is counted over the batches of a set, and the figures that come of it. */
#ifndef GM_METRICS_H
#define GM_METRICS_H

#include "core/error.h"

struct tally {
    gemmlp_task task;
    size_t outputs;
    size_t examples;
    double cost;          /* sum of C0 */
    size_t correct;       /* examples, or outputs for multilabel */
    double squared_error; /* sum over all outputs */
    /* For r2, or NULL: each target's first value, and sum and squares of the distances from it (so
     * that nothing cancels where the mean is large). */
    double *shift, *sum; /* (outputs) */
    double squares;
};

void gm_tally_reset(struct tally *tally);
/* Adds a batch: a and y (rows x outputs), the sum of its C0. confusion (outputs x outputs; row =
 * label, column = prediction) may be NULL. */
void gm_tally_add(struct tally *tally, size_t rows, const float *a, const float *y, double cost,
                  size_t *confusion);
gemmlp_metrics gm_tally_metrics(const struct tally *tally);

/* The largest of n. */
size_t gm_argmax(size_t n, const float *x);

#endif
