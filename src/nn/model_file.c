/* model_file.c: a model from a safetensors file; model_file_write.c makes one.
 *
 * Tensors: layers.N.weight (n_out x n_in), layers.N.bias (n_out), preprocess.factor and
 * preprocess.offset (n_in), all F32. Metadata: format = "gemmlp", version = "1",
 *   network = {"task": "classify", "n_in": 784, "loss": …, "label_smoothing": …, "preprocess": …,
 *              "seed": "1", "layers": [{"n_out": 256, "activation": "relu", "init": "he",
 *              "dropout": 0}, …]}
 *   classes = ["0", "1", …]      only where names were set */
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "data/preprocess.h"
#include "io/json_text.h"
#include "nn/model_file.h"

/* Layers are objects in an array in an object, of 1 bracket and 4 commas each. There cannot be more
 * of them than half of the tensors that a file may have. */
const struct json_limits gm_network_limits = {.depth = 3, .values = 5 * 50000 + 16};

struct reader {
    const char *path;
    struct safetensors *file;
    json_t *json; /* the network */
    gemmlp_layer *layers;
    gemmlp_network network;
};

static gemmlp_status bad(const struct reader *reader, gemmlp_error *error, const char *what)
{
    return gm_fail(error, GEMMLP_BAD_MODEL, "%s: %s", reader->path, what);
}

/* Whether it is a positive size. */
static bool size_from_json(json_int_t value, size_t *size)
{
    *size = value > 0 && (unsigned long long)value <= SIZE_MAX ? (size_t)value : 0;
    return *size > 0;
}

static gemmlp_status parse_layers(struct reader *r, const json_t *layers, gemmlp_error *error)
{
    const size_t count = json_array_size(layers);
    /* Each layer has two tensors, so this is bounded by the size of the file. */
    if (count == 0 || count > gm_safetensors_count(r->file) / 2)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "%s: metadata describes %zu layers, the file holds %zu tensors", r->path,
                       count, gm_safetensors_count(r->file));
    r->layers = calloc(count, sizeof *r->layers);
    if (!r->layers)
        return gm_fail_memory(error, "the layers of a model", count * sizeof *r->layers);
    for (size_t l = 0; l < count; l++) {
        gemmlp_layer *layer = &r->layers[l];
        json_error_t where;
        json_int_t n_out;
        if (json_unpack_ex(json_array_get(layers, l), &where, 0, "{s:I, s:s, s:s, s:F}", "n_out",
                           &n_out, "activation", &layer->activation, "init", &layer->init,
                           "dropout", &layer->dropout) != 0)
            return json_error_code(&where) == json_error_out_of_memory
                       ? gm_fail_memory(error, "the layers of a model", count * sizeof *r->layers)
                       : gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata of layer %zu: %s", r->path,
                                 l, where.text);
        if (!size_from_json(n_out, &layer->n_out))
            return gm_fail(error, GEMMLP_BAD_MODEL, "%s: layer %zu has %lld neurons", r->path, l,
                           (long long)n_out);
    }
    r->network.layers = r->layers;
    r->network.layer_count = count;
    return GEMMLP_OK;
}

static bool seed_from_text(const char *text, uint64_t *seed)
{
    char *end;
    *seed = strtoull(text, &end, 10);
    return *text >= '0' && *text <= '9' && *end == '\0';
}

