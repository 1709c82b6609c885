/* test_activation.c: each activation beside sigma and sigma' by libm in double: values, rows of
 * any length, NaN, and the table. Compiled twice as the core itself is: for float, and with
 * -DGEMMLP_F64 for double. */
#include "reals.h"

#include <stdbool.h>
#include <string.h>

#include "nn/activation.h"

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

/* The bits of sigma do not depend on where in a row an element lies, in a whole vector or in what
 * is left of one: that depends on how a product is cut. */
static void test_activation_places(void **state)
{
    (void)state;
    enum { MOST = 90, TURNS = 40 };
    for (size_t i = 0; activation_at(i); i++)
        for (size_t turn = 0; turn < MOST * TURNS; turn++) {
            const size_t n = 1 + turn % MOST;
            real z[MOST], b[MOST], a[MOST];
            fill_real(z, n, turn, -5, 5);
            fill_real(b, n, turn + 1, -1, 1);
            for (size_t j = 0; j < n; j++) {
                real one_z = z[j], one_a;
                activation_at(i)->forward(1, b + j, &one_z, &one_a);
                a[j] = one_a;
            }
            real found[MOST];
            activation_at(i)->forward(n, b, z, found);
            if (memcmp(found, a, n * sizeof *a) != 0)
                fail_msg("%s: other bits among %zu than alone", activation_name(i), n);
        }
}

/* Rows of softmax do not depend on how many are taken together. */
static void test_softmax_places(void **state)
{
    (void)state;
    enum { ROWS = 37, MOST = 40 };
    for (size_t n = 1; n <= MOST; n++) {
        real together[ROWS * MOST], alone[ROWS * MOST];
        double log_together[ROWS], log_alone[ROWS];
        fill_real(together, ROWS * n, n, -8, 8);
        memcpy(alone, together, sizeof together);
        softmax_rows(ROWS, n, together, log_together);
        for (size_t row = 0; row < ROWS; row++)
            softmax_rows(1, n, alone + row * n, log_alone + row);
        assert_memory_equal(together, alone, ROWS * n * sizeof *alone);
        assert_memory_equal(log_together, log_alone, sizeof log_alone);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_activation_values), cmocka_unit_test(test_activation_rows),
        cmocka_unit_test(test_activation_nan),    cmocka_unit_test(test_activation_places),
        cmocka_unit_test(test_softmax_places),    cmocka_unit_test(test_activation_table),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
