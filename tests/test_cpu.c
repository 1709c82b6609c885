/* test_cpu.c: threads, their affinity and their floating-point control, and the clock. */
#define _GNU_SOURCE
#include "support.h"

#include <float.h>
#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "core/portability.h"
#include "gemmlp.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

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
        cmocka_unit_test(test_thread_count),
        cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_compute_scope),
        cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