static gemmlp_status parse_network(struct reader *r, gemmlp_error *error)
{
    const char *format = gm_safetensors_metadata(r->file, "format");
    const char *version = gm_safetensors_metadata(r->file, "version");
    const char *text = gm_safetensors_metadata(r->file, "network");
    gemmlp_network *network = &r->network;
    const char *task, *seed;
    struct json_fault fault;
    json_error_t where;
    json_int_t n_in;
    json_t *layers;
    if (!format || strcmp(format, "gemmlp") != 0 || !text)
        return bad(r, error,
                   "not a model of gemmlp: metadata lacks format 'gemmlp' or the network");
    if (!version || strcmp(version, "1") != 0)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: model version 1 expected, found '%.32s'",
                       r->path, version ? version : "");
    r->json = gm_json_parse(text, strlen(text), gm_network_limits, &fault);
    if (!r->json && fault.out_of_memory)
        return gm_fail_memory(error, "the network of a model", strlen(text));
    if (!r->json)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata of the network: %s", r->path,
                       fault.text);
    if (json_unpack_ex(r->json, &where, 0, "{s:s, s:I, s:s, s:F, s:s, s:s, s:o}", "task", &task,
                       "n_in", &n_in, "loss", &network->loss, "label_smoothing",
                       &network->label_smoothing, "preprocess", &network->preprocess, "seed", &seed,
                       "layers", &layers) != 0)
        return json_error_code(&where) == json_error_out_of_memory
                   ? gm_fail_memory(error, "the network of a model", strlen(text))
                   : gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata of the network: %s", r->path,
                             where.text);
    size_t index;
    if (gm_find_name("task", task, gm_task_name, &index, NULL) != GEMMLP_OK)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: unknown task '%.32s'", r->path, task);
    network->task = (gemmlp_task)index;
    if (!size_from_json(n_in, &network->n_in))
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: the network has %lld inputs", r->path,
                       (long long)n_in);
    if (!seed_from_text(seed, &network->seed))
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: '%.32s' is no seed", r->path, seed);
    return parse_layers(r, layers, error);
}

/* A matrix, or with columns = 0 a vector; out NULL: only looks at type and shape. */
static gemmlp_status read_tensor(const struct safetensors *file, const char *path, const char *name,
                                 size_t rows, size_t columns, float *out, gemmlp_error *error)
{
    const size_t rank = columns ? 2 : 1;
    const struct safetensor *tensor = gm_safetensors_find(file, name);
    if (!tensor)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: there is no tensor %s", path, name);
    if (strcmp(tensor->dtype, "F32") != 0 || tensor->rank != rank || tensor->shape[0] != rows ||
        (columns && tensor->shape[1] != columns))
        return gm_fail(
            error, GEMMLP_BAD_MODEL,
            "%s: %s should be F32 of rank %zu, %zu x %zu; it is %s of rank %zu, %zu x %zu", path,
            name, rank, rows, columns ? columns : 1, tensor->dtype, tensor->rank,
            tensor->rank > 0 ? tensor->shape[0] : 1, tensor->rank > 1 ? tensor->shape[1] : 1);
    if (!out)
        return GEMMLP_OK;
    gemmlp_status status = gm_safetensors_read(file, tensor, out, error);
    for (size_t i = 0; status == GEMMLP_OK && i < tensor->bytes / sizeof *out; i++)
        if (!isfinite(out[i]))
            status = gm_fail(error, GEMMLP_BAD_MODEL, "%s: element %zu of %s is not finite (%g)",
                             path, i, name, (double)out[i]);
    return status;
}

gemmlp_status gm_slab_read(const struct safetensors *file, const char *path,
                           const struct model *model, const char *prefix, float *slab,
                           gemmlp_error *error)
{
    gemmlp_status status = GEMMLP_OK;
    char name[MODEL_NAME_SIZE];
    for (size_t l = 0; status == GEMMLP_OK && l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        snprintf(name, sizeof name, "%slayers.%zu.weight", prefix, l);
        status = read_tensor(file, path, name, layer->n_out, layer->n_in,
                             slab ? slab + layer->w_at : NULL, error);
        snprintf(name, sizeof name, "%slayers.%zu.bias", prefix, l);
        if (status == GEMMLP_OK)
            status = read_tensor(file, path, name, layer->n_out, 0,
                                 slab ? slab + layer->b_at : NULL, error);
    }
    return status;
}

gemmlp_status gm_preprocess_read(const struct safetensors *file, const char *path, size_t n_in,
                                 float *factor, float *offset, gemmlp_error *error)
{
    gemmlp_status status = read_tensor(file, path, "preprocess.factor", n_in, 0, factor, error);
    return status == GEMMLP_OK
               ? read_tensor(file, path, "preprocess.offset", n_in, 0, offset, error)
               : status;
}

/* Whether all tensors are there with the right shapes, before anything of their size is
 * allocated. */
