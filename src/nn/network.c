/* network.c: see network.h. */
#include "nn/network.h"

#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "data/dataset.h"
#include "data/preprocess.h"
#include "nn/activation.h"
#include "nn/init.h"
#include "nn/loss.h"

/* What suits each task. */
static const struct {
    const char *output, *loss;
} defaults[] = {
    [GEMMLP_CLASSIFY] = {"softmax", "cross_entropy"},
    [GEMMLP_REGRESS] = {"identity", "mse"},
    [GEMMLP_MULTILABEL] = {"sigmoid", "cross_entropy"},
};

size_t gm_network_outputs(const gemmlp_network *network)
{
    return network->layers[network->layer_count - 1].n_out;
}

size_t gm_network_inputs(const gemmlp_network *network, size_t layer)
{
    return layer ? network->layers[layer - 1].n_out : network->n_in;
}

size_t gm_network_weights(const gemmlp_network *network)
{
    size_t sum = 0;
    for (size_t l = 0; l < network->layer_count; l++)
        sum += gm_network_inputs(network, l) * network->layers[l].n_out;
    return sum;
}

double gm_network_flop(const gemmlp_network *network)
{
    return 6.0 * (double)gm_network_weights(network) -
           2.0 * (double)network->n_in * (double)network->layers[0].n_out;
}

gemmlp_status gm_network_fits_features(const gemmlp_network *network, const gemmlp_dataset *data,
                                       gemmlp_error *error)
{
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(data, &info);
    if (info.features != network->n_in)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "layer 0 expects %zu inputs, but %s has %zu features per example",
                       network->n_in, info.path, info.features);
    return GEMMLP_OK;
}

gemmlp_status gm_network_fits(const gemmlp_network *network, const gemmlp_dataset *data,
                              gemmlp_error *error)
{
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(data, &info);
    const size_t outputs = gm_network_outputs(network);
    gemmlp_status status = gm_network_fits_features(network, data, error);
    if (status != GEMMLP_OK)
        return status;
    if (!info.has_targets)
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: has no targets: only predictions are possible",
                       info.path);
    if (info.task != network->task)
        return gm_fail(error, GEMMLP_BAD_MODEL, "the model is made to %s, but %s holds data to %s",
                       gm_task_name(network->task), info.path, gm_task_name(info.task));
    /* A set that happens to lack the last classes is still one of this model. */
    if (info.task == GEMMLP_CLASSIFY ? info.outputs > outputs : info.outputs != outputs)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "layer %zu (the output) has %zu neurons, but %s has %zu %s",
                       network->layer_count - 1, outputs, info.path, info.outputs,
                       info.task == GEMMLP_CLASSIFY ? "classes" : "targets per example");
    return GEMMLP_OK;
}

/* *name = the static name of the row it asks for; NULL asks for `fallback`. */
static gemmlp_status resolve_name(const char *kind, const char *(*name_at)(size_t),
                                  const char *fallback, const char **name, gemmlp_error *error)
{
    size_t index;
    gemmlp_status status = gm_find_name(kind, *name ? *name : fallback, name_at, &index, error);
    if (status == GEMMLP_OK)
        *name = name_at(index);
    return status;
}

static gemmlp_status check_activation(const gemmlp_network *network, size_t l, gemmlp_error *error)
{
    const gemmlp_layer *layer = &network->layers[l];
    const struct activation *activation = activation_find(layer->activation);
    const bool output = l + 1 == network->layer_count;
    if (activation->output_only && !output)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "layer %zu: %s is possible only at the output (layer %zu)", l,
                       activation->name, network->layer_count - 1);
    if (!(layer->dropout >= 0 && layer->dropout < 1))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "layer %zu: dropout must be in [0, 1), found %g", l, layer->dropout);
    if (output && layer->dropout > 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "layer %zu: there is no dropout at the output, found %g", l, layer->dropout);
    if (output && loss_find(network->loss)->sigmoid_or_softmax &&
        activation != activation_find("sigmoid") && activation != activation_find("softmax"))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "loss %s needs softmax or sigmoid at the output, layer %zu has %s",
                       network->loss, l, activation->name);
    return GEMMLP_OK;
}

