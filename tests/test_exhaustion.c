/* test_exhaustion.c: memory runs out at every place where it can: of data sets, models and single
 * calls. Training and its checkpoints are in test_exhaustion_training.c. */
#define _GNU_SOURCE
#include "exhaustion.h"

#include <fcntl.h>
#include <zlib.h>

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
        cmocka_unit_test(test_data),
        cmocka_unit_test(test_models),
        cmocka_unit_test(test_others),
    };
    return cmocka_run_group_tests(tests, create_all, free_all);
}
