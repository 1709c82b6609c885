/* test_metrics.c: what training and evaluation report is what a direct computation from the
 * predictions gives. */
#include "clouds.h"

/* More examples than are evaluated at once. */
enum { MANY = 2500, OUTPUTS = 3 };

struct many {
    float x[MANY * FEATURES], targets[MANY * OUTPUTS], predicted[MANY * OUTPUTS];
    int32_t labels[MANY];
    gemmlp_dataset *data;
};

static void many_create(struct many *m, gemmlp_task task)
{
    uint64_t random = 8;
    fill_f32(m->x, MANY * FEATURES, 4, -2, 2);
    fill_f32(m->targets, MANY * OUTPUTS, 5, -2, 2);
    for (size_t i = 0; i < MANY; i++) {
        m->labels[i] = (int32_t)(OUTPUTS * random_uniform(&random));
        m->targets[i * OUTPUTS] += 1000; /* a mean far from 0 */
    }
    for (size_t i = 0; i < MANY * OUTPUTS && task == GEMMLP_MULTILABEL; i++) {
        m->targets[i] = m->targets[i] > 0.2F && m->targets[i] < 999;
    }
    const gemmlp_arrays arrays = {.examples = MANY,
                                  .features = FEATURES,
                                  .outputs = OUTPUTS,
                                  .task = task,
                                  .x_f32 = m->x,
                                  .labels = task == GEMMLP_CLASSIFY ? m->labels : NULL,
                                  .targets = task == GEMMLP_CLASSIFY ? NULL : m->targets};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &m->data, NULL), GEMMLP_OK);
}

static void predict_all(struct many *m, const gemmlp_model *model)
{
    float part[10 * OUTPUTS];
    assert_int_equal(gemmlp_model_predict(model, m->data, 0, MANY, NULL, m->predicted, NULL),
                     GEMMLP_OK);
    /* The same from any place, and as 4-8-3 by hand would have it up to rounding. */
    assert_int_equal(gemmlp_model_predict(model, m->data, 1020, 10, NULL, part, NULL), GEMMLP_OK);
    assert_at_most(array_difference_f32(part, m->predicted + 1020 * OUTPUTS, 10 * OUTPUTS), 1e-6,
                   "a part of the predictions");
}

static void test_classification_metrics(void **state)
{
    (void)state;
    static struct many m;
    many_create(&m, GEMMLP_CLASSIFY);
    gemmlp_model *model = model_of(m.data, 8, 0, 2);
    predict_all(&m, model);
    size_t confusion[OUTPUTS * OUTPUTS], expected[OUTPUTS * OUTPUTS] = {0}, correct = 0;
    double cost = 0;
    for (size_t i = 0; i < MANY; i++) {
        const float *a = m.predicted + i * OUTPUTS;
        const size_t label = (size_t)m.labels[i];
        const size_t chosen = a[0] >= a[1] && a[0] >= a[2] ? 0 : a[1] >= a[2] ? 1 : 2;
        correct += chosen == label;
        expected[label * OUTPUTS + chosen]++;
        cost -= log((double)a[label]);
    }
    const gemmlp_metrics metrics = evaluate(model, m.data, confusion);
    assert_int_equal(metrics.examples, MANY);
    assert_close(metrics.loss, cost / MANY, 1e-6, "loss");
    assert_true(metrics.accuracy == (double)correct / MANY);
    assert_memory_equal(confusion, expected, sizeof expected);
    assert_true(isnan(metrics.rmse) && isnan(metrics.r2));
    gemmlp_model_free(model);
    gemmlp_dataset_free(m.data);
}

static void test_regression_metrics(void **state)
{
    (void)state;
    static struct many m;
    many_create(&m, GEMMLP_REGRESS);
    gemmlp_model *model = model_of(m.data, 8, 0, 2);
    gemmlp_model_biases(model, 1)[0] = 999; /* r2 is not far below 0 then */
    predict_all(&m, model);
    double squares = 0, deviation = 0;
    for (size_t j = 0; j < OUTPUTS; j++) {
        double mean = 0;
        for (size_t i = 0; i < MANY; i++) {
            mean += (double)m.targets[i * OUTPUTS + j] / MANY;
        }
        for (size_t i = 0; i < MANY; i++) {
            const double y = (double)m.targets[i * OUTPUTS + j];
            squares += pow((double)m.predicted[i * OUTPUTS + j] - y, 2);
            deviation += pow(y - mean, 2);
        }
    }
    const gemmlp_metrics metrics = evaluate(model, m.data, NULL);
    assert_int_equal(metrics.examples, MANY);
    assert_close(metrics.loss, squares / (MANY * OUTPUTS), 1e-6, "mse");
    assert_close(metrics.rmse, sqrt(squares / (MANY * OUTPUTS)), 1e-6, "rmse");
    assert_close(metrics.r2, 1 - squares / deviation, 1e-6, "r2");
    assert_true(isnan(metrics.accuracy));
    gemmlp_model_free(model);
    gemmlp_dataset_free(m.data);
}

