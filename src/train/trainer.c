/* trainer.c: epochs of steps over a data set: shuffle, gather, step, count; validation, early
 * stopping, and a way back from NaN. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "data/preprocess.h"
#include "linalg/planner.h"
#include "train/divergence.h"
#include "train/trainer.h"

gemmlp_training gemmlp_training_default(void)
{
    return (gemmlp_training){
        .optimizer = "adam",
        .lr = -1,
        .momentum = -1,
        .beta2 = -1,
        .epsilon = -1,
        .weight_decay = -1,
        .schedule = "one_cycle",
        .warmup = -1,
        .schedule_factor = -1,
        .schedule_epochs = -1,
        .batch = 128,
        .epochs = 5,
    };
}

/* ---- life ---- */

static void lay_out(struct gemmlp_trainer *t)
{
    const size_t slab = t->model->core->slab_size;
    t->order = gm_arena_take(&t->memory, t->source.dataset->examples, sizeof *t->order);
    t->good = gm_arena_take(&t->memory, slab, sizeof *t->good);
    if (t->settings.patience)
        t->best = gm_arena_take(&t->memory, slab, sizeof *t->best);
    if (t->settings.class_weights)
        t->class_weights = gm_arena_take(&t->memory, t->source.outputs, sizeof *t->class_weights);
}

static gemmlp_status check_class_weights(const gemmlp_training *training,
                                         const gemmlp_network *network, gemmlp_error *error)
{
    if (training->class_weights && network->task != GEMMLP_CLASSIFY)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "class weights need data with classes");
    for (size_t j = 0; training->class_weights && j < gm_network_outputs(network); j++)
        if (!(training->class_weights[j] >= 0 && training->class_weights[j] < INFINITY))
            return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                           "the weight of class %zu must be a number of at least 0, found %g", j,
                           training->class_weights[j]);
    return GEMMLP_OK;
}

static gemmlp_status check(const gemmlp_model *model, const gemmlp_dataset *train,
                           const gemmlp_dataset *valid, const gemmlp_training *training,
                           gemmlp_error *error)
{
    const gemmlp_network *network = &model->network.spec;
    if (training->batch == 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "the batch must have at least 1 example, found 0");
    if (training->epochs == 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "there must be at least 1 epoch, found 0");
    if (training->patience && !valid)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "patience %zu needs a validation set, there is none", training->patience);
    gemmlp_status status = gm_network_fits(network, train, error);
    if (status == GEMMLP_OK && valid)
        status = gm_network_fits(network, valid, error);
    if (status == GEMMLP_OK)
        status = check_class_weights(training, network, error);
    return status;
}

/* Everything that takes time or memory; what was made before a failure is freed by
 * gemmlp_trainer_free. */
static gemmlp_status build(struct gemmlp_trainer *t, const gemmlp_dataset *valid,
                           gemmlp_error *error)
{
    const size_t examples = t->source.dataset->examples;
    const size_t batch = t->settings.batch < examples ? t->settings.batch : examples;
    gemmlp_status status = gm_check_finite(t->source.dataset, error);
    if (status == GEMMLP_OK && valid)
        status = gm_check_finite(valid, error);
    if (status != GEMMLP_OK)
        return status;
    t->progress.steps_per_epoch = examples / batch + (examples % batch != 0);
    t->settings.batch = batch;
    lay_out(t);
    status = gm_arena_allocate(&t->memory, "a trainer", error);
    if (status != GEMMLP_OK)
        return status;
    lay_out(t);
    for (size_t j = 0; t->class_weights && j < t->source.outputs; j++)
        t->class_weights[j] = (float)t->settings.class_weights[j];
    memcpy(t->good, t->model->core->slab, t->model->core->slab_size * sizeof *t->good);
    if (t->precision == GEMM_BF16)
        status = model_halve(t->model->core, error);
    t->halved = t->precision == GEMM_BF16 && status == GEMMLP_OK;
    if (status == GEMMLP_OK)
        status = pass_create(t->model->core, t->provider, t->halved ? PASS_TRAIN_BF16 : PASS_TRAIN,
                             batch, examples % batch, &t->step.pass, error);
    if (status == GEMMLP_OK)
        status = optimizer_create(t->model->core, &t->settings, &t->step.optimizer, error);
    if (status == GEMMLP_OK)
        status = gm_schedule_init(&t->schedule, &t->settings, t->step.optimizer->settings.lr,
                                  t->progress.steps_per_epoch, error);
    if (status == GEMMLP_OK && valid)
        status =
            gm_evaluator_create(t->model, valid, 0, valid->examples, t->provider, &t->valid, error);
    t->step.class_weights = t->class_weights;
    t->step.seed = t->settings.seed;
    return status;
}

