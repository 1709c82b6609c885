/* test_reference.c: the oracle of the other tests against what does not come from code of ours:
 * the worked chain of "Backpropagation calculus", and numbers worked out by hand or in 40-digit
 * arithmetic. */
#include "reference_cases.h"

#include <string.h>

/* One layer 1-n with this activation and loss; sgd that nobody runs. */
static struct reference_settings one_layer(size_t n_out, const char *activation, const char *loss)
{
    return (struct reference_settings){.layer_count = 1,
                                       .sizes = {1, n_out},
                                       .activations = {activation},
                                       .loss = loss,
                                       .optimizer = "sgd"};
}

/* Sizes 1-1-1-1 all sigmoid, C0 = (a - y)^2: dC/dw of layer L is a^(L-1) sigma'(z^L) dC/da^L, and
 * dC/da^(L-1) = w^L sigma'(z^L) dC/da^L. Numbers by 40-digit arithmetic. */
static void test_chain(void **state)
{
    (void)state;
    static const double w[] = {0.5, -1.2, 0.8}, b[] = {0.1, 0.3, -0.2};
    static const double dw[] = {0.0089565704337672497, -0.027384844030054041, -0.09242304361041773};
    static const double db[] = {0.0127951006196675, -0.044846191511387952, -0.23489474852894126};
    const double x = 0.7, y = 1;
    struct reference_settings settings = {.layer_count = 3,
                                          .sizes = {1, 1, 1, 1},
                                          .activations = {"sigmoid", "sigmoid", "sigmoid"},
                                          .loss = "quadratic",
                                          .optimizer = "sgd"};
    struct reference_f64 *r = reference_create_f64(&settings);
    assert_non_null(r);
    for (size_t l = 0; l < 3; l++) {
        *reference_weights_f64(r, l) = w[l];
        *reference_biases_f64(r, l) = b[l];
    }
    double cost = reference_gradient_f64(r, 1, &x, &y);
    assert_at_most(relative_difference(cost, 0.22215979441434314), 1e-13, "C");
    for (size_t l = 0; l < 3; l++) {
        double got_w = *reference_weight_gradient_f64(r, l);
        double got_b = *reference_bias_gradient_f64(r, l);
        assert_at_most(relative_difference(got_w, dw[l]), 1e-13, "dC/dw");
        assert_at_most(relative_difference(got_b, db[l]), 1e-13, "dC/db");
    }
    reference_free_f64(r);
}

static void test_activations(void **state)
{
    (void)state;
    static const double z[] = {-1.7, 0, 0.6};
    for (size_t c = 0; c < COUNT(activation_cases); c++) {
        const char *name = activation_cases[c].name;
        struct reference_settings settings = one_layer(1, name, "half_quadratic");
        struct reference_f64 *r = reference_create_f64(&settings);
        assert_non_null(r);
        *reference_weights_f64(r, 0) = 1; /* z = x */
        for (size_t i = 0; i < COUNT(z); i++) {
            double a;
            reference_predict_f64(r, &z[i], &a);
            assert_close(a, activation_cases[c].a[i], 1e-14, name);
            double y = a - 1; /* dC/da = 1, so that dC/db is sigma' */
            reference_gradient_f64(r, 1, &z[i], &y);
            double derivative = *reference_bias_gradient_f64(r, 0);
            assert_close(derivative, activation_cases[c].derivative[i], 1e-14, name);
        }
        reference_free_f64(r);
    }
}

/* Losses at z = (0.3, -1.5, 2), so at a = z with identity. Without smoothing a - y is (-0.2, -1.75,
 * 0): quadratic 0.04 + 3.0625, huber 0.02 + 1.25 over 3. With s = 0.3 y is (0.45, 0.275, 1.5) and
 * a - y (-0.15, -1.775, 0.5). Cross-entropies in 40-digit arithmetic; softmax is smoothed to
 * (0.1, 0.8, 0.1). `delta` is dC/dz. */
