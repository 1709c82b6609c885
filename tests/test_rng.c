/* test_rng.c: random numbers: known answers, that every argument counts, and that they are
 * uniform. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "core/rng.h"

/* The three vectors that Random123 publishes for philox4x32-10 (its kat_vectors: zeros, ones,
 * digits of pi). The counter is (index, index | lane, stream, stream | purpose), the key (seed,
 * seed). */
static void test_rng_known_answers(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        uint32_t purpose, lane;
        uint64_t stream, index;
        uint32_t expected[4];
    } cases[] = {
        {0, 0, 0, 0, 0, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {UINT64_MAX,
         0xff,
         0xffff,
         0xffffffffffffff,
         0xffffffffffff,
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {0x299f31d0a4093822,
         0x03,
         0x85a3,
         0x70734413198a2e,
         0x08d3243f6a88,
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct rng_block block = gm_rng(cases[i].seed, (enum rng_purpose)cases[i].purpose,
                                        cases[i].lane, cases[i].stream, cases[i].index);
        assert_memory_equal(block.u, cases[i].expected, sizeof block.u);
    }
}

static int compare_blocks(const void *a, const void *b)
{
    return memcmp(a, b, sizeof(struct rng_block));
}

/* Every bit of every argument changes the block, and no two arguments share a bit. */
static void test_rng_arguments(void **state)
{
    (void)state;
    enum { SEED = 64, PURPOSE = 3, LANE = 16, STREAM = 56, INDEX = 48 };
    struct rng_block blocks[1 + SEED + PURPOSE + LANE + STREAM + INDEX];
    size_t n = 0;
    blocks[n++] = gm_rng(0, (enum rng_purpose)0, 0, 0, 0);
    for (unsigned bit = 0; bit < SEED; bit++)
        blocks[n++] = gm_rng((uint64_t)1 << bit, (enum rng_purpose)0, 0, 0, 0);
    for (unsigned bit = 0; bit < PURPOSE; bit++)
        blocks[n++] = gm_rng(0, (enum rng_purpose)(1u << bit), 0, 0, 0);
    for (unsigned bit = 0; bit < LANE; bit++)
        blocks[n++] = gm_rng(0, (enum rng_purpose)0, 1u << bit, 0, 0);
    for (unsigned bit = 0; bit < STREAM; bit++)
        blocks[n++] = gm_rng(0, (enum rng_purpose)0, 0, (uint64_t)1 << bit, 0);
    for (unsigned bit = 0; bit < INDEX; bit++)
        blocks[n++] = gm_rng(0, (enum rng_purpose)0, 0, 0, (uint64_t)1 << bit);
    assert_int_equal(n, COUNT(blocks));
    qsort(blocks, n, sizeof *blocks, compare_blocks);
    for (size_t i = 1; i < n; i++)
        assert_int_not_equal(compare_blocks(&blocks[i - 1], &blocks[i]), 0);
}

/* Random123, tests/kat_vectors: "philox4x32 10  00000000 ... 6627e8d5 e169c58d bc57ac4c
 * 9b00dbd8". */
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

static void test_uniform(void **state)
{
    (void)state;
    assert_true(gm_uniform(0) > 0);
    assert_true(gm_uniform(UINT32_MAX) < 1);
    assert_true(gm_uniform(0) == 1 - gm_uniform(UINT32_MAX));
    assert_true(gm_uniform(0x80000000) - gm_uniform(0x7fffffff) == 1 / 4294967296.0);

    enum { BLOCKS = 25000, N = 4 * BLOCKS, BINS = 64 };
    double sum = 0;
    size_t bins[BINS] = {0};
    for (uint64_t i = 0; i < BLOCKS; i++) {
        struct rng_block block = gm_rng(1, RNG_EXAMPLES, 0, 0, i);
        for (int j = 0; j < 4; j++) {
            double u = gm_uniform(block.u[j]);
            sum += u;
            bins[(int)(u * BINS)]++;
        }
    }
    assert_at_most(fabs(sum / N - 0.5), 5 * sqrt(1.0 / 12 / N), "distance of the mean from 1/2");
    double chi_squared = 0; /* 63 degrees of freedom: mean 63, variance 126 */
    for (int i = 0; i < BINS; i++)
        chi_squared += ((double)bins[i] - N / BINS) * ((double)bins[i] - N / BINS) / (N / BINS);
    assert_at_most(fabs(chi_squared - 63), 5 * sqrt(126), "distance of chi squared from 63");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rng_known_answers),
        cmocka_unit_test(test_rng_arguments),
        cmocka_unit_test(test_philox),
        cmocka_unit_test(test_uniform),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
