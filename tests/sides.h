/* sides.h: for tests of training steps: networks, settings and examples; the library's side of a
 * comparison, and the naive reference (bench/reference.c) made equal to it. For float, and with
 * -DGEMMLP_F64 for double. */
#ifndef GM_TEST_SIDES_H
#define GM_TEST_SIDES_H

#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "../bench/reference.h"
#include "data/batch.h"
#include "nn/network.h"
#include "train/step.h"

enum { MAX_LAYERS = 4, STEPS = 100, EXAMPLES = 29, BATCH = 8, N_IN = 6 };

/* Rounding differs between the two: the order of the sums, fused multiply-adds, other exp and tanh.
 * Each step adds some units of the last place of its weights, eps = 6e-8 or 1.1e-16, and hands on
 * what the steps before have added, by factors I - eta H that are near 1 here. A hundred steps of a
 * few eps leave about 500 eps, relative to the largest weight of the network; a wrong term, even
 * one of 1e-3 of the gradient, is beyond 1e-4.
 *
 * Where rounding decides on which side of a kink something lies, the two move apart at once: by
 * 2 eta l1 where a weight meets the kink of |w|, by eta delta x / batch where a z meets that of
 * relu. In a hundred steps of float this happens, in double it does not: so there float is held
 * only to what a few such events leave, and double, made from the same source, to its rounding. */
#ifdef GEMMLP_F64
#define TOLERANCE       1e-11
#define TOLERANCE_L1    1e-11
#define TOLERANCE_KINKS 1e-11
#else
#define TOLERANCE       3e-5
#define TOLERANCE_L1    1e-3
#define TOLERANCE_KINKS 2e-2
#endif

static inline bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

/* ---- networks and settings ------------------------------------------------------------------- */

static const struct {
    gemmlp_task task;
    const char *activations[MAX_LAYERS], *loss;
    size_t sizes[MAX_LAYERS + 1];
    double label_smoothing;
    bool kinks;
} nets[] = {
    {GEMMLP_CLASSIFY, {"tanh", "sigmoid", "softmax"}, "cross_entropy", {N_IN, 9, 5, 4}, 0.1, false},
    {GEMMLP_REGRESS, {"softplus", "gelu", "identity"}, "mse", {N_IN, 7, 1, 3}, 0, false},
    {GEMMLP_MULTILABEL, {"leaky_relu", "sigmoid"}, "cross_entropy", {N_IN, 13, 5}, 0, true},
    {GEMMLP_CLASSIFY,
     {"silu", "elu", "tanh", "softmax"},
     "quadratic",
     {N_IN, 5, 8, 3, 4},
     0.2,
     false},
    {GEMMLP_REGRESS, {"relu", "tanh"}, "huber", {N_IN, 11, 2}, 0, true},
    {GEMMLP_CLASSIFY, {"sigmoid"}, "half_quadratic", {N_IN, 4}, 0, false},
};

static const struct {
    const char *name;
    double l1, l2, weight_decay, clip_norm;
    bool clips; /* every step, else none */
} cases[] = {
    {"plain", 0, 0, 0, 0, false},
    {"l2", 0, 0.03, 0, 0, false},
    {"l1", 0.004, 0, 0, 0, false},
    {"l1, l2 and decay", 0.002, 0.02, 0.05, 0, false},
    {"decay", 0, 0, 0.1, 0, false},
    {"clipping every step", 0, 0, 0, 0.01, true},
    {"clipping with l1, l2 and decay", 0.002, 0.02, 0.05, 0.01, true},
    {"clipping never reached", 0.002, 0.02, 0, 1e4, false},
};

/* epsilon is large for the optimizers that divide by the root of the squared gradient: where a
 * gradient is smaller than its own rounding error, the default would make steps of size eta in a
 * random direction, here and there a different one. */
static inline gemmlp_training training_of(size_t i, const char *optimizer)
{
    gemmlp_training t = gemmlp_training_default();
    t.optimizer = optimizer;
    t.lr = is(optimizer, "sgd") ? 0.1 : 0.02;
    t.momentum = 0.85;
    t.beta2 = 0.97;
    t.epsilon = 1e-3;
    t.l1 = cases[i].l1;
    t.l2 = cases[i].l2;
    t.weight_decay = cases[i].weight_decay;
    t.clip_norm = cases[i].clip_norm;
    return t;
}

static inline double tolerance_of(size_t net, const gemmlp_training *training)
{
    return nets[net].kinks ? TOLERANCE_KINKS : training->l1 > 0 ? TOLERANCE_L1 : TOLERANCE;
}

/* ---- the two sides --------------------------------------------------------------------------- */

struct side {
    struct network network;
    struct model *model;
    struct gemm_provider *provider;
    struct pass *pass;
    struct step step;
    size_t steps;
};

