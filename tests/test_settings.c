/* test_settings.c: settings of a training: refused where they cannot work, said where they are
 * defaults, and what they cost. */
#include "clouds.h"

#include "core/portability.h"

/* ---- refusals -------------------------------------------------------------------------------- */

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

/* ---- defaults -------------------------------------------------------------------------------- */

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

/* ---- cost ------------------------------------------------------------------------------------ */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_refused_training),
        cmocka_unit_test(test_refused_sizes),
        cmocka_unit_test(test_settings_that_cannot_work),
        cmocka_unit_test(test_settings),
        cmocka_unit_test(test_cost),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
