/* test_nn.c: the table rows of a network, one by one: activations, softmax, the output layer's
 * cost, initial weights; and how a network is resolved. Compiled twice as the core itself is: for
 * float, and with -DGEMMLP_F64 for double. */
#include "support.h"

#include <float.h>
#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../bench/reference.h"
#include "nn/init.h"
#include "nn/loss.h"
#include "nn/network.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

#ifdef GEMMLP_F64
static const double EPSILON = DBL_EPSILON, SMALLEST = DBL_MIN, HUGEST = 1e300;
#else
static const double EPSILON = (double)FLT_EPSILON, SMALLEST = (double)FLT_MIN, HUGEST = 1e38;
#endif

static void fill_real(real *out, size_t n, uint64_t seed, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (real)(low + (high - low) * random_uniform(&seed));
}

/* ---- activations: sigma and sigma' by libm in double ------------------------------------------
 */

static double identity(double z)
{
    return z;
}
static double one(double z)
{
    (void)z;
    return 1;
}
static double sigmoid(double z)
{
    return 1 / (1 + exp(-z));
}
static double sigmoid_slope(double z)
{
    return sigmoid(z) * sigmoid(-z);
}
static double tanh_slope(double z)
{
    return 1 / (cosh(z) * cosh(z));
}
static double relu(double z)
{
    return fmax(z, 0);
}
static double relu_slope(double z)
{
    return z > 0 ? 1 : 0;
}
static double leaky_relu(double z)
{
    return z > 0 ? z : 0.01 * z;
}
static double leaky_relu_slope(double z)
{
    return z > 0 ? 1 : 0.01;
}
static double elu(double z)
{
    return z > 0 ? z : expm1(z);
}
static double elu_slope(double z)
{
    return z > 0 ? 1 : exp(z);
}
static double softplus(double z)
{
    return z > 0 ? z + log1p(exp(-z)) : log1p(exp(z));
}
static double phi(double z) /* the normal distribution function */
{
    return erfc(-z * sqrt(0.5)) / 2;
}
static double gelu(double z)
{
    return z * phi(z);
}
static double gelu_slope(double z)
{
    return phi(z) + z * exp(-z * z / 2) / sqrt(2 * acos(-1));
}
static double silu(double z)
{
    return z * sigmoid(z);
}
static double silu_slope(double z)
{
    return sigmoid(z) + z * sigmoid_slope(z);
}

/* The relative error of sigma(z) may be `ulp` epsilon, and for gelu z^2 epsilon more: that is what
 * an epsilon in z / sqrt 2 does to erfc. */
static const struct formula {
    const char *name;
    double (*value)(double), (*slope)(double);
    double ulp;
} formulas[] = {
    {"identity", identity, one, 0},
    {"sigmoid", sigmoid, sigmoid_slope, 8},
    {"tanh", tanh, tanh_slope, 4},
    {"relu", relu, relu_slope, 0},
    {"leaky_relu", leaky_relu, leaky_relu_slope, 2},
    {"elu", elu, elu_slope, 8},
    {"softplus", softplus, sigmoid, 8},
    {"gelu", gelu, gelu_slope, 16},
    {"silu", silu, silu_slope, 8},
};

static const struct formula *formula_of(const struct activation *activation)
{
    for (size_t i = 0; i < COUNT(formulas); i++)
        if (strcmp(formulas[i].name, activation->name) == 0)
            return &formulas[i];
    fail_msg("no formula for %s", activation->name);
    return NULL;
}

/* -100 to 100, and both signs of 0, tiny, small and huge; an odd number of them. */
enum { GRID = 8001, CURVE = GRID + 24, GUARD = 16 };

static void fill_curve(real z[CURVE])
{
    const double extremes[] = {0,    SMALLEST / 8, SMALLEST, 1e-30, 1e-20, 1e-10,
                               1e-4, 1e-3,         700,      1e4,   1e30,  HUGEST};
    for (int i = 0; i < GRID; i++)
        z[i] = (real)((i - GRID / 2) / 40.0);
    for (size_t i = 0; i < COUNT(extremes); i++) {
        z[GRID + 2 * i] = (real)extremes[i];
        z[GRID + 2 * i + 1] = -(real)extremes[i];
    }
}

static void check_value(const struct formula *f, double z, double found)
{
    double expected = f->value(z);
    double relative = (f->ulp + (f->value == gelu ? fmin(z * z, 1e4) : 0)) * EPSILON;
    if (!(fabs(found - expected) <= relative * fabs(expected) + (f->ulp > 0 ? SMALLEST : 0)))
        fail_msg("%s(%.9g) is %.17g, not %.17g", f->name, z, found, expected);
}

