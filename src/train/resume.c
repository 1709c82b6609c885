/* resume.c: a trainer that goes on where a checkpoint was saved.
 *
 *   describe what there is now, as a checkpoint would -> what differs from what it says?
 *   state, tensors: checked -> read
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "core/cpu.h"
#include "io/json_text.h"
#include "nn/model_file.h"
#include "train/checkpoint.h"

/* ---- what is not as it was ---- */

struct differences {
    char *text; /* "threads was 2, is 1; …" */
    size_t size;
};

static void note_difference(struct differences *d, const char *text)
{
    const size_t length = strlen(d->text);
    if (length + strlen(text) + sizeof "; and more" < d->size)
        snprintf(d->text + length, d->size - length, "%s%s", length ? "; " : "", text);
    else if (length + sizeof "; and more" < d->size && !strstr(d->text, "; and more"))
        snprintf(d->text + length, d->size - length, "; and more");
}

/* A value for a message; NULL: there is none. */
static void show(const json_t *value, char *out, size_t size)
{
    const size_t flags = JSON_ENCODE_ANY | JSON_COMPACT | JSON_REAL_PRECISION(15);
    const size_t length = value ? json_dumpb(value, out, size - 1, flags) : 0;
    if (!value)
        snprintf(out, size, "absent");
    else if (length < size)
        out[length] = '\0';
    else
        snprintf(out + size - 5, 5, "…");
}

static void differ(struct differences *d, const char *name, const json_t *then, const json_t *now)
{
    char text[400], was[160], is[160];
    show(then, was, sizeof was);
    show(now, is, sizeof is);
    snprintf(text, sizeof text, "%.99s was %.140s, is %.140s", name, was, is);
    note_difference(d, text);
}

enum { MAX_DEPTH = 4 };

/* Every leaf in which two values differ, by its name. */
static void compare(struct differences *d, const char *name, json_t *then, json_t *now, int depth)
{
    char inner[200];
    const char *key;
    json_t *value;
    const char *dot = *name ? "." : "";
    if (json_equal(then, now))
        return;
    if (depth < MAX_DEPTH && json_is_object(then) && json_is_object(now)) {
        json_object_foreach(then, key, value)
        {
            snprintf(inner, sizeof inner, "%s%s%.60s", name, dot, key);
            compare(d, inner, value, json_object_get(now, key), depth + 1);
        }
        json_object_foreach(now, key, value)
        {
            snprintf(inner, sizeof inner, "%s%s%.60s", name, dot, key);
            if (!json_object_get(then, key))
                differ(d, inner, NULL, value);
        }
    } else if (depth < MAX_DEPTH && json_is_array(then) && json_is_array(now) &&
               json_array_size(then) == json_array_size(now)) {
        for (size_t i = 0; i < json_array_size(then); i++) {
            snprintf(inner, sizeof inner, "%s[%zu]", name, i);
            compare(d, inner, json_array_get(then, i), json_array_get(now, i), depth + 1);
        }
    } else
        differ(d, name, then, now);
}

/* More epochs are no difference where the schedule takes no notice of them. */
static gemmlp_status compare_training(struct differences *d, const struct gemmlp_trainer *t,
                                      const struct gemmlp_checkpoint *c, json_t *now,
                                      gemmlp_error *error)
{
    struct schedule then;
    const gemmlp_status status =
        gm_schedule_init(&then, &c->settings, c->settings.lr, t->progress.steps_per_epoch, error);
    const bool longer = c->settings.epochs != t->settings.epochs;
    if (status != GEMMLP_OK)
        return status;
    if (longer && gm_schedule_same(&then, &t->schedule))
        json_object_set(now, "epochs", json_object_get(c->training, "epochs"));
    compare(d, "training", c->training, now, 0);
    return GEMMLP_OK;
}

