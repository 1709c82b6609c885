/* test_explain.c: the chain rule in numbers, against the naive reference in double: the factors
 * multiply to the derivative, the paths add up, the derivative is what finite differences of the
 * cost say, averages and nudged costs are what a direct computation gives. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "gemmlp.h"

#include "../bench/reference.h"

/* More examples than are averaged at once. */
enum { N_IN = 5, OUTPUTS = 3, EXAMPLES = 300, MAX_LAYERS = 4 };

static const struct {
    gemmlp_task task;
    const char *activations[MAX_LAYERS], *loss;
    size_t sizes[MAX_LAYERS];
} nets[] = {
    {GEMMLP_CLASSIFY, {"tanh", "gelu", "softmax"}, "cross_entropy", {7, 4, OUTPUTS}},
    {GEMMLP_MULTILABEL, {"relu", "sigmoid"}, "cross_entropy", {6, OUTPUTS}},
    {GEMMLP_CLASSIFY, {"sigmoid", "sigmoid"}, "quadratic", {6, OUTPUTS}},
    {GEMMLP_REGRESS, {"softplus", "elu", "silu", "identity"}, "mse", {4, 1, 6, OUTPUTS}},
    {GEMMLP_CLASSIFY, {"leaky_relu", "softmax"}, "quadratic", {9, OUTPUTS}},
    {GEMMLP_REGRESS, {"tanh"}, "half_quadratic", {OUTPUTS}},
    {GEMMLP_REGRESS, {"silu", "tanh"}, "huber", {3, OUTPUTS}},
    {GEMMLP_CLASSIFY, {"tanh", "softmax"}, "mse", {5, OUTPUTS}},
};

enum { NETS = sizeof nets / sizeof *nets };

struct setting {
    gemmlp_dataset *data;
    gemmlp_model *model;
    struct reference_f64 *reference;
    size_t layers, n_in[MAX_LAYERS], n_out[MAX_LAYERS];
    bool softmax;
    float x[EXAMPLES * N_IN], targets[EXAMPLES * OUTPUTS];
    int32_t labels[EXAMPLES];
    double x64[EXAMPLES * N_IN], y64[EXAMPLES * OUTPUTS];
};

static void fill_examples(struct setting *s, gemmlp_task task)
{
    fill_f32(s->x, EXAMPLES * N_IN, 31, -1.5, 1.5);
    fill_f32(s->targets, EXAMPLES * OUTPUTS, 32, -1, 1);
    for (size_t i = 0; i < EXAMPLES; i++) {
        s->labels[i] = (int32_t)(i * 7 % OUTPUTS);
        for (size_t j = 0; j < OUTPUTS; j++) {
            float *y = &s->targets[i * OUTPUTS + j];
            *y = task == GEMMLP_MULTILABEL ? (float)(*y > 0) : *y;
            s->y64[i * OUTPUTS + j] =
                task == GEMMLP_CLASSIFY ? (double)((size_t)s->labels[i] == j) : (double)*y;
        }
    }
    for (size_t i = 0; i < EXAMPLES * N_IN; i++) {
        s->x64[i] = (double)s->x[i];
    }
}

/* The model, with label smoothing and dropout that must not show in the explanation, and beside it
 * the reference with the same parameters. */
static void setting_create(struct setting *s, size_t net)
{
    gemmlp_layer layers[MAX_LAYERS] = {0};
    gemmlp_network network = {
        .layers = layers, .loss = nets[net].loss, .preprocess = "none", .seed = 40 + net};
    struct reference_settings reference = {
        .sizes = {N_IN}, .loss = nets[net].loss, .optimizer = "sgd"};
    fill_examples(s, nets[net].task);
    const bool labels = nets[net].task == GEMMLP_CLASSIFY;
    const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                  .features = N_IN,
                                  .outputs = OUTPUTS,
                                  .task = nets[net].task,
                                  .x_f32 = s->x,
                                  .labels = labels ? s->labels : NULL,
                                  .targets = labels ? NULL : s->targets};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &s->data, NULL), GEMMLP_OK);
    s->layers = 0;
    for (size_t l = 0; l < MAX_LAYERS && nets[net].activations[l]; l++) {
        s->n_in[l] = l ? nets[net].sizes[l - 1] : N_IN;
        s->n_out[l] = nets[net].sizes[l];
        layers[l] = (gemmlp_layer){.n_out = s->n_out[l],
                                   .activation = nets[net].activations[l],
                                   .init = "nielsen",
                                   .dropout = 0.4};
        reference.sizes[l + 1] = s->n_out[l];
        reference.activations[l] = nets[net].activations[l];
        s->layers = reference.layer_count = network.layer_count = l + 1;
    }
    layers[s->layers - 1].dropout = 0;
    network.label_smoothing = labels ? 0.2 : 0;
    s->softmax = strcmp(nets[net].activations[s->layers - 1], "softmax") == 0;
    assert_int_equal(gemmlp_model_create(&network, s->data, &s->model, NULL), GEMMLP_OK);
    s->reference = reference_create_f64(&reference);
    assert_non_null(s->reference);
    for (size_t l = 0; l < s->layers; l++) {
        for (size_t i = 0; i < s->n_out[l] * s->n_in[l]; i++) {
            reference_weights_f64(s->reference, l)[i] =
                (double)gemmlp_model_weights(s->model, l)[i];
        }
        for (size_t j = 0; j < s->n_out[l]; j++) {
            reference_biases_f64(s->reference, l)[j] = (double)gemmlp_model_biases(s->model, l)[j];
        }
    }
}

