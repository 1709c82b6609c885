/* test_gradients.c: back-propagation in double against finite differences: every hidden activation
 * with every output activation and every loss of the registries, in every task; shapes that are
 * multiples of nothing; dropout, label smoothing, penalties, class weights. First the worked chain
 * of "Backpropagation calculus"; and that a wrong gradient, or one that is all zero, does not
 * pass. */
#define GEMMLP_F64
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "nn/network.h"
#include "nn/pass.h"

enum { MAX_DEPTH = 8 };

#define TOLERANCE 1e-7

static const gemmlp_task tasks[] = {GEMMLP_CLASSIFY, GEMMLP_REGRESS, GEMMLP_MULTILABEL};

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

/* ---- the worked chain ------------------------------------------------------------------------ */

struct core {
    struct network network;
    struct model *model;
    struct gemm_provider *provider;
    struct pass *pass;
};

static void core_create(struct core *core, const gemmlp_network *network, size_t rows)
{
    gemmlp_error error;
    assert_int_equal(gm_network_resolve(network, NULL, &core->network, &error), GEMMLP_OK);
    assert_int_equal(model_create(&core->network.spec, &core->model, &error), GEMMLP_OK);
    assert_int_equal(model_initialise(core->model, &error), GEMMLP_OK);
    assert_int_equal(gm_gemm_open(NULL, &core->provider, &error), GEMMLP_OK);
    assert_int_equal(
        pass_create(core->model, core->provider, PASS_TRAIN, rows, 0, &core->pass, &error),
        GEMMLP_OK);
}

static void core_free(struct core *core)
{
    pass_free(core->pass);
    gm_gemm_close(core->provider);
    model_free(core->model);
    gm_network_free(&core->network);
}

/* Sizes 1-1-1-1, all sigmoid, C0 = (a - y)^2. Numbers by 40-digit arithmetic. */
static void test_chain(void **state)
{
    (void)state;
    static const double w[] = {0.5, -1.2, 0.8}, b[] = {0.1, 0.3, -0.2};
    static const double dw[] = {0.008956570433767, -0.027384844030054, -0.092423043610418};
    static const double db[] = {0.012795100619667, -0.044846191511388, -0.234894748528941};
    const gemmlp_layer layer = {.n_out = 1, .activation = "sigmoid"},
                       layers[] = {layer, layer, layer};
    const gemmlp_network network = {
        .n_in = 1, .layer_count = 3, .layers = layers, .task = GEMMLP_REGRESS, .loss = "quadratic"};
    struct core core;
    core_create(&core, &network, 1);
    for (size_t l = 0; l < 3; l++) {
        core.model->layers[l].w[0] = w[l];
        core.model->layers[l].b[0] = b[l];
    }
    core.pass->x[0] = 0.7;
    core.pass->y[0] = 1;
    pass_forward(core.pass, NULL);
    assert_close(pass_cost(core.pass, true, 0, NULL), 0.22215979441434314, 1e-13, "C");
    for (size_t l = 3; l-- > 0;) {
        double g_w = NAN, g_b = NAN;
        if (l > 0) {
            pass_backward(core.pass, l);
        }
        pass_gradient(core.pass, l, 1, 0, &g_w, NULL);
        pass_bias_gradient(core.pass, l, 1, 0, &g_b);
        assert_close(g_w, dw[l], 1e-13, "dC/dw");
        assert_close(g_b, db[l], 1e-13, "dC/db");
    }
    core_free(&core);
}

/* ---- a check of our own, which can be made to fail ------------------------------------------- */

static double cost_of(struct core *core, const double *class_weights)
{
    const gemmlp_network *spec = &core->network.spec;
    const struct dropout dropout = {7, 3};
    pass_forward(core->pass, &dropout);
    return pass_cost(core->pass, true, spec->label_smoothing, class_weights) /
           (double)core->pass->rows;
}

/* Fourth-order central differences: error O(h^4) + rounding / h, about 1e-11 here. */
static double difference_of(struct core *core, double *w, const double *class_weights)
{
    const double before = *w, h = 1e-3;
    double cost[4];
    static const int steps[] = {-2, -1, 1, 2};
    for (size_t i = 0; i < 4; i++) {
        *w = before + steps[i] * h;
        cost[i] = cost_of(core, class_weights);
    }
    *w = before;
    return (cost[0] - 8 * cost[1] + 8 * cost[2] - cost[3]) / (12 * h);
}

