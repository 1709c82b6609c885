/* reference_cases.h: for tests of the naive reference: the values of its activations, the steps
 * of its optimizers, and a small network with its batch. */
#ifndef GM_TEST_REFERENCE_CASES_H
#define GM_TEST_REFERENCE_CASES_H

#include "support.h"

#include <stdbool.h>
#include <string.h>

#include "../bench/reference.h"

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

enum { LAYERS = 3, BATCH = 3, LARGEST_TENSOR = 20 };

static const size_t sizes[LAYERS + 1] = {4, 5, 3, 2};

struct batch {
    double x[BATCH * 4], y[BATCH * 2];
};

/* The 4-5-3-2 network that the tests share, `hidden` in both hidden layers. */
static inline struct reference_settings three_layers(const char *hidden, const char *output,
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
static inline void fill_batch(struct batch *batch, const struct reference_settings *settings)
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

static inline void fill_parameters(struct reference_f64 *r)
{
    for (size_t l = 0; l < LAYERS; l++) {
        fill_f64(reference_weights_f64(r, l), sizes[l] * sizes[l + 1], 10 + l, -1, 1);
        fill_f64(reference_biases_f64(r, l), sizes[l + 1], 20 + l, 0, 1);
    }
}

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

static inline void take_step_case(struct reference_settings *settings, size_t c)
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

#endif
