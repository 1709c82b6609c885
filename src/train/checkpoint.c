/* checkpoint.c: a checkpoint is written, and opened: nothing in it is used before its checksum and
 * every field are checked. See checkpoint.h. */
#define _POSIX_C_SOURCE 200809L
#include "train/checkpoint.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "data/fingerprint.h"
#include "io/json_text.h"
#include "linalg/planner.h"
#include "nn/model_file.h"
#include "train/divergence.h"

/* ---- save ---- */

gemmlp_status gm_checkpoint_fingerprint(struct gemmlp_trainer *t, gemmlp_error *error)
{
    if (t->fingerprinted)
        return GEMMLP_OK;
    gemmlp_status status = gm_fingerprint(t->source.dataset, &t->train_crc, error);
    if (status == GEMMLP_OK && t->valid)
        status = gm_fingerprint(t->valid->source.dataset, &t->valid_crc, error);
    t->fingerprinted = status == GEMMLP_OK;
    return status;
}

static bool same_slabs(const struct gemmlp_trainer *t, const float *a, const float *b)
{
    return memcmp(a, b, t->model->core->slab_size * sizeof *a) == 0;
}

/* Straight from the slabs; one that is the same as another is not written twice. */
static void add_slabs(const struct gemmlp_trainer *t, struct model_content *content)
{
    const struct model *model = t->model->core;
    const struct optimizer *optimizer = t->step.optimizer;
    for (size_t i = 0; i < optimizer->rule->slots; i++) {
        const char *const prefixes[OPTIMIZER_SLOTS] = {"optimizer.slot0.", "optimizer.slot1."};
        gm_model_content_add(content, model, prefixes[i], optimizer->slots[i]);
    }
    if (!same_slabs(t, t->good, model->slab))
        gm_model_content_add(content, model, "good.", t->good);
    if (t->best && t->progress.best_epoch > 0 && !same_slabs(t, t->best, t->good))
        gm_model_content_add(content, model, "best.", t->best);
}

/* An update may have spoilt what the next step will meet: nobody could go on from there, and a
 * sound checkpoint must not make room for such a one. */
static gemmlp_status check_slabs(const struct gemmlp_trainer *t, const char *path,
                                 gemmlp_error *error)
{
    const struct optimizer *optimizer = t->step.optimizer;
    const size_t size = t->model->core->slab_size;
    bool bad = gm_divergence_in_parameters(t->model->core);
    for (size_t i = 0; !bad && i < optimizer->rule->slots; i++)
        bad = gm_divergence_in_slab(optimizer->slots[i], size);
    return bad ? gm_fail(
                     error, GEMMLP_DIVERGED,
                     "%s: no checkpoint of a training that diverges: after step %zu not all that "
                     "it holds is finite",
                     path, t->progress.step)
               : GEMMLP_OK;
}

enum { MORE_METADATA = 7 };

/* Adds `json` as text to the metadata; it and the text are freed by whoever frees `texts`. */
static bool add_json(struct safetensors_metadata *metadata, size_t *count, char **text,
                     const char *key, json_t *json)
{
    *text = gm_json_text(json);
    json_decref(json);
    metadata[(*count)++] = (struct safetensors_metadata){key, *text};
    return *text != NULL;
}

static gemmlp_status write_checkpoint(const struct gemmlp_trainer *t, const char *path,
                                      const char *note, const struct model_content *content,
                                      gemmlp_error *error)
{
    struct safetensors_metadata metadata[4 + MORE_METADATA];
    const struct plan *plan = gm_planner_plan(t->provider);
    char *texts[5] = {NULL};
    size_t count = content->metadata_count;
    memcpy(metadata, content->metadata, count * sizeof *metadata);
    metadata[count++] = (struct safetensors_metadata){"checkpoint", CHECKPOINT_VERSION};
    if (note)
        metadata[count++] = (struct safetensors_metadata){"note", note};
    bool good = add_json(metadata, &count, &texts[0], "training", gm_checkpoint_training(t));
    good &= add_json(metadata, &count, &texts[1], "conditions", gm_checkpoint_conditions(t));
    good &= add_json(metadata, &count, &texts[2], "data", gm_checkpoint_data(t));
    good &= add_json(metadata, &count, &texts[3], "state", gm_checkpoint_state(t));
    if (plan)
        good &= add_json(metadata, &count, &texts[4], "plan", gm_plan_json(plan, true));
    const gemmlp_status status =
        good ? gm_safetensors_write_checked(path, content->tensors, content->count, metadata, count,
                                            error)
             : gm_fail_memory(error, "the header of a checkpoint", count * sizeof *metadata);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        free(texts[i]);
    return status;
}