static void setting_free(struct setting *s)
{
    reference_free_f64(s->reference);
    gemmlp_model_free(s->model);
    gemmlp_dataset_free(s->data);
}

/* C0 of one example; its gradient is in the reference then. */
static double cost_of(struct setting *s, size_t example)
{
    return reference_gradient_f64(s->reference, 1, s->x64 + example * N_IN,
                                  s->y64 + example * OUTPUTS);
}

/* The same with `by` added to a weight. */
static double cost_moved(struct setting *s, size_t examples, size_t first, double *w, double by)
{
    const double before = *w;
    *w += by;
    const double cost = reference_gradient_f64(s->reference, examples, s->x64 + first * N_IN,
                                               s->y64 + first * OUTPUTS);
    *w = before;
    return cost;
}

/* ---- one weight ------------------------------------------------------------------------------ */

static void check_factors(const gemmlp_explanation *e, const struct setting *s)
{
    const bool output = e->layer + 1 == s->layers;
    assert_close(e->dC_dw, e->dz_dw * e->dC_dz, 1e-14, "dC/dw as a product");
    assert_true(e->dz_dw == e->a_in);
    if (!output || !s->softmax) {
        assert_close(e->dC_dz, e->da_dz * e->dC_da, 1e-12, "dC/dz as a product");
    } else {
        assert_close(e->da_dz, e->a * (1 - e->a), 1e-14, "da/dz at a softmax");
    }
    if (output) {
        assert_int_equal(e->path_count, 0);
        assert_true(e->target == s->y64[e->example * OUTPUTS + e->j]);
        return;
    }
    assert_int_equal(e->path_count, s->n_out[e->layer + 1]);
    assert_true(isnan(e->target));
    const double *w = reference_weights_f64(s->reference, e->layer + 1);
    const double *delta = reference_bias_gradient_f64(s->reference, e->layer + 1);
    double sum = 0;
    for (size_t i = 0; i < e->path_count; i++) {
        assert_int_equal(e->paths[i].neuron, i);
        assert_true(e->paths[i].dz_da == w[i * s->n_in[e->layer + 1] + e->j]);
        assert_close(e->paths[i].dC_dz, delta[i], 1e-13, "delta of the next layer");
        sum += e->paths[i].dz_da * e->paths[i].dC_dz;
    }
    assert_close(e->dC_da, sum, 1e-13, "the sum over the paths");
}

