/* test_core.c: errors and names, checked sizes, the arena, random numbers, and the threads. */
#define _GNU_SOURCE
#include "support.h"

#include <float.h>
#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/error.h"
#include "core/rng.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* ---- errors and names ------------------------------------------------------------------------ */

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(gemmlp_status_name(GEMMLP_OK), "OK");
    assert_string_equal(gemmlp_status_text(GEMMLP_OK), "success");
    assert_string_equal(gemmlp_status_name(GEMMLP_BAD_DATA), "BAD_DATA");
    assert_string_equal(gemmlp_status_text(GEMMLP_BAD_DATA), "a data file is not usable");
    assert_string_equal(gemmlp_status_name(GEMMLP_UNSUPPORTED), "UNSUPPORTED");
    for (int i = GEMMLP_OK; i <= GEMMLP_UNSUPPORTED; i++)
        for (int j = GEMMLP_OK; j < i; j++)
            assert_string_not_equal(gemmlp_status_text((gemmlp_status)i),
                                    gemmlp_status_text((gemmlp_status)j));
    const int strange[] = {GEMMLP_UNSUPPORTED + 1, 1000, -1};
    for (size_t i = 0; i < COUNT(strange); i++) {
        assert_string_equal(gemmlp_status_name((gemmlp_status)strange[i]), "UNKNOWN");
        assert_string_equal(gemmlp_status_text((gemmlp_status)strange[i]), "unknown status");
    }
}

static void test_fail(void **state)
{
    (void)state;
    gemmlp_error error;
    assert_int_equal(gm_fail(&error, GEMMLP_IO, "%s: %d", "file", 7), GEMMLP_IO);
    assert_int_equal(error.status, GEMMLP_IO);
    assert_string_equal(error.message, "file: 7");
    assert_int_equal(gm_fail(NULL, GEMMLP_BAD_MODEL, "nobody listens"), GEMMLP_BAD_MODEL);

    /* A message that fits exactly, and longer ones: cut, and terminated. */
    char text[3000];
    memset(text, 'x', sizeof text);
    const size_t room = sizeof error.message - 1;
    for (size_t length = room - 1; length<sizeof text; length += length> room ? 977 : 1) {
        struct {
            gemmlp_error error;
            char guard[8];
        } box;
        memset(&box, 'g', sizeof box);
        gm_fail(&box.error, GEMMLP_IO, "%.*s", (int)length, text);
        assert_int_equal(strlen(box.error.message), length < room ? length : room);
        assert_memory_equal(box.guard, "gggggggg", 8);
    }

    assert_int_equal(gm_fail_memory(&error, "a slab", 2500000), GEMMLP_OUT_OF_MEMORY);
    assert_string_equal(error.message, "no memory for a slab: 2500000 bytes (2.5 MB)");
}

static const char *colour_at(size_t index)
{
    static const char *const colours[] = {"red", "green", "blue", "ultramarine"};
    return index < COUNT(colours) ? colours[index] : NULL;
}

static const char *many_at(size_t index)
{
    static char name[16];
    snprintf(name, sizeof name, "name-%zu", index);
    return index < 500 ? name : NULL;
}

static void test_find_name(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *message;
    } cases[] = {
        {"gren",
         "unknown colour 'gren'; did you mean 'green'? valid: red, green, blue, ultramarine"},
        {"Blue",
         "unknown colour 'Blue'; did you mean 'blue'? valid: red, green, blue, ultramarine"},
        {"gleem",
         "unknown colour 'gleem'; did you mean 'green'? valid: red, green, blue, ultramarine"},
        {"rde", "unknown colour 'rde'; did you mean 'red'? valid: red, green, blue, ultramarine"},
        {"ultramain", "unknown colour 'ultramain'; did you mean 'ultramarine'? valid: red, green, "
                      "blue, ultramarine"},
        /* Three edits away from the nearest: no guess. */
        {"ultrama", "unknown colour 'ultrama'; valid: red, green, blue, ultramarine"},
        {"", "unknown colour ''; valid: red, green, blue, ultramarine"},
    };
    gemmlp_error error;
    size_t index = 99;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(gm_find_name("colour", colour_at(i), colour_at, &index, &error),
                         GEMMLP_OK);
        assert_int_equal(index, i);
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(gm_find_name("colour", cases[i].asked, colour_at, &index, &error),
                         GEMMLP_INVALID_ARGUMENT);
        assert_int_equal(error.status, GEMMLP_INVALID_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
    }
    assert_int_equal(gm_find_name("colour", "gren", colour_at, &index, NULL),
                     GEMMLP_INVALID_ARGUMENT);

    /* Names of any length, and more of them than a message holds. */
    char longest[4000];
    memset(longest, 'x', sizeof longest);
    for (size_t length = 60; length < sizeof longest; length += length < 70 ? 1 : 1000) {
        longest[length] = '\0';
        gm_find_name("colour", longest, colour_at, &index, &error);
        assert_non_null(strstr(error.message, "xx'; valid: red, green, blue, ultramarine"));
        gm_find_name("thing", longest, many_at, &index, &error);
        assert_non_null(strstr(error.message, "'; valid: name-0, name-1, "));
        longest[length] = 'x';
    }
}

