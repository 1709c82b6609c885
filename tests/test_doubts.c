/* test_doubts.c: what a report says against its own figures, on both sides of each bound. */
#include "doubts.h"
#include "fields.h"
#include "support.h"

#include <string.h>

static const struct bench_machine quiet_machine = {.cpus = 4};
static const struct bench_activity quiet = {.own_cpus = 2, .other_cpus = 0, .steal = 0};

/* A report in JSON with single quotes, once it has been doubted. */
static json_t *doubted(const char *text, const struct bench_activity *activity)
{
    char source[2048];
    size_t length = strlen(text);
    assert_true(length < sizeof source);
    for (size_t i = 0; i <= length; i++)
        source[i] = (char)(text[i] == '\'' ? '"' : text[i]);
    json_t *report = json_loads(source, 0, NULL);
    assert_non_null(report);
    assert_true(bench_doubt(report, &quiet_machine, activity));
    return report;
}

/* doubt NULL: none. */
static void assert_doubt(const char *record, const char *doubt)
{
    char text[1024], shown[512];
    snprintf(text, sizeof text, "{'records': [{%s}], 'roofs': []}", record);
    json_t *report = doubted(text, &quiet);
    const json_t *first = json_array_get(json_object_get(report, "records"), 0);
    bench_sentences(first, "doubts", shown, sizeof shown);
    if (!doubt && json_object_get(first, "doubts"))
        fail_msg("%s: doubts that were not expected: %s", record, shown);
    if (doubt && !strstr(shown, doubt))
        fail_msg("%s: expected '%s', found '%s'", record, doubt, shown);
    assert_null(json_object_get(report, "warnings"));
    json_decref(report);
}

static void test_records(void **state)
{
    (void)state;
    static const struct {
        const char *record, *doubt;
    } cases[] = {
        {"'seconds_median': 1, 'seconds_sd': 0.24", NULL},
        {"'seconds_median': 1, 'seconds_sd': 0.26", "spread by 26 % of their median"},
        {"'seconds_median': 1", NULL},
        {"'status': 'wrong'", NULL},
        {"'peak_fraction': 1.01", NULL},
        {"'peak_fraction': 1.03", "faster than the measured peak"},
        {"'flop': 2e7, 'threads': 4, 'threads_ran': 2.9", "of 4 threads only 2.90 ran"},
        {"'flop': 2e7, 'threads': 4, 'threads_ran': 3.1", NULL},
        {"'flop': 9e6, 'threads': 4, 'threads_ran': 1", NULL},
        {"'efficiency': 1.05", NULL},
        {"'efficiency': 30", "gains more than its threads are"},
        {"'seconds_median': 1, 'parts': {'gather': 0.5, 'loss': 0.79}", NULL},
        {"'seconds_median': 1, 'parts': {'gather': 0.5, 'loss': 0.81}", "add up to 131 %"},
        {"'seconds_median': 1, 'parts': {'gather': 0.69}", "add up to 69 %"},
        {"'naive_seconds': 1, 'fair_seconds': 1.1", NULL},
        {"'naive_seconds': 1, 'fair_seconds': 1.3", "parallel loops took longer"},
        {"'peak_fraction': 2, 'efficiency': 2", "disturbed; it gains"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_doubt(cases[i].record, cases[i].doubt);
}

static void assert_warning(const char *report_text, const struct bench_activity *activity,
                           const char *warning)
{
    char shown[1024];
    json_t *report = doubted(report_text, activity);
    bench_sentences(report, "warnings", shown, sizeof shown);
    if (warning ? !strstr(shown, warning) : *shown)
        fail_msg("%s: expected '%s', found '%s'", report_text, warning ? warning : "", shown);
    json_decref(report);
}

static void test_report_warnings(void **state)
{
    (void)state;
    static const struct bench_activity busy = {.own_cpus = 2, .other_cpus = 0.5, .steal = 0};
    static const struct {
        const char *report, *warning;
    } cases[] = {
        {"{'records': [{'threads': 4}]}", NULL},
        {"{'records': [{'threads': 5}]}", "5 threads take turns on the 4 CPUs"},
        {"{'roofs': [{'threads': 1, 'peak_gflops': 100}, {'threads': 2, 'peak_gflops': 190}]}",
         NULL},
        {"{'roofs': [{'threads': 1, 'peak_gflops': 100}, {'threads': 2, 'peak_gflops': 90}]}",
         "peak on 2 threads is below that on 1"},
        {"{'roofs': [{'threads': 1, 'peak_gflops': 100, 'peak_gflops_min': 81}]}", NULL},
        {"{'roofs': [{'threads': 1, 'peak_gflops': 100, 'peak_gflops_min': 79}]}",
         "peak on 1 thread(s) went down to 79 %"},
        {"{'roofs': [{'threads': 1, 'bandwidth_gbytes': 10, 'bandwidth_gbytes_min': 5}]}",
         "bandwidth on 1 thread(s) went down to 50 %"},
    };
    for (size_t i = 0; i < COUNT(cases); i++)
        assert_warning(cases[i].report, &quiet, cases[i].warning);
    assert_warning("{'records': []}", &busy, "used 0.50 CPUs on average");
}

/* What is said no longer is taken away. */
static void test_again(void **state)
{
    (void)state;
    json_t *report = doubted("{'records': [{'peak_fraction': 2}], 'roofs': [{'threads': 1,"
                             " 'peak_gflops': 100, 'peak_gflops_min': 1}]}",
                             &quiet);
    json_t *record = json_array_get(json_object_get(report, "records"), 0);
    assert_non_null(json_object_get(report, "warnings"));
    assert_non_null(json_object_get(record, "doubts"));
    json_object_del(record, "peak_fraction");
    json_array_clear(json_object_get(report, "roofs"));
    assert_true(bench_doubt(report, &quiet_machine, &quiet));
    assert_null(json_object_get(report, "warnings"));
    assert_null(json_object_get(record, "doubts"));
    json_decref(report);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_report_warnings),
        cmocka_unit_test(test_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
