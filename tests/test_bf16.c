/* test_bf16.c: rounding to bf16; a hundred steps in bf16 beside a hundred of the naive reference,
 * which rounds the same operands and sums in double; the public trainer in bf16. */
#include "sides.h"

#include <stdlib.h>

#include "core/bf16.h"
#include "core/cpu.h"

/* ---- rounding -------------------------------------------------------------------------------- */

static float from_bits(uint32_t u)
{
    float x;
    memcpy(&x, &u, sizeof x);
    return x;
}

/* By the definition: the nearer neighbour, of two equally near the even one. In double all of this
 * is exact. x is finite. */
static gm_bf16 nearest(uint32_t u)
{
    const gm_bf16 down = (gm_bf16)(u >> 16), up = (gm_bf16)(down + 1); /* away from zero */
    const double x = fabs((double)from_bits(u)), low = fabs((double)gm_bf16_value(down));
    const bool last = (up & 0x7fff) == 0x7f80; /* infinity stands for 2^128 */
    const double high = last ? ldexp(1, 128) : fabs((double)gm_bf16_value(up));
    return x - low < high - x || (x - low == high - x && !(down & 1)) ? down : up;
}

static void check_rounding(uint32_t u)
{
    const gm_bf16 found = gm_bf16_round(from_bits(u)), expected = nearest(u);
    if (found != expected)
        fail_msg("%08x became %04x, expected %04x", u, found, expected);
}

static void test_every_value(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        const uint32_t magnitude = h & 0x7fff;
        if (magnitude >
            0x7f80) { /* NaN of whatever payload, also one that lies in the lower half */
            assert_true(isnan(gm_bf16_value(gm_bf16_round(from_bits(h << 16)))));
            assert_int_equal(gm_bf16_round(from_bits(h << 16 | 1)), h | 0x40);
            continue;
        }
        assert_int_equal(gm_bf16_round(gm_bf16_value((gm_bf16)h)), h);
        if (magnitude == 0x7f80) {
            assert_true(isnan(gm_bf16_value(gm_bf16_round(from_bits(h << 16 | 1)))));
            continue;
        }
        static const uint32_t rest[] = {1, 0x7fff, 0x8000, 0x8001, 0xffff};
        for (size_t i = 0; i < COUNT(rest); i++)
            check_rounding(h << 16 | rest[i]);
    }
}

/* The vectorised loop is the scalar one, for every length, and writes no more. */
static void test_rows(void **state)
{
    (void)state;
    enum { MOST = 100 };
    float x[MOST];
    gm_bf16 out[MOST + 1];
    uint64_t seed = 5;
    for (size_t n = 0; n <= MOST; n++) {
        for (size_t i = 0; i < n; i++)
            x[i] = from_bits((uint32_t)(random_uniform(&seed) * 65536) << 16 |
                             (uint32_t)(random_uniform(&seed) * 65536));
        for (size_t i = 0; i <= n; i++)
            out[i] = 0x1234;
        gm_bf16_row(n, x, out);
        for (size_t i = 0; i < n; i++)
            if (fabs((double)x[i]) >= ldexp(1, -126) || out[i] & 0x7fff) /* or flushed to zero */
                assert_int_equal(out[i], gm_bf16_round(x[i]));
        assert_int_equal(out[n], 0x1234);
    }
}

/* ---- steps ----------------------------------------------------------------------------------- */

/* Both sides round the same numbers, but for those whose sums in float and in double lie on
 * different sides of a tie: such a number is 2^-8 of itself off, one term of many in one product.
 * Most runs of a hundred steps have none, and end 1e-6 of the largest weight apart, as those of
 * float do (2e-4 where the optimizer divides); the others as far as these few terms carry, farthest
 * where it divides by the root of a small squared gradient. So a wrong term, such as a copy of the
 * weights that is one step old, shows in the median of the runs. */
static const double MEDIAN_APART = 1e-3, MOST_APART = 0.15;

