/* test_trajectory.c: a hundred training steps of the library beside a hundred of the naive
 * reference (bench/reference.c, in double): the same numbers, for every optimizer, with penalties,
 * decay and clipping, over full and shorter batches; the update that is folded into its matrix
 * product beside the general path. Compiled twice, like the core that it tests: float, and double
 * (-DGEMMLP_F64); the public trainer, which is float, is followed in the former. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "data/batch.h"
#include "nn/network.h"
#include "train/step.h"

#include "../bench/reference.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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

static bool is(const char *name, const char *other)
{
    return strcmp(name, other) == 0;
}

/* ---- networks and settings ------------------------------------------------------------------ */

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
static gemmlp_training training_of(size_t i, const char *optimizer)
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

static double tolerance_of(size_t net, const gemmlp_training *training)
{
    return nets[net].kinks ? TOLERANCE_KINKS : training->l1 > 0 ? TOLERANCE_L1 : TOLERANCE;
}

/* ---- the two sides -------------------------------------------------------------------------- */

struct side {
    struct network network;
    struct model *model;
    struct pass *pass;
    struct step step;
    size_t steps;
};

static void side_create(struct side *side, size_t net, const gemmlp_training *training)
{
    gemmlp_layer layers[MAX_LAYERS];
    gemmlp_network network = {.n_in = N_IN,
                              .layers = layers,
                              .task = nets[net].task,
                              .loss = nets[net].loss,
                              .label_smoothing = nets[net].label_smoothing,
                              .seed = 17 + net};
    const struct gemm_provider *provider;
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
    assert_int_equal(gm_gemm_provider(NULL, &provider, &error), GEMMLP_OK);
    assert_int_equal(pass_create(side->model, provider, PASS_TRAIN, BATCH, EXAMPLES % BATCH,
                                 &side->pass, &error),
                     GEMMLP_OK);
    side->step.pass = side->pass;
    assert_int_equal(optimizer_create(side->model, training, &side->step.optimizer, &error),
                     GEMMLP_OK);
}

static void side_free(struct side *side)
{
    optimizer_free(side->step.optimizer);
    pass_free(side->pass);
    model_free(side->model);
    gm_network_free(&side->network);
}

static struct reference_f64 *reference_of(const struct side *side, const gemmlp_training *training)
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
                                   .clip_norm = training->clip_norm};
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

static void examples_fill(struct examples *e, size_t net, size_t outputs)
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
static size_t rows_of(size_t step)
{
    const size_t first = step % 4 * BATCH;
    return EXAMPLES - first < BATCH ? EXAMPLES - first : BATCH;
}

/* One step of the library; the mean cost before it. */
static double side_step(struct side *side, const struct examples *e, double lr)
{
    const size_t first = side->steps % 4 * BATCH, rows = rows_of(side->steps);
    pass_set_rows(side->pass, rows);
    for (size_t i = 0; i < rows * N_IN; i++) {
        side->pass->x[i] = (real)e->x[first * N_IN + i];
    }
    for (size_t i = 0; i < rows * e->outputs; i++) {
        side->pass->y[i] = (real)e->y[first * e->outputs + i];
    }
    return step_run(&side->step, side->steps++, lr) / (double)rows;
}

/* ---- against the reference ------------------------------------------------------------------- */

static double reference_difference(const struct model *model, struct reference_f64 *r)
{
    struct difference d = {0};
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++) {
            difference_add(&d, (double)layer->w[i], reference_weights_f64(r, l)[i]);
        }
        for (size_t j = 0; j < layer->n_out; j++) {
            difference_add(&d, (double)layer->b[j], reference_biases_f64(r, l)[j]);
        }
    }
    return difference_relative(&d);
}

/* Of the gradient that the optimizer saw. */
static double reference_norm(const struct model *model, const struct reference_f64 *r)
{
    double squares = 0;
    for (size_t l = 0; l < model->layer_count; l++) {
        const double *g = reference_weight_gradient_f64(r, l);
        for (size_t i = 0; i < model->layers[l].n_out * model->layers[l].n_in; i++) {
            squares += g[i] * g[i];
        }
        g = reference_bias_gradient_f64(r, l);
        for (size_t j = 0; j < model->layers[l].n_out; j++) {
            squares += g[j] * g[j];
        }
    }
    return sqrt(squares);
}

