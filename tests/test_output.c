/* test_output.c: softmax, and the output layer: its activation, cost and delta beside the naive
 * reference. Compiled for float and, with -DGEMMLP_F64, for double. */
#include "reals.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/reference.h"
#include "nn/loss.h"

/* ---- softmax --------------------------------------------------------------------------------- */

static double softmax_row(size_t n, real *z)
{
    double log_normaliser;
    softmax_rows(1, n, z, &log_normaliser);
    return log_normaliser;
}

static void check_softmax(size_t n, const real *z)
{
    real *a = malloc(n * sizeof *a), *shifted = malloc(n * sizeof *a);
    assert_non_null(a);
    assert_non_null(shifted);
    memcpy(a, z, n * sizeof *a);
    double max = -INFINITY, normaliser = 0, sum = 0;
    for (size_t j = 0; j < n; j++)
        max = (double)z[j] > max ? (double)z[j] : max; /* see difference_add */
    for (size_t j = 0; j < n; j++)
        normaliser += exp((double)z[j] - max);
    assert_close(softmax_row(n, a), max + log(normaliser), 32 * EPSILON, "log of the normaliser");
    for (size_t j = 0; j < n; j++) {
        double expected = exp((double)z[j] - max) / normaliser;
        assert_at_most(fabs((double)a[j] - expected), 32 * EPSILON * expected + SMALLEST,
                       "softmax");
        sum += (double)a[j];
    }
    assert_close(sum, 1, 32 * EPSILON, "sum of a softmax");
    /* Shifted by whole numbers, which float and double hold, it is the same to the last bit. */
    for (int shift = -1000; shift <= 1000; shift += 500) {
        for (size_t j = 0; j < n; j++)
            shifted[j] = z[j] + (real)shift;
        softmax_row(n, shifted);
        assert_memory_equal(shifted, a, n * sizeof *a);
    }
    free(a);
    free(shifted);
}

/* Some rows at once are what each is alone, to the last bit where vectors do not end elsewhere,
 * else nearly. */
static void test_softmax_rows(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n += 3) {
        enum { ROWS = 7 };
        real all[ROWS * 40], one[40];
        double log_normaliser[ROWS];
        fill_real(all, ROWS * n, n, -30, 30);
        real before[ROWS * 40];
        memcpy(before, all, sizeof all);
        softmax_rows(ROWS, n, all, log_normaliser);
        for (size_t row = 0; row < ROWS; row++) {
            memcpy(one, before + row * n, n * sizeof *one);
            const double expected = softmax_row(n, one);
            assert_close(log_normaliser[row], expected, 8 * EPSILON, "log of the normaliser");
            for (size_t j = 0; j < n; j++)
                assert_at_most(fabs((double)all[row * n + j] - (double)one[j]),
                               8 * EPSILON * (double)one[j] + SMALLEST, "softmax of a row");
        }
    }
}

static void test_softmax(void **state)
{
    (void)state;
    static const real rows[][4] = {{1000, 1001, 999, -1000},
                                   {-1000, -1000, -1000, -1000},
                                   {0, 0, 0, 0},
                                   {1e4, -1e4, 1e4, 0},
                                   {3, 2, 1, 0},
                                   {-50, -75, -60, -100}};
    for (size_t i = 0; i < COUNT(rows); i++)
        for (size_t n = 1; n <= 4; n++)
            check_softmax(n, rows[i]);
    for (size_t n = 1; n < 1200; n += n < 70 ? 1 : 97) {
        real *z = malloc(n * sizeof *z);
        assert_non_null(z);
        fill_real(z, n, n, -64, 64);
        for (size_t j = 0; j < n; j++)
            z[j] = (real)(floor((double)z[j] * 64) / 64); /* so that shifts are exact */
        check_softmax(n, z);
        for (size_t at = 0; at < n; at += n / 8 + 1) { /* one NaN makes all NaN */
            fill_real(z, n, n, -4, 4);
            z[at] = NAN;
            assert_true(isnan(softmax_row(n, z)));
            for (size_t j = 0; j < n; j++)
                assert_true(isnan(z[j]));
        }
        free(z);
    }
}

/* ---- the output layer ------------------------------------------------------------------------ */

