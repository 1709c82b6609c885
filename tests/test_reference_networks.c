/* test_reference_networks.c: the oracle of the other tests on a whole network: finite
 * differences, NaN that reaches everything, the float build against the double one, and what
 * create refuses. */
#include "reference_cases.h"

#include <stdio.h>
#include <string.h>

/* dC/dp by (C(p - 2h) - 8 C(p - h) + 8 C(p + h) - C(p + 2h)) / 12h, whose error is of order h^4. */
static double finite_difference(struct reference_f64 *r, const struct batch *batch, double *p)
{
    static const double factor[] = {1, -8, 8, -1}, place[] = {-2, -1, 1, 2};
    const double h = 1e-4, kept = *p;
    double sum = 0;
    for (size_t i = 0; i < 4; i++) {
        *p = kept + place[i] * h;
        sum += factor[i] * reference_gradient_f64(r, BATCH, batch->x, batch->y);
    }
    *p = kept;
    return sum / (12 * h);
}

/* Each tensor by itself, relative to its largest gradient; one that is all zero fails. */
static void check_gradient(const struct reference_settings *settings)
{
    char what[100];
    snprintf(what, sizeof what, "%s, %s at the output, %s", settings->activations[0],
             settings->activations[LAYERS - 1], settings->loss);
    struct batch batch;
    fill_batch(&batch, settings);
    struct reference_f64 *r = reference_create_f64(settings);
    assert_non_null(r);
    fill_parameters(r);
    for (size_t t = 0; t < 2 * LAYERS; t++) {
        size_t l = t / 2, n = t % 2 == 0 ? sizes[l] * sizes[l + 1] : sizes[l + 1];
        double *p = t % 2 == 0 ? reference_weights_f64(r, l) : reference_biases_f64(r, l);
        const double *g =
            t % 2 == 0 ? reference_weight_gradient_f64(r, l) : reference_bias_gradient_f64(r, l);
        double gradient[LARGEST_TENSOR], difference[LARGEST_TENSOR];
        reference_gradient_f64(r, BATCH, batch.x, batch.y);
        memcpy(gradient, g, n * sizeof *g);
        for (size_t i = 0; i < n; i++) {
            difference[i] = finite_difference(r, &batch, &p[i]);
        }
        assert_at_most(array_difference_f64(gradient, difference, n), 1e-8, what);
    }
    reference_free_f64(r);
}

static void test_finite_differences(void **state)
{
    (void)state;
    static const char *const losses[] = {"quadratic", "half_quadratic", "mse", "mae", "huber"};
    static const char *const entropy_outputs[] = {"softmax", "sigmoid"};
    for (size_t h = 0; h < COUNT(activation_cases); h++) {
        const char *hidden = activation_cases[h].name;
        for (size_t c = 0; c < COUNT(losses); c++) {
            struct reference_settings settings = three_layers(hidden, "softmax", losses[c]);
            check_gradient(&settings);
            for (size_t o = 0; o < COUNT(activation_cases); o++) {
                settings = three_layers(hidden, activation_cases[o].name, losses[c]);
                check_gradient(&settings);
            }
        }
        for (size_t c = 0; c < 2 * COUNT(entropy_outputs); c++) {
            struct reference_settings settings =
                three_layers(hidden, entropy_outputs[c / 2], "cross_entropy");
            settings.label_smoothing = c % 2 == 0 ? 0 : 0.1;
            check_gradient(&settings);
        }
    }
}

/* A gradient that holds NaN must not be taken for small, nor a weight that meets it stay a
 * number. */
static void test_nan_reaches_everything(void **state)
{
    (void)state;
    assert_true(relative_difference(NAN, NAN) > 1);
    const double numbers[] = {1, 2}, broken[] = {1, NAN}, zeros[] = {0, 0};
    assert_true(array_difference_f64(numbers, numbers, 2) == 0);
    assert_true(array_difference_f64(broken, broken, 2) > 1);
    assert_true(array_difference_f64(numbers, broken, 2) > 1);
    assert_true(array_difference_f64(zeros, zeros, 2) > 1);
    for (size_t c = 0; c < COUNT(activation_cases); c++) {
        struct reference_settings settings =
            three_layers(activation_cases[c].name, "softmax", "cross_entropy");
        settings.lr = 0.1;
        settings.clip_norm = 1;
        struct reference_f64 *r = reference_create_f64(&settings);
        assert_non_null(r);
        struct batch batch;
        fill_batch(&batch, &settings);
        fill_parameters(r);
        assert_true(isfinite(reference_step_f64(r, BATCH, batch.x, batch.y)));
        batch.x[5] = NAN;
        assert_true(isnan(reference_step_f64(r, BATCH, batch.x, batch.y)));
        assert_true(isnan(reference_weights_f64(r, LAYERS - 1)[0]));
        reference_free_f64(r);
    }
}

