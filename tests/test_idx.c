/* test_idx.c: IDX files that are found, by name and by format, and read: features alone, and
 * targets of each type and rank. */
#define _POSIX_C_SOURCE 200809L
#include "idx_files.h"

#include <sys/stat.h>

/* ---- finding files --------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
        {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"},
        {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"},
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
        {"train-images.idx3-ubyte.gz", "train-labels.idx1-ubyte.gz"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char slash[80];
        snprintf(slash, sizeof slash, "%s/", directory);
        put_small_pair(pairs[i][0], pairs[i][1]);
        open_small(directory);
        open_small(slash);
        open_small(at(pairs[i][0]));
        assert_false(gemmlp_dataset_has_test(directory));
        empty_directory();
    }
    static const char *const files[][2] = {
        {"images", "labels"},
        {"my-images.gz", "my-labels"},
        {"images-of-images-idx3-ubyte", "images-of-labels-idx1-ubyte"},
        {"x-images-idx3-float", "x-labels-idx1-ubyte.gz"},
        {"y-images-idx3-ubyte", "y-labels-idx2-ubyte"},
        {"z-images-idx3-ubyte.gz", "z-labels-idx2-float"},
        {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_small_pair(files[i][0], files[i][1]);
        open_small(at(files[i][0]));
    }
    gemmlp_open_options test = {.test = true};
    gemmlp_dataset *dataset;
    assert_true(gemmlp_dataset_has_test(directory));
    assert_int_equal(gemmlp_dataset_open(directory, &test, &dataset, NULL), GEMMLP_OK);
    check_small(dataset);
    gemmlp_dataset_free(dataset);
    gemmlp_dataset_free(NULL);
    assert_false(gemmlp_dataset_has_test(at("images")));
    assert_false(gemmlp_dataset_has_test(at("none")));
}

/* Images whose labels are not there, or not looked at: enough to predict, and for nothing else. */
static void test_features_only(void **state)
{
    (void)state;
    const gemmlp_open_options options = {.features_only = true};
    struct bytes x = small_images();
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    gemmlp_error error;
    size_t count;
    float y = 7;
    put_bytes("alone-images-idx3-ubyte", &x);
    assert_int_equal(gemmlp_dataset_open(at("alone-images-idx3-ubyte"), NULL, &dataset, NULL),
                     GEMMLP_IO);
    assert_int_equal(gemmlp_dataset_open(at("alone-images-idx3-ubyte"), &options, &dataset, NULL),
                     GEMMLP_OK);
    gemmlp_dataset_info_get(dataset, &info);
    assert_false(info.has_targets);
    assert_int_equal(info.examples, 4);
    assert_int_equal(gemmlp_dataset_example(dataset, 0, NULL, &y, NULL), GEMMLP_OK);
    assert_true(y == 7);
    assert_failed(gemmlp_dataset_class_counts(dataset, &count, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "has no labels");

    const gemmlp_layer layer = {.n_out = 3};
    const gemmlp_network network = {.n_in = 6, .layer_count = 1, .layers = &layer};
    gemmlp_model *model;
    gemmlp_metrics metrics;
    float out[12];
    assert_failed(gemmlp_model_create(&network, dataset, &model, &error), &error, GEMMLP_BAD_DATA,
                  "has no targets");
    assert_int_equal(gemmlp_model_create(&network, NULL, &model, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_predict(model, dataset, 0, 4, NULL, out, NULL), GEMMLP_OK);
    assert_true(out[9] > 0 && out[9] < 1);
    assert_failed(gemmlp_model_evaluate(model, dataset, NULL, &metrics, NULL, &error), &error,
                  GEMMLP_BAD_DATA, "has no targets");
    gemmlp_model_free(model);
    gemmlp_dataset_free(dataset);
}

static void test_missing(void **state)
{
    (void)state;
    gemmlp_open_options test = {.test = true};
    refuse(at("none"), NULL, GEMMLP_IO, "none: could not open: No such file");
    refuse(directory, NULL, GEMMLP_IO,
           "no training set in this directory: looked for train-images-idx3-ubyte and "
           "train-images.idx3-ubyte, with and without .gz");
    refuse(directory, &test, GEMMLP_IO,
           "no test set in this directory: looked for t10k-images-idx3");
    put_small_pair("train-images-idx3-ubyte", "unrelated");
    refuse(directory, NULL, GEMMLP_IO, "its labels are missing: looked for");
    refuse(at("train-images-idx3-ubyte"), NULL, GEMMLP_IO,
           "train-labels-idx1-ubyte, with and without");
    put_small_pair("pictures", "labels");
    refuse(at("pictures"), NULL, GEMMLP_BAD_DATA, "the name has no 'images'");
    refuse(at("labels"), NULL, GEMMLP_BAD_DATA, "has one dimension, as labels have");
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    refuse(at("pipe"), NULL, GEMMLP_IO, "is neither a regular file nor a directory");
}

static void test_format_names(void **state)
{
    (void)state;
    gemmlp_open_options options = {.format = "idy"};
    put("x-images", "a,b,c\n1,2,3\n", 12);
    refuse(at("x-images"), NULL, GEMMLP_BAD_DATA,
           "starts with bytes 61 2c 62 2c 63 0a 31 2c, which no known format does; formats: idx");
    refuse(at("x-images"), &options, GEMMLP_INVALID_ARGUMENT,
           "unknown format 'idy'; did you mean 'idx'");
    options.format = "idx";
    refuse(at("x-images"), &options, GEMMLP_BAD_DATA,
           "starts with bytes 61 2c 62 2c; an IDX file starts with 00 00");
    put_small_pair("y-images", "y-labels");
    gemmlp_dataset *dataset;
    assert_int_equal(gemmlp_dataset_open(at("y-images"), &options, &dataset, NULL), GEMMLP_OK);
    check_small(dataset);
    gemmlp_dataset_free(dataset);
    assert_ptr_equal(gm_format_at(0), &gm_format_idx);
    assert_null(gm_format_at(1));
}

/* ---- targets --------------------------------------------------------------------------------- */

static void put_targets(unsigned type, unsigned rank, const uint32_t *shape, const float *values,
                        size_t count)
{
    struct bytes bytes = header(type, rank, shape);
    for (size_t i = 0; i < count; i++)
        if (type == 0x0D)
            add_f32(&bytes, values[i]);
        else
            bytes.at[bytes.size++] = (unsigned char)values[i];
    put_bytes("a-labels", &bytes);
}

static void check_targets(const gemmlp_open_options *options, gemmlp_task task, size_t outputs,
                          const float *values)
{
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    gemmlp_error error;
    float y[16];
    if (gemmlp_dataset_open(at("a-images"), options, &dataset, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    gemmlp_dataset_info_get(dataset, &info);
    assert_int_equal(info.task, task);
    assert_int_equal(info.outputs, outputs);
    for (size_t i = 0; i < info.examples; i++) {
        assert_int_equal(gemmlp_dataset_example(dataset, i, NULL, y, NULL), GEMMLP_OK);
        for (size_t j = 0; j < outputs; j++)
            assert_true(y[j] == (task == GEMMLP_CLASSIFY ? (float)((size_t)values[i] == j)
                                                         : values[i * outputs + j]));
    }
    size_t counts[16];
    gemmlp_status status = gemmlp_dataset_class_counts(dataset, counts, &error);
    if (task == GEMMLP_CLASSIFY)
        assert_int_equal(status, GEMMLP_OK);
    else
        assert_failed(status, &error, GEMMLP_INVALID_ARGUMENT, "no classes to count");
    gemmlp_dataset_free(dataset);
}

static void test_targets(void **state)
{
    (void)state;
    const gemmlp_open_options classify = {.task = "classify"}, regress = {.task = "regress"},
                              multilabel = {.task = "multilabel"}, ten = {.outputs = 10},
                              two = {.outputs = 2}, misspelt = {.task = "regres"};
    const float numbers[8] = {1, 0, 1, 2, 0, 1, 1, 0}, bits[8] = {1, 0, 1, 1, 0, 1, 1, 0};
    const float reals[8] = {0.5f, -1, 3e30f, 1e-40f, 0, 1, 2, -3};
    struct bytes x = small_images();
    put_bytes("a-images", &x);
    const char *path = at("a-images");
    char images[512];
    path = strcpy(images, path);

    put_targets(0x08, 1, (uint32_t[]){4}, numbers, 4); /* uint8, one per example */
    check_targets(NULL, GEMMLP_CLASSIFY, 3, numbers);
    check_targets(&classify, GEMMLP_CLASSIFY, 3, numbers);
    check_targets(&ten, GEMMLP_CLASSIFY, 10, numbers);
    check_targets(&regress, GEMMLP_REGRESS, 1, numbers);
    refuse(path, &two, GEMMLP_BAD_DATA,
           "a-labels: label 2 at offset 11 is not below the 2 classes");
    refuse(path, &multilabel, GEMMLP_BAD_DATA, "multilabel targets have two dimensions");
    refuse(path, &misspelt, GEMMLP_INVALID_ARGUMENT,
           "unknown task 'regres'; did you mean 'regress'");

    put_targets(0x08, 2, (uint32_t[]){4, 2}, bits, 8); /* uint8, several per example */
    check_targets(NULL, GEMMLP_MULTILABEL, 2, bits);
    check_targets(&multilabel, GEMMLP_MULTILABEL, 2, bits);
    check_targets(&regress, GEMMLP_REGRESS, 2, bits);
    check_targets(&two, GEMMLP_MULTILABEL, 2, bits);
    refuse(path, &ten, GEMMLP_INVALID_ARGUMENT, "2 targets per example, but 10 outputs");
    refuse(path, &classify, GEMMLP_BAD_DATA, "cannot classify by uint8 targets of 2 dimensions");
    put_targets(0x08, 2, (uint32_t[]){4, 2}, numbers, 8);
    check_targets(&regress, GEMMLP_REGRESS, 2, numbers);
    refuse(path, NULL, GEMMLP_BAD_DATA,
           "target 2 at offset 15 (example 1, output 1) is neither 0 nor 1");

    put_targets(0x0D, 1, (uint32_t[]){4}, reals, 4); /* float32 */
    check_targets(NULL, GEMMLP_REGRESS, 1, reals);
    refuse(path, &classify, GEMMLP_BAD_DATA, "cannot classify by float32 targets");
    refuse(path, &multilabel, GEMMLP_BAD_DATA, "multilabel targets have two dimensions");
    put_targets(0x0D, 2, (uint32_t[]){4, 2}, reals, 8);
    check_targets(NULL, GEMMLP_REGRESS, 2, reals);
    refuse(path, &classify, GEMMLP_BAD_DATA, "cannot classify by float32 targets");
    refuse(path, &multilabel, GEMMLP_BAD_DATA,
           "target 0.5 at offset 12 (example 0, output 0) is neither 0 nor 1");
    put_targets(0x0D, 2, (uint32_t[]){4, 2}, bits, 8);
    check_targets(&multilabel, GEMMLP_MULTILABEL, 2, bits);

    put_targets(0x08, 3, (uint32_t[]){4, 1, 2}, bits, 8);
    refuse(path, NULL, GEMMLP_BAD_DATA, "a-labels: has 3 dimensions; targets have 1 or 2");
    put_targets(0x08, 1, (uint32_t[]){5}, bits, 5);
    refuse(path, NULL, GEMMLP_BAD_DATA, "a-images: 4 examples, but ");
    refuse(path, NULL, GEMMLP_BAD_DATA, "a-labels has targets for 5");
}

static void test_floats(void **state)
{
    (void)state;
    const float values[6] = {-1.5f, 0, 3e38f, 1e-45f, -0.0f, 7};
    struct bytes x = header(0x0D, 2, (uint32_t[]){2, 3}), y = header(0x08, 1, (uint32_t[]){2});
    for (size_t i = 0; i < 6; i++)
        add_f32(&x, values[i]);
    y.size += 2;
    put_bytes("a-images", &x);
    put_bytes("a-labels", &y);
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    float out[6];
    assert_int_equal(gemmlp_dataset_open(at("a-images"), NULL, &dataset, NULL), GEMMLP_OK);
    gemmlp_dataset_info_get(dataset, &info);
    assert_string_equal(info.element_type, "float32");
    assert_int_equal(info.height, 0);
    assert_int_equal(info.width, 0);
    gemmlp_dataset_example(dataset, 0, out, NULL, NULL);
    gemmlp_dataset_example(dataset, 1, out + 3, NULL, NULL);
    assert_memory_equal(out, values, sizeof values);
    gemmlp_dataset_free(dataset);

    memcpy(x.at + 12 + 4 * 4, (unsigned char[]){0x7f, 0xc0, 0, 0}, 4);
    put_bytes("a-images", &x);
    refuse(at("a-images"), NULL, GEMMLP_BAD_DATA,
           "element 4 at offset 28 (example 1, value 1) is NaN");
    memcpy(x.at + 12, (unsigned char[]){0xff, 0x80, 0, 0}, 4);
    put_bytes("a-images", &x);
    refuse(at("a-images"), NULL, GEMMLP_BAD_DATA,
           "element 0 at offset 12 (example 0, value 0) is infinite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_names),   IN_DIRECTORY(test_features_only),
        IN_DIRECTORY(test_missing), IN_DIRECTORY(test_format_names),
        IN_DIRECTORY(test_targets), IN_DIRECTORY(test_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
