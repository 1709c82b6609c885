/* test_exhaustion.c: memory runs out at every place where it can: each call of the library is made
 * with its k-th allocation failing, for every k, and with all from the k-th on, until it succeeds
 * without having met a failure. Each time it must say so in a sentence, leave nothing behind and leave
 * its arguments usable; afterwards it must do what it did before. */
#define _GNU_SOURCE
#include "files.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/stat.h>
#include <zlib.h>

#include "failing_malloc.h"

enum { EXAMPLES = 60, FEATURES = 6, CLASSES = 3 };

static uint8_t pixels[EXAMPLES * FEATURES];
static int32_t labels[EXAMPLES];
static float targets[EXAMPLES * CLASSES];
static const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                     .features = FEATURES,
                                     .outputs = CLASSES,
                                     .x_u8 = pixels,
                                     .labels = labels};
static gemmlp_dataset *data;
static gemmlp_model *model;
static const char *const names[] = {"a", "b", "c"};
static const gemmlp_layer layers[] = {
    {.n_out = 8, .init = "orthogonal", .dropout = 0.2}, {.n_out = 5, .activation = "gelu"}, {0}};
static const gemmlp_network network = {.layer_count = 3, .layers = layers, .label_smoothing = 0.1};
static const gemmlp_compute one_thread = {.threads = 1, .provider = "native"};

static int create_all(void **state)
{
    uint64_t random = 1;
    if (make_directory(state) != 0)
        return -1;
    for (size_t i = 0; i < EXAMPLES; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        for (size_t k = 0; k < FEATURES; k++)
            pixels[i * FEATURES + k] =
                (uint8_t)(k % CLASSES == i % CLASSES ? 200 : 50 * random_uniform(&random));
        targets[i * CLASSES + i % CLASSES] = 1;
    }
    return gemmlp_dataset_wrap(&arrays, &data, NULL) != GEMMLP_OK ||
           gemmlp_model_create(&network, data, &model, NULL) != GEMMLP_OK ||
           gemmlp_model_set_class_names(model, names, NULL) != GEMMLP_OK ||
           gemmlp_model_save(model, at("model"), NULL) != GEMMLP_OK;
}