static const struct {
    const char *loss, *activation;
    double smoothing;
    double y[3], cost, delta[3];
} loss_cases[] = {
    {"quadratic", "identity", 0, {0.5, 0.25, 2}, 3.1025, {-0.4, -3.5, 0}},
    {"quadratic", "identity", 0.3, {0.5, 0.25, 2}, 3.423125, {-0.3, -3.55, 1}},
    {"half_quadratic", "identity", 0, {0.5, 0.25, 2}, 1.55125, {-0.2, -1.75, 0}},
    {"mse", "identity", 0, {0.5, 0.25, 2}, 3.1025 / 3, {-0.4 / 3, -3.5 / 3, 0}},
    {"mae", "identity", 0, {0.5, 0.25, 2}, 0.65, {-1. / 3, -1. / 3, 0}},
    {"huber", "identity", 0, {0.5, 0.25, 2}, 1.27 / 3, {-0.2 / 3, -1. / 3, 0}},
    {"cross_entropy",
     "softmax",
     0,
     {0, 1, 0},
     3.6929984449894558,
     {0.150619506768427, -0.97510276298669529, 0.82448325621826829}},
    {"cross_entropy",
     "softmax",
     0.3,
     {0, 1, 0},
     3.1629984449894558,
     {0.050619506768427, -0.77510276298669529, 0.72448325621826829}},
    {"cross_entropy",
     "sigmoid",
     0,
     {0, 1, 0.25},
     4.182696533494252,
     {0.57444251681165899, -0.81757447619364366, 0.63079707797788244}},
};

static void test_losses(void **state)
{
    (void)state;
    static const double z[] = {0.3, -1.5, 2}, x = 0;
    for (size_t c = 0; c < COUNT(loss_cases); c++) {
        const char *loss = loss_cases[c].loss;
        struct reference_settings settings = one_layer(3, loss_cases[c].activation, loss);
        settings.label_smoothing = loss_cases[c].smoothing;
        struct reference_f64 *r = reference_create_f64(&settings);
        assert_non_null(r);
        memcpy(reference_biases_f64(r, 0), z, sizeof z);
        assert_close(reference_gradient_f64(r, 1, &x, loss_cases[c].y), loss_cases[c].cost, 1e-14,
                     loss);
        for (size_t j = 0; j < 3; j++) {
            assert_close(reference_bias_gradient_f64(r, 0)[j], loss_cases[c].delta[j], 1e-14, loss);
        }
        reference_free_f64(r);
    }
}

/* Where a rounds to 0 or 1 and ln a would be infinite: -ln softmax_0(-800, 800) = 1600, and the
 * same two z under sigmoid with the wrong targets 800 each. */
static void test_extreme_cross_entropy(void **state)
{
    (void)state;
    static const double y[] = {1, 0}, x = 0;
    static const char *const activations[] = {"softmax", "sigmoid"};
    for (size_t c = 0; c < COUNT(activations); c++) {
        struct reference_settings settings = one_layer(2, activations[c], "cross_entropy");
        struct reference_f64 *r = reference_create_f64(&settings);
        assert_non_null(r);
        reference_biases_f64(r, 0)[0] = -800;
        reference_biases_f64(r, 0)[1] = 800;
        assert_close(reference_gradient_f64(r, 1, &x, y), 1600, 1e-14, activations[c]);
        assert_close(reference_bias_gradient_f64(r, 0)[0], -1, 1e-14, activations[c]);
        assert_close(reference_bias_gradient_f64(r, 0)[1], 1, 1e-14, activations[c]);
        reference_free_f64(r);
    }
}

static void test_steps(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(step_cases); c++) {
        struct reference_settings settings = one_layer(1, "identity", "half_quadratic");
        take_step_case(&settings, c);
        struct reference_f64 *r = reference_create_f64(&settings);
        assert_non_null(r);
        double *w = reference_weights_f64(r, 0), *b = reference_biases_f64(r, 0);
        *w = step_cases[c].w_start;
        *b = -0.25;
        for (size_t t = 0; t < 3; t++) {
            double cost = reference_step_f64(r, 2, step_x[t], step_y[t]);
            assert_close(cost, step_cases[c].cost[t], 1e-14, settings.optimizer);
            assert_close(*w, step_cases[c].w[t], 1e-14, settings.optimizer);
            assert_close(*b, step_cases[c].b[t], 1e-14, settings.optimizer);
        }
        reference_free_f64(r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),  cmocka_unit_test(test_activations),
        cmocka_unit_test(test_losses), cmocka_unit_test(test_extreme_cross_entropy),
        cmocka_unit_test(test_steps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