static void test_multilabel_metrics(void **state)
{
    (void)state;
    static struct many m;
    many_create(&m, GEMMLP_MULTILABEL);
    gemmlp_model *model = model_of(m.data, 8, 0, 2);
    predict_all(&m, model);
    size_t correct = 0;
    double cost = 0;
    for (size_t i = 0; i < MANY * OUTPUTS; i++) {
        const double a = (double)m.predicted[i];
        const bool y = m.targets[i] > 0;
        correct += (a > 0.5) == y;
        cost -= log(y ? a : 1 - a);
    }
    const gemmlp_metrics metrics = evaluate(model, m.data, NULL);
    assert_close(metrics.loss, cost / MANY, 1e-5, "loss");
    assert_true(metrics.accuracy == (double)correct / (MANY * OUTPUTS));
    assert_true(isnan(metrics.rmse) && isnan(metrics.r2));
    gemmlp_model_free(model);
    gemmlp_dataset_free(m.data);
}

/* With eta = 0 the model stands still: the figures of an epoch are those of an evaluation, each
 * example counted once, and the shorter last batch by its size. */
static void test_epoch_metrics(void **state)
{
    (void)state;
    static struct many m;
    static const gemmlp_task tasks[] = {GEMMLP_CLASSIFY, GEMMLP_REGRESS, GEMMLP_MULTILABEL};
    for (size_t t = 0; t < 3; t++) {
        many_create(&m, tasks[t]);
        gemmlp_model *model = model_of(m.data, 8, 0, 2);
        gemmlp_training training = training_of("sgd", 0, 999, 2); /* 999, 999, 502 */
        const gemmlp_metrics expected = evaluate(model, m.data, NULL);
        const gemmlp_progress p = train(model, m.data, m.data, &training);
        assert_int_equal(p.train.examples, MANY);
        assert_close(p.train.loss, expected.loss, 1e-6, "training loss");
        assert_close(p.valid.loss, expected.loss, 1e-6, "validation loss");
        if (tasks[t] == GEMMLP_REGRESS) {
            assert_close(p.train.rmse, expected.rmse, 1e-6, "training rmse");
            assert_close(p.valid.r2, expected.r2, 1e-6, "validation r2");
        } else {
            assert_true(p.train.accuracy == expected.accuracy);
        }
        gemmlp_model_free(model);
        gemmlp_dataset_free(m.data);
    }
}

/* A set that happens to lack the last classes is one of this model all the same. */
static void test_classes_that_do_not_occur(void **state)
{
    (void)state;
    struct clouds c, v;
    clouds_create(&c, 1, 1);
    clouds_create(&v, 2, 1);
    gemmlp_dataset_free(v.data);
    for (size_t i = 0; i < EXAMPLES; i++) {
        v.labels[i] = i % 2;
    }
    v.arrays.outputs = 0; /* the largest label + 1 */
    assert_int_equal(gemmlp_dataset_wrap(&v.arrays, &v.data, NULL), GEMMLP_OK);
    gemmlp_model *model = model_of(c.data, 8, 0, 2);
    float a[EXAMPLES * CLASSES];
    assert_int_equal(gemmlp_model_predict(model, v.data, 0, EXAMPLES, NULL, a, NULL), GEMMLP_OK);
    double cost = 0;
    for (size_t i = 0; i < EXAMPLES; i++) {
        cost -= log((double)a[i * CLASSES + (size_t)v.labels[i]]) / EXAMPLES;
    }
    size_t confusion[CLASSES * CLASSES];
    assert_close(evaluate(model, v.data, confusion).loss, cost, 1e-6, "loss");
    assert_int_equal(confusion[0] + confusion[1] + confusion[2], EXAMPLES / 2);
    assert_int_equal(confusion[3] + confusion[4] + confusion[5], EXAMPLES / 2);
    gemmlp_training training = training_of("sgd", 0, 40, 1);
    const gemmlp_progress p = train(model, v.data, v.data, &training);
    assert_close(p.train.loss, cost, 1e-6, "training loss");
    assert_close(p.valid.loss, cost, 1e-6, "validation loss");
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
    gemmlp_dataset_free(v.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_classification_metrics),    cmocka_unit_test(test_regression_metrics),
        cmocka_unit_test(test_multilabel_metrics),        cmocka_unit_test(test_epoch_metrics),
        cmocka_unit_test(test_classes_that_do_not_occur),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
