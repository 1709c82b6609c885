/* test_preprocess.c: pre-processing by mean and deviation, by scale and not at all; and MNIST
 * itself (GEMMLP_DATASETS: the folder of the data sets). */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "data/dataset.h"
#include "data/preprocess.h"

/* ---- pre-processing -------------------------------------------------------------------------- */

enum { ROWS = 9001, COLUMNS = 5 }; /* more than two chunks of rows */

static float columns_f32[ROWS * COLUMNS];
static uint8_t columns_u8[ROWS * COLUMNS];
static int32_t zeros[ROWS];

/* Column 1 is constant; column 2 far from zero, where sums of squares in float would cancel; column
 * 3 starts with an outlier; uint8 column 4 has one value that differs from all the others. */
static gemmlp_dataset *make_columns(bool bytes)
{
    uint64_t seed = 1;
    for (size_t i = 0; i < ROWS; i++) {
        float *x = columns_f32 + i * COLUMNS;
        uint8_t *u = columns_u8 + i * COLUMNS;
        x[0] = (float)(random_uniform(&seed) - 0.25);
        x[1] = 0.1f;
        x[2] = (float)(1e6 + floor(4 * random_uniform(&seed)) / 4);
        x[3] = (float)(i == 0 ? -1e5 : random_uniform(&seed));
        x[4] = (float)(1e-3 * random_uniform(&seed));
        u[0] = (uint8_t)(256 * random_uniform(&seed));
        u[1] = 255;
        u[2] = (uint8_t)(254 + 2 * random_uniform(&seed));
        u[3] = (uint8_t)(2 * random_uniform(&seed));
        u[4] = i == 4500 ? 254 : 255;
    }
    const gemmlp_arrays arrays = {.examples = ROWS,
                                  .features = COLUMNS,
                                  .x_f32 = bytes ? NULL : columns_f32,
                                  .x_u8 = bytes ? columns_u8 : NULL,
                                  .labels = zeros};
    gemmlp_dataset *dataset;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &dataset, NULL), GEMMLP_OK);
    return dataset;
}

/* Mean and standard deviation of columns first .. last over the rows of the data set, by two passes
 * in long double. */
static void direct_moments(const gemmlp_dataset *dataset, bool bytes, size_t first, size_t last,
                           double *mean, double *deviation)
{
    long double sum = 0, squares = 0, n = (long double)(dataset->examples * (last - first + 1));
    for (int pass = 0; pass < 2; pass++)
        for (size_t i = 0; i < dataset->examples; i++)
            for (size_t k = first; k <= last; k++) {
                size_t at_k = gm_dataset_row(dataset, i) * COLUMNS + k;
                long double x = bytes ? columns_u8[at_k] : (long double)columns_f32[at_k];
                if (pass == 0)
                    sum += x;
                else
                    squares += (x - sum / n) * (x - sum / n);
            }
    *mean = (double)(sum / n);
    *deviation = (double)sqrtl(squares / n);
}

static void fit(const char *name, const gemmlp_dataset *dataset, float *factor, float *offset)
{
    const struct preprocessor *chosen;
    gemmlp_error error = {0};
    if (gm_preprocess_fit(name, dataset, factor, offset, &chosen, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    assert_string_equal(chosen->name, name);
}

/* factor = 1 / deviation (1 for a constant), factor mean + offset = 0. */
static void check_moments(const gemmlp_dataset *dataset, bool bytes)
{
    float factor[COLUMNS], offset[COLUMNS];
    double mean, deviation;
    fit("standardize", dataset, factor, offset);
    for (size_t k = 0; k < COLUMNS; k++) {
        direct_moments(dataset, bytes, k, k, &mean, &deviation);
        if (k == 1) {
            assert_true(factor[k] == 1);
            assert_true(offset[k] == (bytes ? -255.0f : -0.1f));
            continue;
        }
        assert_at_most(relative_difference((double)factor[k], 1 / deviation), 1e-7, "factor");
        assert_at_most(relative_difference((double)offset[k], -mean * (double)factor[k]), 1e-7,
                       "offset");
    }
    fit("standardize_all", dataset, factor, offset);
    direct_moments(dataset, bytes, 0, COLUMNS - 1, &mean, &deviation);
    for (size_t k = 0; k < COLUMNS; k++) {
        assert_at_most(relative_difference((double)factor[k], 1 / deviation), 1e-7,
                       "factor of all");
        assert_at_most(relative_difference((double)offset[k], -mean * (double)factor[k]), 1e-7,
                       "offset of all");
    }
}

static void test_moments(void **state)
{
    (void)state;
    for (int bytes = 0; bytes < 2; bytes++) {
        gemmlp_dataset *dataset = make_columns(bytes), *first, *second;
        check_moments(dataset, bytes);
        assert_int_equal(gemmlp_dataset_split(dataset, 0.3, 3, &first, &second, NULL), GEMMLP_OK);
        direct_moments(first, bytes, 4, 4, &(double){0}, &(double){0});
        if (!bytes) { /* the part must see its own rows alone */
            check_moments(first, bytes);
            check_moments(second, bytes);
        }
        gemmlp_dataset_free(first);
        gemmlp_dataset_free(second);
        gemmlp_dataset_free(dataset);
    }
}

static void test_scale_and_none(void **state)
{
    (void)state;
    float factor[COLUMNS], offset[COLUMNS];
    for (int bytes = 0; bytes < 2; bytes++) {
        gemmlp_dataset *dataset = make_columns(bytes);
        fit("none", dataset, factor, offset);
        for (size_t k = 0; k < COLUMNS; k++)
            assert_true(factor[k] == 1 && offset[k] == 0);
        fit("scale", dataset, factor, offset);
        double low = bytes ? 0 : -1e5, high = bytes ? 255 : 1e6 + 0.75;
        for (size_t k = 0; k < COLUMNS; k++) {
            assert_at_most(relative_difference((double)factor[k], 1 / (high - low)), 1e-7,
                           "factor");
            assert_close((double)(factor[k] * (float)low + offset[k]), 0, 1e-6, "lowest");
            assert_close((double)(factor[k] * (float)high + offset[k]), 1, 1e-6, "highest");
        }
        gemmlp_dataset_free(dataset);
    }
    const float constant[4] = {5, 5, 5, 5};
    const gemmlp_arrays arrays = {.examples = 2, .features = 2, .x_f32 = constant, .labels = zeros};
    gemmlp_dataset *dataset;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &dataset, NULL), GEMMLP_OK);
    static const char *const names[] = {"scale", "standardize", "standardize_all"};
    for (size_t i = 0; i < 3; i++) {
        fit(names[i], dataset, factor, offset);
        for (size_t k = 0; k < 2; k++)
            assert_true(factor[k] == 1 && offset[k] == -5);
    }
    gemmlp_dataset_free(dataset);
}

