/* test_trainer.c: training through the public calls: that it learns, stops and goes back to the
 * best, gives the same bits again whatever the pieces, and weights classes. */
#include "clouds.h"

#include <string.h>

/* ---- learning -------------------------------------------------------------------------------- */

static void test_learns(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 0.8);
    const char *optimizer, *schedule;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        for (size_t s = 0; (schedule = gemmlp_name(GEMMLP_SCHEDULES, s)) != NULL; s++) {
            gemmlp_model *model = model_of(c.data, 16, 0, 1);
            gemmlp_training training = training_of(optimizer, -1, 10, 60);
            training.schedule = schedule;
            train(model, c.data, NULL, &training);
            const gemmlp_metrics metrics = evaluate(model, c.data, NULL);
            if (!(metrics.loss < 0.2 && metrics.accuracy > 0.97)) {
                fail_msg("%s with %s: loss %g, accuracy %g", optimizer, schedule, metrics.loss,
                         metrics.accuracy);
            }
            gemmlp_model_free(model);
        }
    }
    gemmlp_dataset_free(c.data);
}

static void test_learns_with_threads(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 0.8);
    for (int threads = 1; threads <= 2; threads++) {
        gemmlp_model *model = model_of(c.data, 256, 0.2, 1); /* large enough to be worth two */
        gemmlp_training training = training_of("momentum", 0.05, 90, 30);
        training.compute.threads = threads;
        train(model, c.data, c.data, &training);
        assert_at_most(evaluate(model, c.data, NULL).loss, 0.2, "the loss");
        gemmlp_model_free(model);
    }
    gemmlp_dataset_free(c.data);
}

/* By `native`, whose threads have their own copies of a batch: the weights have the same bits as
 * after training on one thread. */
static void test_any_number_of_threads(void **state)
{
    (void)state;
    enum { N_IN = 80, COUNT_OF = 190, CLASSES_OF = 3 };
    static float x[COUNT_OF * N_IN];
    int32_t labels[COUNT_OF];
    fill_f32(x, COUNT_OF * N_IN, 3, -1, 1);
    for (size_t i = 0; i < COUNT_OF; i++)
        labels[i] = (int32_t)(i % CLASSES_OF);
    const gemmlp_arrays arrays = {.examples = COUNT_OF,
                                  .features = N_IN,
                                  .outputs = CLASSES_OF,
                                  .task = GEMMLP_CLASSIFY,
                                  .x_f32 = x,
                                  .labels = labels};
    gemmlp_dataset *data;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &data, NULL), GEMMLP_OK);
    gemmlp_model *models[4] = {NULL};
    for (int threads = 1; threads < 4; threads++) {
        models[threads] = model_of(data, 128, 0, 1);
        gemmlp_training training = training_of("adam", 0.01, 100, 3); /* and 90, the last batch */
        training.compute.threads = threads;
        training.compute.provider = "native";
        train(models[threads], data, NULL, &training);
        assert_true(same_parameters(models[1], models[threads]));
    }
    for (int threads = 1; threads < 4; threads++)
        gemmlp_model_free(models[threads]);
    gemmlp_dataset_free(data);
}

/* ---- early stopping -------------------------------------------------------------------------- */