static void test_checked(void **state)
{
    (void)state;
    static const size_t max = SIZE_MAX, root = (size_t)1 << sizeof(size_t) * 4;
    const struct {
        size_t a, b;
        bool sum_fits, product_fits;
    } cases[] = {
        {0, 0, true, true},
        {max, 0, true, true},
        {0, max, true, true},
        {max, 1, false, true},
        {1, max, false, true},
        {max - 1, 1, true, true},
        {max, max, false, false},
        {max / 2, 2, true, true},
        {max / 2 + 1, 2, true, false},
        {2, max / 2 + 1, true, false},
        {root, root, true, false},
        {root - 1, root + 1, true, true},
        {root, root - 1, true, true},
        {max / 2 + 1, max / 2 + 1, false, false},
        {max / 2 + 1, max / 2, true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t a = cases[i].a, b = cases[i].b, sum = 7, product = 7;
        assert_int_equal(gm_add(a, b, &sum), cases[i].sum_fits);
        assert_int_equal(sum, cases[i].sum_fits ? a + b : SIZE_MAX);
        assert_int_equal(gm_mul(a, b, &product), cases[i].product_fits);
        assert_int_equal(product, cases[i].product_fits ? a * b : SIZE_MAX);
    }
}

/* ---- arena ----------------------------------------------------------------------------------- */

enum { BUFFERS = 6 };

/* Sizes that are no multiples of the alignment, and none at all. */
static void lay_out(struct arena *arena, size_t large, void *buffers[BUFFERS])
{
    buffers[0] = gm_arena_take(arena, 3, sizeof(double));
    buffers[1] = gm_arena_take(arena, 1, 1);
    buffers[2] = gm_arena_take(arena, 0, sizeof(float));
    buffers[3] = gm_arena_take(arena, large, sizeof(float));
    buffers[4] = gm_arena_take(arena, 64, 1);
    buffers[5] = gm_arena_take(arena, 65, 1);
}

static void check_arena(size_t large, size_t alignment, bool slab)
{
    const size_t bytes[BUFFERS] = {24, 1, 0, large * sizeof(float), 64, 65};
    struct arena arena = {.slab = slab};
    gemmlp_error error;
    void *buffers[BUFFERS];
    lay_out(&arena, large, buffers);
    for (size_t i = 0; i < BUFFERS; i++)
        assert_null(buffers[i]);
    const size_t counted = arena.used;
    assert_true(counted >= 24 + 1 + large * sizeof(float) + 64 + 65);
    assert_int_equal(counted % GM_ALIGNMENT, 0);

    assert_int_equal(gm_arena_allocate(&arena, "a test", &error), GEMMLP_OK);
    assert_int_equal((uintptr_t)arena.base % alignment, 0);
    assert_true(arena.capacity >= counted);
    assert_int_equal(arena.used, 0);
    lay_out(&arena, large, buffers);
    assert_int_equal(arena.used, counted);
    const unsigned char *end = arena.base;
    for (size_t i = 0; i < BUFFERS; i++) {
        unsigned char *start = buffers[i];
        assert_int_equal((uintptr_t)start % GM_ALIGNMENT, 0);
        assert_true(start >= end); /* so that no two overlap */
        for (size_t j = 0; j < bytes[i]; j++)
            if (start[j] != 0)
                fail_msg("byte %zu of buffer %zu is not zero", j, i);
        memset(start, 0xff, bytes[i]);
        end = start + bytes[i];
    }
    assert_true(end <= arena.base + counted);
    gm_arena_free(&arena);
    assert_null(arena.base);
    assert_int_equal(arena.used, 0);
    gm_arena_free(&arena); /* of an arena that holds nothing */
}

/* The allocator is likely to hand out memory that was in use before: zeroing is not left to luck.
 */
static void test_arena(void **state)
{
    (void)state;
    const size_t huge = (size_t)2 << 20;
    for (int round = 0; round < 3; round++) {
        for (int slab = 0; slab < 2; slab++) {
            check_arena(0, GM_ALIGNMENT, slab);
            check_arena(1000, GM_ALIGNMENT, slab);
            check_arena(huge / sizeof(float), huge, slab);
            check_arena(3 * huge / sizeof(float) + 1, huge, slab);
        }
    }
}

/* A slab is swept from end to end, so its pads must be readable zeros. */
static void test_arena_slab(void **state)
{
    (void)state;
    struct arena arena = {.slab = true};
    void *buffers[BUFFERS];
    lay_out(&arena, 17, buffers);
    assert_int_equal(gm_arena_allocate(&arena, "a slab", NULL), GEMMLP_OK);
    lay_out(&arena, 17, buffers);
    for (size_t i = 0; i < arena.used; i++)
        assert_int_equal(arena.base[i], 0);
    gm_arena_free(&arena);

    struct arena empty = {0};
    assert_int_equal(gm_arena_allocate(&empty, "nothing", NULL), GEMMLP_OK);
    assert_non_null(empty.base);
    gm_arena_free(&empty);
}

static void test_arena_overflow(void **state)
{
    (void)state;
    static const size_t half = SIZE_MAX / 2 + 1;
    const struct {
        size_t count[2], size;
        bool overflow; /* while counting; otherwise while allocating */
    } cases[] = {
        {{half, 0}, 2, true},     /* in the product */
        {{half, half}, 1, true},  /* in the sum */
        {{SIZE_MAX, 0}, 1, true}, /* in the padding */
        {{half, 0}, 1, false},    /* more than any object can have */
        {{half / 2, half / 2}, 1, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {0};
        gemmlp_error error = {0};
        gm_arena_take(&arena, cases[i].count[0], cases[i].size);
        gm_arena_take(&arena, cases[i].count[1], cases[i].size);
        gm_arena_take(&arena, 1, 1); /* what fits afterwards does not heal it */
        assert_int_equal(arena.overflow, cases[i].overflow);
        assert_int_equal(gm_arena_allocate(&arena, "the workspace", &error), GEMMLP_OUT_OF_MEMORY);
        assert_non_null(strstr(error.message, "the size of the workspace overflows"));
        assert_null(arena.base);
        gm_arena_free(&arena);
    }
#ifndef GM_SANITIZED /* which ends the process instead */
    struct arena arena = {0};
    gemmlp_error error = {0};
    gm_arena_take(&arena, half / 4, 1);
    assert_int_equal(gm_arena_allocate(&arena, "the workspace", &error), GEMMLP_OUT_OF_MEMORY);
    assert_non_null(strstr(error.message, "no memory for the workspace: "));
    assert_null(arena.base);
#endif
}

/* ---- random numbers -------------------------------------------------------------------------- */

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
        struct rng_block block = gm_rng(1, RNG_SAMPLE, 0, 0, i);
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

/* ---- threads --------------------------------------------------------------------------------- */

static void set_or_unset(const char *name, const char *value)
{
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static int least(int a, int b)
{
    return b > 0 && b < a ? b : a;
}

static void test_thread_count(void **state)
{
    (void)state;
    static const struct {
        const char *omp, *slurm;
        int threads_omp, threads_slurm;
    } cases[] = {
        {NULL, NULL, 0, 0},
        {"1", NULL, 1, 0},
        {NULL, "1", 0, 1},
        {"1", "100000", 1, 100000},
        {"3", "1", 3, 1},
        {"4,2", NULL, 4, 0},
        {"", "", 0, 0},
        {"many", "-2", 0, 0},
        {"0", "0", 0, 0},
        {"100000", "100000", 100000, 100000},
        {"99999999999999999999", "4294967297", 0, 0},
    };
    char *omp = getenv("OMP_NUM_THREADS"), *slurm = getenv("SLURM_CPUS_PER_TASK");
    omp = omp ? strdup(omp) : NULL;
    slurm = slurm ? strdup(slurm) : NULL;
    for (size_t i = 0; i < COUNT(cases); i++) {
        set_or_unset("OMP_NUM_THREADS", cases[i].omp);
        set_or_unset("SLURM_CPUS_PER_TASK", cases[i].slurm);
        gemmlp_machine machine;
        gemmlp_machine_get(&machine);
        assert_int_equal(machine.threads_omp, cases[i].threads_omp);
        assert_int_equal(machine.threads_slurm, cases[i].threads_slurm);
        assert_in_range(machine.threads_affinity, 1, 1 << 20);
        int expected = least(machine.threads_affinity, machine.threads_cgroup);
        expected = least(least(expected, machine.threads_omp), machine.threads_slurm);
        assert_int_equal(machine.threads, expected);
        assert_int_equal(gemmlp_default_threads(), expected);
        assert_true(strlen(machine.cpu) > 0);
        assert_non_null(machine.instruction_set);
        assert_true(machine.memory_bytes > 1 << 20);
    }
    set_or_unset("OMP_NUM_THREADS", omp);
    set_or_unset("SLURM_CPUS_PER_TASK", slurm);
    free(omp);
    free(slurm);
}

static void test_affinity(void **state)
{
    (void)state;
    cpu_set_t before, one;
    if (sched_getaffinity(0, sizeof before, &before) != 0)
        skip();
    CPU_ZERO(&one);
    for (size_t i = 0; CPU_COUNT(&one) == 0 && i < CPU_SETSIZE; i++)
        if (CPU_ISSET(i, &before))
            CPU_SET(i, &one);
    assert_int_equal(sched_setaffinity(0, sizeof one, &one), 0);
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    assert_int_equal(sched_setaffinity(0, sizeof before, &before), 0);
    assert_int_equal(machine.threads_affinity, 1);
    assert_int_equal(machine.threads, 1);
    gemmlp_machine_get(&machine);
    assert_int_equal(machine.threads_affinity, CPU_COUNT(&before));
}

static bool bits_are_zero(const void *value, size_t size)
{
    static const unsigned char zero[sizeof(double)];
    return memcmp(value, zero, size) == 0;
}

struct census {
    int threads;
    int flushing;          /* threads in which half the smallest normal number is zero */
    int reading_zero;      /* threads in which a subnormal operand counts as zero */
    int control_is_before; /* threads whose control word is `before` */
};

/* Read at run time: of a volatile local in a parallel region gcc makes a constant. */
static volatile float smallest_f32 = FLT_MIN, subnormal_f32 = FLT_TRUE_MIN;
static volatile double smallest_f64 = DBL_MIN;

static struct census take_census(unsigned before)
{
    struct census census = {0};
#pragma omp parallel
    {
        float half_f32 = smallest_f32 * 0.5f, grown = subnormal_f32 * 16777216.0f;
        double half_f64 = smallest_f64 * 0.5;
        bool restored = CONTROL_BITS(gm_float_control_get()) == CONTROL_BITS(before);
#pragma omp critical
        {
            census.threads++;
            /* Compared by bits, for a comparison takes subnormals for zero as well. */
            census.flushing += bits_are_zero(&half_f32, sizeof half_f32) &&
                               bits_are_zero(&half_f64, sizeof half_f64);
            census.reading_zero += bits_are_zero(&grown, sizeof grown);
            census.control_is_before += restored;
        }
    }
    return census;
}

static void test_compute_scope(void **state)
{
    (void)state;
    const int max = omp_get_max_threads();
    const unsigned before = gm_float_control_get();
    const bool can_flush = GM_FLUSH_TO_ZERO(0u) != 0;
    omp_set_dynamic(0);
    for (int outside = 1; outside <= 3; outside++) {
        for (int inside = 1; inside <= 3; inside++) {
            omp_set_num_threads(outside);
            struct compute_scope scope = gm_compute_begin(inside);
            assert_int_equal(omp_get_max_threads(), inside);
            struct census census = take_census(before);
            assert_int_equal(census.threads, inside);
            if (can_flush) {
                assert_int_equal(census.flushing, inside);
                assert_int_equal(census.reading_zero, inside);
                assert_int_equal(census.control_is_before, 0);
            }
            gm_compute_end(scope);
            assert_int_equal(omp_get_max_threads(), outside);
            omp_set_num_threads(3); /* every worker that there ever was */
            census = take_census(before);
            assert_int_equal(census.threads, 3);
            assert_int_equal(census.flushing, 0);
            assert_int_equal(census.reading_zero, 0);
            assert_int_equal(census.control_is_before, 3);
        }
    }
    /* A caller who flushes already still does so afterwards. */
    if (can_flush) {
        gm_float_control_set(GM_FLUSH_TO_ZERO(before));
        gm_compute_end(gm_compute_begin(1));
        unsigned after = gm_float_control_get();
        gm_float_control_set(before);
        assert_int_equal(CONTROL_BITS(after), CONTROL_BITS(GM_FLUSH_TO_ZERO(before)));
    }
    omp_set_num_threads(max);
}

static void test_seconds(void **state)
{
    (void)state;
    double before = gm_seconds();
    for (int i = 0; i < 1000; i++) {
        double now = gm_seconds();
        assert_true(now >= before);
        before = now;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_names),   cmocka_unit_test(test_fail),
        cmocka_unit_test(test_find_name),      cmocka_unit_test(test_checked),
        cmocka_unit_test(test_arena),          cmocka_unit_test(test_arena_slab),
        cmocka_unit_test(test_arena_overflow), cmocka_unit_test(test_rng_known_answers),
        cmocka_unit_test(test_rng_arguments),  cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_thread_count),   cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_compute_scope),  cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
