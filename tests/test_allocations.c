/* test_allocations.c: training allocates nothing once it runs, and what was allocated is freed. */
#define _GNU_SOURCE
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "failing_malloc.h"
#include "gemmlp.h"

static void start_counting(void)
{
    failing_malloc_start(0, 0);
}

/* ---- the counter counts ---------------------------------------------------------------------- */

static void test_counter(void **state)
{
    (void)state;
    void *volatile kept[6];
    void *aligned = NULL;
    start_counting();
    kept[0] = malloc(10);
    kept[1] = calloc(2, 5);
    kept[2] = realloc(NULL, 5);
    kept[2] = realloc(kept[2], 5000);
    kept[3] = aligned_alloc(64, 64);
    const int failed = posix_memalign(&aligned, 64, 10);
    kept[4] = aligned;
    kept[5] = realpath("/", NULL); /* a call of the C library */
    failing_malloc_stop();
    assert_int_equal(failed, 0);
    assert_int_equal(failing_malloc_calls(), 6);
    assert_int_equal(failing_malloc_others(), 1);
    assert_int_equal(failing_malloc_live(), 6);
    start_counting();
    for (size_t i = 0; i < 6; i++) {
        free(kept[i]);
    }
    failing_malloc_stop();
    assert_int_equal(failing_malloc_live(), -6);
}

/* ---- training -------------------------------------------------------------------------------- */

enum { FEATURES = 20, CLASSES = 4, EXAMPLES = 333 };

struct data {
    float x[EXAMPLES * FEATURES];
    int32_t labels[EXAMPLES];
    gemmlp_dataset *set;
};

static void data_create(struct data *d)
{
    uint64_t random = 6;
    fill_f32(d->x, EXAMPLES * FEATURES, 5, -1, 1);
    for (size_t i = 0; i < EXAMPLES; i++) {
        d->labels[i] = (int32_t)(CLASSES * random_uniform(&random));
    }
    const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                  .features = FEATURES,
                                  .outputs = CLASSES,
                                  .x_f32 = d->x,
                                  .labels = d->labels};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &d->set, NULL), GEMMLP_OK);
}

static gemmlp_model *model_of(const gemmlp_dataset *data)
{
    const gemmlp_layer layers[] = {
        {.n_out = 170, .dropout = 0.2}, {.n_out = 40, .activation = "gelu", .dropout = 0.1}, {0}};
    const gemmlp_network network = {.layer_count = 3, .layers = layers, .label_smoothing = 0.1};
    gemmlp_model *model;
    assert_int_equal(gemmlp_model_create(&network, data, &model, NULL), GEMMLP_OK);
    return model;
}

/* With everything that could want memory: dropout, a validation set, patience, class weights, a
 * shorter last batch. */
static gemmlp_training training_of(const char *optimizer, double clip_norm, bool general_path)
{
    static const double class_weights[CLASSES] = {1, 2, 0.5, 1};
    gemmlp_training t = gemmlp_training_default();
    t.optimizer = optimizer;
    t.batch = 100;
    t.epochs = 6;
    t.patience = 2;
    t.clip_norm = clip_norm;
    t.l2 = 1e-3;
    t.class_weights = class_weights;
    t.general_path = general_path;
    return t;
}

static void assert_runs_without_allocation(const struct data *d, const gemmlp_training *training)
{
    gemmlp_model *model = model_of(d->set);
    gemmlp_trainer *trainer;
    gemmlp_progress p = {0};
    assert_int_equal(gemmlp_trainer_create(model, d->set, d->set, training, &trainer, NULL),
                     GEMMLP_OK);
    /* In the first epoch the OpenMP runtime starts its threads. */
    gemmlp_status status = gemmlp_trainer_run(trainer, INFINITY, NULL);
    start_counting();
    while (status == GEMMLP_OK && !p.finished) {
        status = gemmlp_trainer_run(trainer, p.epoch % 2 ? INFINITY : 0, NULL);
        gemmlp_trainer_progress(trainer, &p);
    }
    failing_malloc_stop();
    assert_int_equal(status, GEMMLP_OK);
    assert_true(p.epoch > 2);
    if (failing_malloc_calls() != 0) {
        fail_msg("%s: %zu allocations while training", training->optimizer, failing_malloc_calls());
    }
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
}

static void test_training_allocates_nothing(void **state)
{
    (void)state;
    static struct data d;
    const char *optimizer;
    data_create(&d);
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        for (int i = 0; i < 4; i++) {
            gemmlp_training training = training_of(optimizer, i == 1 ? 0.01 : 0, i == 2);
            training.compute.threads = 1 + i / 3;
            assert_runs_without_allocation(&d, &training);
        }
    }
    gemmlp_dataset_free(d.set);
}

/* ---- everything is freed --------------------------------------------------------------------- */

static void use_everything(const struct data *d)
{
    gemmlp_dataset *first, *second;
    gemmlp_model *model = model_of(d->set);
    gemmlp_explanation *explanation;
    gemmlp_metrics metrics;
    gemmlp_error error;
    gemmlp_weight_index largest[5];
    size_t found;
    float out[CLASSES];
    static const char *const names[CLASSES] = {"a", "b", "c", "d"};
    gemmlp_training training = training_of("adam", 1, false);
    assert_int_equal(gemmlp_dataset_split(d->set, 0.3, 1, &first, &second, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_train(model, first, second, &training, NULL, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_evaluate(model, second, NULL, &metrics, NULL, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_predict(model, second, 3, 1, NULL, out, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_explain(model, second, 0, 1, 2, 3, 0, 0, &explanation, NULL),
                     GEMMLP_OK);
    gemmlp_explanation_free(explanation);
    assert_int_equal(gemmlp_largest_gradients(model, second, 0, 1, 5, largest, &found, NULL),
                     GEMMLP_OK);
    assert_int_equal(gemmlp_gradcheck(gemmlp_model_network(model),
                                      &(gemmlp_gradcheck_options){.samples = 3},
                                      &(gemmlp_gradcheck_report){0}, NULL),
                     GEMMLP_OK);
    assert_int_equal(gemmlp_model_set_class_names(model, names, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_set_class_names(model, names, NULL), GEMMLP_OK);
    /* And what is refused half way. */
    training.lr = NAN;
    assert_int_equal(gemmlp_train(model, first, second, &training, NULL, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_int_equal(gemmlp_explain(model, second, 0, 9, 2, 3, 0, 0, &explanation, NULL),
                     GEMMLP_INVALID_ARGUMENT);
    gemmlp_model_free(model);
    gemmlp_dataset_free(first);
    gemmlp_dataset_free(second);
}

static void test_everything_is_freed(void **state)
{
    (void)state;
    static struct data d;
    data_create(&d);
    use_everything(&d); /* what runtimes keep for good is there now */
    long kept[3];
    for (size_t i = 0; i < 3; i++) {
        start_counting();
        use_everything(&d);
        failing_malloc_stop();
        kept[i] = failing_malloc_live();
    }
    /* Nothing is left; what a runtime might exchange for something larger is not left each time. */
    assert_true(kept[0] == 0 || (kept[1] == 0 && kept[2] == 0));
    assert_true(failing_malloc_calls() > 50);
    gemmlp_dataset_free(d.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter),
        cmocka_unit_test(test_training_allocates_nothing),
        cmocka_unit_test(test_everything_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