static int free_all(void **state)
{
    gemmlp_model_free(model);
    gemmlp_dataset_free(data);
    return remove_directory(state);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* Does it once, frees what it made, and checks that nothing was made where it failed. */
typedef gemmlp_status (*operation)(const void *how, gemmlp_error *error);

enum { MOST = 5000 }; /* allocations of one call: more is a loop without end */

/* One try; true: it went through without a failure. */
static bool try(const char *what, operation operate, const void *how, size_t first, size_t last)
{
    gemmlp_error error = {0};
    failing_malloc_start(first, last);
    const gemmlp_status status = operate(how, &error);
    failing_malloc_stop();
    if (failing_malloc_live() != 0)
        fail_msg("%s, allocations %zu to %zu fail: %ld blocks are left", what, first, last,
                 failing_malloc_live());
    if (!failing_malloc_failed()) {
        if (status != GEMMLP_OK)
            fail_msg("%s without a failure: %s", what, error.message);
        return true;
    }
    /* A call may get along without what it did not get, but not claim another cause. */
    if (status != GEMMLP_OK && (status != GEMMLP_OUT_OF_MEMORY || error.status != status ||
                                *error.message == '\0' || strchr(error.message, '\n')))
        fail_msg("%s, allocations %zu to %zu fail: %s: '%s'", what, first, last,
                 gemmlp_status_name(status), error.message);
    return false;
}

/* At least `least` allocations must have been there to fail: a sweep of nothing proves nothing. */
static void sweep(const char *what, operation operate, const void *how, size_t least)
{
    for (int i = 0; i < 2; i++) /* what runtimes keep for good is there then */
        assert_int_equal(operate(how, NULL), GEMMLP_OK);
    size_t k = 1;
    while (!try(what, operate, how, k, k))
        assert_true(++k < MOST);
    if (k - 1 < least)
        fail_msg("%s: only %zu allocations, expected %zu", what, k - 1, least);
    for (k = 1; !try(what, operate, how, k, SIZE_MAX); k++)
        assert_true(k < MOST);
}

/* ---- data ------------------------------------------------------------------------------------ */

static gemmlp_status wrap(const void *how, gemmlp_error *error)
{
    gemmlp_dataset *set;
    const gemmlp_status status = gemmlp_dataset_wrap(how, &set, error);
    assert_true((status == GEMMLP_OK) == (set != NULL));
    gemmlp_dataset_free(set);
    return status;
}

static gemmlp_status split(const void *how, gemmlp_error *error)
{
    gemmlp_dataset *first, *second;
    (void)how;
    const gemmlp_status status = gemmlp_dataset_split(data, 0.3, 1, &first, &second, error);
    assert_true((status == GEMMLP_OK) == (first != NULL) &&
                (status == GEMMLP_OK) == (second != NULL));
    gemmlp_dataset_free(first);
    gemmlp_dataset_free(second);
    return status;
}

struct opening {
    const char *path;
    gemmlp_open_options options;
};

static gemmlp_status open_files(const void *how, gemmlp_error *error)
{
    const struct opening *opening = how;
    gemmlp_dataset *set;
    const gemmlp_status status = gemmlp_dataset_open(opening->path, &opening->options, &set, error);
    assert_true((status == GEMMLP_OK) == (set != NULL));
    gemmlp_dataset_free(set);
    return status;
}

/* An IDX file of `rows` x `columns`, gzip or not. */
static void put_idx(const char *name, const char *mode, unsigned columns, const void *bytes,
                    size_t size)
{
    const unsigned char head[12] = {0, 0, 8, columns ? 2 : 1,       0, 0, 0, EXAMPLES,
                                    0, 0, 0, (unsigned char)columns};
    gzFile file = gzopen(at(name), mode);
    assert_non_null(file);
    assert_int_equal(gzwrite(file, head, columns ? 12 : 8), columns ? 12 : 8);
    assert_int_equal(gzwrite(file, bytes, (unsigned)size), size);
    assert_int_equal(gzclose(file), Z_OK);
}

/* Lack of memory must not pass for the lack of a test set. */
static gemmlp_status look_for_test(const void *how, gemmlp_error *error)
{
    gemmlp_dataset *set;
    if (!gemmlp_dataset_has_test(how))
        return GEMMLP_BAD_DATA;
    const gemmlp_open_options options = {.test = true, .features_only = true};
    const gemmlp_status status = gemmlp_dataset_open(how, &options, &set, error);
    gemmlp_dataset_free(set);
    return status;
}

static void test_data(void **state)
{
    (void)state;
    unsigned char small[EXAMPLES];
    for (size_t i = 0; i < EXAMPLES; i++)
        small[i] = (unsigned char)labels[i];
    put_idx("train-images-idx3-ubyte", "wbT", FEATURES, pixels, sizeof pixels);
    put_idx("train-labels-idx1-ubyte", "wbT", 0, small, sizeof small);
    put_idx("t10k-images-idx3-ubyte", "wbT", FEATURES, pixels, sizeof pixels);
    put_idx("x-images-idx3-ubyte.gz", "wb", FEATURES, pixels, sizeof pixels);
    put_idx("x-labels-idx1-ubyte.gz", "wb", 0, small, sizeof small);
    char packed[512];
    snprintf(packed, sizeof packed, "%s", at("x-images-idx3-ubyte.gz"));
    const struct opening openings[] = {
        {directory, {0}},
        {packed, {0}},
        {packed, {.format = "idx", .task = "regress"}},
        {packed, {.features_only = true}},
    };
    gemmlp_arrays real = arrays;
    real.labels = NULL;
    real.targets = targets;
    real.task = GEMMLP_REGRESS;
    sweep("wrapping", wrap, &arrays, 3);
    sweep("wrapping targets", wrap, &real, 3);
    sweep("splitting", split, NULL, 4);
    sweep("looking for a test set", look_for_test, directory, 4);
    for (size_t i = 0; i < sizeof openings / sizeof *openings; i++)
        sweep("opening", open_files, &openings[i], 8);
}

/* ---- models ---------------------------------------------------------------------------------- */

static gemmlp_status create(const void *how, gemmlp_error *error)
{
    gemmlp_model *created;
    const gemmlp_status status = gemmlp_model_create(how, data, &created, error);
    assert_true((status == GEMMLP_OK) == (created != NULL));
    gemmlp_model_free(created);
    return status;
}

static gemmlp_status name_classes(const void *how, gemmlp_error *error)
{
    gemmlp_model *named;
    (void)how;
    gemmlp_status status = gemmlp_model_load(at("model"), &named, error);
    if (status == GEMMLP_OK) {
        status = gemmlp_model_set_class_names(named, names, error);
        assert_string_equal(gemmlp_model_class_name(named, 1), "b"); /* the old or the new one */
    }
    gemmlp_model_free(named);
    return status;
}

/* By calls that allocate nothing. */
static size_t read_model(char *bytes, size_t capacity)
{
    const int descriptor = open(at("model"), O_RDONLY);
    const ssize_t size = read(descriptor, bytes, capacity);
    assert_true(descriptor >= 0 && size > 0 && (size_t)size < capacity);
    close(descriptor);
    return (size_t)size;
}

/* What was there before is there, whole. */
static gemmlp_status save(const void *how, gemmlp_error *error)
{
    static char before[1 << 14], after[1 << 14];
    (void)how;
    const size_t size = read_model(before, sizeof before);
    const gemmlp_status status = gemmlp_model_save(model, at("model"), error);
    assert_int_equal(read_model(after, sizeof after), size);
    assert_memory_equal(before, after, size);
    return status;
}

static gemmlp_status load(const void *how, gemmlp_error *error)
{
    gemmlp_model *loaded;
    (void)how;
    const gemmlp_status status = gemmlp_model_load(at("model"), &loaded, error);
    assert_true((status == GEMMLP_OK) == (loaded != NULL));
    gemmlp_model_free(loaded);
    return status;
}

static gemmlp_status resolve(const void *how, gemmlp_error *error)
{
    gemmlp_layer resolved[3];
    gemmlp_network out;
    gemmlp_cost_model cost;
    const gemmlp_training training = gemmlp_training_default();
    (void)how;
    const gemmlp_status status = gemmlp_network_resolve(&network, data, resolved, &out, error);
    return status == GEMMLP_OK ? gemmlp_network_cost(&out, &training, &cost, error) : status;
}

static void test_models(void **state)
{
    (void)state;
    const size_t files = count_entries();
    const char *init;
    for (size_t i = 0; (init = gemmlp_name(GEMMLP_INITS, i)) != NULL; i++) {
        gemmlp_layer with[] = {{.n_out = 8, .init = init}, {.n_out = 0, .init = init}};
        gemmlp_network initialised = {.layer_count = 2, .layers = with};
        for (size_t p = 0; gemmlp_name(GEMMLP_PREPROCESSORS, p); p++) {
            initialised.preprocess = gemmlp_name(GEMMLP_PREPROCESSORS, p);
            sweep(init, create, &initialised, 6);
        }
    }
    sweep("resolving", resolve, NULL, 1);
    sweep("naming classes", name_classes, NULL, 10);
    sweep("saving", save, NULL, 20);
    assert_int_equal(count_entries(), files); /* no temporary ones */
    sweep("loading", load, NULL, 20);
}

/* ---- computing ------------------------------------------------------------------------------- */

static gemmlp_status predict(const void *how, gemmlp_error *error)
{
    static float wanted[EXAMPLES * CLASSES];
    static bool known;
    float out[EXAMPLES * CLASSES];
    const gemmlp_status status = gemmlp_model_predict(model, data, 0, EXAMPLES, how, out, error);
    if (status == GEMMLP_OK && !known)
        memcpy(wanted, out, sizeof wanted);
    known = known || status == GEMMLP_OK;
    if (status == GEMMLP_OK)
        assert_memory_equal(out, wanted, sizeof wanted);
    return status;
}

static gemmlp_status evaluate(const void *how, gemmlp_error *error)
{
    size_t confusion[CLASSES * CLASSES];
    gemmlp_metrics metrics;
    const gemmlp_status status =
        gemmlp_model_evaluate(model, data, how, &metrics, confusion, error);
    if (status == GEMMLP_OK)
        assert_int_equal(metrics.examples, EXAMPLES);
    return status;
}

static gemmlp_status train(const void *how, gemmlp_error *error)
{
    gemmlp_model *trained;
    gemmlp_trainer *trainer;
    gemmlp_status status = gemmlp_model_load(at("model"), &trained, error);
    if (status != GEMMLP_OK)
        return status;
    status = gemmlp_trainer_create(trained, data, data, how, &trainer, error);
    assert_true((status == GEMMLP_OK) == (trainer != NULL));
    for (gemmlp_progress progress = {0}; status == GEMMLP_OK && !progress.finished;) {
        status = gemmlp_trainer_run(trainer, 0, error);
        gemmlp_trainer_progress(trainer, &progress);
    }
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(trained);
    return status;
}

static gemmlp_status train_at_once(const void *how, gemmlp_error *error)
{
    gemmlp_model *trained;
    gemmlp_status status = gemmlp_model_load(at("model"), &trained, error);
    if (status != GEMMLP_OK)
        return status;
    status = gemmlp_train(trained, data, data, how, NULL, error);
    /* It may be used whatever happened. */
    gemmlp_model_weights(trained, 0)[0] = 1;
    gemmlp_model_free(trained);
    return status;
}

static gemmlp_training training_by(const char *optimizer, const gemmlp_compute *compute)
{
    gemmlp_training training = gemmlp_training_default();
    training.optimizer = optimizer;
    training.batch = 25;
    training.epochs = 2;
    training.patience = 1;
    training.compute = *compute;
    return training;
}

static void test_computing(void **state)
{
    (void)state;
    static const gemmlp_compute computes[] = {
        {.threads = 1, .provider = "native"},
        {.threads = 2, .provider = "openblas"},
        {.threads = 1, .provider = "reference"},
        {.threads = 1, .provider = "reference", .precision = "bf16"},
    };
    const char *optimizer;
    for (size_t i = 0; i < sizeof computes / sizeof *computes; i++) {
        const gemmlp_training training = training_by("adam", &computes[i]);
        sweep(computes[i].provider, evaluate, &computes[i], 3);
        sweep(computes[i].provider, train_at_once, &training, 25);
    }
    static char plan[512];
    snprintf(plan, sizeof plan, "%s", at("plan"));
    const gemmlp_compute planned = {.threads = 1, .plan = plan};
    const gemmlp_training by_plan = training_by("adam", &planned);
    sweep("a plan", evaluate, &planned, 50);
    sweep("training by a plan", train, &by_plan, 80);
    sweep("predicting", predict, &one_thread, 3);
    for (size_t i = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, i)) != NULL; i++) {
        gemmlp_training training = training_by(optimizer, &one_thread);
        sweep(optimizer, train, &training, 25);
        training.general_path = true;
        training.clip_norm = 1;
        sweep(optimizer, train, &training, 25);
    }
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* A training in the middle of its second epoch, as a checkpoint has it, and where that is kept. */
static gemmlp_training checkpointed;
static char kept[512]; /* a directory in the other one */