gemmlp_status gm_trainer_create(gemmlp_model *model, const gemmlp_dataset *train,
                                const gemmlp_dataset *valid, const gemmlp_training *training,
                                const char *plan, const char *where, gemmlp_trainer **out,
                                gemmlp_error *error)
{
    struct gemm_provider *provider = NULL;
    enum gemm_precision precision = GEMM_F32;
    int threads = 1;
    *out = NULL;
    gemmlp_status status = check(model, train, valid, training, error);
    if (status == GEMMLP_OK)
        status = gm_compute_precision(&training->compute, &precision, error);
    if (status == GEMMLP_OK)
        status = gm_compute_resolve(&training->compute, &threads, &provider, error);
    if (status == GEMMLP_OK && plan)
        status = gm_planner_recall(provider, plan, where, error);
    if (status != GEMMLP_OK) {
        gm_gemm_close(provider);
        return status;
    }
    struct gemmlp_trainer *t = calloc(1, sizeof *t);
    if (!t) {
        gm_gemm_close(provider);
        return gm_fail_memory(error, "a trainer", sizeof *t);
    }
    const size_t outputs = gm_network_outputs(&model->network.spec);
    *t = (struct gemmlp_trainer){
        .model = model,
        .settings = *training,
        .threads = threads,
        .provider = provider,
        .precision = precision,
        .provider_by_path = training->compute.provider && strchr(training->compute.provider, '/'),
        .source = {train, model->factor, model->offset, outputs},
        .tally = {.task = model->network.spec.task, .outputs = outputs},
        .best_valid = {.loss = INFINITY},
        .progress = {.epochs = training->epochs},
    };
    /* The threads that will compute are the first to touch the memory. */
    struct compute_scope scope = gm_compute_begin(threads);
    status = build(t, valid, error);
    gm_compute_end(scope);
    if (status != GEMMLP_OK) {
        gemmlp_trainer_free(t);
        return status;
    }
    t->settings.class_weights = NULL; /* the caller's; copied */
    t->progress.train = t->progress.valid = gm_tally_metrics(&t->tally);
    *out = t;
    return GEMMLP_OK;
}

gemmlp_status gemmlp_trainer_create(gemmlp_model *model, const gemmlp_dataset *train,
                                    const gemmlp_dataset *valid, const gemmlp_training *training,
                                    gemmlp_trainer **out, gemmlp_error *error)
{
    return gm_trainer_create(model, train, valid, training, NULL, NULL, out, error);
}

void gemmlp_trainer_free(gemmlp_trainer *trainer)
{
    if (!trainer)
        return;
    pass_free(trainer->step.pass);
    if (trainer->halved)
        model_unhalve(trainer->model->core);
    optimizer_free(trainer->step.optimizer);
    gm_evaluator_free(trainer->valid);
    gm_arena_free(&trainer->memory);
    gm_gemm_close(trainer->provider);
    free(trainer);
}

/* ---- training ---- */

static void copy_parameters(const struct gemmlp_trainer *t, float *to, const float *from)
{
    memcpy(to, from, t->model->core->slab_size * sizeof *to);
}

