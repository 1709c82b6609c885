/* model_file_write.c: a model to a safetensors file, and what that holds for those who add to it.
 * The format is described in model_file.c. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "data/dataset.h"
#include "io/json_text.h"
#include "nn/model_file.h"

static json_t *layer_to_json(const gemmlp_layer *layer)
{
    return json_pack("{s:I, s:s, s:s, s:f}", "n_out", (json_int_t)layer->n_out, "activation",
                     layer->activation, "init", layer->init, "dropout", layer->dropout);
}

/* NULL when memory has run out. */
static char *network_to_text(const gemmlp_network *network)
{
    char seed[24];
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)network->seed);
    json_t *layers = json_array();
    bool complete = layers != NULL;
    for (size_t l = 0; complete && l < network->layer_count; l++)
        complete = json_array_append_new(layers, layer_to_json(&network->layers[l])) == 0;
    json_t *json = json_pack("{s:s, s:I, s:s, s:f, s:s, s:s, s:O}", "task",
                             gm_task_name(network->task), "n_in", (json_int_t)network->n_in, "loss",
                             network->loss, "label_smoothing", network->label_smoothing,
                             "preprocess", network->preprocess, "seed", seed, "layers", layers);
    char *text = complete ? gm_json_text(json) : NULL;
    json_decref(json);
    json_decref(layers);
    return text;
}

/* *text = NULL where the classes have no names. */
static gemmlp_status classes_to_text(const gemmlp_model *model, char **text, gemmlp_error *error)
{
    const size_t outputs = gm_network_outputs(&model->network.spec);
    *text = NULL;
    if (!model->class_names)
        return GEMMLP_OK;
    json_t *array = json_array();
    bool complete = array != NULL;
    for (size_t j = 0; complete && j < outputs; j++) {
        errno = 0;
        json_t *name = json_string(model->class_names[j]);
        const bool foreign = !name && errno != ENOMEM;
        complete = json_array_append_new(array, name) == 0;
        if (foreign) {
            json_decref(array);
            return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "the name of class %zu is not UTF-8", j);
        }
    }
    if (complete)
        *text = gm_json_text(array);
    json_decref(array);
    return *text ? GEMMLP_OK : gm_fail_memory(error, "class names", outputs * sizeof(char *));
}

/* A matrix, or with columns = 0 a vector. */
static void add_tensor(struct model_content *content, size_t rows, size_t columns,
                       const float *data, const char *name)
{
    const size_t n = content->count++;
    snprintf(content->names[n], MODEL_NAME_SIZE, "%s", name);
    content->tensors[n] =
        (struct safetensor){.name = content->names[n],
                            .dtype = "F32",
                            .rank = columns ? 2 : 1,
                            .shape = {rows, columns},
                            .data = data,
                            .bytes = rows * (columns ? columns : 1) * sizeof *data};
}

void gm_model_content_add(struct model_content *content, const struct model *model,
                          const char *prefix, const float *slab)
{
    char name[MODEL_NAME_SIZE];
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        snprintf(name, sizeof name, "%slayers.%zu.weight", prefix, l);
        add_tensor(content, layer->n_out, layer->n_in, slab + layer->w_at, name);
        snprintf(name, sizeof name, "%slayers.%zu.bias", prefix, l);
        add_tensor(content, layer->n_out, 0, slab + layer->b_at, name);
    }
}

gemmlp_status gm_model_content(const gemmlp_model *model, size_t more_slabs,
                               struct model_content *out, gemmlp_error *error)
{
    const size_t room = 2 * model->core->layer_count * (1 + more_slabs) + 2;
    const size_t n_in = model->network.spec.n_in;
    *out = (struct model_content){.tensors = calloc(room, sizeof *out->tensors),
                                  .names = calloc(room, sizeof *out->names),
                                  .network = network_to_text(&model->network.spec)};
    gemmlp_status status = classes_to_text(model, &out->classes, error);
    if (status == GEMMLP_OK && (!out->tensors || !out->names || !out->network))
        status = gm_fail_memory(error, "the header of a model file", room * sizeof *out->tensors);
    if (status != GEMMLP_OK) {
        gm_model_content_free(out);
        return status;
    }
    const struct safetensors_metadata metadata[] = {{"format", "gemmlp"},
                                                    {"version", "1"},
                                                    {"network", out->network},
                                                    {"classes", out->classes}};
    memcpy(out->metadata, metadata, sizeof metadata);
    out->metadata_count = out->classes ? 4 : 3;
    gm_model_content_add(out, model->core, "", model->core->slab);
    add_tensor(out, n_in, 0, model->factor, "preprocess.factor");
    add_tensor(out, n_in, 0, model->offset, "preprocess.offset");
    return GEMMLP_OK;
}

void gm_model_content_free(struct model_content *content)
{
    free(content->tensors);
    free(content->names);
    free(content->network);
    free(content->classes);
    *content = (struct model_content){0};
}

gemmlp_status gemmlp_model_save(const gemmlp_model *model, const char *path, gemmlp_error *error)
{
    struct model_content content;
    gemmlp_status status = gm_model_content(model, 0, &content, error);
    if (status == GEMMLP_OK)
        status = gm_safetensors_write(path, content.tensors, content.count, content.metadata,
                                      content.metadata_count, error);
    gm_model_content_free(&content);
    return status;
}
