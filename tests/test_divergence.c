/* test_divergence.c: training away from NaN: a run that diverges ends with its cause and with
 * the parameters of the last good epoch. */
#include "clouds.h"

#include <stdio.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_divergence),
        cmocka_unit_test(test_nan_in_the_data),
        cmocka_unit_test(test_where_it_diverged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