/* The largest difference between `scale` times the gradient by back-propagation and finite
 * differences, relative to the largest value. */
static double gradient_error(const gemmlp_network *network, double scale,
                             const double *class_weights)
{
    enum { ROWS = 3, ROOM = 256 };
    struct core core;
    struct difference all = {0};
    double gradient[MAX_DEPTH][2][ROOM];
    core_create(&core, network, ROWS);
    const size_t layers = core.model->layer_count, outputs = gm_network_outputs(network);
    fill_f64(core.pass->x, ROWS * network->n_in, 11, -1, 1);
    for (size_t i = 0; i < ROWS * outputs; i++) {
        core.pass->y[i] = i % outputs == (i / outputs + 1) % outputs;
    }
    cost_of(&core, class_weights);
    for (size_t l = layers; l-- > 0;) {
        assert_true(core.model->layers[l].n_out * core.model->layers[l].n_in <= ROOM);
        if (l > 0) {
            pass_backward(core.pass, l);
        }
        pass_gradient(core.pass, l, scale / ROWS, 0, gradient[l][0], NULL);
        pass_bias_gradient(core.pass, l, scale / ROWS, 0, gradient[l][1]);
    }
    for (size_t l = 0; l < layers; l++) {
        const struct layer *layer = &core.model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++) {
            difference_add(&all, gradient[l][0][i],
                           difference_of(&core, &layer->w[i], class_weights));
        }
        for (size_t j = 0; j < layer->n_out; j++) {
            difference_add(&all, gradient[l][1][j],
                           difference_of(&core, &layer->b[j], class_weights));
        }
    }
    core_free(&core);
    return difference_relative(&all);
}

static const gemmlp_layer smooth_layers[] = {{.n_out = 7, .activation = "tanh", .dropout = 0.4},
                                             {.n_out = 5, .activation = "silu", .dropout = 0.2},
                                             {.n_out = 3}};
static const gemmlp_network smooth = {
    .n_in = 4, .layer_count = 3, .layers = smooth_layers, .label_smoothing = 0.1, .seed = 5};

static void test_wrong_gradient_is_seen(void **state)
{
    (void)state;
    assert_at_most(gradient_error(&smooth, 1, NULL), 1e-9, "the gradient");
    const double error = gradient_error(&smooth, 1.00001, NULL);
    assert_true(error > 0.9e-5 && error < 1.1e-5);
    assert_true(gradient_error(&smooth, -1, NULL) > 1.9);
}

static void test_class_weights(void **state)
{
    (void)state;
    static const double weights[] = {0.25, 3, 1.5}, none[] = {0, 0, 0};
    assert_at_most(gradient_error(&smooth, 1, weights), 1e-9, "the gradient with class weights");
    gemmlp_network network = smooth;
    network.loss = "quadratic";
    assert_at_most(gradient_error(&network, 1, weights), 1e-9, "quadratic with class weights");
    assert_true(gradient_error(&network, 1, none) == INFINITY); /* nothing but zeros */
}

/* ---- gemmlp_gradcheck ------------------------------------------------------------------------ */

/* The layers of sizes[0]-sizes[1]-…; all hidden ones alike. */
static void describe(gemmlp_network *network, gemmlp_layer layers[MAX_DEPTH], const size_t *sizes,
                     const char *hidden, const char *output, double dropout)
{
    size_t depth = 0;
    for (; sizes[depth + 1]; depth++) {
        assert_true(depth < MAX_DEPTH);
        const bool last = sizes[depth + 2] == 0;
        layers[depth] = (gemmlp_layer){.n_out = sizes[depth + 1],
                                       .activation = last ? output : hidden,
                                       .init = "nielsen",
                                       .dropout = last ? 0 : dropout};
    }
    network->n_in = sizes[0];
    network->layers = layers;
    network->layer_count = depth;
}

static void assert_passes(const gemmlp_network *network, const gemmlp_gradcheck_options *options)
{
    gemmlp_gradcheck_report report;
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_gradcheck(network, options, &report, &error);
    const gemmlp_layer *last = &network->layers[network->layer_count - 1];
    if (status != GEMMLP_OK || !report.passed || report.tolerance > TOLERANCE ||
        !(report.max_gradient > 0)) {
        fail_msg(
            "%s … %s, %s, task %d: %s error %g, largest gradient %g; layer %zu, %zu, %zu: %.17g "
            "by back-propagation, %.17g by differences",
            network->layers[0].activation, last->activation, network->loss, (int)network->task,
            error.message, report.max_relative_error, report.max_gradient, report.worst_layer,
            report.worst_row, report.worst_column, report.worst_backprop, report.worst_difference);
    }
    assert_at_most(report.max_relative_error, TOLERANCE, "the reported error");
    assert_int_equal(report.parameters, report.parameters_checked);
}