static double weights_apart(const struct model *model, struct reference_f64 *r)
{
    struct difference d = {0};
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++)
            difference_add(&d, (double)layer->w[i], reference_weights_f64(r, l)[i]);
        for (size_t j = 0; j < layer->n_out; j++)
            difference_add(&d, (double)layer->b[j], reference_biases_f64(r, l)[j]);
    }
    return difference_relative(&d);
}

/* The copies are those of the weights, to the bit. */
static void assert_rounded(const struct model *model)
{
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++)
            assert_int_equal(model->half[layer->w_at + i], gm_bf16_round(layer->w[i]));
    }
}

static double follow(size_t net, size_t i, const char *optimizer, const char *provider)
{
    gemmlp_training training = training_of(i, optimizer);
    struct side side;
    struct examples e;
    side_create_for(&side, net, &training, provider, PASS_TRAIN_BF16);
    struct reference_f64 *r = reference_of(&side, &training);
    examples_fill(&e, net, side.model->layers[side.model->layer_count - 1].n_out);
    for (size_t j = 0; j < EXAMPLES * N_IN; j++)
        e.x[j] = (double)gm_bf16_value(gm_bf16_round((float)e.x[j]));
    double worst = 0;
    for (size_t step = 0; step < STEPS; step++) {
        const size_t first = step % 4 * BATCH;
        const double cost = side_step(&side, &e, training.lr);
        const double expected =
            reference_step_f64(r, rows_of(step), e.x + first * N_IN, e.y + first * e.outputs);
        worst = fmax(worst, fabs(cost - expected) / fmax(1, fabs(expected)));
        worst = fmax(worst, weights_apart(side.model, r));
        assert_rounded(side.model);
    }
    if (!(worst <= MOST_APART))
        fail_msg("network %zu, %s, %s by %s: %.3g is more than %.3g", net, optimizer, cases[i].name,
                 provider, worst, MOST_APART);
    reference_free_f64(r);
    side_free(&side);
    return worst;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static bool multiplies_bf16(const char *name)
{
    struct gemm_provider *provider;
    const bool good = gm_gemm_open_bf16(name, &provider, NULL) == GEMMLP_OK;
    gm_gemm_close(provider);
    return good;
}

static void test_trajectories(void **state)
{
    (void)state;
    static const char *const providers[] = {"reference", "native", "onednn"};
    const char *optimizer;
    double apart[COUNT(nets) * COUNT(cases)];
    const struct compute_scope scope = gm_compute_begin(2);
    for (size_t p = 0; p < COUNT(providers); p++) {
        if (!multiplies_bf16(providers[p])) {
            print_message("%s multiplies no bf16 here: not followed\n", providers[p]);
            continue;
        }
        for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
            for (size_t i = 0; i < COUNT(apart); i++)
                apart[i] = follow(i / COUNT(cases), i % COUNT(cases), optimizer, providers[p]);
            qsort(apart, COUNT(apart), sizeof *apart, by_value);
            assert_at_most(apart[COUNT(apart) / 2], MEDIAN_APART, optimizer);
        }
    }
    gm_compute_end(scope);
}

/* ---- the public trainer ---------------------------------------------------------------------- */

enum { FEATURES = 20, CLASSES = 3 };

static gemmlp_dataset *make_data(void)
{
    static float x[EXAMPLES * FEATURES];
    static int32_t labels[EXAMPLES];
    gemmlp_dataset *data;
    fill_f32(x, EXAMPLES * FEATURES, 3, -1, 1);
    for (size_t i = 0; i < EXAMPLES; i++)
        labels[i] = (int32_t)(i % CLASSES);
    const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                  .features = FEATURES,
                                  .outputs = CLASSES,
                                  .x_f32 = x,
                                  .labels = labels};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &data, NULL), GEMMLP_OK);
    return data;
}

static gemmlp_model *make_model(const gemmlp_dataset *data)
{
    const gemmlp_layer layers[] = {
        {.n_out = 17, .dropout = 0.25}, {.n_out = 9, .activation = "gelu", .dropout = 0.1}, {0}};
    const gemmlp_network network = {.layer_count = 3, .layers = layers, .seed = 4};
    gemmlp_model *model;
    assert_int_equal(gemmlp_model_create(&network, data, &model, NULL), GEMMLP_OK);
    return model;
}

