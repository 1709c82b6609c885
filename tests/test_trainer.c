/* test_trainer.c: training through the public calls: that it learns, stops, goes back to the best
 * and away from NaN, gives the same bits again; and that what it reports is what a direct
 * computation from the predictions gives. */
#include "support.h"

#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/portability.h"
#include "gemmlp.h"

enum { FEATURES = 4, CLASSES = 3, EXAMPLES = 90 };

/* ---- data, models, runs -----------------------------------------------------------------------
 */

/* Three clouds in four dimensions. */
struct clouds {
    float x[EXAMPLES * FEATURES];
    int32_t labels[EXAMPLES];
    gemmlp_arrays arrays;
    gemmlp_dataset *data;
};

static void clouds_create(struct clouds *c, uint64_t seed, double radius)
{
    fill_f32(c->x, EXAMPLES * FEATURES, seed, -radius, radius);
    for (size_t i = 0; i < EXAMPLES; i++) {
        c->labels[i] = (int32_t)(i % CLASSES);
        c->x[i * FEATURES + i % CLASSES] += 2;
    }
    c->arrays = (gemmlp_arrays){.examples = EXAMPLES,
                                .features = FEATURES,
                                .outputs = CLASSES,
                                .task = GEMMLP_CLASSIFY,
                                .x_f32 = c->x,
                                .labels = c->labels};
    assert_int_equal(gemmlp_dataset_wrap(&c->arrays, &c->data, NULL), GEMMLP_OK);
}

/* 4-width-outputs on `data`, without pre-processing. */
static gemmlp_model *activated_model(const char *activation, const gemmlp_dataset *data,
                                     size_t width, double dropout, uint64_t seed)
{
    const gemmlp_layer layers[] = {{.n_out = width, .activation = activation, .dropout = dropout},
                                   {0}};
    const gemmlp_network network = {
        .layer_count = 2, .layers = layers, .preprocess = "none", .seed = seed};
    gemmlp_model *model;
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_model_create(&network, data, &model, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    return model;
}

static gemmlp_model *model_of(const gemmlp_dataset *data, size_t width, double dropout,
                              uint64_t seed)
{
    return activated_model("tanh", data, width, dropout, seed);
}

/* Constant learning rate, one thread. */
static gemmlp_training training_of(const char *optimizer, double lr, size_t batch, size_t epochs)
{
    gemmlp_training t = gemmlp_training_default();
    t.optimizer = optimizer;
    t.lr = lr;
    t.schedule = "constant";
    t.batch = batch;
    t.epochs = epochs;
    t.compute.threads = 1;
    return t;
}

static gemmlp_progress train(gemmlp_model *model, const gemmlp_dataset *data,
                             const gemmlp_dataset *valid, const gemmlp_training *training)
{
    gemmlp_progress progress;
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_train(model, data, valid, training, &progress, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    assert_true(progress.finished);
    return progress;
}

static gemmlp_trainer *trainer_of(gemmlp_model *model, const gemmlp_dataset *data,
                                  const gemmlp_dataset *valid, const gemmlp_training *training)
{
    gemmlp_trainer *trainer;
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_trainer_create(model, data, valid, training, &trainer, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    return trainer;
}

static gemmlp_metrics evaluate(const gemmlp_model *model, const gemmlp_dataset *data,
                               size_t *confusion)
{
    gemmlp_metrics metrics;
    assert_int_equal(gemmlp_model_evaluate(model, data, NULL, &metrics, confusion, NULL),
                     GEMMLP_OK);
    return metrics;
}

/* All parameters, one after the other. */
enum { ROOM = 4096 };

static size_t parameters_of(gemmlp_model *model, float out[ROOM])
{
    const gemmlp_network *network = gemmlp_model_network(model);
    size_t n_in = network->n_in, count = 0;
    for (size_t l = 0; l < network->layer_count; l++) {
        const size_t n_out = network->layers[l].n_out, weights = n_out * n_in;
        assert_true(count + weights + n_out <= ROOM);
        memcpy(out + count, gemmlp_model_weights(model, l), weights * sizeof *out);
        memcpy(out + count + weights, gemmlp_model_biases(model, l), n_out * sizeof *out);
        count += weights + n_out;
        n_in = n_out;
    }
    return count;
}

static bool same_parameters(gemmlp_model *a, gemmlp_model *b)
{
    static float one[ROOM], other[ROOM];
    const size_t count = parameters_of(a, one);
    assert_int_equal(parameters_of(b, other), count);
    return memcmp(one, other, count * sizeof *one) == 0;
}

/* ---- learning ---------------------------------------------------------------------------------
 */

static void test_learns(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 0.8);
    const char *optimizer, *schedule;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        for (size_t s = 0; (schedule = gemmlp_name(GEMMLP_SCHEDULES, s)) != NULL; s++) {
            gemmlp_model *model = model_of(c.data, 16, 0, 1);
            gemmlp_training training = training_of(optimizer, -1, 10, 60);
            training.schedule = schedule;
            train(model, c.data, NULL, &training);
            const gemmlp_metrics metrics = evaluate(model, c.data, NULL);
            if (!(metrics.loss < 0.2 && metrics.accuracy > 0.97)) {
                fail_msg("%s with %s: loss %g, accuracy %g", optimizer, schedule, metrics.loss,
                         metrics.accuracy);
            }
            gemmlp_model_free(model);
        }
    }
    gemmlp_dataset_free(c.data);
}

static void test_learns_with_threads(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 0.8);
    for (int threads = 1; threads <= 2; threads++) {
        gemmlp_model *model = model_of(c.data, 256, 0.2, 1); /* large enough to be worth two */
        gemmlp_training training = training_of("momentum", 0.05, 90, 30);
        training.compute.threads = threads;
        train(model, c.data, c.data, &training);
        assert_at_most(evaluate(model, c.data, NULL).loss, 0.2, "the loss");
        gemmlp_model_free(model);
    }
    gemmlp_dataset_free(c.data);
}