/* What must be refused, and nothing else may be. */
static bool must_be_refused(const char *hidden, const char *output, const char *loss)
{
    return is(hidden, "softmax") ||
           (is(loss, "cross_entropy") && !is(output, "softmax") && !is(output, "sigmoid"));
}

static void test_every_combination(void **state)
{
    (void)state;
    static const size_t sizes[] = {3, 4, 3, 0};
    const char *hidden, *output, *loss;
    size_t passed = 0, refused = 0;
    gemmlp_layer layers[MAX_DEPTH];
    for (size_t h = 0; (hidden = gemmlp_name(GEMMLP_ACTIVATIONS, h)) != NULL; h++) {
        for (size_t o = 0; (output = gemmlp_name(GEMMLP_ACTIVATIONS, o)) != NULL; o++) {
            for (size_t i = 0; (loss = gemmlp_name(GEMMLP_LOSSES, i)) != NULL; i++) {
                for (size_t t = 0; t < 3; t++) {
                    gemmlp_network network = {.task = tasks[t], .loss = loss, .seed = 4 + h};
                    const gemmlp_gradcheck_options options = {.batch = 3, .seed = 2 + o};
                    struct network resolved;
                    gemmlp_error error;
                    describe(&network, layers, sizes, hidden, output, 0);
                    gemmlp_status status = gm_network_resolve(&network, NULL, &resolved, &error);
                    if (must_be_refused(hidden, output, loss)) {
                        assert_int_equal(status, GEMMLP_INVALID_ARGUMENT);
                        refused++;
                        continue;
                    }
                    assert_int_equal(status, GEMMLP_OK);
                    gm_network_free(&resolved);
                    assert_passes(&network, &options);
                    passed++;
                }
            }
        }
    }
    assert_true(passed >= 3 * 9 * (10 * 5 + 2));
    assert_true(refused >= 3 * (10 * 6 + 9 * 8));
}

static void test_odd_sizes(void **state)
{
    (void)state;
    static const struct {
        size_t sizes[MAX_DEPTH + 2], batch;
    } cases[] = {
        {{1, 2}, 1},     {{5, 3}, 1},          {{7, 13, 1, 5}, 3}, {{1, 1, 1, 1, 2}, 1},
        {{2, 1, 9}, 17}, {{17, 9, 11, 2}, 13}, {{3, 19, 4}, 2},    {{4, 5, 6, 7, 6, 5, 4, 3, 2}, 7},
    };
    static const char *const hidden[] = {"tanh", "gelu", "leaky_relu", "softplus"};
    gemmlp_layer layers[MAX_DEPTH];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        for (size_t t = 0; t < 3; t++) {
            gemmlp_network network = {.task = tasks[t], .seed = 9};
            const gemmlp_gradcheck_options options = {.batch = cases[i].batch, .seed = i};
            describe(&network, layers, cases[i].sizes, hidden[i % 4], NULL, 0);
            assert_passes(&network, &options);
        }
    }
}

/* The mask is drawn once and stays. */
static void test_dropout_smoothing_penalties(void **state)
{
    (void)state;
    static const size_t sizes[] = {5, 11, 9, 4, 0};
    const char *hidden, *loss;
    gemmlp_layer layers[MAX_DEPTH];
    for (size_t h = 0; (hidden = gemmlp_name(GEMMLP_ACTIVATIONS, h)) != NULL; h++) {
        for (size_t i = 0; (loss = gemmlp_name(GEMMLP_LOSSES, i)) != NULL; i++) {
            gemmlp_network network = {.task = tasks[h % 3],
                                      .loss = loss,
                                      .label_smoothing = tasks[h % 3] == GEMMLP_CLASSIFY ? 0.15 : 0,
                                      .seed = h};
            const gemmlp_gradcheck_options options = {
                .batch = 3, .l1 = 0.003, .l2 = 0.02, .seed = i};
            describe(&network, layers, sizes, hidden, i % 2 ? "sigmoid" : "softmax", 0.3);
            if (!is(hidden, "softmax")) {
                assert_passes(&network, &options);
            }
        }
    }
}

