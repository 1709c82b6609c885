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

bool gm_divergence_in_parameters(const struct model *model)
{
    return first_bad(model->slab, model->slab_size) != none;
}

/* The place in words; false when layer l is sound. */
static bool describe_layer(const struct pass *pass, size_t l, char *where, size_t size)
{
    const struct layer *layer = &pass->model->layers[l];
    size_t at = first_bad(layer->w, layer->n_out * layer->n_in);
    if (at != none) {
        snprintf(where, size, "the weight of layer %zu, neuron %zu, input %zu became %g", l,
                 at / layer->n_in, at % layer->n_in, (double)layer->w[at]);
        return true;
    }
    if ((at = first_bad(layer->b, layer->n_out)) != none) {
        snprintf(where, size, "the bias of layer %zu, neuron %zu became %g", l, at,
                 (double)layer->b[at]);
        return true;
    }
    const float *kept = pass->layers[l].kept;
    if ((at = first_bad(kept, pass->rows * layer->n_out)) != none) {
        snprintf(where, size, "layer %zu, neuron %zu gave %g for example %zu of the batch", l,
                 at % layer->n_out, (double)kept[at], at / layer->n_out);
        return true;
    }
    return false;
}

void gm_divergence_fail(const struct pass *pass, size_t epoch, size_t step, gemmlp_error *error)
{
    const size_t n_in = pass->model->layers[0].n_in;
    char where[200] = "the cost became infinite or NaN";
    const size_t at = first_bad(pass->x, pass->rows * n_in);
    if (at != none)
        snprintf(where, sizeof where, "input %zu of example %zu of the batch is %g", at % n_in,
                 at / n_in, (double)pass->x[at]);
    bool found = at != none;
    for (size_t l = 0; !found && l < pass->model->layer_count; l++)
        found = describe_layer(pass, l, where, sizeof where);
    gm_fail(
        error, GEMMLP_DIVERGED,
        "training diverged in epoch %zu, step %zu: %s; the parameters are those after epoch %zu "
        "(a smaller learning rate, gradient clipping or other initial weights may help)",
        epoch, step, where, epoch - 1);
}
