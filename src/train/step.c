/* step.c: one training step; see step.h. */
#include "train/step.h"

#include <math.h>

double step_run(struct step *step, uint64_t index, double lr)
{
    struct pass *pass = step->pass;
    const struct dropout dropout = {step->seed, index};
    pass_forward(pass, &dropout);
    double cost = pass_cost(pass, true, pass->model->network->label_smoothing, step->class_weights);
    if (!isfinite(cost))
        return cost;
    optimizer_begin(step->optimizer, lr);
    for (size_t l = pass->model->layer_count; l-- > 0;) {
        if (l > 0)
            pass_backward(pass, l); /* needs the weights of the forward pass: before the update */
        optimizer_layer(step->optimizer, pass, l);
    }
    return optimizer_end(step->optimizer) ? cost : NAN;
}
