/* checkpoint_text.c: what a checkpoint says in words and numbers; see checkpoint.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "linalg/planner.h"
#include "train/checkpoint.h"

/* ---- to JSON ---- */

/* An object while it is filled; what could not be had is told once, at the end. */
struct filling {
    json_t *object;
    bool failed;
};

static struct filling begin(void)
{
    json_t *object = json_object();
    return (struct filling){object, object == NULL};
}

static void put(struct filling *f, const char *key, json_t *value)
{
    if (json_object_set_new(f->object, key, value) != 0)
        f->failed = true;
}

static void put_size(struct filling *f, const char *key, uint64_t value)
{
    put(f, key, json_integer((json_int_t)value));
}

static void put_text(struct filling *f, const char *key, const char *value)
{
    put(f, key, json_string(value));
}

static void put_real(struct filling *f, const char *key, double value)
{
    if (isfinite(value))
        put(f, key, json_real(value));
}

static json_t *finish(struct filling *f)
{
    if (f->failed) {
        json_decref(f->object);
        f->object = NULL;
    }
    return f->object;
}

/* The numbers of gemmlp_training, for both directions. */
static const struct real_field {
    const char *name;
    size_t offset;
    double lower;
} reals[] = {
    {"lr", offsetof(gemmlp_training, lr), 0},
    {"momentum", offsetof(gemmlp_training, momentum), 0},
    {"beta2", offsetof(gemmlp_training, beta2), 0},
    {"epsilon", offsetof(gemmlp_training, epsilon), 0},
    {"l1", offsetof(gemmlp_training, l1), 0},
    {"l2", offsetof(gemmlp_training, l2), 0},
    {"weight_decay", offsetof(gemmlp_training, weight_decay), 0},
    {"clip_norm", offsetof(gemmlp_training, clip_norm), 0},
    {"warmup", offsetof(gemmlp_training, warmup), 0},
    {"schedule_factor", offsetof(gemmlp_training, schedule_factor), 0},
    {"schedule_epochs", offsetof(gemmlp_training, schedule_epochs), -1},
};

static const struct size_field {
    const char *name;
    size_t offset, lower;
} sizes[] = {
    {"batch", offsetof(gemmlp_training, batch), 1},
    {"epochs", offsetof(gemmlp_training, epochs), 1},
    {"patience", offsetof(gemmlp_training, patience), 0},
};

enum { REALS = sizeof reals / sizeof *reals, SIZES = sizeof sizes / sizeof *sizes };

static const void *member(const gemmlp_training *settings, size_t offset)
{
    return (const char *)settings + offset;
}

json_t *gm_checkpoint_training(const struct gemmlp_trainer *t)
{
    gemmlp_training settings;
    char seed[24];
    struct filling f = begin();
    gemmlp_trainer_settings(t, &settings);
    settings.schedule_epochs = fmax(t->settings.schedule_epochs, -1);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)settings.seed);
    put_text(&f, "optimizer", settings.optimizer);
    put_text(&f, "schedule", settings.schedule);
    for (size_t i = 0; i < REALS; i++)
        put_real(&f, reals[i].name, *(const double *)member(&settings, reals[i].offset));
    for (size_t i = 0; i < SIZES; i++)
        put_size(&f, sizes[i].name, *(const size_t *)member(&settings, sizes[i].offset));
    put_text(&f, "seed", seed);
    put(&f, "general_path", json_boolean(settings.general_path));
    if (t->class_weights) {
        json_t *weights = json_array();
        for (size_t j = 0; j < t->source.outputs; j++)
            if (json_array_append_new(weights, json_real((double)t->class_weights[j])) != 0)
                f.failed = true;
        put(&f, "class_weights", weights);
    }
    return finish(&f);
}

json_t *gm_checkpoint_conditions(const struct gemmlp_trainer *t)
{
    gemmlp_machine machine;
    struct filling f = begin();
    gemmlp_machine_get(&machine);
    put_text(&f, "version", GEMMLP_VERSION);
    put_text(&f, "precision", gm_gemm_precisions[t->precision]);
    put_text(&f, "cpu", machine.cpu);
    put_text(&f, "instruction_set", machine.instruction_set);
    put_size(&f, "threads", (uint64_t)t->threads);
    put_text(&f, "provider", t->provider->name);
    if (t->provider_by_path)
        put_text(&f, "provider_path", t->provider->path);
    put_text(&f, "provider_version", t->provider->version);
    put_text(&f, "kernel", t->provider->kernel);
    put(&f, "planned", json_boolean(gm_planner_plan(t->provider) != NULL));
    return finish(&f);
}