static gemmlp_status resolve_layer(struct network *resolved, size_t l, gemmlp_error *error)
{
    const gemmlp_network *network = &resolved->spec;
    gemmlp_layer *layer = &resolved->layers[l];
    const bool output = l + 1 == network->layer_count;
    gemmlp_status status;
    if (layer->n_out == 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "layer %zu has no neurons: its size is 0",
                       l);
    status =
        resolve_name("activation", activation_name,
                     output ? defaults[network->task].output : "relu", &layer->activation, error);
    if (status == GEMMLP_OK)
        status = check_activation(network, l, error);
    if (status == GEMMLP_OK)
        status = resolve_name("initialisation", init_name,
                              activation_find(layer->activation)->rectifier ? "he" : "glorot",
                              &layer->init, error);
    size_t n_in = gm_network_inputs(network, l), weights, bytes;
    if (status == GEMMLP_OK &&
        (!gm_mul(n_in, layer->n_out, &weights) || !gm_mul(weights, 64, &bytes)))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "layer %zu: %zu x %zu weights overflow the size of memory", l, layer->n_out,
                       n_in);
    return status;
}

static gemmlp_status take_sizes(struct network *resolved, const gemmlp_dataset *data,
                                gemmlp_error *error)
{
    gemmlp_network *network = &resolved->spec;
    gemmlp_layer *last = &resolved->layers[network->layer_count - 1];
    if (data) {
        gemmlp_dataset_info info;
        gemmlp_dataset_info_get(data, &info);
        network->task = info.task;
        if (network->n_in == 0)
            network->n_in = info.features;
        if (last->n_out == 0)
            last->n_out = info.outputs;
        gemmlp_status status = gm_network_fits(network, data, error);
        if (status != GEMMLP_OK)
            return status;
        if (info.task == GEMMLP_CLASSIFY && info.outputs < 2)
            return gm_fail(error, GEMMLP_BAD_DATA,
                           "%s: all labels are 0: there is only one class to tell", info.path);
    }
    if ((size_t)network->task >= sizeof defaults / sizeof *defaults)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "unknown task %d", (int)network->task);
    if (network->n_in == 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "the network has no inputs: n_in is 0");
    return GEMMLP_OK;
}

gemmlp_status gm_network_resolve(const gemmlp_network *network, const gemmlp_dataset *data,
                                 struct network *out, gemmlp_error *error)
{
    *out = (struct network){.spec = *network};
    if (network->layer_count == 0 || !network->layers)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "a network needs at least one layer");
    size_t bytes;
    if (gm_mul(network->layer_count, sizeof *out->layers, &bytes))
        out->layers = malloc(bytes);
    if (!out->layers)
        return gm_fail_memory(error, "the layers of a network", bytes);
    memcpy(out->layers, network->layers, bytes);
    out->spec.layers = out->layers;
    gemmlp_status status = take_sizes(out, data, error);
    if (status == GEMMLP_OK)
        status =
            resolve_name("loss", loss_name, defaults[out->spec.task].loss, &out->spec.loss, error);
    for (size_t l = 0; status == GEMMLP_OK && l < network->layer_count; l++)
        status = resolve_layer(out, l, error);
    if (status == GEMMLP_OK && network->preprocess) /* NULL: chosen when it is fitted */
        status = resolve_name("pre-processing", gm_preprocessor_name, NULL, &out->spec.preprocess,
                              error);
    if (status == GEMMLP_OK && network->label_smoothing > 0 && out->spec.task != GEMMLP_CLASSIFY)
        status = gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                         "label smoothing (%g) is for classes; the task is to %s",
                         network->label_smoothing, gm_task_name(out->spec.task));
    if (status == GEMMLP_OK && !(network->label_smoothing >= 0 && network->label_smoothing < 1))
        status = gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                         "label smoothing must be in [0, 1), found %g", network->label_smoothing);
    if (status != GEMMLP_OK)
        gm_network_free(out);
    return status;
}

void gm_network_free(struct network *network)
{
    free(network->layers);
    *network = (struct network){0};
}

gemmlp_status gemmlp_network_resolve(const gemmlp_network *network, const gemmlp_dataset *data,
                                     gemmlp_layer *layers, gemmlp_network *out, gemmlp_error *error)
{
    struct network resolved;
    gemmlp_status status = gm_network_resolve(network, data, &resolved, error);
    if (status != GEMMLP_OK)
        return status;
    memcpy(layers, resolved.layers, resolved.spec.layer_count * sizeof *layers);
    *out = resolved.spec;
    out->layers = layers;
    gm_network_free(&resolved);
    return GEMMLP_OK;
}
