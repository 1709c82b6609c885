/* explain.c: the chain rule of 3Blue1Brown's "Backpropagation calculus", with the numbers of a
 * trained network: factor by factor for one weight and one example, averaged over many, and beside
 * it what C does when the weight is really changed. In double, without dropout and label smoothing.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/cpu.h"
#include "data/batch.h"
#include "nn/explain.h"
#include "nn/network.h"
#include "nn/pass.h"
#include "nn/vmath.h"

enum { ROWS = 256 };

struct explainer {
    struct network network; /* the model's, without dropout */
    struct model *model;
    struct gemm_provider *provider;
    struct pass *pass;
    struct batch_source source;
    float *x, *y; /* (ROWS x n_in), (ROWS x outputs): gathered, then widened into the pass */
    int threads;
};

static gemmlp_status create_core(struct explainer *e, const gemmlp_model *trained,
                                 gemmlp_error *error)
{
    const gemmlp_network *spec = gemmlp_model_network(trained);
    gemmlp_status status = gm_network_resolve(spec, NULL, &e->network, error);
    for (size_t l = 0; status == GEMMLP_OK && l < spec->layer_count; l++)
        e->network.layers[l].dropout = 0;
    if (status == GEMMLP_OK)
        status = model_create(&e->network.spec, &e->model, error);
    if (status == GEMMLP_OK)
        status = gm_gemm_open_f64(&e->provider, error);
    if (status == GEMMLP_OK)
        status = pass_create(e->model, e->provider, PASS_TRAIN, ROWS, 1, &e->pass, error);
    for (size_t l = 0; status == GEMMLP_OK && l < spec->layer_count; l++) {
        const float *w = gm_trained_weights(trained, l), *b = gm_trained_biases(trained, l);
        struct layer *layer = &e->model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++)
            layer->w[i] = (double)w[i];
        for (size_t j = 0; j < layer->n_out; j++)
            layer->b[j] = (double)b[j];
    }
    return status;
}

static gemmlp_status create(struct explainer *e, const gemmlp_model *trained,
                            const gemmlp_dataset *dataset, gemmlp_error *error)
{
    const size_t n_in = gemmlp_model_network(trained)->n_in;
    const size_t n_out = gm_network_outputs(gemmlp_model_network(trained));
    e->source = gm_trained_source(trained, dataset);
    e->threads = gemmlp_default_threads();
    gemmlp_status status = gm_network_fits(gemmlp_model_network(trained), dataset, error);
    if (status == GEMMLP_OK)
        status = create_core(e, trained, error);
    if (status != GEMMLP_OK)
        return status;
    e->x = calloc(ROWS * n_in, sizeof *e->x);
    e->y = calloc(ROWS * n_out, sizeof *e->y);
    return e->x && e->y ? GEMMLP_OK
                        : gm_fail_memory(error, "a batch", ROWS * (n_in + n_out) * sizeof(float));
}

static void destroy(struct explainer *e)
{
    free(e->x);
    free(e->y);
    pass_free(e->pass);
    gm_gemm_close(e->provider);
    model_free(e->model);
    gm_network_free(&e->network);
}

/* Forward and cost of examples first … first + rows - 1; returns the sum of C0. Shorter last
 * batches are filled up with repeated rows, which are then not counted. */
static double forward(struct explainer *e, size_t first, size_t rows)
{
    const size_t n_in = e->network.spec.n_in, n_out = e->source.outputs;
    const size_t full = rows == 1 ? 1 : ROWS;
    gm_batch_gather(&e->source, NULL, first, rows, &(struct batch){.x = e->x, .y = e->y});
    pass_set_rows(e->pass, full);
    for (size_t i = 0; i < full * n_in; i++)
        e->pass->x[i] = (double)e->x[i % (rows * n_in)];
    for (size_t i = 0; i < full * n_out; i++)
        e->pass->y[i] = (double)e->y[i % (rows * n_out)];
    pass_forward(e->pass, NULL);
    pass_cost(e->pass, true, 0, NULL);
    double sum = 0;
    for (size_t i = 0; i < rows; i++)
        sum += e->pass->cost[i];
    return sum;
}

static const double *input_of(const struct explainer *e, size_t l)
{
    return l ? e->pass->layers[l - 1].a : e->pass->x;
}

/* sigma'(z_j) from what the forward pass kept; da_j/dz_j at a softmax. */
static double slope(const struct explainer *e, size_t l, size_t j)
{
    const struct activation *activation = e->model->layers[l].activation;
    const double a = e->pass->layers[l].a[j];
    double slope = 1;
    if (activation->output_only)
        return a * (1 - a);
    activation->backward(1, &e->pass->layers[l].kept[j], &slope);
    return slope;
}