static void test_activation_values(void **state)
{
    (void)state;
    static real b[CURVE], curve[CURVE], z[CURVE + GUARD], a[CURVE + GUARD], delta[CURVE + GUARD];
    fill_curve(curve);
    for (size_t row = 0; activation_at(row); row++) {
        const struct activation *activation = activation_at(row);
        if (activation->output_only)
            continue;
        const struct formula *f = formula_of(activation);
        memcpy(z, curve, sizeof curve);
        for (int i = CURVE; i < CURVE + GUARD; i++)
            z[i] = a[i] = delta[i] = 77;
        activation->forward(CURVE, b, z, a);
        for (int i = 0; i < CURVE; i++) {
            assert_true(z[i] == curve[i]);
            check_value(f, (double)curve[i], (double)a[i]);
        }
        /* In z s (1 - s) the rounding of 1 - s is made z times as large, until s = 1 at z = 36. */
        const double slope_epsilons = f->value == silu ? 80 : 16;
        for (int i = 0; i < CURVE; i++)
            delta[i] = i % 3 == 0 ? (real)-0.75 : 2;
        activation->backward(CURVE, activation->needs_z ? z : a, delta);
        for (int i = 0; i < CURVE; i++) {
            double expected = (i % 3 == 0 ? -0.75 : 2) * f->slope((double)curve[i]);
            if (!(fabs((double)delta[i] - expected) <= slope_epsilons * EPSILON))
                fail_msg("delta of %s at %.9g is %.17g, not %.17g", f->name, (double)curve[i],
                         (double)delta[i], expected);
        }
        for (int i = CURVE; i < CURVE + GUARD; i++)
            assert_true(z[i] == 77 && a[i] == 77 && delta[i] == 77);
    }
}

/* Rows of any length; the bias is added and z kept; a == z where sigma' needs no z. */
static void test_activation_rows(void **state)
{
    (void)state;
    enum { MOST = 70 };
    for (size_t row = 0; activation_at(row); row++) {
        const struct activation *activation = activation_at(row);
        for (size_t n = 0; n <= MOST; n++) {
            real b[MOST], start[MOST], z[MOST + 1], a[MOST + 1], both[MOST + 1];
            fill_real(b, MOST, 2 * n, -2, 2);
            fill_real(start, MOST, 2 * n + 1, -4, 4);
            memcpy(z, start, sizeof start);
            memcpy(both, start, sizeof start);
            z[n] = a[n] = both[n] = 77;
            activation->forward(n, b, z, a);
            assert_true(z[n] == 77 && a[n] == 77);
            for (size_t i = 0; i < n; i++) {
                assert_true(z[i] == start[i] + b[i]);
                if (activation->output_only)
                    assert_true(a[i] == z[i]);
                else
                    check_value(formula_of(activation), (double)z[i], (double)a[i]);
            }
            if (activation->needs_z)
                continue;
            activation->forward(n, b, both, both);
            assert_memory_equal(both, a, (n + 1) * sizeof *a);
        }
    }
}

/* A NaN among the z of a row gives a NaN there, wherever it is, and nowhere else. */
static void test_activation_nan(void **state)
{
    (void)state;
    enum { N = 67 };
    const real b[N] = {0};
    for (size_t row = 0; activation_at(row); row++) {
        const struct activation *activation = activation_at(row);
        for (size_t at = 0; at < N; at++) {
            for (int from = 0; from < 3; from++) {
                real z[N], a[N], bias[N];
                fill_real(z, N, at, -4, 4);
                memcpy(bias, b, sizeof b);
                *(from == 2 ? &bias[at] : &z[at]) = from == 1 ? (real)-NAN : (real)NAN;
                activation->forward(N, bias, z, a);
                for (size_t i = 0; i < N; i++)
                    if ((bool)isnan(a[i]) != (i == at))
                        fail_msg("%s: a[%zu] is %g where z[%zu] is NaN", activation->name, i,
                                 (double)a[i], at);
            }
        }
    }
}

static void test_activation_table(void **state)
{
    (void)state;
    size_t n = 0;
    for (; activation_at(n); n++) {
        const struct activation *activation = activation_at(n);
        assert_string_equal(activation->name, activation_name(n));
        assert_ptr_equal(activation_find(activation->name), activation);
        assert_true(strlen(activation->description) > 0);
        assert_int_equal(activation->output_only, strcmp(activation->name, "softmax") == 0);
    }
    assert_int_equal(n, COUNT(formulas) + 1);
    assert_null(activation_name(n));
    assert_null(activation_find("rleu"));
}

/* ---- softmax --------------------------------------------------------------------------------- */