/* Example, layer, j, k: the reference, and finite differences of its cost. */
static void check_weight(struct setting *s, size_t example, size_t layer, size_t j, size_t k)
{
    enum { AVERAGE = 260 };
    const double nudge = 0.01, h = 1e-4;
    const size_t at = j * s->n_in[layer] + k;
    double *w = reference_weights_f64(s->reference, layer) + at;
    gemmlp_explanation *e;
    gemmlp_error error = {0};
    gemmlp_status status =
        gemmlp_explain(s->model, s->data, example, layer, j, k, nudge, AVERAGE, &e, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    assert_true(e->example == example && e->layer == layer && e->j == j && e->k == k);
    assert_true(e->weight == *w && e->nudge == nudge && e->average_examples == AVERAGE);

    const double up = cost_moved(s, 1, example, w, h), down = cost_moved(s, 1, example, w, -h);
    assert_close(e->dC_dw, (up - down) / (2 * h), 2e-7, "dC/dw by finite differences");
    assert_close(e->cost_nudged, cost_moved(s, 1, example, w, nudge), 1e-13, "the nudged cost");
    assert_close(e->average_cost_nudged, cost_moved(s, AVERAGE, 0, w, nudge), 1e-13,
                 "the nudged average cost");
    assert_close(e->average_cost, cost_moved(s, AVERAGE, 0, w, 0), 1e-13, "the average cost");
    assert_close(e->average_dC_dw, reference_weight_gradient_f64(s->reference, layer)[at], 1e-13,
                 "the average dC/dw");

    assert_close(e->cost, cost_of(s, example), 1e-13, "C0");
    assert_close(e->dC_dw, reference_weight_gradient_f64(s->reference, layer)[at], 1e-13, "dC/dw");
    assert_close(e->dC_dz, reference_bias_gradient_f64(s->reference, layer)[j], 1e-13, "dC/dz");
    check_factors(e, s);
    gemmlp_explanation_free(e);
}

static void test_weights(void **state)
{
    (void)state;
    static struct setting s;
    for (size_t net = 0; net < NETS; net++) {
        setting_create(&s, net);
        for (size_t l = 0; l < s.layers; l++) {
            check_weight(&s, 0, l, 0, 0);
            check_weight(&s, 257, l, s.n_out[l] - 1, s.n_in[l] - 1);
            check_weight(&s, EXAMPLES - 1, l, s.n_out[l] / 2, s.n_in[l] / 2);
        }
        setting_free(&s);
    }
}

/* z and a from the parameters by hand, at the first layer; dC/da at the output from the losses. */
static void test_values(void **state)
{
    (void)state;
    static struct setting s;
    gemmlp_explanation *e;
    setting_create(&s, 2); /* sigmoid, quadratic */
    assert_int_equal(gemmlp_explain(s.model, s.data, 4, 0, 2, 3, 0, 0, &e, NULL), GEMMLP_OK);
    double z = reference_biases_f64(s.reference, 0)[2];
    for (size_t k = 0; k < N_IN; k++) {
        z += reference_weights_f64(s.reference, 0)[2 * N_IN + k] * s.x64[4 * N_IN + k];
    }
    const double a = 1 / (1 + exp(-z));
    assert_close(e->z, z, 1e-14, "z");
    assert_close(e->a, a, 1e-14, "a");
    assert_close(e->da_dz, a * (1 - a), 1e-14, "da/dz");
    assert_true(e->a_in == s.x64[4 * N_IN + 3]);
    assert_true(e->nudge == 1e-3); /* the defaults */
    assert_int_equal(e->average_examples, EXAMPLES);
    gemmlp_explanation_free(e);
    assert_int_equal(gemmlp_explain(s.model, s.data, 4, 1, 1, 3, 0, SIZE_MAX, &e, NULL), GEMMLP_OK);
    assert_close(e->dC_da, 2 * (e->a - e->target), 1e-14, "dC/da of the quadratic cost");
    assert_int_equal(e->average_examples, EXAMPLES);
    gemmlp_explanation_free(e);
    setting_free(&s);
    setting_create(&s, 0); /* softmax, cross-entropy; example 1 has label 1 */
    assert_int_equal(gemmlp_explain(s.model, s.data, 1, 2, 1, 0, 0, 1, &e, NULL), GEMMLP_OK);
    assert_close(e->dC_da, -1 / e->a, 1e-12, "dC/da of cross-entropy with softmax");
    assert_close(e->dC_dz, e->a - 1, 1e-14, "a - y");
    assert_close(e->cost, -log(e->a), 1e-13, "-ln a");
    assert_true(e->target == 1);
    gemmlp_explanation_free(e);
    setting_free(&s);
    setting_create(&s, 1); /* sigmoid, cross-entropy */
    assert_int_equal(gemmlp_explain(s.model, s.data, 1, 1, 2, 0, 0, 1, &e, NULL), GEMMLP_OK);
    assert_close(e->dC_da, (e->a - e->target) / (e->a * (1 - e->a)), 1e-12,
                 "dC/da of cross-entropy with sigmoid");
    gemmlp_explanation_free(e);
    setting_free(&s);
}

/* The model that was explained is as it was. */
static void test_model_is_unchanged(void **state)
{
    (void)state;
    static struct setting s;
    float before[7 * N_IN];
    gemmlp_explanation *e;
    setting_create(&s, 0);
    memcpy(before, gemmlp_model_weights(s.model, 0), sizeof before);
    assert_int_equal(gemmlp_explain(s.model, s.data, 0, 0, 1, 1, 0.5, 2, &e, NULL), GEMMLP_OK);
    gemmlp_explanation_free(e);
    assert_memory_equal(before, gemmlp_model_weights(s.model, 0), sizeof before);
    setting_free(&s);
}

/* ---- refusals -------------------------------------------------------------------------------- */

static void assert_refused(const struct setting *s, size_t example, size_t layer, size_t j,
                           size_t k, const char *what)
{
    gemmlp_error error = {0};
    gemmlp_explanation *e = (gemmlp_explanation *)(void *)&error;
    assert_int_equal(gemmlp_explain(s->model, s->data, example, layer, j, k, 0, 0, &e, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_null(e);
    if (!strstr(error.message, what)) {
        fail_msg("'%s' is not in: %s", what, error.message);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static struct setting s;
    setting_create(&s, 0); /* 5-7-4-3 */
    assert_refused(&s, EXAMPLES, 0, 0, 0, "example 300");
    assert_refused(&s, EXAMPLES, 0, 0, 0, "it has 300");
    assert_refused(&s, 0, 3, 0, 0, "3 layers");
    assert_refused(&s, 0, 0, 7, 0, "7 x 5");
    assert_refused(&s, 0, 0, 0, 5, "7 x 5");
    assert_refused(&s, 0, 1, 4, 0, "4 x 7");
    assert_refused(&s, 0, 2, 2, SIZE_MAX, "3 x 4");
    gemmlp_weight_index out[1];
    gemmlp_error error;
    size_t found = 7;
    assert_int_equal(gemmlp_largest_gradients(s.model, s.data, EXAMPLES, GEMMLP_ALL_LAYERS, 1, out,
                                              &found, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "it has 300"));
    assert_int_equal(found, 0);
    gemmlp_explanation_free(NULL);

    /* Data that does not fit the model. */
    static struct setting other;
    gemmlp_explanation *e;
    setting_create(&other, 3);
    assert_int_equal(gemmlp_explain(s.model, other.data, 0, 0, 0, 0, 0, 0, &e, &error),
                     GEMMLP_BAD_MODEL);
    setting_free(&other);
    setting_free(&s);
}

/* ---- the largest gradients ------------------------------------------------------------------- */

static void test_largest_gradients(void **state)
{
    (void)state;
    enum { ROOM = 200, EXAMPLE = 11 };
    static struct setting s;
    static gemmlp_weight_index all[ROOM], few[5];
    for (size_t net = 0; net < NETS; net++) {
        bool seen[MAX_LAYERS][64] = {{false}};
        size_t weights = 0, found;
        setting_create(&s, net);
        for (size_t l = 0; l < s.layers; l++) {
            weights += s.n_out[l] * s.n_in[l];
        }
        assert_int_equal(gemmlp_largest_gradients(s.model, s.data, EXAMPLE, GEMMLP_ALL_LAYERS, ROOM,
                                                  all, &found, NULL),
                         GEMMLP_OK);
        assert_true(found == weights && weights < ROOM);
        cost_of(&s, EXAMPLE);
        for (size_t i = 0; i < found; i++) {
            const gemmlp_weight_index *w = &all[i];
            assert_true(w->layer < s.layers && w->j < s.n_out[w->layer] && w->k < s.n_in[w->layer]);
            const size_t at = w->j * s.n_in[w->layer] + w->k;
            assert_true(at < 64 && !seen[w->layer][at]);
            seen[w->layer][at] = true;
            assert_close(w->dC_dw, reference_weight_gradient_f64(s.reference, w->layer)[at], 1e-13,
                         "dC0/dw");
            assert_true(i == 0 || fabs(all[i - 1].dC_dw) >= fabs(w->dC_dw));
        }
        assert_true(fabs(all[0].dC_dw) > 0);
        assert_int_equal(gemmlp_largest_gradients(s.model, s.data, EXAMPLE, GEMMLP_ALL_LAYERS, 5,
                                                  few, &found, NULL),
                         GEMMLP_OK);
        assert_int_equal(found, 5);
        for (size_t i = 0; i < 5; i++) {
            assert_true(few[i].layer == all[i].layer && few[i].j == all[i].j &&
                        few[i].k == all[i].k && few[i].dC_dw == all[i].dC_dw);
        }
        assert_int_equal(gemmlp_largest_gradients(s.model, s.data, EXAMPLE, GEMMLP_ALL_LAYERS, 0,
                                                  few, &found, NULL),
                         GEMMLP_OK);
        assert_int_equal(found, 0);
        /* Of one layer: those of the whole list that lie in it. */
        for (size_t l = 0, next = 0; l < s.layers; l++, next = 0) {
            assert_int_equal(
                gemmlp_largest_gradients(s.model, s.data, EXAMPLE, l, 5, few, &found, NULL),
                GEMMLP_OK);
            for (size_t i = 0; i < weights && next < found; i++)
                if (all[i].layer == l)
                    assert_true(few[next++].dC_dw == all[i].dC_dw);
            assert_true(next == found && found > 0);
        }
        gemmlp_error error;
        assert_int_equal(
            gemmlp_largest_gradients(s.model, s.data, EXAMPLE, s.layers, 5, few, &found, &error),
            GEMMLP_INVALID_ARGUMENT);
        setting_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_weights),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_model_is_unchanged),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_largest_gradients),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
