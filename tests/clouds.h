/* clouds.h: for tests of training: data of three clouds, small models and settings for them,
 * runs that must succeed or diverge, and parameters to compare. */
#ifndef GM_TEST_CLOUDS_H
#define GM_TEST_CLOUDS_H

#include "support.h"

#include <string.h>

#include "gemmlp.h"

enum { FEATURES = 4, CLASSES = 3, EXAMPLES = 90 };

/* Three clouds in four dimensions. */
struct clouds {
    float x[EXAMPLES * FEATURES];
    int32_t labels[EXAMPLES];
    gemmlp_arrays arrays;
    gemmlp_dataset *data;
};

static inline void clouds_create(struct clouds *c, uint64_t seed, double radius)
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
static inline gemmlp_model *activated_model(const char *activation, const gemmlp_dataset *data,
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

static inline gemmlp_model *model_of(const gemmlp_dataset *data, size_t width, double dropout,
                                     uint64_t seed)
{
    return activated_model("tanh", data, width, dropout, seed);
}

/* Constant learning rate, one thread. */
static inline gemmlp_training training_of(const char *optimizer, double lr, size_t batch,
                                          size_t epochs)
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

static inline gemmlp_progress train(gemmlp_model *model, const gemmlp_dataset *data,
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

static inline gemmlp_trainer *trainer_of(gemmlp_model *model, const gemmlp_dataset *data,
                                         const gemmlp_dataset *valid,
                                         const gemmlp_training *training)
{
    gemmlp_trainer *trainer;
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_trainer_create(model, data, valid, training, &trainer, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    return trainer;
}

static inline gemmlp_metrics evaluate(const gemmlp_model *model, const gemmlp_dataset *data,
                                      size_t *confusion)
{
    gemmlp_metrics metrics;
    assert_int_equal(gemmlp_model_evaluate(model, data, NULL, &metrics, confusion, NULL),
                     GEMMLP_OK);
    return metrics;
}

/* All parameters, one after the other. */
enum { ROOM = 16384 };

static inline size_t parameters_of(gemmlp_model *model, float out[ROOM])
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

static inline bool same_parameters(gemmlp_model *a, gemmlp_model *b)
{
    static float one[ROOM], other[ROOM];
    const size_t count = parameters_of(a, one);
    assert_int_equal(parameters_of(b, other), count);
    return memcmp(one, other, count * sizeof *one) == 0;
}

/* Runs until it fails; the parameters must be those after the last epoch that was completed. */
static inline gemmlp_error assert_diverges(gemmlp_model *model, const gemmlp_dataset *data,
                                           const gemmlp_training *training,
                                           gemmlp_progress *progress)
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

static inline void assert_says(const gemmlp_error *error, const char *what)
{
    if (!strstr(error->message, what)) {
        fail_msg("'%s' is not in: %s", what, error->message);
    }
}

#endif