static gemmlp_status check_tensors(const struct reader *r, gemmlp_error *error)
{
    gemmlp_status status = GEMMLP_OK;
    for (size_t l = 0; status == GEMMLP_OK && l < r->network.layer_count; l++) {
        const size_t n_in = gm_network_inputs(&r->network, l), n_out = r->network.layers[l].n_out;
        char name[MODEL_NAME_SIZE];
        snprintf(name, sizeof name, "layers.%zu.weight", l);
        status = read_tensor(r->file, r->path, name, n_out, n_in, NULL, error);
        snprintf(name, sizeof name, "layers.%zu.bias", l);
        if (status == GEMMLP_OK)
            status = read_tensor(r->file, r->path, name, n_out, 0, NULL, error);
    }
    return status == GEMMLP_OK
               ? gm_preprocess_read(r->file, r->path, r->network.n_in, NULL, NULL, error)
               : status;
}

static gemmlp_status read_classes(const struct reader *r, gemmlp_model *model, gemmlp_error *error)
{
    const char *text = gm_safetensors_metadata(r->file, "classes");
    if (!text)
        return GEMMLP_OK;
    const size_t outputs = gm_network_outputs(&model->network.spec);
    /* More than there may be, so that a few too many are counted in the message. */
    const struct json_limits limits = {.depth = 1, .values = 2 * outputs + 1000};
    struct json_fault fault;
    json_t *array = gm_json_parse(text, strlen(text), limits, &fault);
    const char **names = calloc(outputs, sizeof *names);
    gemmlp_status status = GEMMLP_OK;
    if (!names || (!array && fault.out_of_memory))
        status = gm_fail_memory(error, "class names", outputs * sizeof *names);
    else if (!array)
        status = gm_fail(error, GEMMLP_BAD_MODEL, "%s: class names: %s", r->path, fault.text);
    else if (json_array_size(array) != outputs)
        status = gm_fail(error, GEMMLP_BAD_MODEL, "%s: %zu class names for %zu outputs", r->path,
                         json_array_size(array), outputs);
    for (size_t j = 0; status == GEMMLP_OK && j < outputs; j++) {
        names[j] = json_string_value(json_array_get(array, j));
        if (!names[j])
            status =
                gm_fail(error, GEMMLP_BAD_MODEL, "%s: class name %zu is not a string", r->path, j);
    }
    if (status == GEMMLP_OK)
        status = gemmlp_model_set_class_names(model, names, error);
    free(names);
    json_decref(array);
    return status;
}

static gemmlp_status build(struct reader *r, gemmlp_model **out, gemmlp_error *error)
{
    gemmlp_error inner = {0};
    gemmlp_status status = gm_public_model_create(&r->network, NULL, out, &inner);
    if (status == GEMMLP_INVALID_ARGUMENT)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata of the network: %.900s", r->path,
                       inner.message);
    if (status != GEMMLP_OK) {
        if (error)
            *error = inner;
        return status;
    }
    gemmlp_model *model = *out;
    size_t index;
    if (gm_find_name("pre-processing", r->network.preprocess, gm_preprocessor_name, &index, NULL) ==
        GEMMLP_OK)
        model->network.spec.preprocess = gm_preprocessor_name(index);
    else
        status = bad(r, error, "metadata of the network names an unknown pre-processing");
    if (status == GEMMLP_OK)
        status = gm_slab_read(r->file, r->path, model->core, "", model->core->slab, error);
    if (status == GEMMLP_OK)
        status = gm_preprocess_read(r->file, r->path, model->network.spec.n_in, model->factor,
                                    model->offset, error);
    if (status == GEMMLP_OK)
        status = read_classes(r, model, error);
    return status;
}

gemmlp_status gemmlp_model_load(const char *path, gemmlp_model **out, gemmlp_error *error)
{
    struct reader reader = {.path = path};
    gemmlp_model *model = NULL;
    *out = NULL;
    gemmlp_status status = gm_safetensors_open(path, &reader.file, error);
    if (status == GEMMLP_OK)
        status = parse_network(&reader, error);
    if (status == GEMMLP_OK)
        status = check_tensors(&reader, error);
    if (status == GEMMLP_OK) {
        struct compute_scope scope = gm_compute_begin(gemmlp_default_threads());
        status = build(&reader, &model, error);
        gm_compute_end(scope);
    }
    free(reader.layers);
    json_decref(reader.json);
    gm_safetensors_close(reader.file);
    if (status != GEMMLP_OK) {
        gemmlp_model_free(model);
        return status;
    }
    *out = model;
    return GEMMLP_OK;
}