/* One neuron under softmax is always 1: its gradient is zero, and that is no proof of anything. */
static void test_zero_gradient_does_not_pass(void **state)
{
    (void)state;
    static const size_t sizes[] = {3, 2, 1, 0};
    const char *loss;
    gemmlp_layer layers[MAX_DEPTH];
    for (size_t i = 0; (loss = gemmlp_name(GEMMLP_LOSSES, i)) != NULL; i++) {
        gemmlp_network network = {.task = GEMMLP_CLASSIFY, .loss = loss, .seed = 1};
        gemmlp_gradcheck_report report;
        describe(&network, layers, sizes, "tanh", "softmax", 0);
        assert_int_equal(gemmlp_gradcheck(&network, NULL, &report, NULL), GEMMLP_OK);
        assert_true(report.max_gradient == 0);
        assert_false(report.passed);
    }
}

static void test_report(void **state)
{
    (void)state;
    static const size_t sizes[] = {6, 5, 4, 0};
    const size_t parameters = 5 * 7 + 4 * 6;
    gemmlp_layer layers[MAX_DEPTH];
    gemmlp_network network = {.task = GEMMLP_CLASSIFY, .loss = "quadratic", .seed = 3};
    gemmlp_gradcheck_report report;
    describe(&network, layers, sizes, "sigmoid", "tanh", 0);

    /* What rounding leaves is above this tolerance: not passed, and the worst parameter is
     * named. */
    gemmlp_gradcheck_options options = {.tolerance = 1e-18};
    assert_int_equal(gemmlp_gradcheck(&network, &options, &report, NULL), GEMMLP_OK);
    assert_false(report.passed);
    assert_true(report.tolerance == 1e-18);
    assert_int_equal(report.parameters, parameters);
    assert_int_equal(report.parameters_checked, parameters);
    assert_true(report.worst_layer < 2);
    assert_true(report.worst_row < sizes[report.worst_layer + 1]);
    assert_true(report.worst_column <= sizes[report.worst_layer]);
    const double gap = fabs(report.worst_backprop - report.worst_difference);
    assert_true(report.max_relative_error > 0 && report.max_relative_error <= TOLERANCE);
    assert_true(report.max_relative_error <=
                1.000001 * gap / fmax(fabs(report.worst_backprop), fabs(report.worst_difference)));
    assert_true(report.max_relative_error >= 0.999999 * gap / report.max_gradient);

    options = (gemmlp_gradcheck_options){.samples = 10};
    assert_int_equal(gemmlp_gradcheck(&network, &options, &report, NULL), GEMMLP_OK);
    assert_true(report.passed);
    assert_in_range(report.parameters_checked, 10, 19);
    assert_int_equal(report.parameters, parameters);

    options = (gemmlp_gradcheck_options){.samples = 10 * parameters};
    assert_int_equal(gemmlp_gradcheck(&network, &options, &report, NULL), GEMMLP_OK);
    assert_int_equal(report.parameters_checked, parameters);
}

static void test_refusals(void **state)
{
    (void)state;
    static const size_t sizes[] = {6, 5, 4, 0};
    gemmlp_layer layers[MAX_DEPTH];
    gemmlp_gradcheck_report report;
    gemmlp_error error;
    gemmlp_network network = {.task = GEMMLP_CLASSIFY, .loss = "cross_entropy"};
    describe(&network, layers, sizes, "tanh", "relu", 0);
    assert_int_equal(gemmlp_gradcheck(&network, NULL, &report, &error), GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "cross_entropy"));
    assert_non_null(strstr(error.message, "relu"));
    layers[1] = (gemmlp_layer){.n_out = 0};
    assert_int_equal(gemmlp_gradcheck(&network, NULL, &report, &error), GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "layer 1"));
    network.n_in = 0;
    assert_int_equal(gemmlp_gradcheck(&network, NULL, &report, &error), GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "n_in"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_wrong_gradient_is_seen),
        cmocka_unit_test(test_class_weights),
        cmocka_unit_test(test_every_combination),
        cmocka_unit_test(test_odd_sizes),
        cmocka_unit_test(test_dropout_smoothing_penalties),
        cmocka_unit_test(test_zero_gradient_does_not_pass),
        cmocka_unit_test(test_report),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