static void check_softmax(size_t n, const real *z)
{
    real *a = malloc(n * sizeof *a), *shifted = malloc(n * sizeof *a);
    assert_non_null(a);
    assert_non_null(shifted);
    memcpy(a, z, n * sizeof *a);
    double max = -INFINITY, normaliser = 0, sum = 0;
    for (size_t j = 0; j < n; j++)
        max = fmax(max, (double)z[j]);
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

    /* Without delta: the same cost and a. */
    memcpy(kept_z, given, size * sizeof *z);
    output.a = kept_z;
    output.kept = NULL;
    output.delta = NULL;
    output.cost = cost + rows;
    output_cost(&output);
    assert_memory_equal(cost + rows, cost, rows * sizeof *cost);
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

/* ---- initial weights ------------------------------------------------------------------------- */

/* Variance of the weights for n_in = 301, n_out = 203 (no multiples of the 4 numbers of a random
 * block), fourth moment / variance^2 (normal 3, uniform 9/5), variance of the biases. */
enum { N_IN = 301, N_OUT = 203, WEIGHTS = N_IN * N_OUT };
static const struct {
    const char *name;
    double variance, kurtosis, bias_variance;
} distributions[] = {
    {"he", 2. / 301, 3, 0},
    {"he_uniform", 2. / 301, 1.8, 0},
    {"glorot", 2. / 504, 3, 0},
    {"glorot_uniform", 2. / 504, 1.8, 0},
    {"lecun", 1. / 301, 3, 0},
    {"lecun_uniform", 1. / 301, 1.8, 0},
    {"nielsen", 1. / 301, 3, 1},
    {"normal", 1, 3, 1},
    {"orthogonal", 1. / 301, 3, 0}, /* rows of length 1; elements nearly normal */
    {"zeros", 0, 0, 0},
};

struct parameters {
    real w[WEIGHTS + 1], b[N_OUT + 1]; /* with an element behind that is not theirs */
};

static struct parameters *initialise(struct parameters *p, const char *name, uint64_t seed,
                                     size_t layer)
{
    gemmlp_error error = {.message = ""};
    memset(p, 0x7f, sizeof *p);
    p->w[WEIGHTS] = p->b[N_OUT] = 77;
    if (init_weights(name, seed, layer, N_OUT, N_IN, p->w, p->b, &error) != GEMMLP_OK)
        fail_msg("%s: %s", name, error.message);
    assert_true(p->w[WEIGHTS] == 77 && p->b[N_OUT] == 77);
    return p;
}

/* Mean, variance and kurtosis within 5 of their standard deviations for n independent numbers:
 * sigma/sqrt(n), sigma^2 sqrt((kurtosis - 1)/n), and sqrt(24/n) for a normal sample, which is more
 * than that of a uniform one. Neighbours up to 4 apart, and in a column, are not correlated. */
static void check_sample(const char *name, const real *x, size_t n, double variance,
                         double kurtosis)
{
    const double deviation = sqrt(variance), count = (double)n;
    static const size_t lags[] = {1, 2, 3, 4, N_IN};
    double sum = 0, squares = 0, fourths = 0;
    for (size_t i = 0; i < n; i++) {
        double u = (double)x[i] / deviation;
        sum += u;
        squares += u * u;
        fourths += u * u * u * u;
    }
    squares /= count;
    assert_at_most(fabs(sum / count), 5 / sqrt(count), name);
    assert_at_most(fabs(squares - 1), 5 * sqrt((kurtosis - 1) / count), name);
    assert_at_most(fabs(fourths / count / (squares * squares) - kurtosis), 5 * sqrt(24 / count),
                   name);
    for (size_t l = 0; l < COUNT(lags) && lags[l] < n; l++) {
        double product = 0;
        for (size_t i = lags[l]; i < n; i++)
            product += (double)x[i] * (double)x[i - lags[l]] / variance;
        assert_at_most(fabs(product / count), 5 / sqrt(count), name);
    }
    if (kurtosis < 2)
        for (size_t i = 0; i < n; i++)
            assert_at_most(fabs((double)x[i]), sqrt(3 * variance) * (1 + EPSILON), name);
}

static void test_init_distributions(void **state)
{
    (void)state;
    static struct parameters p;
    size_t n = 0;
    for (; init_at(n); n++) {
        assert_int_equal(n < COUNT(distributions), true);
        const char *name = distributions[n].name;
        assert_string_equal(init_name(n), name);
        initialise(&p, name, 42, 3);
        if (distributions[n].variance > 0)
            check_sample(name, p.w, WEIGHTS, distributions[n].variance, distributions[n].kurtosis);
        for (size_t i = 0; distributions[n].variance == 0 && i < WEIGHTS; i++)
            assert_true(p.w[i] == 0);
        if (distributions[n].bias_variance > 0)
            check_sample(name, p.b, N_OUT, distributions[n].bias_variance, 3);
        for (size_t j = 0; distributions[n].bias_variance == 0 && j < N_OUT; j++)
            assert_true(p.b[j] == 0);
    }
    assert_int_equal(n, COUNT(distributions));
    assert_null(init_name(n));

    /* Biases are numbers of their own, not those of some weights. */
    initialise(&p, "normal", 42, 3);
    size_t shared = 0;
    for (size_t j = 0; j < N_OUT; j++)
        for (size_t i = 0; i < WEIGHTS; i++)
            shared += p.w[i] == p.b[j];
    assert_true(shared < N_OUT / 2); /* float has few numbers: some agree by chance */
}

static void test_init_purity(void **state)
{
    (void)state;
    static struct parameters first, other;
    for (size_t i = 0; init_at(i); i++) {
        const char *name = init_name(i);
        const bool constant = strcmp(name, "zeros") == 0;
        const int threads = omp_get_max_threads();
        initialise(&first, name, 7, 1);
        for (int count = 1; count <= 2; count++) {
            omp_set_num_threads(count);
            initialise(&other, name, 7, 1);
            if (memcmp(&first, &other, sizeof first) != 0)
                fail_msg("%s: other bits with %d threads", name, count);
        }
        omp_set_num_threads(threads);
        for (int change = 0; change < 3; change++) {
            const uint64_t seed = change == 0 ? 8 : change == 1 ? 7 + ((uint64_t)1 << 32) : 7;
            initialise(&other, name, seed, change == 2 ? 2 : 1);
            size_t same = 0;
            for (size_t k = 0; k < WEIGHTS; k++)
                same += first.w[k] == other.w[k];
            if (constant ? same != WEIGHTS : same > WEIGHTS / 100)
                fail_msg("%s: %zu of %d weights are the same after change %d", name, same, WEIGHTS,
                         change);
        }
    }
    gemmlp_error error;
    assert_int_equal(init_weights("hee", 1, 0, N_OUT, N_IN, first.w, first.b, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "unknown initialisation 'hee'; did you mean 'he'?"));
}

/* W W^T = 1 where there are fewer rows than columns, W^T W = 1 where there are more. */
static void test_init_orthogonal(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {{1, 1},   {1, 9},    {9, 1},    {2, 3},    {3, 2},
                                       {33, 33}, {40, 100}, {100, 40}, {129, 128}};
    for (size_t s = 0; s < COUNT(shapes); s++) {
        const size_t n_out = shapes[s][0], n_in = shapes[s][1];
        const size_t short_side = n_out < n_in ? n_out : n_in,
                     long_side = n_out + n_in - short_side;
        real *w = malloc(n_out * n_in * sizeof *w), b[130];
        assert_non_null(w);
        assert_int_equal(init_weights("orthogonal", s, 0, n_out, n_in, w, b, NULL), GEMMLP_OK);
        for (size_t i = 0; i < short_side; i++) {
            for (size_t j = 0; j <= i; j++) {
                double product = 0;
                for (size_t l = 0; l < long_side; l++)
                    product += n_out <= n_in ? (double)w[i * n_in + l] * (double)w[j * n_in + l]
                                             : (double)w[l * n_in + i] * (double)w[l * n_in + j];
                assert_close(product, i == j, 8 * EPSILON, "orthogonality");
            }
        }
        free(w);
    }
    /* Of either sign: a QR decomposition by itself would make them all of one. */
    size_t positive = 0;
    for (uint64_t seed = 0; seed < 100; seed++) {
        real w, b;
        assert_int_equal(init_weights("orthogonal", seed, 0, 1, 1, &w, &b, NULL), GEMMLP_OK);
        positive += w > 0;
    }
    assert_in_range(positive, 25, 75);
}

/* ---- networks -------------------------------------------------------------------------------- */

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
        cmocka_unit_test(test_activation_table), cmocka_unit_test(test_activation_values),
        cmocka_unit_test(test_activation_rows),  cmocka_unit_test(test_activation_nan),
        cmocka_unit_test(test_softmax),          cmocka_unit_test(test_output),
        cmocka_unit_test(test_output_extremes),  cmocka_unit_test(test_init_distributions),
        cmocka_unit_test(test_init_purity),      cmocka_unit_test(test_init_orthogonal),
        cmocka_unit_test(test_network_defaults), cmocka_unit_test(test_network_refusals),
        cmocka_unit_test(test_network_names),    cmocka_unit_test(test_network_data),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
