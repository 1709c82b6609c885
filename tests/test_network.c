/* test_network.c: how a network is resolved: defaults, refusals, and what its data must be.
 * Compiled for float and, with -DGEMMLP_F64, for double. */
#include "support.h"

#include <string.h>

#include "nn/init.h"
#include "nn/loss.h"
#include "nn/network.h"

static void test_network_defaults(void **state)
{
    (void)state;
    static const struct {
        gemmlp_task task;
        const char *activation, *loss;
    } tasks[] = {{GEMMLP_CLASSIFY, "softmax", "cross_entropy"},
                 {GEMMLP_REGRESS, "identity", "mse"},
                 {GEMMLP_MULTILABEL, "sigmoid", "cross_entropy"}};
    char typed[] = "tanh";
    const gemmlp_layer layers[] = {{.n_out = 30},
                                   {.n_out = 20, .activation = typed, .dropout = 0.5},
                                   {.n_out = 10, .activation = "gelu"},
                                   {.n_out = 5, .activation = "sigmoid", .init = "normal"},
                                   {.n_out = 3}};
    for (size_t t = 0; t < COUNT(tasks); t++) {
        const gemmlp_network network = {
            .n_in = 7, .layer_count = COUNT(layers), .layers = layers, .task = tasks[t].task};
        struct network resolved;
        gemmlp_error error;
        strcpy(typed, "tanh");
        assert_int_equal(gm_network_resolve(&network, NULL, &resolved, &error), GEMMLP_OK);
        strcpy(typed, "none"); /* names are static, not the caller's */
        assert_ptr_equal(resolved.spec.layers, resolved.layers);
        assert_string_equal(resolved.spec.loss, tasks[t].loss);
        static const char *const inits[] = {"he", "glorot", "he", "normal", "glorot"};
        const char *const activations[] = {"relu", "tanh", "gelu", "sigmoid", tasks[t].activation};
        for (size_t l = 0; l < COUNT(layers); l++) {
            assert_string_equal(resolved.layers[l].activation, activations[l]);
            assert_string_equal(resolved.layers[l].init, inits[l]);
            assert_int_equal(resolved.layers[l].n_out, layers[l].n_out);
            assert_int_equal(gm_network_inputs(&resolved.spec, l), l ? layers[l - 1].n_out : 7);
        }
        assert_true(resolved.layers[1].dropout == 0.5);
        assert_int_equal(gm_network_outputs(&resolved.spec), 3);
        /* 7 30 + 30 20 + 20 10 + 10 5 + 5 3 = 1075; 6 1075 - 2 210 = 6030 */
        assert_int_equal(gm_network_weights(&resolved.spec), 1075);
        assert_true(gm_network_flop(&resolved.spec) == 6030);
        gm_network_free(&resolved);
        assert_null(resolved.layers);
    }
}

static void check_refusal(const gemmlp_network *network, const gemmlp_dataset *data,
                          gemmlp_status status, const char *message)
{
    struct network resolved;
    gemmlp_error error = {.message = ""};
    if (gm_network_resolve(network, data, &resolved, &error) != status || error.status != status)
        fail_msg("'%s' instead of '%s'", error.message, message);
    if (!strstr(error.message, message))
        fail_msg("'%s' does not say '%s'", error.message, message);
    assert_null(resolved.layers);
}