/* ---- early stopping -----------------------------------------------------------------------------
 */

/* Labels that the inputs say nothing about: what is learnt makes the validation loss worse. */
static void test_early_stopping(void **state)
{
    (void)state;
    enum { PATIENCE = 4 };
    struct clouds c, v;
    uint64_t random = 3;
    clouds_create(&c, 1, 1);
    clouds_create(&v, 2, 1);
    for (size_t i = 0; i < EXAMPLES; i++) {
        c.labels[i] = (int32_t)(3 * random_uniform(&random));
        v.labels[i] = (int32_t)(3 * random_uniform(&random));
    }
    gemmlp_training training = training_of("adam", 0.005, 10, 500);
    training.patience = PATIENCE;
    gemmlp_model *model = model_of(c.data, 16, 0, 1);
    gemmlp_trainer *trainer = trainer_of(model, c.data, v.data, &training);
    gemmlp_progress p = {0};
    double best = INFINITY;
    size_t best_epoch = 0;
    static float at_best[ROOM], at_end[ROOM];
    size_t count = 0;
    for (size_t epoch = 1; !p.finished; epoch++) {
        assert_int_equal(gemmlp_trainer_run(trainer, INFINITY, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &p);
        assert_int_equal(p.epoch, epoch);
        assert_int_equal(p.valid.examples, EXAMPLES);
        if (!p.finished) {
            assert_close(evaluate(model, v.data, NULL).loss, p.valid.loss, 1e-6, "the loss now");
            if (p.valid.loss < best) {
                best = p.valid.loss;
                best_epoch = epoch;
                count = parameters_of(model, at_best);
            }
        }
        assert_int_equal(p.best_epoch, best_epoch);
    }
    assert_true(best_epoch > 0 && p.epoch == best_epoch + PATIENCE && p.epoch < 500);
    parameters_of(model, at_end);
    assert_memory_equal(at_end, at_best, count * sizeof *at_best);
    assert_true(p.valid.loss == best);
    assert_close(evaluate(model, v.data, NULL).loss, best, 1e-6, "the loss at the end");
    /* Finished is finished. */
    assert_int_equal(gemmlp_trainer_run(trainer, INFINITY, NULL), GEMMLP_OK);
    gemmlp_trainer_progress(trainer, &p);
    assert_int_equal(p.epoch, best_epoch + PATIENCE);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
    gemmlp_dataset_free(v.data);
}

/* ---- divergence ---------------------------------------------------------------------------------
 */

/* Runs until it fails; the parameters must be those after the last epoch that was completed. */
static gemmlp_error assert_diverges(gemmlp_model *model, const gemmlp_dataset *data,
                                    const gemmlp_training *training, gemmlp_progress *progress)
{
    static float good[ROOM], now[ROOM];
    gemmlp_trainer *trainer = trainer_of(model, data, NULL, training);
    gemmlp_error error = {0}, again = {0};
    gemmlp_status status = GEMMLP_OK;
    size_t count = parameters_of(model, good);
    for (size_t run = 0; status == GEMMLP_OK && run < 10000; run++) {
        status = gemmlp_trainer_run(trainer, 0, &error);
        gemmlp_trainer_progress(trainer, progress);
        if (status == GEMMLP_OK && progress->epoch_completed) {
            parameters_of(model, good);
        }
    }
    assert_int_equal(status, GEMMLP_DIVERGED);
    assert_int_equal(error.status, GEMMLP_DIVERGED);
    parameters_of(model, now);
    assert_memory_equal(now, good, count * sizeof *now);
    for (size_t i = 0; i < count; i++) {
        assert_true(isfinite(now[i]));
    }
    assert_int_equal(gemmlp_trainer_run(trainer, 0, &again), GEMMLP_DIVERGED);
    assert_string_equal(again.message, error.message);
    assert_int_equal(gemmlp_trainer_run(trainer, 0, NULL), GEMMLP_DIVERGED);
    gemmlp_trainer_free(trainer);
    return error;
}

static void assert_says(const gemmlp_error *error, const char *what)
{
    if (!strstr(error->message, what)) {
        fail_msg("'%s' is not in: %s", what, error->message);
    }
}

static void test_divergence(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_progress p;
    clouds_create(&c, 1, 1);

    gemmlp_model *model = activated_model("relu", c.data, 8, 0, 1);
    gemmlp_training training = training_of("sgd", 1e30, 10, 5);
    gemmlp_error error = assert_diverges(model, c.data, &training, &p);
    assert_int_equal(p.epoch, 0);
    assert_says(&error, "epoch 1, step ");
    assert_says(&error, "layer ");
    assert_says(&error, "neuron ");
    gemmlp_model_free(model);

    /* Weights that grow by a factor of 4 in each step, for some epochs. */
    model = model_of(c.data, 8, 0, 1);
    training = training_of("sgd", 0.1, 30, 50);
    training.l2 = 50;
    error = assert_diverges(model, c.data, &training, &p);
    assert_true(p.epoch > 2);
    char where[64];
    snprintf(where, sizeof where, "epoch %zu, step %zu:", p.epoch + 1, p.step + 1);
    assert_says(&error, where);
    snprintf(where, sizeof where, "after epoch %zu", p.epoch);
    assert_says(&error, where);
    gemmlp_model_free(model);

    /* The update of the last step of an epoch, whose cost was finite. */
    model = model_of(c.data, 8, 0, 1);
    training = training_of("sgd", 1e38, EXAMPLES, 5);
    training.l2 = 1e30;
    error = assert_diverges(model, c.data, &training, &p);
    assert_int_equal(p.epoch, 0);
    assert_says(&error, "epoch 1, step 1:");
    assert_says(&error, "the update of step 1 made the weight of layer 1, neuron ");
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

static void test_nan_in_the_data(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_trainer *trainer;
    gemmlp_error error;
    clouds_create(&c, 1, 1);
    gemmlp_model *model = model_of(c.data, 8, 0, 1);
    c.x[5 * FEATURES + 2] = NAN;
    gemmlp_training training = training_of("adam", 0.01, EXAMPLES, 5);
    assert_int_equal(gemmlp_trainer_create(model, c.data, NULL, &training, &trainer, &error),
                     GEMMLP_BAD_DATA);
    assert_says(&error, "feature 2 of example 5 is NaN");
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

/* ---- pieces and bits
 * ------------------------------------------------------------------------------ */

static void test_one_step_at_a_time(void **state)
{
    (void)state;
    enum { BATCH = 20, EPOCHS = 3 };
    struct clouds c;
    clouds_create(&c, 1, 1);
    gemmlp_training training = training_of("adam", 0.01, BATCH, EPOCHS);
    training.seed = 5;
    gemmlp_model *one_go = model_of(c.data, 16, 0.3, 1), *pieces = model_of(c.data, 16, 0.3, 1);
    assert_true(same_parameters(one_go, pieces));
    train(one_go, c.data, NULL, &training);
    gemmlp_trainer *trainer = trainer_of(pieces, c.data, NULL, &training);
    gemmlp_progress p;
    gemmlp_trainer_progress(trainer, &p);
    assert_int_equal(p.steps_per_epoch, 5);
    assert_int_equal(p.epochs, EPOCHS);
    for (size_t step = 1; step <= 5 * EPOCHS; step++) {
        assert_false(p.finished);
        assert_false(same_parameters(one_go, pieces));
        assert_int_equal(gemmlp_trainer_run(trainer, 0, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &p);
        assert_int_equal(p.step, step);
        assert_int_equal(p.epoch, step / 5);
        assert_int_equal(p.epoch_completed, step % 5 == 0);
        assert_int_equal(p.train.examples, step % 5 ? step % 5 * BATCH : EXAMPLES);
        assert_true(p.learning_rate == 0.01);
        assert_int_equal(p.valid.examples, 0);
        assert_int_equal(p.best_epoch, 0);
    }
    assert_true(p.finished && p.train_seconds > 0 && p.examples_per_second > 0 && p.gflops > 0);
    assert_true(same_parameters(one_go, pieces));
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(one_go);
    gemmlp_model_free(pieces);
    gemmlp_dataset_free(c.data);
}

static void test_seeds(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 1);
    for (size_t i = 0; i < 3; i++) { /* shuffling, dropout, initial weights */
        const double dropout = i == 1 ? 0.4 : 0;
        const size_t batch = i == 0 ? 20 : EXAMPLES;
        gemmlp_training training = training_of("adam", 0.01, batch, 3);
        gemmlp_model *first = model_of(c.data, 16, dropout, 1);
        gemmlp_model *same = model_of(c.data, 16, dropout, 1);
        gemmlp_model *other = model_of(c.data, 16, dropout, i == 2 ? 2 : 1);
        training.seed = 5;
        train(first, c.data, NULL, &training);
        train(same, c.data, NULL, &training);
        training.seed = i == 2 ? 5 : 6;
        train(other, c.data, NULL, &training);
        assert_true(same_parameters(first, same));
        assert_false(same_parameters(first, other));
        gemmlp_model_free(first);
        gemmlp_model_free(same);
        gemmlp_model_free(other);
    }
    gemmlp_dataset_free(c.data);
}

static void test_batch_sizes(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_progress p;
    clouds_create(&c, 1, 0.8);
    static const size_t batches[] = {1, 7, 89, 90, 91, 1000000};
    static const size_t steps[] = {90, 13, 2, 1, 1, 1};
    for (size_t i = 0; i < 6; i++) {
        gemmlp_model *model = model_of(c.data, 16, 0, 1);
        gemmlp_training training = training_of("sgd", 0.05, batches[i], 20);
        const double before = evaluate(model, c.data, NULL).loss;
        p = train(model, c.data, NULL, &training);
        assert_int_equal(p.steps_per_epoch, steps[i]);
        assert_int_equal(p.step, 20 * steps[i]);
        assert_int_equal(p.train.examples, EXAMPLES);
        assert_true(evaluate(model, c.data, NULL).loss < before);
        gemmlp_model_free(model);
    }
    gemmlp_dataset_free(c.data);
}

/* ---- metrics
 * --------------------------------------------------------------------------------------- */

/* More examples than are evaluated at once. */
enum { MANY = 2500, OUTPUTS = 3 };

struct many {
    float x[MANY * FEATURES], targets[MANY * OUTPUTS], predicted[MANY * OUTPUTS];
    int32_t labels[MANY];
    gemmlp_dataset *data;
};

static void many_create(struct many *m, gemmlp_task task)
{
    uint64_t random = 8;
    fill_f32(m->x, MANY * FEATURES, 4, -2, 2);
    fill_f32(m->targets, MANY * OUTPUTS, 5, -2, 2);
    for (size_t i = 0; i < MANY; i++) {
        m->labels[i] = (int32_t)(OUTPUTS * random_uniform(&random));
        m->targets[i * OUTPUTS] += 1000; /* a mean far from 0 */
    }
    for (size_t i = 0; i < MANY * OUTPUTS && task == GEMMLP_MULTILABEL; i++) {
        m->targets[i] = m->targets[i] > 0.2F && m->targets[i] < 999;
    }
    const gemmlp_arrays arrays = {.examples = MANY,
                                  .features = FEATURES,
                                  .outputs = OUTPUTS,
                                  .task = task,
                                  .x_f32 = m->x,
                                  .labels = task == GEMMLP_CLASSIFY ? m->labels : NULL,
                                  .targets = task == GEMMLP_CLASSIFY ? NULL : m->targets};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &m->data, NULL), GEMMLP_OK);
}

static void predict_all(struct many *m, const gemmlp_model *model)
{
    float part[10 * OUTPUTS];
    assert_int_equal(gemmlp_model_predict(model, m->data, 0, MANY, NULL, m->predicted, NULL),
                     GEMMLP_OK);
    /* The same from any place, and as 4-8-3 by hand would have it up to rounding. */
    assert_int_equal(gemmlp_model_predict(model, m->data, 1020, 10, NULL, part, NULL), GEMMLP_OK);
    assert_at_most(array_difference_f32(part, m->predicted + 1020 * OUTPUTS, 10 * OUTPUTS), 1e-6,
                   "a part of the predictions");
}

static void test_classification_metrics(void **state)
{
    (void)state;
    static struct many m;
    many_create(&m, GEMMLP_CLASSIFY);
    gemmlp_model *model = model_of(m.data, 8, 0, 2);
    predict_all(&m, model);
    size_t confusion[OUTPUTS * OUTPUTS], expected[OUTPUTS * OUTPUTS] = {0}, correct = 0;
    double cost = 0;
    for (size_t i = 0; i < MANY; i++) {
        const float *a = m.predicted + i * OUTPUTS;
        const size_t label = (size_t)m.labels[i];
        const size_t chosen = a[0] >= a[1] && a[0] >= a[2] ? 0 : a[1] >= a[2] ? 1 : 2;
        correct += chosen == label;
        expected[label * OUTPUTS + chosen]++;
        cost -= log((double)a[label]);
    }
    const gemmlp_metrics metrics = evaluate(model, m.data, confusion);
    assert_int_equal(metrics.examples, MANY);
    assert_close(metrics.loss, cost / MANY, 1e-6, "loss");
    assert_true(metrics.accuracy == (double)correct / MANY);
    assert_memory_equal(confusion, expected, sizeof expected);
    assert_true(isnan(metrics.rmse) && isnan(metrics.r2));
    gemmlp_model_free(model);
    gemmlp_dataset_free(m.data);
}

static void test_regression_metrics(void **state)
{
    (void)state;
    static struct many m;
    many_create(&m, GEMMLP_REGRESS);
    gemmlp_model *model = model_of(m.data, 8, 0, 2);
    gemmlp_model_biases(model, 1)[0] = 999; /* r2 is not far below 0 then */
    predict_all(&m, model);
    double squares = 0, deviation = 0;
    for (size_t j = 0; j < OUTPUTS; j++) {
        double mean = 0;
        for (size_t i = 0; i < MANY; i++) {
            mean += (double)m.targets[i * OUTPUTS + j] / MANY;
        }
        for (size_t i = 0; i < MANY; i++) {
            const double y = (double)m.targets[i * OUTPUTS + j];
            squares += pow((double)m.predicted[i * OUTPUTS + j] - y, 2);
            deviation += pow(y - mean, 2);
        }
    }
    const gemmlp_metrics metrics = evaluate(model, m.data, NULL);
    assert_int_equal(metrics.examples, MANY);
    assert_close(metrics.loss, squares / (MANY * OUTPUTS), 1e-6, "mse");
    assert_close(metrics.rmse, sqrt(squares / (MANY * OUTPUTS)), 1e-6, "rmse");
    assert_close(metrics.r2, 1 - squares / deviation, 1e-6, "r2");
    assert_true(isnan(metrics.accuracy));
    gemmlp_model_free(model);
    gemmlp_dataset_free(m.data);
}

static void test_multilabel_metrics(void **state)
{
    (void)state;
    static struct many m;
    many_create(&m, GEMMLP_MULTILABEL);
    gemmlp_model *model = model_of(m.data, 8, 0, 2);
    predict_all(&m, model);
    size_t correct = 0;
    double cost = 0;
    for (size_t i = 0; i < MANY * OUTPUTS; i++) {
        const double a = (double)m.predicted[i];
        const bool y = m.targets[i] > 0;
        correct += (a > 0.5) == y;
        cost -= log(y ? a : 1 - a);
    }
    const gemmlp_metrics metrics = evaluate(model, m.data, NULL);
    assert_close(metrics.loss, cost / MANY, 1e-5, "loss");
    assert_true(metrics.accuracy == (double)correct / (MANY * OUTPUTS));
    assert_true(isnan(metrics.rmse) && isnan(metrics.r2));
    gemmlp_model_free(model);
    gemmlp_dataset_free(m.data);
}

/* With eta = 0 the model stands still: the figures of an epoch are those of an evaluation, each
 * example counted once, and the shorter last batch by its size. */
static void test_epoch_metrics(void **state)
{
    (void)state;
    static struct many m;
    static const gemmlp_task tasks[] = {GEMMLP_CLASSIFY, GEMMLP_REGRESS, GEMMLP_MULTILABEL};
    for (size_t t = 0; t < 3; t++) {
        many_create(&m, tasks[t]);
        gemmlp_model *model = model_of(m.data, 8, 0, 2);
        gemmlp_training training = training_of("sgd", 0, 999, 2); /* 999, 999, 502 */
        const gemmlp_metrics expected = evaluate(model, m.data, NULL);
        const gemmlp_progress p = train(model, m.data, m.data, &training);
        assert_int_equal(p.train.examples, MANY);
        assert_close(p.train.loss, expected.loss, 1e-6, "training loss");
        assert_close(p.valid.loss, expected.loss, 1e-6, "validation loss");
        if (tasks[t] == GEMMLP_REGRESS) {
            assert_close(p.train.rmse, expected.rmse, 1e-6, "training rmse");
            assert_close(p.valid.r2, expected.r2, 1e-6, "validation r2");
        } else {
            assert_true(p.train.accuracy == expected.accuracy);
        }
        gemmlp_model_free(model);
        gemmlp_dataset_free(m.data);
    }
}

/* A set that happens to lack the last classes is one of this model all the same. */
static void test_classes_that_do_not_occur(void **state)
{
    (void)state;
    struct clouds c, v;
    clouds_create(&c, 1, 1);
    clouds_create(&v, 2, 1);
    gemmlp_dataset_free(v.data);
    for (size_t i = 0; i < EXAMPLES; i++) {
        v.labels[i] = i % 2;
    }
    v.arrays.outputs = 0; /* the largest label + 1 */
    assert_int_equal(gemmlp_dataset_wrap(&v.arrays, &v.data, NULL), GEMMLP_OK);
    gemmlp_model *model = model_of(c.data, 8, 0, 2);
    float a[EXAMPLES * CLASSES];
    assert_int_equal(gemmlp_model_predict(model, v.data, 0, EXAMPLES, NULL, a, NULL), GEMMLP_OK);
    double cost = 0;
    for (size_t i = 0; i < EXAMPLES; i++) {
        cost -= log((double)a[i * CLASSES + (size_t)v.labels[i]]) / EXAMPLES;
    }
    size_t confusion[CLASSES * CLASSES];
    assert_close(evaluate(model, v.data, confusion).loss, cost, 1e-6, "loss");
    assert_int_equal(confusion[0] + confusion[1] + confusion[2], EXAMPLES / 2);
    assert_int_equal(confusion[3] + confusion[4] + confusion[5], EXAMPLES / 2);
    gemmlp_training training = training_of("sgd", 0, 40, 1);
    const gemmlp_progress p = train(model, v.data, v.data, &training);
    assert_close(p.train.loss, cost, 1e-6, "training loss");
    assert_close(p.valid.loss, cost, 1e-6, "validation loss");
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
    gemmlp_dataset_free(v.data);
}

/* ---- class weights
 * ------------------------------------------------------------------------------------ */

/* Over the whole set, class 1 weighted by 2 is class 1 with each example twice, but for the number
 * of examples, by which the mean is taken. */
static void test_class_weights(void **state)
{
    (void)state;
    enum { ONES = EXAMPLES / CLASSES, TWICE = EXAMPLES + ONES };
    struct clouds c;
    static float x[TWICE * FEATURES];
    int32_t labels[TWICE];
    size_t n = EXAMPLES;
    clouds_create(&c, 1, 1);
    memcpy(x, c.x, sizeof c.x);
    memcpy(labels, c.labels, sizeof c.labels);
    for (size_t i = 0; i < EXAMPLES; i++) {
        if (labels[i] == 1) {
            memcpy(x + n * FEATURES, x + i * FEATURES, FEATURES * sizeof *x);
            labels[n++] = 1;
        }
    }
    assert_int_equal(n, TWICE);
    gemmlp_arrays arrays = c.arrays;
    gemmlp_dataset *doubled;
    arrays.examples = TWICE;
    arrays.x_f32 = x;
    arrays.labels = labels;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &doubled, NULL), GEMMLP_OK);

    double weights[CLASSES] = {1, 2, 1};
    gemmlp_model *weighted = model_of(c.data, 8, 0, 1), *plain = model_of(c.data, 8, 0, 1);
    gemmlp_model *doubling = model_of(c.data, 8, 0, 1);
    gemmlp_training training = training_of("sgd", 0.3, TWICE, 10);
    train(plain, c.data, NULL, &training);
    training.class_weights = weights;
    const gemmlp_progress p = train(weighted, c.data, NULL, &training);
    training.class_weights = NULL;
    training.lr = 0.3 * TWICE / EXAMPLES;
    const gemmlp_progress q = train(doubling, doubled, NULL, &training);
    static float a[ROOM], b[ROOM], other[ROOM];
    const size_t count = parameters_of(weighted, a);
    parameters_of(doubling, b);
    parameters_of(plain, other);
    assert_at_most(array_difference_f32(a, b, count), 1e-5, "the parameters");
    assert_true(array_difference_f32(a, other, count) > 1e-3);
    assert_close(p.train.loss * EXAMPLES, q.train.loss * TWICE, 1e-5, "the sum of the costs");

    weights[2] = NAN;
    training.class_weights = weights;
    gemmlp_error error;
    assert_int_equal(gemmlp_train(plain, c.data, NULL, &training, NULL, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_says(&error, "class 2");
    gemmlp_model_free(weighted);
    gemmlp_model_free(plain);
    gemmlp_model_free(doubling);
    gemmlp_dataset_free(c.data);
    gemmlp_dataset_free(doubled);
}

/* ---- refusals
 * ------------------------------------------------------------------------------------------ */

static void assert_refused(gemmlp_model *model, const gemmlp_dataset *data,
                           const gemmlp_training *training, const char *what)
{
    gemmlp_error error = {0};
    gemmlp_trainer *trainer = (gemmlp_trainer *)(void *)&error;
    assert_int_equal(gemmlp_trainer_create(model, data, NULL, training, &trainer, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_null(trainer);
    assert_int_equal(error.status, GEMMLP_INVALID_ARGUMENT);
    assert_says(&error, what);
}

static void test_refused_training(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 1);
    gemmlp_model *model = model_of(c.data, 8, 0, 1);
    const gemmlp_training good = training_of("adam", 0.01, 10, 1);
    gemmlp_training t = good;
    t.patience = 3;
    assert_refused(model, c.data, &t, "patience 3 needs a validation set");
    t = good;
    t.batch = 0;
    assert_refused(model, c.data, &t, "batch");
    t = good;
    t.epochs = 0;
    assert_refused(model, c.data, &t, "epoch");
    t = good;
    t.optimizer = "adma";
    assert_refused(model, c.data, &t, "adam");
    t = good;
    t.schedule = "cosinus";
    assert_refused(model, c.data, &t, "cosine");
    t = good;
    t.lr = NAN;
    assert_refused(model, c.data, &t, "learning rate");
    t = good;
    t.momentum = 1;
    assert_refused(model, c.data, &t, "momentum");
    t = good;
    t.l2 = -1;
    assert_refused(model, c.data, &t, "l2");
    t = good;
    t.clip_norm = INFINITY;
    assert_refused(model, c.data, &t, "clip");
    t = good;
    t.warmup = 1;
    assert_refused(model, c.data, &t, "warm");
    t = good;
    t.compute.threads = -1;
    assert_refused(model, c.data, &t, "threads");
    t = good;
    t.compute.provider = "no such";
    assert_refused(model, c.data, &t, "no such");
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

static void test_refused_sizes(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 1);
    gemmlp_model *model, *other;
    gemmlp_dataset *empty;
    gemmlp_error error;
    gemmlp_layer layers[] = {{.n_out = 0}, {.n_out = 3}};
    gemmlp_network network = {.n_in = FEATURES, .layer_count = 2, .layers = layers};
    assert_int_equal(gemmlp_model_create(&network, c.data, &model, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_null(model);
    assert_says(&error, "layer 0");
    layers[0].n_out = 2;
    network.layer_count = 0;
    assert_int_equal(gemmlp_model_create(&network, c.data, &model, &error),
                     GEMMLP_INVALID_ARGUMENT);
    network.layer_count = 2;
    network.n_in = 0;
    assert_int_equal(gemmlp_model_create(&network, NULL, &model, &error), GEMMLP_INVALID_ARGUMENT);
    network.n_in = FEATURES + 1;
    assert_int_equal(gemmlp_model_create(&network, c.data, &model, &error), GEMMLP_BAD_MODEL);
    assert_says(&error, "5");
    assert_says(&error, "4");
    gemmlp_arrays arrays = c.arrays;
    arrays.examples = 0;
    assert_int_not_equal(gemmlp_dataset_wrap(&arrays, &empty, &error), GEMMLP_OK);
    assert_null(empty);

    float out[CLASSES];
    other = model_of(c.data, 8, 0, 1);
    assert_int_equal(gemmlp_model_predict(other, c.data, 0, 0, NULL, out, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_int_equal(gemmlp_model_predict(other, c.data, EXAMPLES, 1, NULL, out, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_int_equal(gemmlp_model_predict(other, c.data, 2, SIZE_MAX, NULL, out, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_says(&error, "90");
    assert_int_equal(gemmlp_model_predict(other, c.data, EXAMPLES - 1, 1, NULL, out, &error),
                     GEMMLP_OK);
    gemmlp_model_free(other);
    gemmlp_dataset_free(c.data);
}

/* ---- the caller's threads
 * ------------------------------------------------------------------------------ */

static unsigned control_of_thread(int thread)
{
    unsigned control = 0;
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == thread) {
        control = gm_float_control_get();
    }
    return control;
}

static void test_threads_are_as_before(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_progress p;
    clouds_create(&c, 1, 1);
    const unsigned before = gm_float_control_get();
    const int threads = omp_get_max_threads();
    const unsigned worker = control_of_thread(1);
    /* Not yet spoilt by another call: this test is the first one. */
    assert_int_not_equal(before, GM_FLUSH_TO_ZERO(before));
    assert_int_not_equal(worker, GM_FLUSH_TO_ZERO(worker));
    omp_set_num_threads(3);
    gemmlp_model *model = activated_model("relu", c.data, 64, 0.1, 1);
    gemmlp_training training = training_of("adam", 0.01, 30, 2);
    for (int i = 1; i <= 2; i++) {
        gemmlp_explanation *explanation;
        gemmlp_weight_index largest;
        size_t found;
        training.compute.threads = i;
        train(model, c.data, c.data, &training);
        assert_int_equal(omp_get_max_threads(), 3);
        evaluate(model, c.data, NULL);
        assert_int_equal(gemmlp_explain(model, c.data, 0, 0, 0, 0, 0, 0, &explanation, NULL),
                         GEMMLP_OK);
        gemmlp_explanation_free(explanation);
        assert_int_equal(gemmlp_largest_gradients(model, c.data, 0, GEMMLP_ALL_LAYERS, 1, &largest,
                                                  &found, NULL),
                         GEMMLP_OK);
        assert_int_equal(gemmlp_gradcheck(gemmlp_model_network(model),
                                          &(gemmlp_gradcheck_options){.samples = 5},
                                          &(gemmlp_gradcheck_report){0}, NULL),
                         GEMMLP_OK);
        assert_int_equal(omp_get_max_threads(), 3);
        assert_int_equal(CONTROL_BITS(gm_float_control_get()), CONTROL_BITS(before));
        assert_int_equal(CONTROL_BITS(control_of_thread(1)), CONTROL_BITS(worker));
    }
    training = training_of("sgd", 1e30, 30, 2); /* also after a failure */
    assert_diverges(model, c.data, &training, &p);
    assert_int_equal(omp_get_max_threads(), 3);
    assert_int_equal(CONTROL_BITS(gm_float_control_get()), CONTROL_BITS(before));
    assert_int_equal(CONTROL_BITS(control_of_thread(1)), CONTROL_BITS(worker));
    omp_set_num_threads(threads);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

/* ---- cost
 * ------------------------------------------------------------------------------------------------
 */

/* 784-30-10: 784 x 30 + 30 x 10 weights and 40 biases; 6 x 23820 - 2 x 23520 operations. A slab is
 * 94080 + 120 + 1200 + 40 bytes, each rounded up to a multiple of 64; the workspace for 10
 * examples: x 31360, y and the output's a 448 each, cost 128, two deltas and the hidden a 1216
 * each. */
static void test_cost(void **state)
{
    (void)state;
    const gemmlp_layer layers[] = {{.n_out = 30}, {.n_out = 10}};
    const gemmlp_network network = {.n_in = 784, .layer_count = 2, .layers = layers};
    static const struct {
        const char *optimizer;
        double l1, clip_norm;
        size_t patience, slabs; /* parameters, their copy, that of the best, gradient, slots */
    } cases[] = {{"sgd", 0, 0, 0, 2},        {"sgd", 0.1, 0, 0, 3},    {"sgd", 0, 1, 2, 4},
                 {"momentum", 0.1, 0, 0, 3}, {"momentum", 0, 1, 0, 4}, {"nesterov", 0, 0, 0, 4},
                 {"rmsprop", 0, 0, 0, 4},    {"adam", 0, 0, 0, 5},     {NULL, 0, 0, 1, 6}};
    gemmlp_training training = gemmlp_training_default();
    gemmlp_model *model;
    gemmlp_cost_model cost;
    gemmlp_error error;
    assert_int_equal(gemmlp_model_create(&network, NULL, &model, NULL), GEMMLP_OK);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        training.batch = 10;
        training.optimizer = cases[i].optimizer;
        training.l1 = cases[i].l1;
        training.clip_norm = cases[i].clip_norm;
        training.patience = cases[i].patience;
        assert_int_equal(gemmlp_network_cost(gemmlp_model_network(model), &training, &cost, NULL),
                         GEMMLP_OK);
        assert_int_equal(cost.weights, 23820);
        assert_int_equal(cost.parameters, 23860);
        assert_true(cost.flop_train == 95880);
        assert_true(cost.flop_predict == 47640);
        assert_int_equal(cost.bytes_parameters, 94080 + 128 + 1216 + 64);
#ifndef GM_SANITIZED /* red zones take room */
        assert_int_equal(cost.bytes_workspace, 31360 + 2 * 448 + 128 + 3 * 1216);
#endif
        assert_int_equal(cost.bytes_training, cases[i].slabs * 95488 + cost.bytes_workspace);
    }
    training.batch = SIZE_MAX / 8;
    assert_int_equal(gemmlp_network_cost(gemmlp_model_network(model), &training, &cost, &error),
                     GEMMLP_OUT_OF_MEMORY);
    training.optimizer = "adma";
    assert_int_equal(gemmlp_network_cost(gemmlp_model_network(model), &training, &cost, &error),
                     GEMMLP_INVALID_ARGUMENT);
    gemmlp_model_free(model);
}

/* What cannot work is refused before anything is allocated for it; NULL names are the defaults. */
static void test_settings_that_cannot_work(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 1);
    gemmlp_model *model = model_of(c.data, 8, 0, 1);
    gemmlp_training training = training_of("adam", 0.1, 10, 1);
    gemmlp_trainer *trainer;
    gemmlp_error error;
    training.epsilon = 0;
    assert_int_equal(gemmlp_trainer_create(model, c.data, NULL, &training, &trainer, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_says(&error, "epsilon");
    training = training_of("adam", 0.1, 10, 1);
    training.weight_decay = 11;
    assert_int_equal(gemmlp_trainer_create(model, c.data, NULL, &training, &trainer, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_says(&error, "weight decay 11 times the learning rate 0.1");
    training = (gemmlp_training){.lr = 0.1,
                                 .batch = 10,
                                 .epochs = 1,
                                 .momentum = -1,
                                 .beta2 = -1,
                                 .epsilon = -1,
                                 .warmup = -1,
                                 .schedule_factor = -1,
                                 .schedule_epochs = -1};
    assert_int_equal(gemmlp_trainer_create(model, c.data, NULL, &training, &trainer, &error),
                     GEMMLP_OK);
    gemmlp_trainer_settings(trainer, &training);
    assert_string_equal(training.optimizer, "adam");
    assert_string_equal(training.schedule, "one_cycle");
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

/* Gradients whose norm overflows spoil nothing; an infinite logit is blamed on its own neuron. */
static void test_where_it_diverged(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_progress p;
    clouds_create(&c, 1, 1);
    gemmlp_model *model = model_of(c.data, 8, 0, 1);
    const size_t outputs = gemmlp_model_network(model)->layers[1].n_out;
    gemmlp_training training = training_of("sgd", 0.1, 10, 1);
    gemmlp_model_biases(model, 1)[outputs - 1] = 3e38f;
    gemmlp_model_weights(model, 1)[(outputs - 1) * 8] = 3e38f;
    for (size_t k = 0; k < 8; k++)
        gemmlp_model_biases(model, 0)[k] = 10;
    gemmlp_error error = assert_diverges(model, c.data, &training, &p);
    char where[64];
    snprintf(where, sizeof where, "layer 1, neuron %zu gave inf for example ", outputs - 1);
    assert_says(&error, where);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

/* Every default is said: what a log needs to repeat the run. */
static void test_settings(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 1);
    gemmlp_model *model = model_of(c.data, 8, 0, 1);
    gemmlp_training training = gemmlp_training_default(), settings;
    gemmlp_trainer *trainer;
    training.optimizer = "adamw";
    training.epochs = 9;
    training.schedule = "step";
    training.compute.threads = 1;
    assert_int_equal(gemmlp_trainer_create(model, c.data, NULL, &training, &trainer, NULL),
                     GEMMLP_OK);
    gemmlp_trainer_settings(trainer, &settings);
    assert_string_equal(settings.optimizer, "adamw");
    assert_true(settings.lr == 0.005 && settings.momentum == 0.9 && settings.beta2 == 0.999);
    assert_true(settings.epsilon == 1e-8 && settings.weight_decay == 0.01);
    assert_true(settings.warmup == 0 && settings.schedule_factor == 0.1);
    assert_true(settings.schedule_epochs == 3 && settings.compute.threads == 1);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_settings_that_cannot_work),
        cmocka_unit_test(test_where_it_diverged),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_threads_are_as_before),
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_learns_with_threads),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_nan_in_the_data),
        cmocka_unit_test(test_one_step_at_a_time),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_batch_sizes),
        cmocka_unit_test(test_classification_metrics),
        cmocka_unit_test(test_regression_metrics),
        cmocka_unit_test(test_multilabel_metrics),
        cmocka_unit_test(test_epoch_metrics),
        cmocka_unit_test(test_classes_that_do_not_occur),
        cmocka_unit_test(test_class_weights),
        cmocka_unit_test(test_refused_training),
        cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