static gemmlp_status compare_all(struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c,
                                 struct differences *d, gemmlp_error *error)
{
    struct model_content content;
    gemmlp_status status = gm_checkpoint_fingerprint(t, error);
    if (status == GEMMLP_OK)
        status = gm_model_content(t->model, 0, &content, error);
    if (status != GEMMLP_OK)
        return status;
    const struct json_limits none = {.depth = SIZE_MAX, .values = SIZE_MAX}; /* our own text */
    struct json_fault fault;
    json_t *network = gm_json_parse(content.network, strlen(content.network), none, &fault);
    json_t *training = gm_checkpoint_training(t), *conditions = gm_checkpoint_conditions(t);
    json_t *data = gm_checkpoint_data(t);
    gm_model_content_free(&content);
    if (!network || !training || !conditions || !data)
        status = gm_fail_memory(error, "the conditions of a checkpoint", sizeof(json_t));
    else if (json_array_size(json_object_get(network, "layers")) !=
             json_array_size(json_object_get(c->network, "layers")))
        status = gm_fail(error, GEMMLP_BAD_MODEL, "%s: the network has %zu layers, expected %zu",
                         c->path, json_array_size(json_object_get(c->network, "layers")),
                         t->model->core->layer_count);
    else if (strcmp(c->settings.optimizer, t->step.optimizer->rule->name) != 0)
        status = gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                         "%s: is of optimizer %s, and what that remembers is no use to %s", c->path,
                         c->settings.optimizer, t->step.optimizer->rule->name);
    if (status == GEMMLP_OK) {
        compare(d, "", c->conditions, conditions, 0);
        compare(d, "data", c->data, data, 0);
        compare(d, "network", c->network, network, 0);
        status = compare_training(d, t, c, training, error);
    }
    json_decref(network);
    json_decref(training);
    json_decref(conditions);
    json_decref(data);
    return status;
}

/* ---- state ---- */

/* An epoch that has other steps now starts again. */
static gemmlp_status take_state(struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c,
                                const struct checkpoint_state *s, gemmlp_error *error)
{
    gemmlp_progress *p = &t->progress;
    const gemmlp_progress *then = &s->progress;
    const size_t steps = p->steps_per_epoch, epochs = p->epochs;
    size_t step = then->step, end;
    if (then->epoch > epochs || (then->epoch == epochs && then->step % then->steps_per_epoch != 0))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%s: has completed %zu epochs and %zu steps; %zu epochs are asked for",
                       c->path, then->epoch, then->step % then->steps_per_epoch, epochs);
    if (!gm_mul(then->epoch + 1, steps, &end))
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: metadata state: epoch %zu is out of range",
                       c->path, then->epoch);
    const bool same_steps = steps == then->steps_per_epoch;
    if (!same_steps)
        step = then->epoch * steps;
    *p = *then;
    p->steps_per_epoch = steps;
    p->epochs = epochs;
    p->step = step;
    if (same_steps || step % steps == 0) {
        t->tally.examples = s->tally.examples;
        t->tally.correct = s->tally.correct;
        t->tally.cost = s->tally.cost;
        t->tally.squared_error = s->tally.squared_error;
    }
    t->best_valid = s->best_valid;
    t->schedule.plateau_scale = s->plateau_scale;
    t->schedule.best_loss = s->plateau_loss;
    t->schedule.waited = s->plateau_waited;
    t->step.optimizer->t = s->optimizer_steps;
    t->shuffled = false;
    p->epoch_completed = step > 0 && step % steps == 0;
    return GEMMLP_OK;
}

/* ---- tensors ---- */

static bool holds(const struct gemmlp_checkpoint *c, const char *prefix)
{
    char name[MODEL_NAME_SIZE];
    snprintf(name, sizeof name, "%slayers.0.weight", prefix);
    return gm_safetensors_find(c->file, name) != NULL;
}

static gemmlp_status read_slab(const struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c,
                               const char *prefix, float *slab, gemmlp_error *error)
{
    return gm_slab_read(c->file, c->path, t->model->core, prefix, slab, error);
}

/* The trainer's own slabs; look: only whether they are there. */
static gemmlp_status read_own(struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c,
                              bool look, gemmlp_error *error)
{
    static const char *const prefixes[OPTIMIZER_SLOTS] = {"optimizer.slot0.", "optimizer.slot1."};
    struct optimizer *optimizer = t->step.optimizer;
    gemmlp_status status = look ? read_slab(t, c, "", NULL, error) : GEMMLP_OK;
    for (size_t i = 0; status == GEMMLP_OK && i < optimizer->rule->slots; i++)
        status = read_slab(t, c, prefixes[i], look ? NULL : optimizer->slots[i], error);
    if (status == GEMMLP_OK && look && holds(c, "good."))
        status = read_slab(t, c, "good.", NULL, error);
    if (status == GEMMLP_OK && holds(c, "best.") && (look || t->best))
        status = read_slab(t, c, "best.", look ? NULL : t->best, error);
    return status;
}

/* The model's parameters and the good ones; on failure the model is as it was. */
static gemmlp_status read_parameters(struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c,
                                     gemmlp_error *error)
{
    const size_t bytes = t->model->core->slab_size * sizeof(float);
    float *slab = t->model->core->slab, *before = malloc(bytes);
    if (!before)
        return gm_fail_memory(error, "the parameters of before", bytes);
    memcpy(before, slab, bytes);
    gemmlp_status status = read_slab(t, c, "", slab, error);
    memcpy(t->good, slab, bytes);
    if (status == GEMMLP_OK && holds(c, "good."))
        status = read_slab(t, c, "good.", t->good, error);
    if (status != GEMMLP_OK)
        memcpy(slab, before, bytes);
    free(before);
    return status;
}