/* Five steps in float from the same start: |difference| within 10 roundings (2^-24 each) of the
 * largest parameter, and not zero, for then it would not have been float. */
static void check_float(const struct reference_settings *settings)
{
    struct batch batch;
    fill_batch(&batch, settings);
    float x[COUNT(batch.x)], y[COUNT(batch.y)];
    for (size_t i = 0; i < COUNT(x); i++) {
        x[i] = (float)batch.x[i];
    }
    for (size_t i = 0; i < COUNT(y); i++) {
        y[i] = (float)batch.y[i];
        batch.y[i] = (double)y[i];
    }
    struct reference_f64 *r64 = reference_create_f64(settings);
    struct reference_f32 *r32 = reference_create_f32(settings);
    assert_true(r64 != NULL && r32 != NULL);
    fill_parameters(r64);
    for (size_t l = 0; l < LAYERS; l++) {
        fill_f32(reference_weights_f32(r32, l), sizes[l] * sizes[l + 1], 10 + l, -1, 1);
        fill_f32(reference_biases_f32(r32, l), sizes[l + 1], 20 + l, 0, 1);
    }
    struct difference difference = {0};
    for (size_t step = 0; step < 5; step++) {
        difference_add(&difference, reference_step_f32(r32, BATCH, x, y),
                       reference_step_f64(r64, BATCH, batch.x, batch.y));
    }
    for (size_t l = 0; l < LAYERS; l++) {
        for (size_t i = 0; i < sizes[l] * sizes[l + 1]; i++) {
            difference_add(&difference, (double)reference_weights_f32(r32, l)[i],
                           reference_weights_f64(r64, l)[i]);
        }
        for (size_t i = 0; i < sizes[l + 1]; i++) {
            difference_add(&difference, (double)reference_biases_f32(r32, l)[i],
                           reference_biases_f64(r64, l)[i]);
        }
    }
    double roundings = difference_relative(&difference) * 16777216;
    assert_at_most(roundings, 10, settings->optimizer);
    assert_true(roundings > 0);
    reference_free_f32(r32);
    reference_free_f64(r64);
}

static void test_float_against_double(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(step_cases); c++) {
        for (size_t h = 0; h < COUNT(activation_cases); h++) {
            struct reference_settings settings =
                three_layers(activation_cases[h].name, h % 2 == 0 ? "softmax" : "identity",
                             h % 2 == 0 ? "cross_entropy" : "huber");
            take_step_case(&settings, c);
            settings.lr = 0.01;
            check_float(&settings);
        }
    }
}

static void assert_refused(const struct reference_settings *settings)
{
    assert_null(reference_create_f32(settings));
    assert_null(reference_create_f64(settings));
}

static void test_refusals(void **state)
{
    (void)state;
    const struct reference_settings good = three_layers("relu", "softmax", "cross_entropy");
    struct reference_f32 *r = reference_create_f32(&good);
    assert_non_null(r);
    reference_free_f32(r);
    reference_free_f32(NULL);
    reference_free_f64(NULL);

    struct reference_settings bad = good;
    bad.activations[1] = "rleu";
    assert_refused(&bad);
    bad.activations[1] = NULL;
    assert_refused(&bad);
    bad.activations[1] = "softmax"; /* not at the output */
    assert_refused(&bad);
    bad = good;
    bad.activations[2] = "identity"; /* cross-entropy of what is no probability */
    assert_refused(&bad);
    bad = good;
    bad.loss = "crossentropy";
    assert_refused(&bad);
    bad = good;
    bad.optimizer = "adamax";
    assert_refused(&bad);
    bad = good;
    bad.layer_count = 0;
    assert_refused(&bad);
    for (size_t l = 0; l < REFERENCE_MAX_LAYERS; l++) {
        bad.activations[l] = "sigmoid";
        bad.sizes[l] = 1;
    }
    bad.layer_count = REFERENCE_MAX_LAYERS + 1;
    assert_refused(&bad);
    bad = good;
    bad.sizes[0] = 0;
    assert_refused(&bad);
    bad = good;
    bad.sizes[LAYERS] = 0;
    assert_refused(&bad);
    bad = good;
    bad.sizes[0] = SIZE_MAX / 4 + 1; /* times 4 it would wrap to 0 */
    bad.sizes[1] = 4;
    assert_refused(&bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_nan_reaches_everything),
        cmocka_unit_test(test_float_against_double),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
