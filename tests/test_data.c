/* test_data.c: data sets in memory and their parts, shuffling, gathering, pre-processing, and MNIST
 * itself (GEMMLP_DATASETS: the folder of the data sets). */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#ifdef _OPENMP
#include <omp.h>
#endif

#include "core/rng.h"
#include "data/batch.h"
#include "data/dataset.h"
#include "data/preprocess.h"

/* ---- arrays of the caller
 * ------------------------------------------------------------------------ */

static void refuse_arrays(const gemmlp_arrays *arrays, const char *text)
{
    gemmlp_dataset *dataset = (gemmlp_dataset *)1;
    gemmlp_error error = {0};
    assert_failed(gemmlp_dataset_wrap(arrays, &dataset, &error), &error, GEMMLP_INVALID_ARGUMENT,
                  text);
    assert_null(dataset);
}

static void test_wrap(void **state)
{
    (void)state;
    const float x[6] = {1, 2, 3, 4, 5, 6}, targets[6] = {0, 1, 1, 0, 0.5f, 1};
    const uint8_t bytes[6] = {1, 2, 3, 4, 5, 6};
    const int32_t labels[3] = {0, 2, 1}, negative[3] = {0, -1, 1};
    const float infinite[6] = {0, 0, 0, INFINITY, 0, 0};
    const gemmlp_arrays good = {.examples = 3, .features = 2, .x_f32 = x, .labels = labels};
    gemmlp_arrays arrays = good;
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    gemmlp_error error;
    size_t counts[5];
    float y[3];

    assert_int_equal(gemmlp_dataset_wrap(&arrays, &dataset, NULL), GEMMLP_OK);
    gemmlp_dataset_info_get(dataset, &info);
    assert_int_equal(info.outputs, 3);
    assert_string_equal(info.format, "memory");
    assert_int_equal(gemmlp_dataset_class_counts(dataset, counts, NULL), GEMMLP_OK);
    assert_true(counts[0] == 1 && counts[1] == 1 && counts[2] == 1);
    assert_failed(gemmlp_dataset_example(dataset, 3, NULL, y, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "no example 3: there are 3");
    gemmlp_dataset_free(dataset);
    arrays.outputs = 5;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &dataset, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_dataset_class_counts(dataset, counts, NULL), GEMMLP_OK);
    assert_true(counts[2] == 1 && counts[3] == 0 && counts[4] == 0);
    gemmlp_dataset_free(dataset);

    arrays = good, arrays.outputs = 2;
    refuse_arrays(&arrays, "labels[1] is 2; expected 0 to 1");
    arrays = good, arrays.labels = negative;
    refuse_arrays(&arrays, "labels[1] is -1; expected 0 to");
    arrays = good, arrays.examples = 0;
    refuse_arrays(&arrays, "0 examples of 2 features");
    arrays = good, arrays.features = 0;
    refuse_arrays(&arrays, "3 examples of 0 features");
    arrays = good, arrays.examples = (size_t)UINT32_MAX + 1;
    refuse_arrays(&arrays, "expected 1 to 4294967295");
    arrays = good, arrays.features = SIZE_MAX / 2;
    refuse_arrays(&arrays, "more than can be addressed");
    arrays = good, arrays.x_u8 = bytes;
    refuse_arrays(&arrays, "both of x_f32 and x_u8");
    arrays = good, arrays.x_f32 = NULL;
    refuse_arrays(&arrays, "none of x_f32 and x_u8");
    arrays = good, arrays.targets = targets;
    refuse_arrays(&arrays, "both of labels and targets");
    arrays = good, arrays.task = GEMMLP_REGRESS;
    refuse_arrays(&arrays, "the task needs targets, but labels are set");
    arrays = good, arrays.task = (gemmlp_task)7;
    refuse_arrays(&arrays, "task 7 is none");
    arrays = good, arrays.labels = NULL, arrays.targets = targets;
    refuse_arrays(&arrays, "the task needs labels, but targets are set");
    arrays.task = GEMMLP_REGRESS;
    refuse_arrays(&arrays, "targets of 0 outputs");
    arrays.outputs = 2, arrays.targets = infinite;
    refuse_arrays(&arrays, "targets[3] (example 1, output 1) is inf; expected a finite number");
    arrays.task = GEMMLP_MULTILABEL, arrays.targets = targets;
    refuse_arrays(&arrays, "targets[4] (example 2, output 0) is 0.5; expected 0 or 1");
}

