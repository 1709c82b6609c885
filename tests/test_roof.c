/* test_roof.c: the roofs are plausible, and their kernels do what they are counted for; the text of
 * /sys, /proc and /etc is read right, damaged or not; each condition that spoils a measurement, and
 * no other, is warned of. */
#define _GNU_SOURCE
#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/cpu.h"
#include "machine.h"
#include "roof.h"

static void test_peak(void **state)
{
    (void)state;
    static const enum gemm_precision precisions[] = {GEMM_F32, GEMM_F64};
    for (size_t i = 0; i < COUNT(precisions); i++) {
        for (int threads = 1; threads <= 2; threads++) {
            const char *instruction_set = NULL;
            double peak = bench_roof_peak(threads, precisions[i], &instruction_set);
            assert_true(peak > 0);
            /* No processor has more than 64 FLOP in a cycle of a core, and 8 GHz. */
            assert_at_most(peak, threads * 512, "GFLOP/s");
            assert_non_null(instruction_set);
        }
    }
    assert_true(bench_roof_peak(1, GEMM_F32, NULL) > 0);
}

/* The sum of all lanes after n rounds is known, so that a kernel that does less than it is counted
 * for is seen. With m = c = 1 each multiply-add adds 1 to one lane: the sum counts them. */
static void test_kernels_do_what_is_counted(void **state)
{
    (void)state;
    const struct bench_roof_kernel *kernel;
    size_t count = 0;
    for (; (kernel = bench_roof_kernel(count)) != NULL; count++) {
        const size_t n = 100;
        const double start = kernel->run(0, 1, 1);
        assert_true(start > 0);
        assert_int_equal(lround(2 * (kernel->run(n, 1, 1) - start)), lround(kernel->flop) * n);
        /* And the factor is applied every time: x_n = m^n x_0 + c (m^n - 1) / (m - 1), on NEON
         * and in bf16 x_0 + n m c. The lanes are exact to a unit of the precision in each round. */
        const double lanes = kernel->flop / 2, m = -3, c = 0.5, power = pow(m, 5);
        const double expected =
            strcmp(kernel->instruction_set, "NEON") == 0 || kernel->precision == GEMM_BF16
                ? start + lanes * 5 * m * c
                : power * start + lanes * c * (power - 1) / (m - 1);
        assert_close(kernel->run(5, m, c) / expected, 1, 1e-5, kernel->instruction_set);
    }
    assert_true(count >= 2); /* f32 and f64 */
}

static void test_bandwidth(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++) {
        double bandwidth = bench_roof_bandwidth(threads);
        assert_true(bandwidth > 0);
        assert_at_most(bandwidth, 1e5, "GB/s of two cores");
    }
}

static void test_no_memory(void **state)
{
    (void)state;
#ifdef GM_SANITIZED
    print_message("skipped: an address sanitizer does not live with less address space\n");
#else
    struct rlimit before;
    assert_int_equal(getrlimit(RLIMIT_AS, &before), 0);
    struct rlimit little = {1 << 20, before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_AS, &little), 0);
    double bandwidth = bench_roof_bandwidth(1);
    assert_int_equal(setrlimit(RLIMIT_AS, &before), 0);
    assert_true(isnan(bandwidth));
#endif
}

static void test_facts(void **state)
{
    (void)state;
    struct bench_machine machine;
    bench_machine_get(&machine);
    assert_true(strlen(machine.cpu) > 0);
    assert_true(strlen(machine.instruction_set) > 0);
    assert_true(strlen(machine.compiler) > strlen("gcc "));
    assert_null(strchr(machine.governor, '\n'));
    assert_non_null(strchr(machine.os, ' '));
    assert_in_range(machine.cpus, 1, 1 << 20);
    assert_true(machine.memory_bytes > 1 << 20);
    assert_in_range(machine.last_caches, 1, 1 << 20);
    assert_true(machine.last_cache_bytes >= machine.l1d);
    assert_true(machine.load == -1 || (machine.load >= 0 && isfinite(machine.load)));
    int year, month, day, hour, minute, second, length = 0;
    assert_int_equal(sscanf(machine.date, "%4d-%2d-%2dT%2d:%2d:%2dZ%n", &year, &month, &day, &hour,
                            &minute, &second, &length),
                     6);
    assert_int_equal(length, strlen("2026-11-24T13:30:00Z"));
    assert_int_equal(machine.date[length], '\0');
}

