/* test_fair.c: the fair builds of the reference against the plain one, in float: the same cost,
 * gradient and parameters to rounding, whatever the threads and the size of the batch. */
#include "support.h"

#include <omp.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "fair.h"

static const double TOLERANCE = 1e-4;

/* The activations are smooth: at a kink, rounding may choose the other side. Batches of 1, of less
 * and more than the fair builds take at once, with a rest; one network with enough weights for the
 * loops that only then are parallel. */
static const struct {
    struct reference_settings settings;
    size_t batch;
} cases[] = {
    {{.layer_count = 3,
      .sizes = {60, 50, 40, 10},
      .activations = {"tanh", "sigmoid", "softmax"},
      .loss = "cross_entropy",
      .label_smoothing = 0.1,
      .optimizer = "sgd",
      .l2 = 0.1},
     64},
    {{.layer_count = 2,
      .sizes = {150, 130, 7},
      .activations = {"gelu", "softmax"},
      .loss = "cross_entropy",
      .optimizer = "momentum",
      .l1 = 0.01,
      .clip_norm = 0.05},
     33},
    {{.layer_count = 3,
      .sizes = {9, 17, 12, 4},
      .activations = {"silu", "softplus", "sigmoid"},
      .loss = "quadratic",
      .optimizer = "nesterov",
      .weight_decay = 0.1},
     300},
    {{.layer_count = 1,
      .sizes = {31, 5},
      .activations = {"softmax"},
      .loss = "half_quadratic",
      .optimizer = "sgd"},
     1},
    {{.layer_count = 2,
      .sizes = {23, 19, 3},
      .activations = {"elu", "identity"},
      .loss = "mse",
      .optimizer = "adam"},
     513},
};

struct networks {
    const struct bench_naive *loop[2]; /* plain and fair */
    struct reference_f32 *network[2];
    const struct reference_settings *settings;
    size_t batch;
    float *x, *y; /* (batch x n_in), (batch x n_out); each target sums to 1 */
};

static struct networks create(size_t c, const struct bench_naive *fair,
                              struct reference_settings *settings)
{
    *settings = cases[c].settings;
    settings->lr = 0.1;
    settings->momentum = 0.9;
    settings->beta2 = 0.99;
    settings->epsilon = 1e-3;
    struct networks n = {
        .loop = {bench_naive_plain(), fair}, .settings = settings, .batch = cases[c].batch};
    const size_t n_in = settings->sizes[0], n_out = settings->sizes[settings->layer_count];
    n.x = calloc(n.batch * n_in, sizeof *n.x);
    n.y = calloc(n.batch * n_out, sizeof *n.y);
    assert_true(n.x && n.y);
    fill_f32(n.x, n.batch * n_in, 1, -1, 1);
    for (size_t e = 0; e < n.batch; e++)
        n.y[e * n_out + e % n_out] = 1;
    for (size_t i = 0; i < 2; i++) {
        n.network[i] = n.loop[i]->create(settings);
        assert_non_null(n.network[i]);
        for (size_t l = 0; l < settings->layer_count; l++) {
            const size_t in = settings->sizes[l], out = settings->sizes[l + 1];
            const double range = 2 / sqrt((double)in);
            fill_f32(n.loop[i]->weights(n.network[i], l), in * out, 10 + l, -range, range);
            fill_f32(n.loop[i]->biases(n.network[i], l), out, 30 + l, -0.5, 0.5);
        }
    }
    return n;
}

static void destroy(struct networks *n)
{
    for (size_t i = 0; i < 2; i++)
        n->loop[i]->free(n->network[i]);
    free(n->x);
    free(n->y);
}

static void assert_same_gradients(const struct networks *n)
{
    const struct bench_naive *const *loop = n->loop;
    for (size_t l = 0; l < n->settings->layer_count; l++) {
        const size_t in = n->settings->sizes[l], out = n->settings->sizes[l + 1];
        assert_at_most(array_difference_f32(loop[0]->weight_gradient(n->network[0], l),
                                            loop[1]->weight_gradient(n->network[1], l), in * out),
                       TOLERANCE, "distance of the gradients by the weights");
        assert_at_most(array_difference_f32(loop[0]->bias_gradient(n->network[0], l),
                                            loop[1]->bias_gradient(n->network[1], l), out),
                       TOLERANCE, "distance of the gradients by the biases");
    }
}

static void assert_same_parameters(const struct networks *n)
{
    const struct bench_naive *const *loop = n->loop;
    for (size_t l = 0; l < n->settings->layer_count; l++) {
        const size_t in = n->settings->sizes[l], out = n->settings->sizes[l + 1];
        assert_at_most(array_difference_f32(loop[0]->weights(n->network[0], l),
                                            loop[1]->weights(n->network[1], l), in * out),
                       TOLERANCE, "distance of the weights");
        assert_at_most(array_difference_f32(loop[0]->biases(n->network[0], l),
                                            loop[1]->biases(n->network[1], l), out),
                       TOLERANCE, "distance of the biases");
    }
}

static void check_case(size_t c, const struct bench_naive *fair)
{
    struct reference_settings settings;
    struct networks n = create(c, fair, &settings);
    assert_close(fair->gradient(n.network[1], n.batch, n.x, n.y),
                 n.loop[0]->gradient(n.network[0], n.batch, n.x, n.y), TOLERANCE, "cost");
    assert_same_gradients(&n);
    for (int step = 0; step < 3; step++) {
        assert_close(fair->step(n.network[1], n.batch, n.x, n.y),
                     n.loop[0]->step(n.network[0], n.batch, n.x, n.y), TOLERANCE, "cost of a step");
        assert_same_gradients(&n);
        assert_same_parameters(&n);
    }
    destroy(&n);
}

static void test_fair_as_plain(void **state)
{
    (void)state;
    const int threads_before = omp_get_max_threads();
    const struct bench_naive *fair;
    for (size_t build = 0; (fair = bench_naive_fair_build(build)) != NULL; build++) {
        for (int threads = 1; threads <= 3; threads++) {
            omp_set_num_threads(threads);
            for (size_t c = 0; c < COUNT(cases); c++) {
                check_case(c, fair);
            }
        }
    }
    omp_set_num_threads(threads_before);
}

static void test_choice(void **state)
{
    (void)state;
    const struct bench_naive *plain = bench_naive_plain(), *fair = bench_naive_fair();
    assert_string_equal(plain->name, "naive");
    assert_string_equal(plain->description, "one thread, -O2");
    assert_non_null(fair);
    assert_ptr_equal(fair, bench_naive_fair_build(0));
    size_t builds = 0;
    for (; bench_naive_fair_build(builds); builds++) {
        const struct bench_naive *build = bench_naive_fair_build(builds);
        assert_string_equal(build->name, "fair");
        assert_non_null(strstr(build->description, "OpenMP, -O3 -ffast-math"));
        assert_true(build->step != plain->step);
        for (size_t i = 0; i < builds; i++)
            assert_true(build->step != bench_naive_fair_build(i)->step);
    }
    assert_true(builds >= 1);
    assert_null(bench_naive_fair_build(builds + 1));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fair_as_plain),
        cmocka_unit_test(test_choice),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