/* provider NULL: the automatic one. */
static inline void side_create_for(struct side *side, size_t net, const gemmlp_training *training,
                                   const char *provider, enum pass_purpose purpose)
{
    gemmlp_layer layers[MAX_LAYERS];
    gemmlp_network network = {.n_in = N_IN,
                              .layers = layers,
                              .task = nets[net].task,
                              .loss = nets[net].loss,
                              .label_smoothing = nets[net].label_smoothing,
                              .seed = 17 + net};
    gemmlp_error error;
    for (size_t l = 0; l < MAX_LAYERS && nets[net].activations[l]; l++) {
        layers[l] = (gemmlp_layer){.n_out = nets[net].sizes[l + 1],
                                   .activation = nets[net].activations[l],
                                   .init = "nielsen"};
        network.layer_count = l + 1;
    }
    *side = (struct side){0};
    assert_int_equal(gm_network_resolve(&network, NULL, &side->network, &error), GEMMLP_OK);
    assert_int_equal(model_create(&side->network.spec, &side->model, &error), GEMMLP_OK);
    assert_int_equal(model_initialise(side->model, &error), GEMMLP_OK);
    assert_int_equal(gm_gemm_open(provider, &side->provider, &error), GEMMLP_OK);
    if (purpose == PASS_TRAIN_BF16) {
        assert_int_equal(model_halve(side->model, &error), GEMMLP_OK);
        model_round(side->model);
    }
    assert_int_equal(pass_create(side->model, side->provider, purpose, BATCH, EXAMPLES % BATCH,
                                 &side->pass, &error),
                     GEMMLP_OK);
    side->step.pass = side->pass;
    assert_int_equal(optimizer_create(side->model, training, &side->step.optimizer, &error),
                     GEMMLP_OK);
}

static inline void side_create(struct side *side, size_t net, const gemmlp_training *training)
{
    side_create_for(side, net, training, NULL, PASS_TRAIN);
}

static inline void side_free(struct side *side)
{
    optimizer_free(side->step.optimizer);
    pass_free(side->pass);
    gm_gemm_close(side->provider);
    model_free(side->model);
    gm_network_free(&side->network);
}

static inline struct reference_f64 *reference_of(const struct side *side,
                                                 const gemmlp_training *training)
{
    const struct model *model = side->model;
    struct reference_settings s = {.layer_count = model->layer_count,
                                   .sizes = {N_IN},
                                   .loss = side->network.spec.loss,
                                   .label_smoothing = side->network.spec.label_smoothing,
                                   .optimizer = training->optimizer,
                                   .lr = training->lr,
                                   .momentum = training->momentum,
                                   .beta2 = training->beta2,
                                   .epsilon = training->epsilon,
                                   .l1 = training->l1,
                                   .l2 = training->l2,
                                   .weight_decay = training->weight_decay,
                                   .clip_norm = training->clip_norm,
                                   .bf16 = side->pass->x16 != NULL};
    for (size_t l = 0; l < model->layer_count; l++) {
        s.sizes[l + 1] = model->layers[l].n_out;
        s.activations[l] = side->network.layers[l].activation;
    }
    struct reference_f64 *r = reference_create_f64(&s);
    if (r == NULL) {
        fail_msg("the reference does not know %s, %s or an activation of this network",
                 training->optimizer, s.loss);
        abort(); /* not reached */
    }
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++) {
            reference_weights_f64(r, l)[i] = (double)layer->w[i];
        }
        for (size_t j = 0; j < layer->n_out; j++) {
            reference_biases_f64(r, l)[j] = (double)layer->b[j];
        }
    }
    return r;
}

/* ---- examples: the same for both, exact in float --------------------------------------------- */

struct examples {
    double x[EXAMPLES * N_IN], y[EXAMPLES * 8];
    size_t outputs;
};

static inline void examples_fill(struct examples *e, size_t net, size_t outputs)
{
    uint64_t state = 99 + net;
    assert_true(outputs <= 8);
    e->outputs = outputs;
    fill_f64(e->x, EXAMPLES * N_IN, 7 + net, -1.5, 1.5);
    fill_f64(e->y, EXAMPLES * outputs, 8 + net, -1, 1);
    for (size_t i = 0; i < EXAMPLES && nets[net].task != GEMMLP_REGRESS; i++) {
        const size_t label = (size_t)(random_uniform(&state) * (double)outputs);
        for (size_t j = 0; j < outputs; j++) {
            double *y = &e->y[i * outputs + j];
            *y = nets[net].task == GEMMLP_CLASSIFY ? j == label : *y > 0;
        }
    }
}

/* Batches of 8, 8, 8 and 5, again and again. */
static inline size_t rows_of(size_t step)
{
    const size_t first = step % 4 * BATCH;
    return EXAMPLES - first < BATCH ? EXAMPLES - first : BATCH;
}

/* One step of the library; the mean cost before it. */
static inline double side_step(struct side *side, const struct examples *e, double lr)
{
    const size_t first = side->steps % 4 * BATCH, rows = rows_of(side->steps);
    pass_set_rows(side->pass, rows);
    for (size_t i = 0; i < rows * N_IN; i++) {
        const real x = (real)e->x[first * N_IN + i];
        if (side->pass->x16)
            real_to_bf16(1, &x, side->pass->x16 + i);
        else
            for (size_t copy = 0; copy < side->pass->x_copies; copy++)
                side->pass->x[copy * side->pass->x_stride + i] = x;
    }
    for (size_t i = 0; i < rows * e->outputs; i++) {
        side->pass->y[i] = (real)e->y[first * e->outputs + i];
    }
    return step_run(&side->step, side->steps++, lr) / (double)rows;
}

/* Which way is taken, and that a way without gradient has none. */
static inline void assert_fold(const struct optimizer *optimizer, const gemmlp_training *t)
{
    enum fold fold = optimizer->rule->fold;
    if (t->clip_norm > 0 || t->general_path || (fold == FOLD_INTO_WEIGHTS && t->l1 > 0)) {
        fold = FOLD_NONE;
    }
    assert_int_equal(optimizer->fold, fold);
    assert_int_equal(optimizer->gradient == NULL, fold != FOLD_NONE);
    assert_int_equal(optimizer->rule->fold, is(t->optimizer, "sgd")        ? FOLD_INTO_WEIGHTS
                                            : is(t->optimizer, "momentum") ? FOLD_INTO_SLOT
                                                                           : FOLD_NONE);
}

#endif
