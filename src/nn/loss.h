/* loss.h: the cost C0 of each example and delta^L = dC0/dz^L at the output layer. */
#ifndef GM_LOSS_H
#define GM_LOSS_H

#include "nn/activation.h"

#define loss_at     GM_REAL(loss_at)
#define loss_name   GM_REAL(loss_name)
#define loss_find   GM_REAL(loss_find)
#define output_cost GM_REAL(output_cost)

struct loss {
    const char *name, *description;
    bool sigmoid_or_softmax; /* is defined only for these outputs */
    bool mean;               /* over the outputs, else the sum */
    /* The sum over n outputs, and g = its derivative by each a; g may be NULL. Label smoothing
     * makes y into keep * y + floor. */
    double (*from_a)(size_t n, const real *a, const real *y, real keep, real floor, real *g);
};

const struct loss *loss_at(size_t index);
const char *loss_name(size_t index);
/* Only for names that were validated. */
const struct loss *loss_find(const char *name);

/* The output layer of one batch. Cross-entropy is computed from z together with softmax or sigmoid,
 * the form that is stable and whose delta is a - y; a holds z + b then, and sigma is applied here.
 */
struct output {
    const struct loss *loss;
    const struct activation *activation;
    double label_smoothing;
    const real *class_weights; /* (n): factor on C0 by the class of y; NULL: 1 */
    size_t rows, n;
    real *a;          /* (rows x n): z + b for softmax and for cross_entropy, else a; a on return */
    const real *kept; /* (rows x n): for sigma', as in activation.h */
    const real *y;    /* (rows x n) */
    real *delta;      /* (rows x n); NULL: not wanted */
    gm_bf16 *delta16; /* (rows x n): delta rounded; NULL: not wanted */
    double *cost;     /* (rows); NULL: only a is wanted, and y may be NULL */
};

/* Whether the forward pass must leave z in `a` for output_cost. */
static inline bool output_takes_z(const struct loss *loss, const struct activation *activation)
{
    return activation->output_only || loss->sigmoid_or_softmax;
}

void output_cost(const struct output *output);

#endif