/* ---- splitting
 * ------------------------------------------------------------------------------------ */

/* A data set whose only feature is the number of the example. */
static gemmlp_dataset *numbered(size_t examples, float *x, int32_t *labels)
{
    gemmlp_dataset *dataset;
    for (size_t i = 0; i < examples; i++) {
        x[i] = (float)i;
        labels[i] = (int32_t)(i % 3);
    }
    const gemmlp_arrays arrays = {
        .examples = examples, .features = 1, .outputs = 3, .x_f32 = x, .labels = labels};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &dataset, NULL), GEMMLP_OK);
    return dataset;
}

/* Counts how often each example stands in the part. */
static size_t mark(const gemmlp_dataset *part, unsigned *seen)
{
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(part, &info);
    for (size_t i = 0; i < info.examples; i++) {
        float x, y[3];
        assert_int_equal(gemmlp_dataset_example(part, i, &x, y, NULL), GEMMLP_OK);
        seen[(size_t)x]++;
        assert_true(y[(size_t)x % 3] == 1);
    }
    return info.examples;
}

enum { EXAMPLES = 1001 };

static void test_split(void **state)
{
    (void)state;
    static float x[EXAMPLES];
    static int32_t labels[EXAMPLES];
    unsigned seen[EXAMPLES] = {0}, again[EXAMPLES] = {0}, other[EXAMPLES] = {0};
    gemmlp_dataset *all = numbered(EXAMPLES, x, labels), *first, *second, *third, *fourth;
    assert_int_equal(gemmlp_dataset_split(all, 0.3, 7, &first, &second, NULL), GEMMLP_OK);
    gemmlp_dataset_free(all); /* the parts outlive it */
    assert_int_equal(mark(first, seen), 701);
    for (size_t i = 0; i < EXAMPLES; i++)
        again[i] = seen[i];
    assert_int_equal(mark(second, seen), 300);
    for (size_t i = 0; i < EXAMPLES; i++)
        assert_int_equal(seen[i], 1);

    /* A part of a part, by the same seed. */
    assert_int_equal(gemmlp_dataset_split(first, 0.5, 7, &third, &fourth, NULL), GEMMLP_OK);
    gemmlp_dataset_free(first);
    memset(seen, 0, sizeof seen);
    assert_int_equal(mark(third, seen) + mark(fourth, seen), 701);
    for (size_t i = 0; i < EXAMPLES; i++)
        assert_int_equal(seen[i], again[i]);
    size_t counts[3];
    assert_int_equal(gemmlp_dataset_class_counts(second, counts, NULL), GEMMLP_OK);
    assert_int_equal(counts[0] + counts[1] + counts[2], 300);
    gemmlp_dataset_free(third);
    gemmlp_dataset_free(fourth);
    gemmlp_dataset_free(second);

    /* The same by the same seed, another by another. */
    all = numbered(EXAMPLES, x, labels);
    assert_int_equal(gemmlp_dataset_split(all, 0.3, 7, &first, &second, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_dataset_split(all, 0.3, 8, &third, &fourth, NULL), GEMMLP_OK);
    memset(seen, 0, sizeof seen);
    mark(first, seen);
    mark(third, other);
    assert_memory_equal(seen, again, sizeof seen);
    assert_memory_not_equal(seen, other, sizeof seen);
    gemmlp_dataset_free(first);
    gemmlp_dataset_free(second);
    gemmlp_dataset_free(third);
    gemmlp_dataset_free(fourth);

    const double fractions[] = {0, 1, -0.1, 1.5, 0.0001, 0.9999, NAN, INFINITY};
    for (size_t i = 0; i < sizeof fractions / sizeof *fractions; i++) {
        gemmlp_error error;
        first = second = all;
        assert_failed(gemmlp_dataset_split(all, fractions[i], 7, &first, &second, &error), &error,
                      GEMMLP_INVALID_ARGUMENT, "leaves one part empty");
        assert_null(first);
        assert_null(second);
    }
    gemmlp_dataset_free(all);
}

/* Over many seeds each of 10 examples is chosen about equally often: 3 of 10, 5 standard deviations
 * of the binomial distribution. */
static void test_split_is_fair(void **state)
{
    (void)state;
    enum { SEEDS = 4000 };
    float x[10];
    int32_t labels[10];
    unsigned chosen[10] = {0};
    gemmlp_dataset *all = numbered(10, x, labels), *first, *second;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        assert_int_equal(gemmlp_dataset_split(all, 0.3, seed, &first, &second, NULL), GEMMLP_OK);
        mark(second, chosen);
        gemmlp_dataset_free(first);
        gemmlp_dataset_free(second);
    }
    gemmlp_dataset_free(all);
    for (size_t i = 0; i < 10; i++)
        assert_at_most(fabs(chosen[i] - 0.3 * SEEDS), 5 * sqrt(SEEDS * 0.3 * 0.7),
                       "bias of a split");
}