static json_t *data_object(const gemmlp_dataset *dataset, uint32_t crc)
{
    gemmlp_dataset_info info;
    char text[16];
    struct filling f = begin();
    gemmlp_dataset_info_get(dataset, &info);
    snprintf(text, sizeof text, "%08lx", (unsigned long)crc);
    put_size(&f, "examples", info.examples);
    put_size(&f, "features", info.features);
    put_size(&f, "outputs", info.outputs);
    put_text(&f, "crc32", text);
    return finish(&f);
}

json_t *gm_checkpoint_data(const struct gemmlp_trainer *t)
{
    struct filling f = begin();
    put(&f, "train", data_object(t->source.dataset, t->train_crc));
    if (t->valid)
        put(&f, "valid", data_object(t->valid->source.dataset, t->valid_crc));
    return finish(&f);
}

static json_t *metrics_object(const gemmlp_metrics *metrics)
{
    struct filling f = begin();
    put_size(&f, "examples", metrics->examples);
    put_real(&f, "loss", metrics->loss);
    put_real(&f, "accuracy", metrics->accuracy);
    put_real(&f, "rmse", metrics->rmse);
    put_real(&f, "r2", metrics->r2);
    return finish(&f);
}

json_t *gm_checkpoint_state(const struct gemmlp_trainer *t)
{
    const gemmlp_progress *p = &t->progress;
    struct filling f = begin(), tally = begin(), schedule = begin();
    put_size(&tally, "examples", t->tally.examples);
    put_size(&tally, "correct", t->tally.correct);
    put_real(&tally, "cost", t->tally.cost);
    put_real(&tally, "squared_error", t->tally.squared_error);
    put_real(&schedule, "plateau_scale", t->schedule.plateau_scale);
    put_real(&schedule, "plateau_loss", t->schedule.best_loss);
    put_size(&schedule, "plateau_waited", t->schedule.waited);
    put_size(&f, "epoch", p->epoch);
    put_size(&f, "step", p->step);
    put_size(&f, "steps_per_epoch", p->steps_per_epoch);
    put_size(&f, "optimizer_steps", t->step.optimizer->t);
    put_real(&f, "learning_rate", p->learning_rate);
    put_real(&f, "train_seconds", p->train_seconds);
    put(&f, "finished", json_boolean(p->finished));
    put_size(&f, "best_epoch", p->best_epoch);
    put(&f, "best_valid", metrics_object(&t->best_valid));
    put(&f, "valid", metrics_object(&p->valid));
    put(&f, "tally", finish(&tally));
    put(&f, "schedule", finish(&schedule));
    return finish(&f);
}

/* ---- from JSON ---- */

/* Reads members of one object; the first that is not as it should be is remembered. */
struct looking {
    const json_t *object;
    const char *bad; /* NULL: all good so far */
};

/* Missing or out of range is bad. */
static size_t get_size(struct looking *l, const char *key, size_t lower)
{
    const json_t *value = json_object_get(l->object, key);
    const json_int_t number = json_integer_value(value);
    if (!json_is_integer(value) || number < 0 || (uintmax_t)number < lower ||
        (uintmax_t)number > SIZE_MAX / 2)
        l->bad = l->bad ? l->bad : key;
    return (size_t)number;
}

/* `absent`: what a missing one is; a finite number below `lower` is bad. */
static double get_real(struct looking *l, const char *key, double lower, double absent)
{
    const json_t *value = json_object_get(l->object, key);
    const double number = value ? json_number_value(value) : absent;
    if ((value && !json_is_number(value)) || number < lower)
        l->bad = l->bad ? l->bad : key;
    return number;
}

/* A missing one is bad. */
static double need_real(struct looking *l, const char *key, double lower)
{
    if (!json_object_get(l->object, key))
        l->bad = l->bad ? l->bad : key;
    return get_real(l, key, lower, lower);
}

static bool get_bool(struct looking *l, const char *key)
{
    const json_t *value = json_object_get(l->object, key);
    if (!json_is_boolean(value))
        l->bad = l->bad ? l->bad : key;
    return json_is_true(value);
}

static struct looking look(const struct looking *outer, const char *key)
{
    return (struct looking){json_object_get(outer->object, key), outer->bad};
}

static gemmlp_status verdict(const struct looking *l, const char *path, const char *where,
                             gemmlp_error *error)
{
    return l->bad
               ? gm_fail(error, GEMMLP_BAD_MODEL,
                         "%s: metadata %s: '%s' is missing or no valid value", path, where, l->bad)
               : GEMMLP_OK;
}