/* Which way is taken, and that a way without gradient has none. */
static void assert_fold(const struct optimizer *optimizer, const gemmlp_training *t)
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

static void follow(size_t net, size_t i, const char *optimizer)
{
    gemmlp_training training = training_of(i, optimizer);
    struct side side;
    struct examples e;
    side_create(&side, net, &training);
    assert_fold(side.step.optimizer, &training);
    struct reference_f64 *r = reference_of(&side, &training);
    examples_fill(&e, net, side.model->layers[side.model->layer_count - 1].n_out);
    double worst = 0;
    for (size_t step = 0; step < STEPS; step++) {
        const size_t first = step % 4 * BATCH;
        const double cost = side_step(&side, &e, training.lr);
        const double expected =
            reference_step_f64(r, rows_of(step), e.x + first * N_IN, e.y + first * e.outputs);
        worst = fmax(worst, fabs(cost - expected) / fmax(1, fabs(expected)));
        worst = fmax(worst, reference_difference(side.model, r));
        if (cases[i].clip_norm > 0) {
            const double norm = reference_norm(side.model, r) / cases[i].clip_norm;
            assert_true(cases[i].clips ? fabs(norm - 1) < 1e-9 : norm < 0.5);
        }
    }
    const double tolerance = tolerance_of(net, &training);
    if (!(worst <= tolerance)) {
        fail_msg("network %zu, %s, %s: %.3g is more than %.3g", net, optimizer, cases[i].name,
                 worst, tolerance);
    }
    reference_free_f64(r);
    side_free(&side);
}

static void test_reference(void **state)
{
    (void)state;
    const char *optimizer;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        for (size_t net = 0; net < COUNT(nets); net++) {
            for (size_t i = 0; i < COUNT(cases); i++) {
                follow(net, i, optimizer);
            }
        }
    }
}

/* ---- the folded update against the general one ----------------------------------------------- */

static void compare_paths(size_t net, size_t i, const char *optimizer)
{
    gemmlp_training training = training_of(i, optimizer), general = training;
    struct side folded_side, general_side;
    struct examples e;
    general.general_path = true;
    side_create(&folded_side, net, &training);
    side_create(&general_side, net, &general);
    assert_fold(folded_side.step.optimizer, &training);
    assert_fold(general_side.step.optimizer, &general);
    assert_int_equal(folded_side.model->slab_size, general_side.model->slab_size);
    examples_fill(&e, net, folded_side.model->layers[folded_side.model->layer_count - 1].n_out);
    struct difference d = {0};
    for (size_t step = 0; step < STEPS; step++) {
        side_step(&folded_side, &e, training.lr);
        side_step(&general_side, &e, training.lr);
    }
    for (size_t k = 0; k < folded_side.model->slab_size; k++) {
        difference_add(&d, (double)folded_side.model->slab[k], (double)general_side.model->slab[k]);
    }
    assert_at_most(difference_relative(&d), tolerance_of(net, &training), optimizer);
    side_free(&folded_side);
    side_free(&general_side);
}

static void test_fold(void **state)
{
    (void)state;
    static const char *const folding[] = {"sgd", "momentum"};
    for (size_t o = 0; o < COUNT(folding); o++) {
        for (size_t net = 0; net < COUNT(nets); net++) {
            for (size_t i = 0; i < COUNT(cases); i++) {
                compare_paths(net, i, folding[o]);
            }
        }
    }
}

/* A learning rate that changes from step to step, as schedules make it. */
static void test_fold_with_changing_rate(void **state)
{
    (void)state;
    for (size_t o = 0; o < 2; o++) {
        gemmlp_training training = training_of(1, o ? "momentum" : "sgd"), general = training;
        struct side sides[2];
        struct examples e;
        general.general_path = true;
        side_create(&sides[0], 0, &training);
        side_create(&sides[1], 0, &general);
        examples_fill(&e, 0, 4);
        for (size_t step = 0; step < STEPS; step++) {
            const double lr = 0.001 * (double)(1 + step % 37);
            assert_close(side_step(&sides[0], &e, lr), side_step(&sides[1], &e, lr), TOLERANCE,
                         "C");
        }
        side_free(&sides[0]);
        side_free(&sides[1]);
    }
}