/* Back to the last good parameters, for good. */
static gemmlp_status diverged(struct gemmlp_trainer *t, struct divergence divergence,
                              gemmlp_error *error)
{
    const struct dropout dropout = {t->step.seed, t->progress.step};
    divergence.epoch = t->progress.epoch + 1;
    divergence.dropout = &dropout;
    gm_divergence_fail(&divergence, &t->failure);
    copy_parameters(t, t->model->core->slab, t->good);
    if (error)
        *error = t->failure;
    return GEMMLP_DIVERGED;
}

/* Gather, step, count: one mini-batch. */
static gemmlp_status make_step(struct gemmlp_trainer *t, gemmlp_error *error)
{
    gemmlp_progress *p = &t->progress;
    struct pass *pass = t->step.pass;
    const size_t examples = t->source.dataset->examples, in_epoch = p->step % p->steps_per_epoch;
    const size_t first = in_epoch * t->settings.batch, left = examples - first;
    const size_t rows = left < t->settings.batch ? left : t->settings.batch;
    if (in_epoch == 0)
        gm_tally_reset(&t->tally);
    if (in_epoch == 0 || !t->shuffled) /* a checkpoint has the position, and not the order */
        gm_shuffle(t->settings.seed, p->epoch, examples, t->order);
    t->shuffled = true;
    pass_set_rows(pass, rows);
    const struct batch batch = {pass->x, pass->x16, pass->y, pass->x_copies, pass->x_stride};
    gm_batch_gather(&t->source, t->order, first, rows, &batch);
    p->learning_rate = gm_schedule_lr(&t->schedule, p->step);
    const double cost = step_run(&t->step, p->step, p->learning_rate);
    if (!isfinite(cost)) {
        const struct divergence where = {
            .pass = pass, .step = p->step + 1, .examples = t->order + first};
        return diverged(t, where, error);
    }
    gm_tally_add(&t->tally, rows, pass->layers[pass->model->layer_count - 1].a, pass->y, cost,
                 NULL);
    p->step++;
    return GEMMLP_OK;
}

bool gm_trainer_finished(const struct gemmlp_trainer *t)
{
    const gemmlp_progress *p = &t->progress;
    const bool impatient = t->settings.patience && p->epoch - p->best_epoch >= t->settings.patience;
    return p->epoch >= p->epochs || impatient;
}

static void early_stopping(struct gemmlp_trainer *t)
{
    gemmlp_progress *p = &t->progress;
    if (p->valid.loss < t->best_valid.loss) {
        t->best_valid = p->valid;
        p->best_epoch = p->epoch;
        if (t->best)
            copy_parameters(t, t->best, t->model->core->slab);
    }
    p->finished = gm_trainer_finished(t);
    if (t->best && p->finished && p->best_epoch > 0) {
        copy_parameters(t, t->model->core->slab, t->best);
        p->valid = t->best_valid;
    }
}

static gemmlp_status end_epoch(struct gemmlp_trainer *t, gemmlp_error *error)
{
    gemmlp_progress *p = &t->progress;
    gemmlp_metrics valid = p->valid;
    if (gm_divergence_in_parameters(t->model->core))
        return diverged(t, (struct divergence){.pass = t->step.pass, .step = p->step}, error);
    if (t->valid) {
        valid = gm_evaluator_run(t->valid, NULL);
        if (!isfinite(valid.loss))
            return diverged(t, (struct divergence){.step = p->step}, error);
    }
    copy_parameters(t, t->good, t->model->core->slab);
    p->valid = valid;
    p->epoch++;
    p->epoch_completed = true;
    p->finished = p->epoch >= p->epochs;
    if (t->valid)
        early_stopping(t);
    gm_schedule_epoch(&t->schedule, t->valid ? p->valid.loss : t->tally.cost);
    return GEMMLP_OK;
}