static void test_cache_size(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t bytes;
    } cases[] = {
        {"32K", 32768},
        {"32K\n", 32768},
        {"1024K\n", 1 << 20},
        {"32M", 32 << 20},
        {"1G", 1 << 30},
        {"65536", 65536},
        {"0", 0},
        {"", 0},
        {"\n", 0},
        {"K", 0},
        {"-32K", 0},
        {" 32K", 0},
        {"32k", 0},
        {"32KB", 0},
        {"32K 32K", 0},
        {"3.5M", 0},
        {"unknown", 0},
        {"99999999999999999999999", 0},
        {"18446744073709551615K", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(bench_parse_cache_size(cases[i].text), cases[i].bytes);
}

static void test_cpu_list(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int count;
    } cases[] = {
        {"0", 1},
        {"0\n", 1},
        {"0-3\n", 4},
        {"0-3,8", 5},
        {"0-7,64-71\n", 16},
        {"0,2,4", 3},
        {"", 0},
        {"\n", 0},
        {"-", 0},
        {"0-", 0},
        {"-3", 0},
        {"3-0", 0},
        {"0,", 0},
        {"0 1", 0},
        {"a", 0},
        {"0-3;8", 0},
        {"0--3", 0},
        {",0", 0},
        {"5-5", 1},
        {"0-1,x", 0},
        {"0-18446744073709551615", 0},
        {"0-4294967297", 0},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_int_equal(bench_parse_cpu_list(cases[i].text), cases[i].count);
}

static void test_stat(void **state)
{
    (void)state;
    struct bench_cpu_time t;
    /* Every field has a digit of its own. */
    assert_true(bench_parse_stat("cpu  1 20 300 4000 50000 600000 7000000 80000000 9 9\ncpu0 5 5\n",
                                 100, &t));
    assert_true(t.busy == (1 + 20 + 300 + 600000 + 7000000 + 80000000) / 100.0);
    assert_true(t.idle == (4000 + 50000) / 100.0);
    assert_true(t.stolen == 80000000 / 100.0);
    assert_true(bench_parse_stat("cpu 10 20 30 40", 10, &t));
    assert_true(t.busy == 6 && t.idle == 4 && t.stolen == 0);
    assert_true(bench_parse_stat("cpu  10 20 30 40 0 0 0 5\n", 1, &t));
    assert_true(t.busy == 65 && t.idle == 40 && t.stolen == 5);
    static const char *const malformed[] = {
        "",
        "\n",
        "cpu",
        "cpu ",
        "cpu  1 2 3\n",
        "cpu0 1 2 3 4 5 6 7 8\n",
        "intr 1 2 3 4 5 6 7 8\n",
        "cpu  1 2 -3 4 5 6 7 8\n",
        "cpu  1 2 x 4 5 6 7 8\n",
        "cpu  1 2 3 4x5 6 7 8\n",
        "cpu  1 2 3 4 5 6 7 8x\n",
        "cpu  1 2 3 99999999999999999999999 5 6 7 8\n",
    };
    for (size_t i = 0; i < COUNT(malformed); i++)
        if (bench_parse_stat(malformed[i], 100, &t))
            fail_msg("taken: \"%s\"", malformed[i]);
    assert_false(bench_parse_stat("cpu  1 2 3 4 5 6 7 8\n", 0, &t));
    assert_false(bench_parse_stat("cpu  1 2 3 4 5 6 7 8\n", -1, &t));
}

static void test_os_release(void **state)
{
    (void)state;
    static const struct {
        const char *text, *name; /* NULL: refused */
    } cases[] = {
        {"PRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\nNAME=\"Debian\"\n",
         "Debian GNU/Linux 12 (bookworm)"},
        {"NAME=x\nPRETTY_NAME='Alpine Linux v3.20'\n", "Alpine Linux v3.20"},
        {"NAME=x\n\n# PRETTY_NAME=y\nPRETTY_NAME=Void\n", "Void"},
        {"PRETTY_NAME=Void", "Void"},
        {"PRETTY_NAME=\"a \\\"quoted\\\" \\$name\"", "a \"quoted\" $name"},
        {"PRETTY_NAME='back\\slash'", "back\\slash"},
        {"PRETTY_NAME=\"a name that is longer than the thirty-two bytes of the test\"",
         "a name that is longer than the "},
        {"", NULL},
        {"\n", NULL},
        {"NAME=\"Debian\"\n", NULL},
        {"NOT_PRETTY_NAME=x\n", NULL},
        {"PRETTY_NAME", NULL},
        {"PRETTY_NAME=", NULL},
        {"PRETTY_NAME=\n", NULL},
        {"PRETTY_NAME=\"\"\n", NULL},
        {"PRETTY_NAME=\"not closed\nNAME=\"x\"\n", NULL},
        {"PRETTY_NAME=\"not closed\\", NULL},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        char name[32] = "unset";
        bool taken = bench_parse_os_release(cases[i].text, name, sizeof name);
        if (taken != (cases[i].name != NULL))
            fail_msg("%s: \"%s\"", taken ? "taken" : "refused", cases[i].text);
        if (taken)
            assert_string_equal(name, cases[i].name);
    }
}

static void test_activity_between(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct bench_activity_mark begin, end;
        double own_cpus, other_cpus, steal;
    } cases[] = {
        {"alone", {5, 1, true, {100, 0, 50}}, {15, 21, true, {120, 0, 50}}, 2, 0, 0},
        {"others", {5, 1, true, {100, 1, 50}}, {15, 11, true, {115, 1, 55}}, 1, 0.5, 0},
        {"a thief", {0, 0, true, {100, 10, 50}}, {10, 15, true, {120, 15, 50}}, 1.5, 0.5, 0.25},
        {"rounding", {0, 0, true, {100, 0, 50}}, {10, 10.2, true, {110, 0, 60}}, 1.02, 0, 0},
        {"idle", {0, 0, true, {100, 0, 50}}, {10, 0, true, {100, 0, 70}}, 0, 0, 0},
        {"no begin", {0, 0, false, {0, 0, 0}}, {10, 10, true, {120, 0, 50}}, 1, -1, -1},
        {"no end", {0, 0, true, {100, 0, 50}}, {10, 10, false, {0, 0, 0}}, 1, -1, -1},
        {"a standing counter", {0, 0, true, {0, 0, 0}}, {10, 0, true, {0, 0, 0}}, 0, -1, -1},
        {"another machine", {0, 0, true, {100, 0, 0}}, {10, 20, true, {110, 0, 10}}, 2, -1, -1},
        {"too short", {0, 0, true, {100, 0, 0}}, {0.125, 0.25, true, {101, 0, 0}}, 2, -1, -1},
        {"16 CPUs too shortly", {0, 0, true, {0, 0, 0}}, {1.6, 25.6, true, {26, 0, 0}}, 16, -1, -1},
        {"16 CPUs", {0, 0, true, {0, 0, 0}}, {2, 32, true, {33, 0, 0}}, 16, 0.5, 0},
        {"no time", {7, 0, true, {100, 0, 0}}, {7, 1, true, {110, 0, 0}}, -1, -1, -1},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench_activity activity = bench_activity_between(&cases[i].begin, &cases[i].end);
        assert_close(activity.own_cpus, cases[i].own_cpus, 1e-12, cases[i].what);
        assert_close(activity.other_cpus, cases[i].other_cpus, 1e-12, cases[i].what);
        assert_close(activity.steal, cases[i].steal, 1e-12, cases[i].what);
    }
}