/* ---- the public trainer ------------------------------------------------------------------------
 */

#ifndef GEMMLP_F64
static void test_public_trainer(void **state)
{
    (void)state;
    enum { NET = 0, EPOCHS = 6, SEED = 12 };
    static float x[EXAMPLES * N_IN];
    static int32_t labels[EXAMPLES];
    static struct examples e, shuffled;
    gemmlp_layer layers[] = {{.n_out = 9, .activation = "tanh"},
                             {.n_out = 5, .activation = "sigmoid"},
                             {.n_out = 4, .activation = "softmax"}};
    examples_fill(&e, NET, 4);
    for (size_t i = 0; i < EXAMPLES; i++) {
        for (size_t j = 0; j < 4; j++) {
            labels[i] += e.y[i * 4 + j] > 0 ? (int32_t)j : 0;
        }
    }
    for (size_t i = 0; i < EXAMPLES * N_IN; i++) {
        x[i] = (float)e.x[i];
    }
    const gemmlp_arrays arrays = {
        .examples = EXAMPLES, .features = N_IN, .outputs = 4, .x_f32 = x, .labels = labels};
    const gemmlp_network network = {.layer_count = 3,
                                    .layers = layers,
                                    .label_smoothing = nets[NET].label_smoothing,
                                    .preprocess = "none",
                                    .seed = 17};
    const char *optimizer;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        gemmlp_training training = training_of(3, optimizer);
        gemmlp_dataset *data;
        gemmlp_model *model;
        struct side side;
        uint32_t order[EXAMPLES];
        training.schedule = "constant";
        training.batch = BATCH;
        training.epochs = EPOCHS;
        training.seed = SEED;
        assert_int_equal(gemmlp_dataset_wrap(&arrays, &data, NULL), GEMMLP_OK);
        assert_int_equal(gemmlp_model_create(&network, data, &model, NULL), GEMMLP_OK);
        side_create(&side, NET, &training);
        for (size_t l = 0; l < 3; l++) { /* the same initial parameters */
            struct layer *layer = &side.model->layers[l];
            memcpy(layer->w, gemmlp_model_weights(model, l),
                   layer->n_out * layer->n_in * sizeof *layer->w);
            memcpy(layer->b, gemmlp_model_biases(model, l), layer->n_out * sizeof *layer->b);
        }
        struct reference_f64 *r = reference_of(&side, &training);
        assert_int_equal(gemmlp_train(model, data, NULL, &training, NULL, NULL), GEMMLP_OK);
        for (size_t epoch = 0; epoch < EPOCHS; epoch++) {
            gm_shuffle(SEED, epoch, EXAMPLES, order);
            for (size_t i = 0; i < EXAMPLES; i++) {
                memcpy(shuffled.x + i * N_IN, e.x + order[i] * N_IN, N_IN * sizeof *e.x);
                memcpy(shuffled.y + i * 4, e.y + order[i] * 4, 4 * sizeof *e.y);
            }
            for (size_t first = 0; first < EXAMPLES; first += BATCH) {
                const size_t rows = EXAMPLES - first < BATCH ? EXAMPLES - first : BATCH;
                reference_step_f64(r, rows, shuffled.x + first * N_IN, shuffled.y + first * 4);
            }
        }
        for (size_t l = 0; l < 3; l++) {
            struct layer *layer = &side.model->layers[l];
            memcpy(layer->w, gemmlp_model_weights(model, l),
                   layer->n_out * layer->n_in * sizeof *layer->w);
            memcpy(layer->b, gemmlp_model_biases(model, l), layer->n_out * sizeof *layer->b);
        }
        assert_at_most(reference_difference(side.model, r), tolerance_of(NET, &training),
                       optimizer);
        reference_free_f64(r);
        side_free(&side);
        gemmlp_model_free(model);
        gemmlp_dataset_free(data);
    }
}
#endif

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_reference),
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_with_changing_rate),
#ifndef GEMMLP_F64
        cmocka_unit_test(test_public_trainer),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