/* ---- random numbers, shuffling
 * --------------------------------------------------------------------- */

/* Random123, tests/kat_vectors: "philox4x32 10  00000000 ... 6627e8d5 e169c58d bc57ac4c 9b00dbd8".
 */
static void test_philox(void **state)
{
    (void)state;
    const uint32_t expected[4] = {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8};
    struct rng_block block = gm_rng(0, (enum rng_purpose)0, 0, 0, 0);
    assert_memory_equal(block.u, expected, sizeof expected);
    struct rng_block blocks[] = {
        gm_rng(1, RNG_INIT, 0, 0, 0),    gm_rng((uint64_t)1 << 32, RNG_INIT, 0, 0, 0),
        gm_rng(0, RNG_SHUFFLE, 0, 0, 0), gm_rng(0, RNG_INIT, 1, 0, 0),
        gm_rng(0, RNG_INIT, 0, 1, 0),    gm_rng(0, RNG_INIT, 0, (uint64_t)1 << 32, 0),
        gm_rng(0, RNG_INIT, 0, 0, 1),    gm_rng(0, RNG_INIT, 0, 0, (uint64_t)1 << 32)};
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < i; j++)
            assert_memory_not_equal(&blocks[i], &blocks[j], sizeof blocks[0]);
}

static void check_permutation(const uint32_t *order, size_t count)
{
    unsigned char *seen = calloc(count + 1, 1);
    assert_non_null(seen);
    for (size_t i = 0; i < count; i++) {
        assert_true(order[i] < count);
        assert_int_equal(seen[order[i]]++, 0);
    }
    free(seen);
}

static void test_shuffle(void **state)
{
    (void)state;
    static uint32_t a[60000], b[60000];
    for (size_t count = 0; count < 70; count++) {
        gm_shuffle(1, 2, count, a);
        check_permutation(a, count);
    }
    gm_shuffle(1, 2, 60000, a);
    check_permutation(a, 60000);
    gm_shuffle(1, 2, 60000, b);
    assert_memory_equal(a, b, sizeof a);
    const uint64_t others[][2] = {{1, 3}, {2, 2}, {1, ((uint64_t)1 << 32) + 2}};
    for (size_t i = 0; i < 3; i++) {
        size_t same = 0;
        gm_shuffle(others[i][0], others[i][1], 60000, b);
        for (size_t j = 0; j < 60000; j++)
            same += a[j] == b[j];
        assert_true(same < 20); /* 1 is expected */
    }
}

/* All 24 orders of 4 are equally likely: chi-squared with 23 degrees of freedom is below 60 except
 * for 4 of 100 000 generators that are fair. */
static void test_shuffle_is_fair(void **state)
{
    (void)state;
    enum { EPOCHS = 24000 };
    unsigned counts[256] = {0};
    double chi_squared = 0;
    size_t orders = 0;
    for (uint64_t epoch = 0; epoch < EPOCHS; epoch++) {
        uint32_t order[4];
        gm_shuffle(42, epoch, 4, order);
        counts[order[0] << 6 | order[1] << 4 | order[2] << 2 | order[3]]++;
    }
    for (size_t i = 0; i < 256; i++)
        if (counts[i] > 0) {
            orders++;
            chi_squared += (counts[i] - 1000.0) * (counts[i] - 1000.0) / 1000;
        }
    assert_int_equal(orders, 24);
    assert_at_most(chi_squared, 60, "chi-squared of the orders");
    assert_true(chi_squared > 5); /* too even is not random either */
}

/* ---- gathering
 * --------------------------------------------------------------------------------------- */