/* By calls that allocate nothing: whether the only checkpoint there is that of `step`, whole. */
static void assert_kept(size_t step)
{
    char path[600];
    struct stat status;
    snprintf(path, sizeof path, "%s/step-%09zu.safetensors", kept, step);
    assert_int_equal(stat(path, &status), 0);
}

static gemmlp_status open_checkpoint(const void *how, gemmlp_error *error)
{
    gemmlp_checkpoint *checkpoint;
    const gemmlp_status status = gemmlp_checkpoint_open(how, &checkpoint, error);
    assert_true((status == GEMMLP_OK) == (checkpoint != NULL));
    gemmlp_checkpoint_free(checkpoint);
    return status;
}

/* Lack of memory is no reason to go back to an older one, or to say that there is none. */
static gemmlp_status find_newest(const void *how, gemmlp_error *error)
{
    gemmlp_checkpoint *checkpoint;
    gemmlp_progress progress;
    const gemmlp_status status = gemmlp_checkpoint_newest(how, &checkpoint, error);
    assert_true((status == GEMMLP_OK) == (checkpoint != NULL));
    if (checkpoint) {
        gemmlp_checkpoint_progress(checkpoint, &progress);
        assert_int_equal(progress.step, 4);
    }
    gemmlp_checkpoint_free(checkpoint);
    return status;
}

