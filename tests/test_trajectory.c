/* test_trajectory.c: a hundred training steps of the library beside a hundred of the naive
 * reference (bench/reference.c, in double): the same numbers, for every optimizer, with
 * penalties, decay and clipping, over full and shorter batches. Compiled twice, like the core
 * that it tests: float, and double (-DGEMMLP_F64); the public trainer, which is float, is
 * followed in the former. */
#include "sides.h"

#include <string.h>

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

/* ---- the public trainer ---------------------------------------------------------------------- */

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
#ifndef GEMMLP_F64
        cmocka_unit_test(test_public_trainer),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