/* Against a naive loop; the factor is a power of two so that a fused multiply-add rounds alike. */
static void check_gather(bool bytes, bool labels, size_t features, size_t outputs, size_t rows,
                         bool part)
{
    enum { COUNT = 300 };
    const size_t columns = labels ? outputs + 2 : outputs; /* a network may have more classes */
    uint8_t *x_u8 = malloc(COUNT * features);
    float *x_f32 = malloc(COUNT * features * sizeof *x_f32), *targets = malloc(COUNT * outputs * 4);
    float *factor = malloc(features * 4), *offset = malloc(features * 4);
    float *x = malloc((rows * features + 1) * 4), *y = malloc((rows * columns + 1) * 4);
    int32_t label[COUNT];
    uint32_t order[COUNT];
    uint64_t seed = features * 1000 + outputs;
    assert_true(x_u8 && x_f32 && targets && factor && offset && x && y);
    fill_f32(x_f32, COUNT * features, 1, -3, 3);
    fill_f32(targets, COUNT * outputs, 2, -3, 3);
    fill_f32(offset, features, 3, -1, 1);
    for (size_t i = 0; i < COUNT * features; i++)
        x_u8[i] = (uint8_t)(256 * random_uniform(&seed));
    for (size_t k = 0; k < features; k++)
        factor[k] = ldexpf(1, (int)(k % 5) - 4);
    for (size_t i = 0; i < COUNT; i++)
        label[i] = (int32_t)(i % outputs);
    const gemmlp_arrays arrays = {.examples = COUNT,
                                  .features = features,
                                  .outputs = outputs,
                                  .task = labels ? GEMMLP_CLASSIFY : GEMMLP_REGRESS,
                                  .x_f32 = bytes ? NULL : x_f32,
                                  .x_u8 = bytes ? x_u8 : NULL,
                                  .labels = labels ? label : NULL,
                                  .targets = labels ? NULL : targets};
    gemmlp_dataset *dataset, *rest, *chosen = NULL;
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &dataset, NULL), GEMMLP_OK);
    if (part) {
        assert_int_equal(gemmlp_dataset_split(dataset, 0.8, 5, &rest, &chosen, NULL), GEMMLP_OK);
        gemmlp_dataset_free(rest);
        gemmlp_dataset_free(dataset);
        dataset = chosen;
    }
    gm_shuffle(1, 1, dataset->examples, order);
    const struct batch_source source = {dataset, factor, offset, columns};
    for (int ordered = 0; ordered < 2; ordered++) {
        const size_t first = 3;
        x[rows * features] = y[rows * columns] = 12345;
        gm_batch_gather(&source, ordered ? order : NULL, first, rows, x, y);
        for (size_t i = 0; i < rows; i++) {
            size_t row = ordered ? order[first + i] : first + i;
            row = part ? dataset->rows[row] : row;
            for (size_t k = 0; k < features; k++) {
                float value = bytes ? (float)x_u8[row * features + k] : x_f32[row * features + k];
                assert_true(x[i * features + k] == value * factor[k] + offset[k]);
            }
            for (size_t j = 0; j < columns; j++)
                assert_true(y[i * columns + j] == (labels ? (float)(label[row] == (int32_t)j)
                                                          : targets[row * outputs + j]));
        }
        assert_true(x[rows * features] == 12345 && y[rows * columns] == 12345);
        y[0] = 54321;
        gm_batch_gather(&source, ordered ? order : NULL, first, rows, x, NULL);
        assert_true(y[0] == 54321);
    }
    gemmlp_dataset_free(dataset);
    free(x_u8), free(x_f32), free(targets), free(factor), free(offset), free(x), free(y);
}

static void test_gather(void **state)
{
    (void)state;
    const size_t features[] = {1, 7, 16, 33, 784};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        for (int kind = 0; kind < 8; kind++) {
            check_gather(kind & 1, kind & 2, features[i], 1 + i, 1, kind & 4);
            check_gather(kind & 1, kind & 2, features[i], 1 + i, 61, kind & 4);
        }
}

/* ---- pre-processing
 * ------------------------------------------------------------------------------------ */

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

/* ---- MNIST
 * ------------------------------------------------------------------------------------------- */

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
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_is_fair),
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_shuffle_is_fair),
        cmocka_unit_test(test_gather),
        cmocka_unit_test(test_moments),
        cmocka_unit_test(test_scale_and_none),
        cmocka_unit_test(test_threads_do_not_matter),
        cmocka_unit_test(test_preprocess_names),
        cmocka_unit_test(test_mnist),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