static gemmlp_status run(struct gemmlp_trainer *t, size_t last_step, double seconds,
                         gemmlp_error *error)
{
    gemmlp_progress *p = &t->progress;
    gemmlp_status status;
    const double start = gm_seconds();
    double now = start;
    p->epoch_completed = false;
    do {
        status = make_step(t, error);
        now = gm_seconds();
    } while (status == GEMMLP_OK && p->step % p->steps_per_epoch != 0 && p->step < last_step &&
             now - start < seconds);
    p->train_seconds += now - start;
    if (status == GEMMLP_OK && p->step % p->steps_per_epoch == 0)
        status = end_epoch(t, error);
    return status;
}

/* The optimizer keeps the bf16 copies up to date; others who write weights do not. They may do so
 * before the first run, and whenever they have a pointer to them. */
static void refresh(struct gemmlp_trainer *t)
{
    if (t->halved && (!t->rounded || t->model->parameters_given))
        model_round(t->model->core);
    t->rounded = true;
}

gemmlp_status gemmlp_trainer_run(gemmlp_trainer *trainer, double seconds, gemmlp_error *error)
{
    return gemmlp_trainer_run_until(trainer, SIZE_MAX, seconds, error);
}

gemmlp_status gemmlp_trainer_run_until(gemmlp_trainer *trainer, size_t step, double seconds,
                                       gemmlp_error *error)
{
    gemmlp_progress *p = &trainer->progress;
    if (trainer->failure.status != GEMMLP_OK || p->finished) {
        if (error)
            *error = trainer->failure;
        return trainer->failure.status;
    }
    struct compute_scope scope = gm_compute_begin(trainer->threads);
    refresh(trainer);
    gemmlp_status status = run(trainer, step, seconds, error);
    gm_compute_end(scope);
    return status;
}

void gemmlp_trainer_settings(const gemmlp_trainer *trainer, gemmlp_training *settings)
{
    *settings = trainer->step.optimizer->settings;
    settings->schedule = trainer->schedule.rule->name;
    settings->warmup = trainer->schedule.warmup;
    settings->schedule_factor = trainer->schedule.factor;
    settings->schedule_epochs = trainer->schedule.epochs;
    settings->batch = trainer->settings.batch;
    settings->class_weights = NULL;
    settings->compute = (gemmlp_compute){
        .threads = trainer->threads,
        .precision = gm_gemm_precisions[trainer->precision],
        .provider = trainer->provider_by_path ? trainer->provider->path : trainer->provider->name};
}

void gemmlp_trainer_progress(const gemmlp_trainer *trainer, gemmlp_progress *progress)
{
    const size_t examples = trainer->source.dataset->examples;
    const size_t epochs = trainer->progress.step / trainer->progress.steps_per_epoch;
    const size_t in_epoch = trainer->progress.step % trainer->progress.steps_per_epoch;
    const double seen =
        (double)epochs * (double)examples + (double)in_epoch * (double)trainer->settings.batch;
    *progress = trainer->progress;
    progress->train = gm_tally_metrics(&trainer->tally);
    if (progress->train_seconds > 0) {
        progress->examples_per_second = seen / progress->train_seconds;
        progress->gflops =
            1e-9 * gm_network_flop(&trainer->model->network.spec) * progress->examples_per_second;
    }
}

gemmlp_status gemmlp_train(gemmlp_model *model, const gemmlp_dataset *train,
                           const gemmlp_dataset *valid, const gemmlp_training *training,
                           gemmlp_progress *progress, gemmlp_error *error)
{
    gemmlp_trainer *trainer;
    gemmlp_status status = gemmlp_trainer_create(model, train, valid, training, &trainer, error);
    if (status != GEMMLP_OK)
        return status;
    while (status == GEMMLP_OK && !trainer->progress.finished)
        status = gemmlp_trainer_run(trainer, INFINITY, error);
    if (progress)
        gemmlp_trainer_progress(trainer, progress);
    gemmlp_trainer_free(trainer);
    return status;
}
