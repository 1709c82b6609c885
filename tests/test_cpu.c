/* test_cpu.c: threads, their affinity and their floating-point control, the processor's name, and
 * the clock. */
#define _GNU_SOURCE
#include "support.h"

#include <float.h>
#include <omp.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cpu.h"
#include "core/portability.h"
#include "gemmlp.h"

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

/* ---- what the system says, as it is found on machines and in containers ---- */

static void put(const char *root, const char *path, const char *text)
{
    char whole[512];
    snprintf(whole, sizeof whole, "%s%s", root, path);
    for (char *slash = whole + strlen(root) + 1; (slash = strchr(slash, '/')); slash++) {
        *slash = '\0';
        mkdir(whole, 0777);
        *slash = '/';
    }
    FILE *file = fopen(whole, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

#define CPU_QUOTA(directory)  "/sys/fs/cgroup/" directory "/cpu.cfs_quota_us"
#define CPU_PERIOD(directory) "/sys/fs/cgroup/" directory "/cpu.cfs_period_us"

static void test_control_groups(void **state)
{
    (void)state;
    static const struct {
        const char *groups;   /* /proc/self/cgroup; NULL: there is none */
        const char *files[8]; /* path, text, … */
        int cpus;
    } cases[] = {
        {NULL, {NULL}, 0},
        {"0::/\n", {NULL}, 0},
        {"0::/\n", {"/sys/fs/cgroup/cpu.max", "max 100000\n"}, 0},
        {"0::/\n", {"/sys/fs/cgroup/cpu.max", "200000 100000\n"}, 2},
        {"0::/\n", {"/sys/fs/cgroup/cpu.max", "150000 100000\n"}, 2}, /* rounded up */
        {"0::/\n", {"/sys/fs/cgroup/cpu.max", "1000 100000\n"}, 1},
        {"0::/a/b\n", {"/sys/fs/cgroup/a/b/cpu.max", "400000 100000\n"}, 4},
        {"0::/a/b\n",
         {"/sys/fs/cgroup/a/b/cpu.max", "max 100000\n", "/sys/fs/cgroup/a/cpu.max",
          "300000 100000\n"},
         3}, /* of the group above */
        {"0::/a/b\n",
         {"/sys/fs/cgroup/a/b/cpu.max", "200000 100000\n", "/sys/fs/cgroup/a/cpu.max",
          "800000 100000\n"},
         2},
        {"0::/not/in/sight\n", {"/sys/fs/cgroup/cpu.max", "500000 100000\n"}, 5}, /* a container */
        {"0::/a\n", {"/sys/fs/cgroup/a/cpu.max", ""}, 0},
        {"0::/a\n", {"/sys/fs/cgroup/a/cpu.max", "-1 100000"}, 0},
        {"0::/a\n", {"/sys/fs/cgroup/a/cpu.max", "100000 0"}, 0},
        {"4:memory:/x\n3:cpu,cpuacct:/j\n0::/\n",
         {CPU_QUOTA("cpu/j"), "600000\n", CPU_PERIOD("cpu/j"), "100000\n"},
         6},
        {"3:cpuacct,cpu:/j\n", /* the other order, and no link called cpu */
         {CPU_QUOTA("cpuacct,cpu/j"), "50000\n", CPU_PERIOD("cpuacct,cpu/j"), "25000\n"},
         2},
        {"3:cpu:/j\n", {CPU_QUOTA("cpu/j"), "-1\n", CPU_PERIOD("cpu/j"), "100000\n"}, 0},
        {"3:cpu:/docker/f00\n", {CPU_QUOTA("cpu"), "300000\n", CPU_PERIOD("cpu"), "100000\n"}, 3},
        {"3:cpuset:/j\n2:cpuacct:/j\n", /* neither is cpu */
         {CPU_QUOTA("cpu/j"), "100000\n", CPU_PERIOD("cpu/j"), "100000\n"},
         0},
        {"1:name=systemd:/s\n0::/u\n", {"/sys/fs/cgroup/unified/u/cpu.max", "700000 100000\n"}, 7},
        {"nonsense\n:\n::\n0\n0:\n", {NULL}, 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char root[] = "/tmp/gemmlp-cgroup-XXXXXX", command[64];
        assert_non_null(mkdtemp(root));
        if (cases[i].groups)
            put(root, "/proc/self/cgroup", cases[i].groups);
        for (size_t f = 0; f < COUNT(cases[i].files) && cases[i].files[f]; f += 2)
            put(root, cases[i].files[f], cases[i].files[f + 1]);
        const int cpus = gm_cgroup_cpus(root);
        snprintf(command, sizeof command, "rm -rf %s", root);
        assert_int_equal(system(command), 0);
        if (cpus != cases[i].cpus)
            fail_msg("case %zu (%s): %d CPUs, expected %d", i, cases[i].groups, cpus,
                     cases[i].cpus);
    }
}

static void test_cpu_name(void **state)
{
    (void)state;
    static const struct {
        const char *cpuinfo, *name;
    } cases[] = {
        {NULL, "unknown"},
        {"", "unknown"},
        {"processor\t: 0\n", "unknown"},
        {"model name", "unknown"},
        {"processor\t: 0\nmodel name\t: Some CPU @ 2 GHz\nstepping\t: 1\n", "Some CPU @ 2 GHz"},
        {"model name\t: The first\n\nmodel name\t: The second\n", "The first"},
        {"model name\t: cut off", "cut off"},
        {"processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\n"
         "CPU variant\t: 0x3\nCPU part\t: 0xd0c\nCPU revision\t: 1\n",
         "implementer 0x41, part 0xd0c"},
        {"CPU implementer\t: 0x41\n", "unknown"},
        {"model name\t: longer than there is room for it, to the end\n",
         "longer than there is room for i"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char root[] = "/tmp/gemmlp-cpuinfo-XXXXXX", command[64], name[32] = "unset";
        assert_non_null(mkdtemp(root));
        if (cases[i].cpuinfo)
            put(root, "/proc/cpuinfo", cases[i].cpuinfo);
        gm_cpu_name(root, name, sizeof name);
        snprintf(command, sizeof command, "rm -rf %s", root);
        assert_int_equal(system(command), 0);
        assert_string_equal(name, cases[i].name);
    }
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
        cmocka_unit_test(test_thread_count),   cmocka_unit_test(test_affinity),
        cmocka_unit_test(test_control_groups), cmocka_unit_test(test_cpu_name),
        cmocka_unit_test(test_compute_scope),  cmocka_unit_test(test_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
