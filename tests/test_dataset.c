/* test_dataset.c: data sets in memory: arrays of the caller, and how they are split. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include "data/dataset.h"

/* ---- arrays of the caller -------------------------------------------------------------------- */

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

/* ---- splitting ------------------------------------------------------------------------------- */

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_wrap),
        cmocka_unit_test(test_split),
        cmocka_unit_test(test_split_is_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