/* dC0/da_j at the output. */
static double output_slope(const struct explainer *e, size_t j)
{
    const size_t last = e->model->layer_count - 1, n = e->model->layers[last].n_out;
    const struct loss *loss = e->model->loss;
    const double a = e->pass->layers[last].a[j], y = e->pass->y[j];
    double g;
    if (loss->sigmoid_or_softmax)
        return e->model->layers[last].activation->output_only ? -y / a : (a - y) / (a * (1 - a));
    loss->from_a(1, &a, &y, 1, 0, &g);
    return loss->mean ? g / (double)n : g;
}

/* With one example in the pass: everything about the weight but the averages. */
static void explain_example(struct explainer *e, gemmlp_explanation *out)
{
    const size_t l = out->layer, j = out->j, last = e->model->layer_count - 1;
    const struct layer *layer = &e->model->layers[l];
    const double *w = layer->w + j * layer->n_in, *a_prev = input_of(e, l);
    out->weight = w[out->k];
    out->a_in = out->dz_dw = a_prev[out->k];
    out->z = layer->b[j];
    for (size_t k = 0; k < layer->n_in; k++)
        out->z += w[k] * a_prev[k];
    out->a = e->pass->layers[l].a[j];
    out->da_dz = slope(e, l, j);
    for (size_t i = last; i > l; i--)
        pass_backward(e->pass, i);
    out->dC_dz = e->pass->layers[l].delta[j];
    out->dC_dw = out->dz_dw * out->dC_dz;
    out->target = l == last ? e->pass->y[j] : NAN;
    if (l == last) {
        out->dC_da = output_slope(e, j);
        return;
    }
    const struct layer *next = &e->model->layers[l + 1];
    for (size_t i = 0; i < out->path_count; i++) {
        out->paths[i] = (gemmlp_path){
            .neuron = i,
            .dz_da = next->w[i * next->n_in + j],
            .dC_dz = e->pass->layers[l + 1].delta[i], /* the other of the two buffers */
        };
        out->dC_da += out->paths[i].dz_da * out->paths[i].dC_dz;
    }
}

static double average_cost(struct explainer *e, size_t examples)
{
    double sum = 0;
    for (size_t first = 0; first < examples; first += ROWS)
        sum += forward(e, first, examples - first < ROWS ? examples - first : ROWS);
    return sum / (double)examples;
}

/* C and dC/dw_jk over the first examples of the set. */
static void average(struct explainer *e, gemmlp_explanation *out)
{
    const size_t examples = out->average_examples, last = e->model->layer_count - 1;
    const struct layer *layer = &e->model->layers[out->layer];
    double cost = 0, gradient = 0;
    for (size_t first = 0; first < examples; first += ROWS) {
        const size_t rows = examples - first < ROWS ? examples - first : ROWS;
        cost += forward(e, first, rows);
        for (size_t i = last; i > out->layer; i--)
            pass_backward(e->pass, i);
        for (size_t i = 0; i < rows; i++)
            gradient += e->pass->layers[out->layer].delta[i * layer->n_out + out->j] *
                        input_of(e, out->layer)[i * layer->n_in + out->k];
    }
    out->average_cost = cost / (double)examples;
    out->average_dC_dw = gradient / (double)examples;
}

static void explain(struct explainer *e, gemmlp_explanation *out)
{
    struct layer *layer = &e->model->layers[out->layer];
    double *w = &layer->w[out->j * layer->n_in + out->k];
    out->cost = forward(e, out->example, 1);
    explain_example(e, out);
    average(e, out);
    *w += out->nudge;
    out->cost_nudged = forward(e, out->example, 1);
    out->average_cost_nudged = average_cost(e, out->average_examples);
    *w -= out->nudge;
}

static gemmlp_status check_example(const gemmlp_dataset *dataset, size_t example,
                                   gemmlp_error *error)
{
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(dataset, &info);
    if (example >= info.examples)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "example %zu of %s: it has %zu, counted from 0", example, info.path,
                       info.examples);
    return GEMMLP_OK;
}