static gemmlp_training bf16_training(const char *optimizer)
{
    gemmlp_training training = gemmlp_training_default();
    training.optimizer = optimizer;
    training.batch = BATCH;
    training.epochs = 20;
    training.compute = (gemmlp_compute){.threads = 1, .provider = "reference", .precision = "bf16"};
    return training;
}

/* Same bits again; not those of f32, but about as good. */
static void test_repetition(void **state)
{
    (void)state;
    gemmlp_dataset *data = make_data();
    const char *optimizer;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        gemmlp_progress progress[3];
        gemmlp_model *models[3];
        for (size_t i = 0; i < 3; i++) {
            gemmlp_training training = bf16_training(optimizer);
            training.compute.precision = i == 2 ? NULL : "bf16";
            models[i] = make_model(data);
            assert_int_equal(gemmlp_train(models[i], data, NULL, &training, &progress[i], NULL),
                             GEMMLP_OK);
        }
        const size_t bytes = 17 * FEATURES * sizeof(float);
        assert_memory_equal(gemmlp_model_weights(models[0], 0), gemmlp_model_weights(models[1], 0),
                            bytes);
        assert_true(memcmp(gemmlp_model_weights(models[0], 0), gemmlp_model_weights(models[2], 0),
                           bytes) != 0);
        assert_true(progress[0].train.loss == progress[1].train.loss);
        assert_at_most(fabs(progress[0].train.loss / progress[2].train.loss - 1), 0.05, optimizer);
        for (size_t i = 0; i < 3; i++)
            gemmlp_model_free(models[i]);
    }
    gemmlp_dataset_free(data);
}

/* Weights that the caller writes between two runs are those that the next step multiplies with. */
static void test_written_weights(void **state)
{
    (void)state;
    gemmlp_dataset *data = make_data();
    double cost[2];
    for (size_t written = 0; written < 2; written++) {
        gemmlp_training training = bf16_training("sgd");
        training.lr = 0; /* what changes was written */
        training.batch = EXAMPLES;
        gemmlp_model *model = make_model(data);
        gemmlp_trainer *trainer;
        gemmlp_progress progress;
        assert_int_equal(gemmlp_trainer_create(model, data, NULL, &training, &trainer, NULL),
                         GEMMLP_OK);
        float *w = gemmlp_model_weights(model, 2);
        assert_int_equal(gemmlp_trainer_run(trainer, 0, NULL), GEMMLP_OK);
        for (size_t i = 0; written && i < CLASSES * 9; i++)
            w[i] = 0;
        assert_int_equal(gemmlp_trainer_run(trainer, 0, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &progress);
        cost[written] = progress.train.loss;
        gemmlp_trainer_settings(trainer, &training);
        assert_string_equal(training.compute.precision, "bf16");
        gemmlp_trainer_free(trainer);
        gemmlp_model_free(model);
    }
    assert_at_most(fabs(cost[1] - log(CLASSES)), 1e-5, "the cost of equal outputs");
    assert_true(fabs(cost[0] - log(CLASSES)) > 1e-3);
    gemmlp_dataset_free(data);
}

static void test_refused(void **state)
{
    (void)state;
    gemmlp_dataset *data = make_data();
    gemmlp_model *model = make_model(data);
    gemmlp_training training = bf16_training("sgd");
    gemmlp_trainer *trainer;
    gemmlp_error error;
    training.compute.precision = "f16";
    assert_int_equal(gemmlp_trainer_create(model, data, NULL, &training, &trainer, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "f32, bf16"));
    training.compute.precision = "bf16";
    training.compute.provider = "openblas";
    assert_int_equal(gemmlp_trainer_create(model, data, NULL, &training, &trainer, &error),
                     GEMMLP_UNSUPPORTED);
    assert_null(trainer);
    gemmlp_model_free(model);
    gemmlp_dataset_free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_value),     cmocka_unit_test(test_rows),
        cmocka_unit_test(test_trajectories),    cmocka_unit_test(test_repetition),
        cmocka_unit_test(test_written_weights), cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