static void test_threads_do_not_matter(void **state)
{
    (void)state;
#ifdef _OPENMP
    static const char *const names[] = {"scale", "standardize", "standardize_all"};
    int before = omp_get_max_threads();
    for (int bytes = 0; bytes < 2; bytes++) {
        gemmlp_dataset *dataset = make_columns(bytes);
        for (size_t i = 0; i < 3; i++) {
            float one[2][COLUMNS], many[2][COLUMNS];
            omp_set_num_threads(1);
            fit(names[i], dataset, one[0], one[1]);
            omp_set_num_threads(5);
            fit(names[i], dataset, many[0], many[1]);
            assert_memory_equal(one, many, sizeof one);
        }
        gemmlp_dataset_free(dataset);
    }
    omp_set_num_threads(before);
#else
    skip();
#endif
}

static void test_preprocess_names(void **state)
{
    (void)state;
    float factor[COLUMNS], offset[COLUMNS];
    const struct preprocessor *chosen;
    gemmlp_error error;
    gemmlp_dataset *dataset = make_columns(true);
    assert_int_equal(gm_preprocess_fit(NULL, dataset, factor, offset, &chosen, NULL), GEMMLP_OK);
    assert_string_equal(chosen->name, "scale");
    gemmlp_dataset_free(dataset);
    dataset = make_columns(false);
    assert_int_equal(gm_preprocess_fit(NULL, dataset, factor, offset, &chosen, NULL), GEMMLP_OK);
    assert_string_equal(chosen->name, "standardize");
    assert_failed(gm_preprocess_fit("standardise", dataset, factor, offset, &chosen, &error),
                  &error, GEMMLP_INVALID_ARGUMENT, "did you mean 'standardize'");
    for (size_t i = 0; gm_preprocessor_at(i); i++)
        assert_true(strlen(gm_preprocessor_at(i)->description) > 5);

    columns_f32[7003 * COLUMNS + 3] = NAN;
    columns_f32[8000 * COLUMNS] = INFINITY;
    for (size_t i = 0; gm_preprocessor_at(i); i++)
        assert_failed(gm_preprocess_fit(gm_preprocessor_at(i)->name, dataset, factor, offset,
                                        &chosen, &error),
                      &error, GEMMLP_BAD_DATA, "feature 3 of example 7003 is NaN");
    columns_f32[7003 * COLUMNS + 3] = 0;
    assert_failed(gm_preprocess_fit("scale", dataset, factor, offset, &chosen, &error), &error,
                  GEMMLP_BAD_DATA, "feature 0 of example 8000 is infinite");
    gemmlp_dataset_free(dataset);
}

/* ---- MNIST ----------------------------------------------------------------------------------- */

static void test_mnist(void **state)
{
    (void)state;
    static const size_t expected[10] = {5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949};
    const char *folder = getenv("GEMMLP_DATASETS");
    char path[4096];
    snprintf(path, sizeof path, "%s/mnist", folder ? folder : "datasets");
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    gemmlp_error error;
    size_t counts[10];
    if (gemmlp_dataset_open(path, NULL, &dataset, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    gemmlp_dataset_info_get(dataset, &info);
    assert_int_equal(info.examples, 60000);
    assert_int_equal(info.features, 784);
    assert_int_equal(info.height, 28);
    assert_int_equal(info.width, 28);
    assert_int_equal(info.outputs, 10);
    assert_int_equal(gemmlp_dataset_class_counts(dataset, counts, NULL), GEMMLP_OK);
    assert_memory_equal(counts, expected, sizeof counts);

    /* The mean and standard deviation that everyone knows: 0.1307 and 0.3081 of 255. */
    float *factor = malloc(784 * sizeof *factor), *offset = malloc(784 * sizeof *offset);
    assert_true(factor && offset);
    fit("standardize_all", dataset, factor, offset);
    assert_close(1 / (255 * (double)factor[0]), 0.3081, 5e-5, "standard deviation of MNIST");
    assert_close(-(double)offset[0] / (255 * (double)factor[0]), 0.1307, 5e-5, "mean of MNIST");
    free(factor);
    free(offset);
    gemmlp_dataset_free(dataset);

    assert_true(gemmlp_dataset_has_test(path));
    const gemmlp_open_options test = {.test = true};
    assert_int_equal(gemmlp_dataset_open(path, &test, &dataset, NULL), GEMMLP_OK);
    gemmlp_dataset_info_get(dataset, &info);
    assert_int_equal(info.examples, 10000);
    assert_int_equal(info.features, 784);
    assert_int_equal(info.outputs, 10);
    gemmlp_dataset_free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_scale_and_none),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_preprocess_names),
        cmocka_unit_test(test_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
