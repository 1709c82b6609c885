/* divergence.c: see divergence.h. */
#include "train/divergence.h"

#include <math.h>
#include <stdio.h>

static const size_t none = (size_t)-1;

/* Index of the first of n that is not finite. x - x is 0 for finite x only, so sums of it tell a
 * whole block at once. */
static size_t first_bad(const float *x, size_t n)
{
    enum { BLOCK = 1024 };
    for (size_t start = 0; start < n; start += BLOCK) {
        const size_t end = n - start < BLOCK ? n : start + BLOCK;
        float zero = 0;
#pragma omp simd reduction(+ : zero)
        for (size_t i = start; i < end; i++)
            zero += x[i] - x[i];
        for (size_t i = start; zero != 0 && i < end; i++)
            if (!isfinite(x[i]))
                return i;
    }
    return none;
}

bool gm_divergence_in_slab(const float *slab, size_t size)
{
    return first_bad(slab, size) != none;
}

bool gm_divergence_in_parameters(const struct model *model)
{
    return gm_divergence_in_slab(model->slab, model->slab_size);
}

/* The place in words; false when layer l is sound. */
static bool in_parameters_of(const struct layer *layer, size_t l, size_t step, char *where,
                             size_t size)
{
    size_t at = first_bad(layer->w, layer->n_out * layer->n_in);
    if (at != none)
        snprintf(where, size,
                 "the update of step %zu made the weight of layer %zu, neuron %zu, input %zu %g",
                 step, l, at / layer->n_in, at % layer->n_in, fabs((double)layer->w[at]));
    else if ((at = first_bad(layer->b, layer->n_out)) != none)
        snprintf(where, size, "the update of step %zu made the bias of layer %zu, neuron %zu %g",
                 step, l, at, fabs((double)layer->b[at]));
    return at != none;
}

static bool in_activations_of(const struct divergence *d, size_t l, char *where, size_t size)
{
    const size_t n_out = d->pass->model->layers[l].n_out;
    const float *kept = d->pass->layers[l].kept;
    const size_t at = first_bad(kept, d->pass->rows * n_out);
    if (at != none)
        snprintf(where, size, "layer %zu, neuron %zu gave %g for example %lu of the training set",
                 l, at % n_out, fabs((double)kept[at]), (unsigned long)d->examples[at / n_out]);
    return at != none;
}

static void describe(const struct divergence *d, char *where, size_t size)
{
    const struct model *model = d->pass ? d->pass->model : NULL;
    bool found = false;
    snprintf(where, size,
             d->pass ? "the cost became infinite or NaN"
                     : "the loss of the validation set became infinite or NaN");
    for (size_t l = model ? model->layer_count : 0; !found && l-- > 0;)
        found = in_parameters_of(&model->layers[l], l, d->examples ? d->step - 1 : d->step, where,
                                 size);
    if (found || !d->pass || !d->examples)
        return;
    pass_forward_layer(d->pass, model->layer_count - 1, d->dropout);
    for (size_t l = 0; !found && l < model->layer_count; l++)
        found = in_activations_of(d, l, where, size);
    if (!found)
        snprintf(where, size, "the cost or its gradient became infinite or NaN");
}

void gm_divergence_fail(const struct divergence *divergence, gemmlp_error *error)
{
    char where[240];
    describe(divergence, where, sizeof where);
    gm_fail(
        error, GEMMLP_DIVERGED,
        "training diverged in epoch %zu, step %zu: %s; the parameters are those after epoch %zu "
        "(a smaller learning rate, gradient clipping or other initial weights may help)",
        divergence->epoch, divergence->step, where, divergence->epoch - 1);
}
