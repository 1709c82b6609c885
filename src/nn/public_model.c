/* public_model.c: life and accessors of a gemmlp_model. */
#define _POSIX_C_SOURCE 200809L
#include "nn/public_model.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "data/preprocess.h"
#include "nn/explain.h"

gemmlp_status gm_public_model_create(const gemmlp_network *network, const gemmlp_dataset *data,
                                     gemmlp_model **out, gemmlp_error *error)
{
    *out = NULL;
    gemmlp_model *model = calloc(1, sizeof *model);
    if (!model)
        return gm_fail_memory(error, "a model", sizeof *model);
    gemmlp_status status = gm_network_resolve(network, data, &model->network, error);
    if (status == GEMMLP_OK)
        status = model_create(&model->network.spec, &model->core, error);
    if (status == GEMMLP_OK) {
        const size_t n_in = model->network.spec.n_in,
                     n_out = gm_network_outputs(&model->network.spec);
        model->factor = calloc(n_in, 2 * sizeof *model->factor);
        model->numbers = calloc(n_out, sizeof *model->numbers);
        if (!model->factor || !model->numbers)
            status =
                gm_fail_memory(error, "the pre-processing of a model", 2 * n_in * sizeof(float));
        else
            model->offset = model->factor + n_in;
        for (size_t k = 0; status == GEMMLP_OK && k < n_in; k++)
            model->factor[k] = 1;
        for (size_t j = 0; status == GEMMLP_OK && j < n_out; j++)
            snprintf(model->numbers[j], sizeof model->numbers[j], "%zu", j);
    }
    if (status != GEMMLP_OK) {
        gemmlp_model_free(model);
        return status;
    }
    *out = model;
    return GEMMLP_OK;
}

/* Pre-processing and initial weights of a new model. */
static gemmlp_status fit(gemmlp_model *model, const char *preprocess, const gemmlp_dataset *train,
                         gemmlp_error *error)
{
    const struct preprocessor *const none = gm_preprocessor_at(0), *chosen = none;
    gemmlp_status status = GEMMLP_OK;
    if (train)
        status = gm_preprocess_fit(preprocess, train, model->factor, model->offset, &chosen, error);
    else if (preprocess && strcmp(preprocess, none->name) != 0)
        status = gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                         "pre-processing %s is fitted to data, there are none", preprocess);
    if (status != GEMMLP_OK)
        return status;
    model->network.spec.preprocess = chosen->name;
    return model_initialise(model->core, error);
}

gemmlp_status gemmlp_model_create(const gemmlp_network *network, const gemmlp_dataset *train,
                                  gemmlp_model **out, gemmlp_error *error)
{
    struct compute_scope scope = gm_compute_begin(gemmlp_default_threads());
    gemmlp_model *model;
    gemmlp_status status = gm_public_model_create(network, train, &model, error);
    if (status == GEMMLP_OK)
        status = fit(model, network->preprocess, train, error);
    gm_compute_end(scope);
    if (status != GEMMLP_OK) {
        gemmlp_model_free(model);
        model = NULL;
    }
    *out = model;
    return status;
}

static void free_class_names(gemmlp_model *model)
{
    for (size_t j = 0; model->class_names && j < gm_network_outputs(&model->network.spec); j++)
        free(model->class_names[j]);
    free(model->class_names);
    model->class_names = NULL;
}

void gemmlp_model_free(gemmlp_model *model)
{
    if (!model)
        return;
    free_class_names(model);
    free(model->numbers);
    free(model->factor);
    model_free(model->core);
    gm_network_free(&model->network);
    free(model);
}

const gemmlp_network *gemmlp_model_network(const gemmlp_model *model)
{
    return &model->network.spec;
}

float *gemmlp_model_weights(gemmlp_model *model, size_t layer)
{
    model->parameters_given = true;
    return layer < model->core->layer_count ? model->core->layers[layer].w : NULL;
}

float *gemmlp_model_biases(gemmlp_model *model, size_t layer)
{
    model->parameters_given = true;
    return layer < model->core->layer_count ? model->core->layers[layer].b : NULL;
}

const char *gemmlp_model_class_name(const gemmlp_model *model, size_t index)
{
    if (index >= gm_network_outputs(&model->network.spec))
        return NULL;
    return model->class_names ? model->class_names[index] : model->numbers[index];
}

gemmlp_status gemmlp_model_set_class_names(gemmlp_model *model, const char *const *names,
                                           gemmlp_error *error)
{
    const size_t outputs = gm_network_outputs(&model->network.spec);
    char **copies = calloc(outputs, sizeof *copies);
    bool complete = copies != NULL;
    for (size_t j = 0; complete && j < outputs; j++) {
        copies[j] = strdup(names[j] ? names[j] : "");
        complete = copies[j] != NULL;
    }
    if (!complete) {
        for (size_t j = 0; copies && j < outputs; j++)
            free(copies[j]);
        free(copies);
        return gm_fail_memory(error, "class names", outputs * sizeof *copies);
    }
    free_class_names(model);
    model->class_names = copies;
    return GEMMLP_OK;
}

/* ---- for explain.c ---- */

const float *gm_trained_weights(const gemmlp_model *model, size_t layer)
{
    return model->core->layers[layer].w;
}

const float *gm_trained_biases(const gemmlp_model *model, size_t layer)
{
    return model->core->layers[layer].b;
}

struct batch_source gm_trained_source(const gemmlp_model *model, const gemmlp_dataset *dataset)
{
    return (struct batch_source){dataset, model->factor, model->offset,
                                 gm_network_outputs(&model->network.spec)};
}