/* What follows from state and parameters together. */
static void settle(struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c)
{
    gemmlp_progress *p = &t->progress;
    const size_t bytes = t->model->core->slab_size * sizeof(float);
    const bool was_finished = p->finished;
    if (t->best && !holds(c, "best."))
        memcpy(t->best, t->good, bytes);
    if (t->best && c->settings.patience == 0) { /* the best was not kept: patience begins here */
        p->best_epoch = p->epoch;
        t->best_valid = p->valid;
        if (p->epoch == 0)
            t->best_valid.loss = INFINITY;
    }
    p->finished = p->epoch_completed && gm_trainer_finished(t);
    if (was_finished && !p->finished) /* it had gone back to its best */
        memcpy(t->model->core->slab, t->good, bytes);
}

static gemmlp_status compare_preprocess(const struct gemmlp_trainer *t,
                                        const struct gemmlp_checkpoint *c, struct differences *d,
                                        float *values, gemmlp_error *error)
{
    const size_t n_in = t->model->network.spec.n_in;
    const gemmlp_status status =
        gm_preprocess_read(c->file, c->path, n_in, values, values + n_in, error);
    if (status == GEMMLP_OK && memcmp(values, t->model->factor, 2 * n_in * sizeof *values) != 0)
        note_difference(d, "the pre-processing was fitted to other data");
    return status;
}

static gemmlp_status take(struct gemmlp_trainer *t, const struct gemmlp_checkpoint *c,
                          bool allow_mismatch, gemmlp_error *error)
{
    const size_t n_in = t->model->network.spec.n_in;
    struct differences differences = {t->mismatch, sizeof t->mismatch};
    struct checkpoint_state state;
    float *preprocess = calloc(n_in, 2 * sizeof *preprocess);
    if (!preprocess)
        return gm_fail_memory(error, "the pre-processing of a model", 2 * n_in * sizeof(float));
    gemmlp_status status = compare_all(t, c, &differences, error);
    if (status == GEMMLP_OK)
        status = compare_preprocess(t, c, &differences, preprocess, error);
    if (status == GEMMLP_OK && t->mismatch[0] && !allow_mismatch)
        status = gm_fail(error, GEMMLP_MISMATCH,
                         "%s: was saved under other conditions, so the bits would not be those of "
                         "one run: %.760s",
                         c->path, t->mismatch);
    if (status == GEMMLP_OK)
        status = gm_checkpoint_parse_state(c->path, c->state, &state, error);
    if (status == GEMMLP_OK)
        status = take_state(t, c, &state, error);
    if (status == GEMMLP_OK)
        status = read_own(t, c, true, error);
    if (status == GEMMLP_OK)
        status = read_own(t, c, false, error);
    if (status == GEMMLP_OK)
        status = read_parameters(t, c, error);
    if (status == GEMMLP_OK) {
        memcpy(t->model->factor, preprocess, 2 * n_in * sizeof *preprocess);
        settle(t, c);
    }
    free(preprocess);
    return status;
}

gemmlp_status gemmlp_trainer_resume(gemmlp_model *model, const gemmlp_dataset *train,
                                    const gemmlp_dataset *valid, const gemmlp_training *training,
                                    const gemmlp_checkpoint *checkpoint, bool allow_mismatch,
                                    gemmlp_trainer **out, gemmlp_error *error)
{
    gemmlp_trainer *trainer;
    *out = NULL;
    const size_t outputs = gm_network_outputs(&model->network.spec);
    const gemmlp_training *settings = training ? training : &checkpoint->settings;
    /* The caller's may be those that gemmlp_checkpoint_settings gave, of as many as the file
     * has. */
    if (settings->class_weights && settings->class_weights == checkpoint->class_weights &&
        checkpoint->class_weight_count != outputs)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: has weights of %zu classes, expected %zu",
                       checkpoint->path, checkpoint->class_weight_count, outputs);
    gemmlp_status status = gm_trainer_create(model, train, valid, settings,
                                             gm_safetensors_metadata(checkpoint->file, "plan"),
                                             checkpoint->path, &trainer, error);
    if (status != GEMMLP_OK)
        return status;
    struct compute_scope scope = gm_compute_begin(trainer->threads);
    status = take(trainer, checkpoint, allow_mismatch, error);
    gm_compute_end(scope);
    if (status != GEMMLP_OK) {
        gemmlp_trainer_free(trainer);
        return status;
    }
    *out = trainer;
    return GEMMLP_OK;
}

const char *gemmlp_trainer_mismatch(const gemmlp_trainer *trainer)
{
    return trainer->mismatch;
}