gemmlp_status gm_checkpoint_settings(const char *path, const json_t *training,
                                     gemmlp_training *settings, gemmlp_error *error)
{
    struct looking l = {training, NULL};
    const struct optimizer_rule *rule;
    size_t schedule = 0;
    const char *name = json_string_value(json_object_get(training, "schedule"));
    const char *optimizer = json_string_value(json_object_get(training, "optimizer"));
    const char *seed = json_string_value(json_object_get(training, "seed"));
    char *end = NULL;
    *settings = gemmlp_training_default();
    if (!optimizer || optimizer_find(optimizer, &rule, NULL) != GEMMLP_OK)
        l.bad = "optimizer";
    else
        settings->optimizer = rule->name;
    if (!name || gm_find_name("schedule", name, gm_schedule_name, &schedule, NULL) != GEMMLP_OK)
        l.bad = "schedule";
    settings->schedule = gm_schedule_name(schedule);
    for (size_t i = 0; i < REALS; i++)
        *(double *)((char *)settings + reals[i].offset) =
            need_real(&l, reals[i].name, reals[i].lower);
    for (size_t i = 0; i < SIZES; i++)
        *(size_t *)(void *)((char *)settings + sizes[i].offset) =
            get_size(&l, sizes[i].name, sizes[i].lower);
    settings->seed = seed ? strtoull(seed, &end, 10) : 0;
    if (!end || *seed < '0' || *seed > '9' || *end != '\0')
        l.bad = "seed";
    settings->general_path = get_bool(&l, "general_path");
    return verdict(&l, path, "training", error);
}

static gemmlp_metrics get_metrics(struct looking *outer, const char *key)
{
    struct looking l = look(outer, key);
    gemmlp_metrics metrics = {
        .examples = get_size(&l, "examples", 0),
        .loss = get_real(&l, "loss", -INFINITY, NAN),
        .accuracy = get_real(&l, "accuracy", 0, NAN),
        .rmse = get_real(&l, "rmse", 0, NAN),
        .r2 = get_real(&l, "r2", -INFINITY, NAN),
    };
    outer->bad = l.bad;
    return metrics;
}

gemmlp_status gm_checkpoint_parse_state(const char *path, const json_t *state,
                                        struct checkpoint_state *out, gemmlp_error *error)
{
    struct looking l = {state, NULL};
    *out = (struct checkpoint_state){
        .progress = {.epoch = get_size(&l, "epoch", 0),
                     .step = get_size(&l, "step", 0),
                     .steps_per_epoch = get_size(&l, "steps_per_epoch", 1),
                     .learning_rate = need_real(&l, "learning_rate", 0),
                     .train_seconds = need_real(&l, "train_seconds", 0),
                     .finished = get_bool(&l, "finished"),
                     .best_epoch = get_size(&l, "best_epoch", 0),
                     .valid = get_metrics(&l, "valid")},
        .optimizer_steps = get_size(&l, "optimizer_steps", 0),
        .best_valid = get_metrics(&l, "best_valid"),
    };
    if (!isfinite(out->best_valid.loss)) /* there was none yet */
        out->best_valid.loss = INFINITY;
    struct looking tally = look(&l, "tally");
    out->tally = (struct tally){
        .examples = get_size(&tally, "examples", 0),
        .correct = get_size(&tally, "correct", 0),
        .cost = need_real(&tally, "cost", -INFINITY),
        .squared_error = need_real(&tally, "squared_error", 0),
    };
    struct looking schedule = look(&l, "schedule");
    out->plateau_scale = need_real(&schedule, "plateau_scale", 0);
    out->plateau_loss = get_real(&schedule, "plateau_loss", -INFINITY, INFINITY);
    out->plateau_waited = get_size(&schedule, "plateau_waited", 0);
    l.bad = l.bad ? l.bad : tally.bad ? tally.bad : schedule.bad;
    const gemmlp_progress *p = &out->progress;
    if (!l.bad && p->step / p->steps_per_epoch != p->epoch)
        l.bad = "step";
    if (!l.bad && p->best_epoch > p->epoch)
        l.bad = "best_epoch";
    if (!l.bad && p->finished && p->step % p->steps_per_epoch != 0)
        l.bad = "finished";
    if (!l.bad && out->plateau_scale > 1)
        l.bad = "plateau_scale";
    return verdict(&l, path, "state", error);
}