gemmlp_status gemmlp_trainer_save(gemmlp_trainer *trainer, const char *path, const char *note,
                                  gemmlp_error *error)
{
    struct model_content content;
    if (trainer->failure.status != GEMMLP_OK)
        return gm_fail(error, trainer->failure.status,
                       "%s: no checkpoint of a failed training: %.800s", path,
                       trainer->failure.message);
    struct compute_scope scope = gm_compute_begin(trainer->threads);
    gemmlp_status status = check_slabs(trainer, path, error);
    if (status == GEMMLP_OK)
        status = gm_checkpoint_fingerprint(trainer, error);
    if (status == GEMMLP_OK)
        status = gm_model_content(trainer->model, OPTIMIZER_SLOTS + 2, &content, error);
    if (status == GEMMLP_OK) {
        add_slabs(trainer, &content);
        status = write_checkpoint(trainer, path, note, &content, error);
        gm_model_content_free(&content);
    }
    gm_compute_end(scope);
    return status;
}

/* ---- open ---- */

/* Conditions, data and state: an object in an object at most, and some twenty members. */
static const struct json_limits few_limits = {.depth = 2, .values = 1000};

/* Those, and a list with a weight for each output: as many as the last layer's tensor has
 * biases. */
static struct json_limits training_limits(const struct gemmlp_checkpoint *c)
{
    const size_t layers = json_array_size(json_object_get(c->network, "layers"));
    char name[MODEL_NAME_SIZE];
    snprintf(name, sizeof name, "layers.%zu.bias", layers ? layers - 1 : 0);
    const struct safetensor *bias = gm_safetensors_find(c->file, name);
    struct json_limits limits = few_limits;
    limits.values += bias ? bias->bytes / sizeof(float) : 0;
    return limits;
}

static gemmlp_status parse_object(struct gemmlp_checkpoint *c, const char *key,
                                  struct json_limits limits, json_t **out, gemmlp_error *error)
{
    const char *text = gm_safetensors_metadata(c->file, key);
    struct json_fault fault;
    if (!text)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: no checkpoint: metadata lacks '%s'", c->path,
                       key);
    *out = gm_json_parse(text, strlen(text), limits, &fault);
    if (!*out && fault.out_of_memory)
        return gm_fail_memory(error, "the metadata of a checkpoint", strlen(text));
    if (!*out && fault.line == 0)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata %s %s", c->path, key, fault.text);
    if (!json_is_object(*out))
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata %s is no JSON object: %s", c->path,
                       key, *out ? "it is an array" : fault.text);
    return GEMMLP_OK;
}

static gemmlp_status parse_class_weights(struct gemmlp_checkpoint *c, gemmlp_error *error)
{
    const json_t *weights = json_object_get(c->training, "class_weights");
    const size_t count = json_array_size(weights);
    if (!weights)
        return GEMMLP_OK;
    c->class_weights = calloc(count + 1, sizeof *c->class_weights);
    if (!c->class_weights)
        return gm_fail_memory(error, "class weights", (count + 1) * sizeof *c->class_weights);
    for (size_t j = 0; j < count; j++)
        c->class_weights[j] = json_number_value(json_array_get(weights, j));
    c->class_weight_count = count;
    c->settings.class_weights = c->class_weights;
    return count > 0 ? GEMMLP_OK
                     : gm_fail(error, GEMMLP_BAD_MODEL,
                               "%s: metadata training: 'class_weights' is no list", c->path);
}

static gemmlp_status parse_compute(struct gemmlp_checkpoint *c, gemmlp_error *error)
{
    const json_int_t threads = json_integer_value(json_object_get(c->conditions, "threads"));
    const char *name = json_string_value(json_object_get(c->conditions, "provider"));
    /* A file does not choose what code is loaded: who wants a library by its path names it
     * again. */
    const bool by_path = json_object_get(c->conditions, "provider_path") != NULL;
    const char *precision = json_string_value(json_object_get(c->conditions, "precision"));
    if (threads < 1 || threads > 4096 || !name || !precision)
        return gm_fail(
            error, GEMMLP_BAD_MODEL,
            "%s: metadata conditions: 'threads', 'provider' or 'precision' is no valid value",
            c->path);
    const bool planned = json_is_true(json_object_get(c->conditions, "planned"));
    c->settings.compute = (gemmlp_compute){
        .threads = (int)threads,
        .provider = planned || by_path ? NULL : name,
        .plan = planned ? "" : NULL,
        .precision = precision,
    };
    return GEMMLP_OK;
}