/* A trainer as `how` wants it, two steps into its training. */
static gemmlp_status begin_training(const gemmlp_training *how, gemmlp_model **trained,
                                    gemmlp_trainer **trainer, gemmlp_error *error)
{
    *trainer = NULL;
    gemmlp_status status = gemmlp_model_load(at("model"), trained, error);
    if (status == GEMMLP_OK)
        status = gemmlp_trainer_create(*trained, data, data, how, trainer, error);
    for (int i = 0; status == GEMMLP_OK && i < 4; i++)
        status = gemmlp_trainer_run(*trainer, 0, error);
    return status;
}

static gemmlp_status save_checkpoint(const void *how, gemmlp_error *error)
{
    gemmlp_model *trained;
    gemmlp_trainer *trainer;
    gemmlp_status status = begin_training(how, &trained, &trainer, error);
    if (status == GEMMLP_OK)
        status = gemmlp_trainer_save(trainer, at("c"), "a note", error);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(trained);
    return status;
}

static gemmlp_status keep_checkpoint(const void *how, gemmlp_error *error)
{
    gemmlp_model *trained;
    gemmlp_trainer *trainer;
    gemmlp_status status = begin_training(how, &trained, &trainer, error);
    if (status == GEMMLP_OK)
        status = gemmlp_trainer_checkpoint(trainer, kept, 2, "a note", error);
    assert_kept(4); /* the old or the new one */
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(trained);
    return status;
}