struct variant {
    bool one_hot;
    double smoothing;
    bool class_weights;
    double range; /* of z */
};

/* Targets are probabilities, as softmax with cross_entropy wants them. */
static void fill_targets(real *y, size_t rows, size_t n, bool one_hot)
{
    for (size_t row = 0; row < rows; row++) {
        real *target = y + row * n;
        double sum = 0;
        fill_real(target, n, row + 100, 0, 1);
        for (size_t j = 0; j < n; j++)
            sum += (double)target[j];
        for (size_t j = 0; j < n; j++)
            target[j] = one_hot ? (real)(j == row * 7 % n) : (real)((double)target[j] / sum);
    }
}

/* C0 and delta of one row by the reference in double: a layer with W = 1, so that z = x. */
static double reference_row(struct reference_f64 *r, size_t n, const real *z, const real *y,
                            double *a, double *delta)
{
    double x[128], target[128];
    for (size_t j = 0; j < n; j++) {
        x[j] = (double)z[j];
        target[j] = (double)y[j];
    }
    reference_predict_f64(r, x, a);
    double cost = reference_gradient_f64(r, 1, x, target);
    memcpy(delta, reference_bias_gradient_f64(r, 0), n * sizeof *delta);
    return cost;
}

static void check_output(const struct loss *loss, const struct activation *activation, size_t rows,
                         size_t n, const struct variant *variant)
{
    struct reference_settings settings = {.layer_count = 1,
                                          .sizes = {n, n},
                                          .activations = {activation->name},
                                          .loss = loss->name,
                                          .label_smoothing = variant->smoothing,
                                          .optimizer = "sgd"};
    struct reference_f64 *r = reference_create_f64(&settings);
    assert_non_null(r);
    for (size_t j = 0; j < n; j++)
        reference_weights_f64(r, 0)[j * n + j] = 1;
    const size_t size = rows * n;
    real *buffer = malloc((7 * size + 2 * n) * sizeof *buffer);
    double *cost = malloc(2 * rows * sizeof *cost);
    assert_non_null(buffer);
    assert_non_null(cost);
    real *z = buffer, *y = z + size, *given = y + size, *kept_z = given + size, *a = kept_z + size;
    real *kept_a = a + size, *delta = kept_a + size;
    real *weights = delta + size, *no_bias = weights + n;
    fill_real(z, size, 1, -variant->range, variant->range);
    fill_real(weights, n, 2, 0.5, 3);
    memset(no_bias, 0, n * sizeof *no_bias);
    fill_targets(y, rows, n, variant->one_hot);

    /* As the forward pass leaves it: z, or a and what sigma' needs. */
    memcpy(given, z, size * sizeof *z);
    memcpy(kept_z, z, size * sizeof *z);
    if (!output_takes_z(loss, activation))
        for (size_t row = 0; row < rows; row++)
            activation->forward(n, no_bias, kept_z + row * n, given + row * n);
    memcpy(kept_a, given, size * sizeof *z);
    memcpy(a, given, size * sizeof *z);
    struct output output = {.loss = loss,
                            .activation = activation,
                            .label_smoothing = variant->smoothing,
                            .class_weights = variant->class_weights ? weights : NULL,
                            .rows = rows,
                            .n = n,
                            .a = a,
                            .kept = activation->needs_z ? kept_z : kept_a,
                            .y = y,
                            .delta = delta,
                            .cost = cost};
    output_cost(&output);

    const double tolerance = 64 * EPSILON;
    /* C0 of cross_entropy is a difference of sums as large as z. */
    const double cost_tolerance = tolerance + 8 * variant->range * EPSILON;
    char what[120];
    snprintf(what, sizeof what, "%s, %s, %zu x %zu, range %g", loss->name, activation->name, rows,
             n, variant->range);
    for (size_t row = 0; row < rows; row++) {
        double a_expected[128], delta_expected[128];
        const size_t at = row * n;
        double expected = reference_row(r, n, z + at, y + at, a_expected, delta_expected);
        double weight = variant->class_weights ? (double)weights[row * 7 % n] : 1;
        assert_close(cost[row], expected * weight, cost_tolerance, what);
        for (size_t j = 0; j < n; j++) {
            assert_close((double)a[at + j], a_expected[j], tolerance, what);
            assert_close((double)delta[at + j], delta_expected[j] * weight, tolerance, what);
        }
    }

    /* Without delta: the same cost and a; in double nearly, for one of both loops may have fused
     * multiply-adds. */
    memcpy(kept_z, given, size * sizeof *z);
    output.a = kept_z;
    output.kept = NULL;
    output.delta = NULL;
    output.cost = cost + rows;
    output_cost(&output);
    for (size_t row = 0; row < rows; row++)
        assert_close(cost[rows + row], cost[row], sizeof(real) == sizeof(float) ? 0 : 8 * EPSILON,
                     what);
    assert_memory_equal(kept_z, a, size * sizeof *a);
    /* Without cost there need be no y: a alone, by other code, so but for rounding. */
    output.a = given;
    output.y = NULL;
    output.cost = NULL;
    output.class_weights = NULL;
    output_cost(&output);
    for (size_t i = 0; i < size; i++)
        assert_close((double)given[i], (double)a[i], 8 * EPSILON, what);
    free(buffer);
    free(cost);
    reference_free_f64(r);
}