static void test_network_refusals(void **state)
{
    (void)state;
    static const gemmlp_layer good[] = {{.n_out = 4}, {.n_out = 3}};
    /* Each refusal: a layer that takes the place of one of those two, and the message. */
    static const struct {
        size_t at;
        gemmlp_layer layer;
        const char *message;
    } layers[] = {
        {0,
         {.n_out = 4, .activation = "softmax"},
         "layer 0: softmax is possible only at the output (layer 1)"},
        {1,
         {.n_out = 3, .activation = "relu"},
         "loss cross_entropy needs softmax or sigmoid at the output, layer 1 has relu"},
        {1,
         {.n_out = 3, .dropout = 0.25},
         "layer 1: there is no dropout at the output, found 0.25"},
        {0, {.n_out = 4, .dropout = 1}, "layer 0: dropout must be in [0, 1), found 1"},
        {0, {.n_out = 4, .dropout = -0.1}, "layer 0: dropout must be in [0, 1), found -0.1"},
        {0, {.n_out = 4, .dropout = (double)NAN}, "layer 0: dropout must be in [0, 1), found nan"},
        {0, {.n_out = 0}, "layer 0 has no neurons"},
        {1, {.n_out = 0}, "layer 1 has no neurons"},
        {0, {.n_out = SIZE_MAX}, "layer 0: 18446744073709551615 x 2 weights overflow"},
        {0,
         {.n_out = SIZE_MAX / 100},
         "weights overflow"}, /* as bytes, with all that goes with them */
        {0, {.n_out = 4, .activation = "rleu"}, "unknown activation 'rleu'; did you mean 'relu'?"},
        {0, {.n_out = 4, .init = "hee"}, "unknown initialisation 'hee'; did you mean 'he'?"},
        {1, {.n_out = 3, .activation = "Softmax"}, "did you mean 'softmax'?"},
    };
    for (size_t i = 0; i < COUNT(layers); i++) {
        gemmlp_layer changed[] = {good[0], good[1]};
        changed[layers[i].at] = layers[i].layer;
        const gemmlp_network network = {.n_in = 2, .layer_count = 2, .layers = changed};
        check_refusal(&network, NULL, GEMMLP_INVALID_ARGUMENT, layers[i].message);
    }
    const struct {
        gemmlp_network network;
        const char *message;
    } networks[] = {
        {{.n_in = 0, .layer_count = 2, .layers = good}, "n_in is 0"},
        {{.n_in = 2, .layer_count = 0, .layers = good}, "at least one layer"},
        {{.n_in = 2, .layer_count = 2, .layers = NULL}, "at least one layer"},
        {{.n_in = SIZE_MAX, .layer_count = 2, .layers = good}, "4 x 18446744073709551615 weights"},
        {{.n_in = 2, .layer_count = 2, .layers = good, .loss = "mea"},
         "unknown loss 'mea'; did you mean 'mse'?"},
        {{.n_in = 2,
          .layer_count = 2,
          .layers = good,
          .label_smoothing = 0.1,
          .task = GEMMLP_REGRESS},
         "label smoothing (0.1) is for classes; the task is to regress"},
        {{.n_in = 2, .layer_count = 2, .layers = good, .preprocess = "scal"},
         "unknown pre-processing 'scal'; did you mean 'scale'?"},
        {{.n_in = 2, .layer_count = 2, .layers = good, .label_smoothing = 1},
         "label smoothing must be in [0, 1), found 1"},
        {{.n_in = 2, .layer_count = 2, .layers = good, .label_smoothing = -0.5}, "found -0.5"},
        {{.n_in = 2, .layer_count = 2, .layers = good, .label_smoothing = (double)NAN},
         "found nan"},
        {{.n_in = 2, .layer_count = 2, .layers = good, .task = (gemmlp_task)7}, "unknown task 7"},
        {{.n_in = 2,
          .layer_count = 2,
          .layers = good,
          .task = GEMMLP_REGRESS,
          .loss = "cross_entropy"},
         "layer 1 has identity"},
    };
    for (size_t i = 0; i < COUNT(networks); i++)
        check_refusal(&networks[i].network, NULL, GEMMLP_INVALID_ARGUMENT, networks[i].message);
}