/* `how` NULL: with the settings of the checkpoint. */
static gemmlp_status resume(const void *how, gemmlp_error *error)
{
    gemmlp_model *resumed = NULL;
    gemmlp_checkpoint *checkpoint;
    gemmlp_trainer *trainer = NULL;
    gemmlp_progress progress = {0};
    gemmlp_status status = gemmlp_checkpoint_open(at("c"), &checkpoint, error);
    if (status == GEMMLP_OK)
        status = gemmlp_model_load(at("model"), &resumed, error);
    if (status == GEMMLP_OK) {
        status =
            gemmlp_trainer_resume(resumed, data, data, how, checkpoint, false, &trainer, error);
        assert_true((status == GEMMLP_OK) == (trainer != NULL));
    }
    if (trainer) { /* at the step where it was, without a difference */
        gemmlp_trainer_progress(trainer, &progress);
        assert_int_equal(progress.step, 4);
        assert_string_equal(gemmlp_trainer_mismatch(trainer), "");
        status = gemmlp_trainer_run(trainer, 0, error);
    }
    gemmlp_trainer_free(trainer);
    gemmlp_checkpoint_free(checkpoint);
    gemmlp_model_free(resumed);
    return status;
}

static void test_checkpoints(void **state)
{
    (void)state;
    static const double weights[CLASSES] = {1, 2, 0.5};
    char path[600], plan[512];
    snprintf(kept, sizeof kept, "%s", at("kept"));
    snprintf(path, sizeof path, "%s", at("c"));
    snprintf(plan, sizeof plan, "%s", at("plan"));
    const gemmlp_compute computes[] = {
        one_thread,
        {.threads = 1, .provider = "reference", .precision = "bf16"},
        {.threads = 1, .plan = plan},
    };
    for (size_t i = 0; i < sizeof computes / sizeof *computes; i++) {
        checkpointed = training_by(i ? "momentum" : "adam", &computes[i]);
        checkpointed.class_weights = weights;
        sweep("saving a checkpoint", save_checkpoint, &checkpointed, 50);
        sweep("opening a checkpoint", open_checkpoint, path, 50);
        sweep("resuming", resume, NULL, 100);
        sweep("resuming by settings", resume, &checkpointed, 100);
    }
    checkpointed = training_by("adam", &one_thread);
    gemmlp_model *trained;
    gemmlp_trainer *trainer;
    assert_int_equal(begin_training(&checkpointed, &trained, &trainer, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_trainer_checkpoint(trainer, kept, 2, NULL, NULL), GEMMLP_OK);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(trained);
    sweep("keeping a checkpoint", keep_checkpoint, &checkpointed, 50);
    sweep("the newest checkpoint", find_newest, kept, 50);
    snprintf(path, sizeof path, "%s/step-%09d.safetensors", kept, 4);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(kept), 0); /* nothing else was left there */
}

/* ---- the others ------------------------------------------------------------------------------ */

static gemmlp_status check_gradients(const void *how, gemmlp_error *error)
{
    const gemmlp_gradcheck_options options = {.samples = 10};
    gemmlp_gradcheck_report report;
    (void)how;
    return gemmlp_gradcheck(gemmlp_model_network(model), &options, &report, error);
}

static gemmlp_status explain(const void *how, gemmlp_error *error)
{
    gemmlp_explanation *explanation;
    (void)how;
    const gemmlp_status status = gemmlp_explain(model, data, 3, 1, 2, 3, 0, 0, &explanation, error);
    assert_true((status == GEMMLP_OK) == (explanation != NULL));
    gemmlp_explanation_free(explanation);
    return status;
}

static gemmlp_status find_largest(const void *how, gemmlp_error *error)
{
    gemmlp_weight_index largest[5];
    size_t found;
    (void)how;
    return gemmlp_largest_gradients(model, data, 3, GEMMLP_ALL_LAYERS, 5, largest, &found, error);
}

static gemmlp_status look_at_provider(const void *how, gemmlp_error *error)
{
    gemmlp_provider_info info;
    return gemmlp_provider_info_get(how, 1, &info, error);
}

static void test_others(void **state)
{
    (void)state;
    sweep("gradcheck", check_gradients, NULL, 10);
    sweep("explain", explain, NULL, 10);
    sweep("largest gradients", find_largest, NULL, 5);
    sweep("a provider", look_at_provider, "openblas", 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_data),      cmocka_unit_test(test_models),
        cmocka_unit_test(test_computing), cmocka_unit_test(test_checkpoints),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, create_all, free_all);
}
