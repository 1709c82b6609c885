/* step.h: one training step. The inputs are in the pass already. */
#ifndef GM_STEP_H
#define GM_STEP_H

#include "train/optimizer.h"

#define step_run GM_REAL(step_run)

struct step {
    struct pass *pass;
    struct optimizer *optimizer;
    const real *class_weights; /* (outputs), or NULL */
    uint64_t seed;             /* of dropout */
};

/* Forward, cost, backward, update over the pass's rows; `index` numbers the step, `lr` is eta.
 * Returns the sum of C0 over the batch; where it is not finite, nothing was updated. */
double step_run(struct step *step, uint64_t index, double lr);

#endif