static gemmlp_status check_weight(const gemmlp_network *network, size_t layer, size_t j, size_t k,
                                  gemmlp_error *error)
{
    if (layer >= network->layer_count)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "layer %zu: the network has %zu layers, counted from 0", layer,
                       network->layer_count);
    if (j >= network->layers[layer].n_out || k >= gm_network_inputs(network, layer))
        return gm_fail(
            error, GEMMLP_INVALID_ARGUMENT,
            "weight j = %zu, k = %zu of layer %zu: it has %zu x %zu weights, counted from 0", j, k,
            layer, network->layers[layer].n_out, gm_network_inputs(network, layer));
    return GEMMLP_OK;
}

gemmlp_status gemmlp_explain(const gemmlp_model *model, const gemmlp_dataset *dataset,
                             size_t example, size_t layer, size_t j, size_t k, double nudge,
                             size_t average_examples, gemmlp_explanation **out, gemmlp_error *error)
{
    const gemmlp_network *network = gemmlp_model_network(model);
    struct explainer explainer = {0};
    *out = NULL;
    gemmlp_status status = check_example(dataset, example, error);
    if (status == GEMMLP_OK)
        status = check_weight(network, layer, j, k, error);
    if (status == GEMMLP_OK)
        status = create(&explainer, model, dataset, error);
    gemmlp_explanation *explanation = status == GEMMLP_OK ? calloc(1, sizeof *explanation) : NULL;
    if (explanation) {
        gemmlp_dataset_info info;
        gemmlp_dataset_info_get(dataset, &info);
        *explanation = (gemmlp_explanation){
            .example = example, .layer = layer, .j = j, .k = k, .nudge = nudge != 0 ? nudge : 1e-3};
        explanation->average_examples =
            average_examples && average_examples < info.examples ? average_examples : info.examples;
        explanation->path_count =
            layer + 1 < network->layer_count ? network->layers[layer + 1].n_out : 0;
        explanation->paths = calloc(explanation->path_count + 1, sizeof *explanation->paths);
    }
    if (status == GEMMLP_OK && (!explanation || !explanation->paths))
        status = gm_fail_memory(error, "an explanation", sizeof *explanation);
    if (status == GEMMLP_OK) {
        struct compute_scope scope = gm_compute_begin(explainer.threads);
        explain(&explainer, explanation);
        gm_compute_end(scope);
        *out = explanation;
    } else {
        gemmlp_explanation_free(explanation);
    }
    destroy(&explainer);
    return status;
}

void gemmlp_explanation_free(gemmlp_explanation *explanation)
{
    if (explanation)
        free(explanation->paths);
    free(explanation);
}

/* Keeps the `count` largest, in order. */
static size_t insert(gemmlp_weight_index *list, size_t found, size_t count,
                     gemmlp_weight_index entry)
{
    if (found == count && fabs(entry.dC_dw) <= fabs(list[count - 1].dC_dw))
        return found;
    size_t at = found < count ? found : count - 1;
    for (; at > 0 && fabs(list[at - 1].dC_dw) < fabs(entry.dC_dw); at--)
        list[at] = list[at - 1];
    list[at] = entry;
    return found < count ? found + 1 : count;
}

static void find_largest(struct explainer *e, size_t only, size_t count, gemmlp_weight_index *out,
                         size_t *found)
{
    *found = 0;
    for (size_t l = e->model->layer_count; l-- > 0;) {
        const struct layer *layer = &e->model->layers[l];
        for (size_t j = 0; (only == l || only == GEMMLP_ALL_LAYERS) && j < layer->n_out; j++)
            for (size_t k = 0; k < layer->n_in; k++)
                *found = insert(out, *found, count,
                                (gemmlp_weight_index){
                                    l, j, k, e->pass->layers[l].delta[j] * input_of(e, l)[k]});
        if (l > 0)
            pass_backward(e->pass, l);
    }
}

gemmlp_status gemmlp_largest_gradients(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                       size_t example, size_t layer, size_t count,
                                       gemmlp_weight_index *out, size_t *found, gemmlp_error *error)
{
    struct explainer explainer = {0};
    *found = 0;
    gemmlp_status status = check_example(dataset, example, error);
    if (status == GEMMLP_OK && layer != GEMMLP_ALL_LAYERS)
        status = check_weight(gemmlp_model_network(model), layer, 0, 0, error);
    if (status == GEMMLP_OK)
        status = create(&explainer, model, dataset, error);
    if (status == GEMMLP_OK && count > 0) {
        struct compute_scope scope = gm_compute_begin(explainer.threads);
        forward(&explainer, example, 1);
        find_largest(&explainer, layer, count, out, found);
        gm_compute_end(scope);
    }
    destroy(&explainer);
    return status;
}
