/* test_init.c: initial weights: their distributions, that they depend on seed and layer and
 * nothing else, and orthogonality. Compiled for float and, with -DGEMMLP_F64, for double. */
#include "reals.h"

#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "nn/init.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_init_distributions),
        cmocka_unit_test(test_init_purity),
        cmocka_unit_test(test_init_orthogonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