static gemmlp_status parse(struct gemmlp_checkpoint *c, gemmlp_error *error)
{
    const char *version = gm_safetensors_metadata(c->file, "checkpoint");
    struct checkpoint_state state;
    if (!version)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: no checkpoint: metadata lacks 'checkpoint'",
                       c->path);
    if (strcmp(version, CHECKPOINT_VERSION) != 0)
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "%s: checkpoint version " CHECKPOINT_VERSION " expected, found '%.32s'",
                       c->path, version);
    gemmlp_status status = parse_object(c, "network", gm_network_limits, &c->network, error);
    if (status == GEMMLP_OK)
        status = parse_object(c, "training", training_limits(c), &c->training, error);
    if (status == GEMMLP_OK)
        status = parse_object(c, "conditions", few_limits, &c->conditions, error);
    if (status == GEMMLP_OK)
        status = parse_object(c, "data", few_limits, &c->data, error);
    if (status == GEMMLP_OK)
        status = parse_object(c, "state", few_limits, &c->state, error);
    if (status == GEMMLP_OK)
        status = gm_checkpoint_settings(c->path, c->training, &c->settings, error);
    if (status == GEMMLP_OK)
        status = parse_class_weights(c, error);
    if (status == GEMMLP_OK)
        status = parse_compute(c, error);
    if (status == GEMMLP_OK)
        status = gm_checkpoint_parse_state(c->path, c->state, &state, error);
    if (status == GEMMLP_OK) {
        c->progress = state.progress;
        c->progress.epochs = c->settings.epochs;
    }
    return status;
}

gemmlp_status gemmlp_checkpoint_open(const char *path, gemmlp_checkpoint **out, gemmlp_error *error)
{
    *out = NULL;
    struct gemmlp_checkpoint *c = calloc(1, sizeof *c);
    if (!c)
        return gm_fail_memory(error, "a checkpoint", sizeof *c);
    c->path = strdup(path);
    gemmlp_status status = c->path ? gm_safetensors_open(path, &c->file, error)
                                   : gm_fail_memory(error, "a path", strlen(path) + 1);
    if (status == GEMMLP_OK) {
        struct compute_scope scope = gm_compute_begin(gemmlp_default_threads());
        status = gm_safetensors_verify(c->file, error);
        gm_compute_end(scope);
    }
    if (status == GEMMLP_OK)
        status = parse(c, error);
    if (status != GEMMLP_OK) {
        gemmlp_checkpoint_free(c);
        return status;
    }
    *out = c;
    return GEMMLP_OK;
}

void gemmlp_checkpoint_free(gemmlp_checkpoint *checkpoint)
{
    if (!checkpoint)
        return;
    gm_safetensors_close(checkpoint->file);
    json_decref(checkpoint->network);
    json_decref(checkpoint->training);
    json_decref(checkpoint->conditions);
    json_decref(checkpoint->data);
    json_decref(checkpoint->state);
    free(checkpoint->class_weights);
    free(checkpoint->path);
    free(checkpoint);
}

const char *gemmlp_checkpoint_path(const gemmlp_checkpoint *checkpoint)
{
    return checkpoint->path;
}

const char *gemmlp_checkpoint_note(const gemmlp_checkpoint *checkpoint)
{
    return gm_safetensors_metadata(checkpoint->file, "note");
}

const char *gemmlp_checkpoint_passed_over(const gemmlp_checkpoint *checkpoint)
{
    return checkpoint->passed_over;
}

void gemmlp_checkpoint_settings(const gemmlp_checkpoint *checkpoint, gemmlp_training *settings)
{
    *settings = checkpoint->settings;
}

void gemmlp_checkpoint_progress(const gemmlp_checkpoint *checkpoint, gemmlp_progress *progress)
{
    *progress = checkpoint->progress;
}
