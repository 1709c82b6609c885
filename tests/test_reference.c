/* test_reference.c: the oracle of the other tests against what does not come from code of ours: the
 * worked chain of "Backpropagation calculus", numbers worked out by hand or in 40-digit arithmetic,
 * and finite differences. Last, the float build against the double one, and what create refuses. */
#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "../bench/reference.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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

/* sigma and sigma' at -1.7, 0 and 0.6 by the textbook formulas in 40-digit arithmetic; at the kinks
 * of relu and leaky_relu sigma' is the one from the left. */
static const struct {
    const char *name;
    double a[3], derivative[3];
} activation_cases[] = {
    {"identity", {-1.7, 0, 0.6}, {1, 1, 1}},
    {"sigmoid",
     {0.1544652650835347, 0.5, 0.64565630622579545},
     {0.13060574696620806, 0.25, 0.2287842404566573}},
    {"tanh",
     {-0.93540907060309898, 0, 0.53704956699803529},
     {0.12500987063344659, 1, 0.71157776258722281}},
    {"relu", {0, 0, 0.6}, {0, 0, 1}},
    {"leaky_relu", {-0.017, 0, 0.6}, {0.01, 0.01, 1}},
    {"elu", {-0.81731647594726535, 0, 0.6}, {0.18268352405273465, 1, 1}},
    {"softplus",
     {0.16778602938626592, 0.69314718055994531, 1.0374879504858856},
     {0.1544652650835347, 0.5, 0.64565630622579545}},
    {"gelu",
     {-0.075761286689523167, 0, 0.43544812934995585},
     {-0.11531796878216473, 0.5, 0.9256816439850062}},
    {"silu",
     {-0.262590950642009, 0, 0.38739378373547727},
     {-0.067564504759018996, 0.5, 0.78292685049978983}},
};

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

/* ---- Finite differences -------------------------------------------------------------------- */

enum { LAYERS = 3, BATCH = 3, LARGEST_TENSOR = 20 };

static const size_t sizes[LAYERS + 1] = {4, 5, 3, 2};

struct batch {
    double x[BATCH * 4], y[BATCH * 2];
};

/* The 4-5-3-2 network that the rest of the file uses, `hidden` in both hidden layers. */
static struct reference_settings three_layers(const char *hidden, const char *output,
                                              const char *loss)
{
    struct reference_settings settings = {.layer_count = LAYERS,
                                          .activations = {hidden, hidden, output},
                                          .loss = loss,
                                          .optimizer = "sgd"};
    memcpy(settings.sizes, sizes, sizeof sizes);
    return settings;
}

/* Targets fit for the loss: probabilities, or numbers on both sides of huber's |a - y| = 1. */
static void fill_batch(struct batch *batch, const struct reference_settings *settings)
{
    fill_f64(batch->x, COUNT(batch->x), 1, -1, 1);
    bool entropy = strcmp(settings->loss, "cross_entropy") == 0;
    fill_f64(batch->y, COUNT(batch->y), 2, entropy ? 0 : -2, entropy ? 1 : 2);
    if (entropy && strcmp(settings->activations[LAYERS - 1], "softmax") == 0) {
        for (size_t e = 0; e < BATCH; e++) {
            batch->y[2 * e + 1] = 1 - batch->y[2 * e];
        }
    }
}

static void fill_parameters(struct reference_f64 *r)
{
    for (size_t l = 0; l < LAYERS; l++) {
        fill_f64(reference_weights_f64(r, l), sizes[l] * sizes[l + 1], 10 + l, -1, 1);
        fill_f64(reference_biases_f64(r, l), sizes[l + 1], 20 + l, 0, 1);
    }
}

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

/* ---- Steps --------------------------------------------------------------------------------- */

/* Three steps of a = w x + b, C0 = (a - y)^2 / 2, on two examples each; b starts at -0.25, lr =
 * 0.1, mu = beta1 = 0.9, beta2 = 0.95, epsilon = 0.001. The first step of sgd from w = 0.5 by hand:
 *
 *   a - y   = 0.5 - 0.25 - 0.25 = 0 and -0.25 - 0.25 - 1 = -1.5
 *   C       = (0 + 1.5^2 / 2) / 2                       = 0.5625
 *   dC/dw   = (0 * 1 + -1.5 * -0.5) / 2                 = 0.375,   w = 0.5 - 0.0375
 *   dC/db   = (0 - 1.5) / 2                             = -0.75,   b = -0.25 + 0.075
 *
 * The others come from the same recurrence in 40-digit decimal arithmetic, for step t, p in (w, b):
 *
 *   g    = mean gradient; for w also + l2 w + l1 sign(w)
 *   g    = g clip / |g| where |g| > clip
 *   w    = w - lr decay w
 *   m    = mu m + g  (adam: mu m + (1 - mu) g),   v = beta2 v + (1 - beta2) g^2
 *   p    = p - lr step, step = g, m, g + mu m, g / (sqrt v + epsilon) or
 *          m / (1 - mu^t) / (sqrt(v / (1 - beta2^t)) + epsilon)
 *
 * With clip 0.8 the norms before it are 1.07, 0.63, 0.63: clipped once; without penalties the first
 * would be 1.03. */