/* An unknown name is answered by all the names there are. */
static void test_network_names(void **state)
{
    (void)state;
    for (int kind = 0; kind < 3; kind++) {
        const gemmlp_layer layer = {.n_out = 3,
                                    .activation = kind == 0 ? "nothing like it" : NULL,
                                    .init = kind == 1 ? "nothing like it" : NULL};
        const gemmlp_network network = {.n_in = 2,
                                        .layer_count = 1,
                                        .layers = &layer,
                                        .loss = kind == 2 ? "nothing like it" : NULL};
        const char *(*name_at)(size_t) = kind == 0   ? activation_name
                                         : kind == 1 ? init_name
                                                     : loss_name;
        char list[500] = "'nothing like it'; valid: ";
        for (size_t i = 0; name_at(i); i++) {
            strcat(list, i ? ", " : "");
            strcat(list, name_at(i));
        }
        check_refusal(&network, NULL, GEMMLP_INVALID_ARGUMENT, list);
    }
}

static gemmlp_dataset *wrap(gemmlp_task task, size_t features, size_t outputs)
{
    static const float x[2 * 8], targets[2 * 8];
    static const int32_t labels[2];
    const gemmlp_arrays arrays = {.examples = 2,
                                  .features = features,
                                  .outputs = outputs,
                                  .task = task,
                                  .x_f32 = x,
                                  .labels = task == GEMMLP_CLASSIFY ? labels : NULL,
                                  .targets = task == GEMMLP_CLASSIFY ? NULL : targets};
    gemmlp_dataset *data;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &data, NULL), GEMMLP_OK);
    return data;
}

static void test_network_data(void **state)
{
    (void)state;
    gemmlp_dataset *classes = wrap(GEMMLP_CLASSIFY, 5, 4), *numbers = wrap(GEMMLP_REGRESS, 6, 2);
    struct network resolved;
    gemmlp_layer layers[] = {{.n_out = 8}, {.n_out = 0}};
    gemmlp_network network = {.layer_count = 2, .layers = layers};
    assert_int_equal(gm_network_resolve(&network, classes, &resolved, NULL), GEMMLP_OK);
    assert_int_equal(resolved.spec.n_in, 5);
    assert_int_equal(gm_network_outputs(&resolved.spec), 4);
    assert_int_equal(layers[1].n_out, 0); /* the caller's are left alone */
    gemmlp_error error;
    assert_int_equal(gm_network_fits(&resolved.spec, numbers, &error), GEMMLP_BAD_MODEL);
    assert_string_equal(error.message,
                        "layer 0 expects 5 inputs, but memory has 6 features per example");
    gm_network_free(&resolved);
    assert_int_equal(gm_network_resolve(&network, numbers, &resolved, NULL), GEMMLP_OK);
    assert_int_equal(resolved.spec.n_in, 6);
    assert_int_equal(resolved.spec.task, GEMMLP_REGRESS);
    assert_int_equal(gm_network_outputs(&resolved.spec), 2);
    assert_string_equal(resolved.layers[1].activation, "identity");
    gemmlp_dataset *same_size = wrap(GEMMLP_CLASSIFY, 6, 2);
    assert_int_equal(gm_network_fits(&resolved.spec, same_size, &error), GEMMLP_BAD_MODEL);
    assert_string_equal(error.message,
                        "the model is made to regress, but memory holds data to classify");
    gemmlp_dataset_free(same_size);
    gm_network_free(&resolved);

    network.n_in = 7;
    check_refusal(&network, classes, GEMMLP_BAD_MODEL,
                  "layer 0 expects 7 inputs, but memory has 5");
    network.n_in = 5;
    layers[1].n_out = 3;
    check_refusal(&network, classes, GEMMLP_BAD_MODEL,
                  "layer 1 (the output) has 3 neurons, but memory has 4 classes");
    layers[1].n_out = 9; /* classes that the data happen to lack */
    assert_int_equal(gm_network_resolve(&network, classes, &resolved, NULL), GEMMLP_OK);
    gm_network_free(&resolved);
    network.n_in = 0;
    check_refusal(&network, numbers, GEMMLP_BAD_MODEL,
                  "layer 1 (the output) has 9 neurons, but memory has 2 targets per example");
    gemmlp_dataset_free(classes);
    gemmlp_dataset_free(numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_network_defaults),
        cmocka_unit_test(test_network_refusals),
        cmocka_unit_test(test_network_names),
        cmocka_unit_test(test_network_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