static void test_activity(void **state)
{
    (void)state;
    struct bench_activity_mark begin = bench_activity_begin();
    const double start = gm_seconds();
    while (gm_seconds() - start < 0.25)
        ;
    struct bench_activity activity = bench_activity_end(&begin);
    assert_true(activity.own_cpus > 0);
    assert_at_most(activity.own_cpus, 1.2, "CPUs used by one thread");
    assert_true(activity.other_cpus == -1 || activity.other_cpus >= 0);
    assert_true(activity.steal == -1 || (activity.steal >= 0 && activity.steal <= 1));
}

static void test_warnings(void **state)
{
    (void)state;
    static const struct {
        struct bench_activity activity;
        const char *governor;
        int cpus, threads;
        double threads_ran;
        const char *expected[BENCH_WARNINGS + 1]; /* a part of each sentence, in order */
    } cases[] = {
        {{2, 0, 0}, "performance", 2, 2, 2, {NULL}},
        {{2, 0.1, 0.02}, "schedutil", 2, 2, 1.5, {NULL}},
        {{-1, -1, -1}, "", 2, 1, -1, {NULL}},
        {{2, 0, 0}, "", 2, 2, NAN, {NULL}},
        {{1, 0.11, 0}, "", 2, 1, 1, {"used 0.11 CPUs"}},
        {{1, 0.05, 0.025}, "", 2, 1, 1, {"gave 2.5 % of"}},
        {{1, 0, 0}, "powersave", 2, 1, 1, {"governor is 'powersave'"}},
        {{1, 0, 0}, "", 2, 3, 2, {"3 threads take turns on the 2 CPUs that"}},
        {{1, 0, 0}, "", 2, 2, 1.49, {"of 2 threads only 1.49 ran"}},
        {{1, 0, 0},
         "",
         2,
         8,
         0,
         {"8 threads take turns on the 2 CPUs that", "of 8 threads only 0.00 ran"}},
        {{1, 3, 0.5},
         "ondemand",
         1,
         4,
         0.5,
         {"used 3.00 CPUs", "gave 50.0 % of", "'ondemand'",
          "4 threads take turns on the 1 CPU that", "of 4 threads only 0.50 ran"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct bench_machine machine = {.cpus = cases[i].cpus};
        snprintf(machine.governor, sizeof machine.governor, "%s", cases[i].governor);
        char warnings[BENCH_WARNINGS][BENCH_WARNING_SIZE];
        size_t n = bench_machine_warnings(&machine, &cases[i].activity, cases[i].threads,
                                          cases[i].threads_ran, warnings);
        size_t expected = 0;
        for (; cases[i].expected[expected]; expected++) {
            assert_true(expected < n);
            if (!strstr(warnings[expected], cases[i].expected[expected]))
                fail_msg("no \"%s\" in \"%s\"", cases[i].expected[expected], warnings[expected]);
            assert_non_null(strchr(warnings[expected], ':')); /* what was seen: what to do */
            assert_true(strlen(warnings[expected]) < BENCH_WARNING_SIZE - 1);
        }
        assert_int_equal(n, expected);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_peak),       cmocka_unit_test(test_kernels_do_what_is_counted),
        cmocka_unit_test(test_bandwidth),  cmocka_unit_test(test_no_memory),
        cmocka_unit_test(test_facts),      cmocka_unit_test(test_cache_size),
        cmocka_unit_test(test_cpu_list),   cmocka_unit_test(test_stat),
        cmocka_unit_test(test_os_release), cmocka_unit_test(test_activity_between),
        cmocka_unit_test(test_activity),   cmocka_unit_test(test_warnings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