/* Labels that the inputs say nothing about: what is learnt makes the validation loss worse. */
static void test_early_stopping(void **state)
{
    (void)state;
    enum { PATIENCE = 4 };
    struct clouds c, v;
    uint64_t random = 3;
    clouds_create(&c, 1, 1);
    clouds_create(&v, 2, 1);
    for (size_t i = 0; i < EXAMPLES; i++) {
        c.labels[i] = (int32_t)(3 * random_uniform(&random));
        v.labels[i] = (int32_t)(3 * random_uniform(&random));
    }
    gemmlp_training training = training_of("adam", 0.005, 10, 500);
    training.patience = PATIENCE;
    gemmlp_model *model = model_of(c.data, 16, 0, 1);
    gemmlp_trainer *trainer = trainer_of(model, c.data, v.data, &training);
    gemmlp_progress p = {0};
    double best = INFINITY;
    size_t best_epoch = 0;
    static float at_best[ROOM], at_end[ROOM];
    size_t count = 0;
    for (size_t epoch = 1; !p.finished; epoch++) {
        assert_int_equal(gemmlp_trainer_run(trainer, INFINITY, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &p);
        assert_int_equal(p.epoch, epoch);
        assert_int_equal(p.valid.examples, EXAMPLES);
        if (!p.finished) {
            assert_close(evaluate(model, v.data, NULL).loss, p.valid.loss, 1e-6, "the loss now");
            if (p.valid.loss < best) {
                best = p.valid.loss;
                best_epoch = epoch;
                count = parameters_of(model, at_best);
            }
        }
        assert_int_equal(p.best_epoch, best_epoch);
    }
    assert_true(best_epoch > 0 && p.epoch == best_epoch + PATIENCE && p.epoch < 500);
    parameters_of(model, at_end);
    assert_memory_equal(at_end, at_best, count * sizeof *at_best);
    assert_true(p.valid.loss == best);
    assert_close(evaluate(model, v.data, NULL).loss, best, 1e-6, "the loss at the end");
    /* Finished is finished. */
    assert_int_equal(gemmlp_trainer_run(trainer, INFINITY, NULL), GEMMLP_OK);
    gemmlp_trainer_progress(trainer, &p);
    assert_int_equal(p.epoch, best_epoch + PATIENCE);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
    gemmlp_dataset_free(v.data);
}

/* ---- pieces and bits ------------------------------------------------------------------------- */

static void test_one_step_at_a_time(void **state)
{
    (void)state;
    enum { BATCH = 20, EPOCHS = 3 };
    struct clouds c;
    clouds_create(&c, 1, 1);
    gemmlp_training training = training_of("adam", 0.01, BATCH, EPOCHS);
    training.seed = 5;
    gemmlp_model *one_go = model_of(c.data, 16, 0.3, 1), *pieces = model_of(c.data, 16, 0.3, 1);
    assert_true(same_parameters(one_go, pieces));
    train(one_go, c.data, NULL, &training);
    gemmlp_trainer *trainer = trainer_of(pieces, c.data, NULL, &training);
    gemmlp_progress p;
    gemmlp_trainer_progress(trainer, &p);
    assert_int_equal(p.steps_per_epoch, 5);
    assert_int_equal(p.epochs, EPOCHS);
    for (size_t step = 1; step <= 5 * EPOCHS; step++) {
        assert_false(p.finished);
        assert_false(same_parameters(one_go, pieces));
        assert_int_equal(gemmlp_trainer_run(trainer, 0, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &p);
        assert_int_equal(p.step, step);
        assert_int_equal(p.epoch, step / 5);
        assert_int_equal(p.epoch_completed, step % 5 == 0);
        assert_int_equal(p.train.examples, step % 5 ? step % 5 * BATCH : EXAMPLES);
        assert_true(p.learning_rate == 0.01);
        assert_int_equal(p.valid.examples, 0);
        assert_int_equal(p.best_epoch, 0);
    }
    assert_true(p.finished && p.train_seconds > 0 && p.examples_per_second > 0 && p.gflops > 0);
    assert_true(same_parameters(one_go, pieces));
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(one_go);
    gemmlp_model_free(pieces);
    gemmlp_dataset_free(c.data);
}

static void test_seeds(void **state)
{
    (void)state;
    struct clouds c;
    clouds_create(&c, 1, 1);
    for (size_t i = 0; i < 3; i++) { /* shuffling, dropout, initial weights */
        const double dropout = i == 1 ? 0.4 : 0;
        const size_t batch = i == 0 ? 20 : EXAMPLES;
        gemmlp_training training = training_of("adam", 0.01, batch, 3);
        gemmlp_model *first = model_of(c.data, 16, dropout, 1);
        gemmlp_model *same = model_of(c.data, 16, dropout, 1);
        gemmlp_model *other = model_of(c.data, 16, dropout, i == 2 ? 2 : 1);
        training.seed = 5;
        train(first, c.data, NULL, &training);
        train(same, c.data, NULL, &training);
        training.seed = i == 2 ? 5 : 6;
        train(other, c.data, NULL, &training);
        assert_true(same_parameters(first, same));
        assert_false(same_parameters(first, other));
        gemmlp_model_free(first);
        gemmlp_model_free(same);
        gemmlp_model_free(other);
    }
    gemmlp_dataset_free(c.data);
}

static void test_batch_sizes(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_progress p;
    clouds_create(&c, 1, 0.8);
    static const size_t batches[] = {1, 7, 89, 90, 91, 1000000};
    static const size_t steps[] = {90, 13, 2, 1, 1, 1};
    for (size_t i = 0; i < 6; i++) {
        gemmlp_model *model = model_of(c.data, 16, 0, 1);
        gemmlp_training training = training_of("sgd", 0.05, batches[i], 20);
        const double before = evaluate(model, c.data, NULL).loss;
        p = train(model, c.data, NULL, &training);
        assert_int_equal(p.steps_per_epoch, steps[i]);
        assert_int_equal(p.step, 20 * steps[i]);
        assert_int_equal(p.train.examples, EXAMPLES);
        assert_true(evaluate(model, c.data, NULL).loss < before);
        gemmlp_model_free(model);
    }
    gemmlp_dataset_free(c.data);
}

/* ---- class weights --------------------------------------------------------------------------- */

/* Over the whole set, class 1 weighted by 2 is class 1 with each example twice, but for the number
 * of examples, by which the mean is taken. */
static void test_class_weights(void **state)
{
    (void)state;
    enum { ONES = EXAMPLES / CLASSES, TWICE = EXAMPLES + ONES };
    struct clouds c;
    static float x[TWICE * FEATURES];
    int32_t labels[TWICE];
    size_t n = EXAMPLES;
    clouds_create(&c, 1, 1);
    memcpy(x, c.x, sizeof c.x);
    memcpy(labels, c.labels, sizeof c.labels);
    for (size_t i = 0; i < EXAMPLES; i++) {
        if (labels[i] == 1) {
            memcpy(x + n * FEATURES, x + i * FEATURES, FEATURES * sizeof *x);
            labels[n++] = 1;
        }
    }
    assert_int_equal(n, TWICE);
    gemmlp_arrays arrays = c.arrays;
    gemmlp_dataset *doubled;
    arrays.examples = TWICE;
    arrays.x_f32 = x;
    arrays.labels = labels;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &doubled, NULL), GEMMLP_OK);

    double weights[CLASSES] = {1, 2, 1};
    gemmlp_model *weighted = model_of(c.data, 8, 0, 1), *plain = model_of(c.data, 8, 0, 1);
    gemmlp_model *doubling = model_of(c.data, 8, 0, 1);
    gemmlp_training training = training_of("sgd", 0.3, TWICE, 10);
    train(plain, c.data, NULL, &training);
    training.class_weights = weights;
    const gemmlp_progress p = train(weighted, c.data, NULL, &training);
    training.class_weights = NULL;
    training.lr = 0.3 * TWICE / EXAMPLES;
    const gemmlp_progress q = train(doubling, doubled, NULL, &training);
    static float a[ROOM], b[ROOM], other[ROOM];
    const size_t count = parameters_of(weighted, a);
    parameters_of(doubling, b);
    parameters_of(plain, other);
    assert_at_most(array_difference_f32(a, b, count), 1e-5, "the parameters");
    assert_true(array_difference_f32(a, other, count) > 1e-3);
    assert_close(p.train.loss * EXAMPLES, q.train.loss * TWICE, 1e-5, "the sum of the costs");

    weights[2] = NAN;
    training.class_weights = weights;
    gemmlp_error error;
    assert_int_equal(gemmlp_train(plain, c.data, NULL, &training, NULL, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_says(&error, "class 2");
    gemmlp_model_free(weighted);
    gemmlp_model_free(plain);
    gemmlp_model_free(doubling);
    gemmlp_dataset_free(c.data);
    gemmlp_dataset_free(doubled);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_learns_with_threads),
        cmocka_unit_test(test_any_number_of_threads),
        cmocka_unit_test(test_early_stopping),
        cmocka_unit_test(test_one_step_at_a_time),
        cmocka_unit_test(test_seeds),
        cmocka_unit_test(test_batch_sizes),
        cmocka_unit_test(test_class_weights),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