/* Each loss with each output that it is defined for; shapes of one row to several threads. */
static void test_output(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{1, 1}, {1, 10}, {5, 3}, {2, 65}, {30, 70}, {700, 4}};
    static const struct variant variants[] = {
        {false, 0, false, 4}, {true, 0, false, 4},    {true, 0.125, false, 4}, {true, 0, true, 4},
        {true, 0.1, true, 4}, {false, 0.9, false, 1}, {true, 0.1, false, 60}};
    size_t combinations = 0;
    for (size_t l = 0; loss_at(l); l++) {
        for (size_t f = 0; activation_at(f); f++) {
            const char *name = activation_name(f);
            const bool joins = strcmp(name, "softmax") == 0 || strcmp(name, "sigmoid") == 0;
            if (loss_at(l)->sigmoid_or_softmax && !joins)
                continue;
            combinations++;
            for (size_t s = 0; s < COUNT(shapes); s++)
                for (size_t v = 0; v < COUNT(variants); v++)
                    /* Of the slow ones, where the reference multiplies by W = 1, one in turn. */
                    if (shapes[s][0] < 10 || (combinations + s) % COUNT(variants) == v)
                        check_output(loss_at(l), activation_at(f), shapes[s][0], shapes[s][1],
                                     &variants[v]);
        }
    }
    assert_int_equal(combinations, 5 * 10 + 2);
}

/* z so large that a is 0 or 1 in any precision: C0 is the distance in z, and finite. */
static void test_output_extremes(void **state)
{
    (void)state;
    static const struct {
        const char *activation;
        real z[2], y[2];
        double cost, delta[2];
    } cases[] = {
        {"softmax", {1000, 0}, {0, 1}, 1000, {1, -1}},
        {"softmax", {-1e4, 1e4}, {1, 0}, 2e4, {-1, 1}},
        {"softmax", {1e4, -1e4}, {1, 0}, 0, {0, 0}},
        {"sigmoid", {-1000, 1000}, {1, 0}, 2000, {-1, 1}},
        {"sigmoid", {1e4, -1e4}, {1, 0}, 0, {0, 0}},
        {"sigmoid", {0, 0}, {1, 0}, 1.3862943611198906, {-0.5, 0.5}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        real a[2] = {cases[i].z[0], cases[i].z[1]}, delta[2];
        double cost;
        struct output output = {.loss = loss_find("cross_entropy"),
                                .activation = activation_find(cases[i].activation),
                                .rows = 1,
                                .n = 2,
                                .a = a,
                                .y = cases[i].y,
                                .delta = delta,
                                .cost = &cost};
        output_cost(&output);
        assert_close(cost, cases[i].cost, 4 * EPSILON, cases[i].activation);
        for (size_t j = 0; j < 2; j++)
            assert_close((double)delta[j], cases[i].delta[j], 4 * EPSILON, cases[i].activation);
        a[0] = (real)NAN; /* must show in the cost */
        a[1] = 0;
        output_cost(&output);
        assert_true(isnan(cost));
        assert_true(isnan(delta[0]));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_softmax),
        cmocka_unit_test(test_softmax_rows),
        cmocka_unit_test(test_output),
        cmocka_unit_test(test_output_extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