static const double step_x[3][2] = {{1, -0.5}, {2, 0.5}, {-1.5, 1}};
static const double step_y[3][2] = {{0.25, 1}, {-1, 0.75}, {0.5, 0.5}};

static const struct {
    const char *optimizer;
    double w_start, l1, l2, weight_decay, clip_norm;
    double w[3], b[3], cost[3]; /* w, b after the step, cost before it */
} step_cases[] = {
    {.optimizer = "sgd",
     .w_start = 0.5,
     .w = {0.4625, 0.30484375, 0.237111328125},
     .b = {-0.175, -0.2278125, -0.14741015625},
     .cost = {0.5625, 0.885947265625, 0.39582818145751953}},
    {.optimizer = "momentum",
     .w_start = 0.5,
     .w = {0.4625, 0.27109375, 0.038267578125},
     .b = {-0.175, -0.1603125, -0.07428515625},
     .cost = {0.5625, 0.885947265625, 0.32247005157470703}},
    {.optimizer = "nesterov",
     .w_start = 0.5,
     .w = {0.42875, 0.0964234375, -0.120376916015625},
     .b = {-0.1075, -0.151903125, -0.01361485546875},
     .cost = {0.5625, 0.86902744140625, 0.23575772918045044}},
    {.optimizer = "rmsprop",
     .w_start = 0.5,
     .w = {0.058056883701279576, -0.36756135476621244, -0.20589174076701982},
     .b = {0.19456273550833157, -0.01570597298063308, 0.19090538719468028},
     .cost = {0.5625, 0.49874478595925902, 0.19535777524453187}},
    {.optimizer = "adam",
     .w_start = 0.5,
     .w = {0.40026595744680851, 0.31268789895265371, 0.22461730206695243},
     .b = {-0.15013315579227696, -0.13331784799931745, -0.08327503082533011},
     .cost = {0.5625, 0.80345407798492406, 0.32949460436030675}},
    {.optimizer = "adamw",
     .w_start = 0.5,
     .weight_decay = 0.3,
     .w = {0.38526595744680851, 0.28588487851323712, 0.18958015395020867},
     .b = {-0.15013315579227696, -0.13152514482919753, -0.080413969813980087},
     .cost = {0.5625, 0.78156215976241223, 0.31095363465971115}},
    {.optimizer = "sgd",
     .w_start = -0.5,
     .l1 = 0.03,
     .l2 = 0.2,
     .w = {-0.462, -0.414085, -0.3502582375},
     .b = {-0.15, -0.08975, -0.041127125},
     .cost = {0.5, 0.32115925, 0.2521673136828125}},
    {.optimizer = "nesterov",
     .w_start = -0.5,
     .l1 = 0.03,
     .l2 = 0.2,
     .weight_decay = 0.3,
     .clip_norm = 0.8,
     .w = {-0.43100690038521696, -0.32770697149932275, -0.17040452818557641},
     .b = {-0.10791289575057096, 0.051778669305651564, 0.21814661263107191},
     .cost = {0.5, 0.28828176383003681, 0.15098575250891796}},
};

static void take_step_case(struct reference_settings *settings, size_t c)
{
    settings->optimizer = step_cases[c].optimizer;
    settings->lr = 0.1;
    settings->momentum = 0.9;
    settings->beta2 = 0.95;
    settings->epsilon = 0.001;
    settings->l1 = step_cases[c].l1;
    settings->l2 = step_cases[c].l2;
    settings->weight_decay = step_cases[c].weight_decay;
    settings->clip_norm = step_cases[c].clip_norm;
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

/* A gradient that holds NaN must not be taken for small, nor a weight that meets it stay a number.
 */
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

/* ---- Float and refusals -------------------------------------------------------------------- */

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
        cmocka_unit_test(test_chain),
        cmocka_unit_test(test_activations),
        cmocka_unit_test(test_losses),
        cmocka_unit_test(test_extreme_cross_entropy),
        cmocka_unit_test(test_finite_differences),
        cmocka_unit_test(test_steps),
        cmocka_unit_test(test_nan_reaches_everything),
        cmocka_unit_test(test_float_against_double),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
