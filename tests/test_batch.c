/* test_batch.c: shuffling and gathering. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include "data/batch.h"
#include "data/dataset.h"

/* ---- shuffling ------------------------------------------------------------------------------- */

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

/* ---- gathering ------------------------------------------------------------------------------- */

/* Copies, a gap after each, have what one has. */
static void check_copies(const struct batch_source *source, const uint32_t *order, size_t first,
                         size_t rows, const float *x)
{
    enum { COPIES = 3, GAP = 2 };
    const size_t n = rows * source->dataset->storage->arrays.features, stride = n + GAP;
    const size_t targets = rows * source->outputs;
    float *copies = malloc(COPIES * stride * sizeof *copies);
    float *y = malloc((targets + 1) * sizeof *y), *once = malloc((targets + 1) * sizeof *once);
    assert_true(copies && y && once);
    for (size_t i = 0; i < COPIES * stride; i++)
        copies[i] = 12345;
    y[targets] = once[targets] = 12345;
    gm_batch_gather(source, order, first, rows,
                    &(struct batch){.x = copies, .y = y, .copies = COPIES, .stride = stride});
    for (size_t i = 0; i < COPIES; i++) {
        assert_memory_equal(copies + i * stride, x, n * sizeof *x);
        assert_true(copies[i * stride + n] == 12345 && copies[(i + 1) * stride - 1] == 12345);
    }
    gm_batch_gather(source, order, first, rows, &(struct batch){.x = copies, .y = once});
    assert_memory_equal(y, once, (targets + 1) * sizeof *y);
    free(copies), free(y), free(once);
}

/* Against a naive loop; so many features have the same factor and offset. The factor is a power of
 * two so that a fused multiply-add rounds alike. */
static void check_gather(bool bytes, bool labels, size_t features, size_t outputs, size_t rows,
                         bool part, size_t alike)
{
    enum { COUNT = 300 };
    const size_t columns = labels ? outputs + 2 : outputs; /* a network may have more classes */
    uint8_t *x_u8 = malloc(COUNT * features);
    float *x_f32 = malloc(COUNT * features * sizeof *x_f32), *targets = malloc(COUNT * outputs * 4);
    float *factor = malloc(features * 4), *offset = malloc(features * 4);
    float *x = malloc((rows * features + 1) * 4), *y = malloc((rows * columns + 1) * 4);
    gm_bf16 *x16 = malloc(rows * features * sizeof *x16);
    int32_t label[COUNT];
    uint32_t order[COUNT];
    uint64_t seed = features * 1000 + outputs;
    assert_true(x16 && x_u8 && x_f32 && targets && factor && offset && x && y);
    fill_f32(x_f32, COUNT * features, 1, -3, 3);
    fill_f32(targets, COUNT * outputs, 2, -3, 3);
    fill_f32(offset, features, 3, -1, 1);
    for (size_t i = 0; i < COUNT * features; i++)
        x_u8[i] = (uint8_t)(256 * random_uniform(&seed));
    for (size_t k = 0; k < features; k++)
        factor[k] = ldexpf(1, (int)(k < alike ? 0 : k % 5) - 4);
    for (size_t k = 1; k < alike; k++)
        offset[k] = offset[0];
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
        gm_batch_gather(&source, ordered ? order : NULL, first, rows,
                        &(struct batch){.x = x, .y = y});
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
        gm_batch_gather(&source, ordered ? order : NULL, first, rows, &(struct batch){.x = x});
        assert_true(y[0] == 54321);
        check_copies(&source, ordered ? order : NULL, first, rows, x);
        gm_batch_gather(&source, ordered ? order : NULL, first, rows, &(struct batch){.x16 = x16});
        for (size_t i = 0; i < rows * features; i++)
            assert_int_equal(x16[i], gm_bf16_round(x[i]));
    }
    gemmlp_dataset_free(dataset);
    free(x_u8), free(x_f32), free(targets), free(factor), free(offset), free(x), free(y);
    free(x16);
}

static void test_gather(void **state)
{
    (void)state;
    const size_t features[] = {1, 7, 16, 33, 784};
    for (size_t i = 0; i < sizeof features / sizeof *features; i++)
        for (int kind = 0; kind < 8; kind++) {
            check_gather(kind & 1, kind & 2, features[i], 1 + i, 1, kind & 4, 0);
            check_gather(kind & 1, kind & 2, features[i], 1 + i, 61, kind & 4, 0);
            check_gather(kind & 1, kind & 2, features[i], 1 + i, 61, kind & 4, features[i]);
            check_gather(kind & 1, kind & 2, features[i], 1 + i, 61, kind & 4, features[i] - 1);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shuffle),
        cmocka_unit_test(test_shuffle_is_fair),
        cmocka_unit_test(test_gather),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
