/* test_compare.c: the comparison of a benchmark's report with a baseline: which records are one
 * case, what is beyond the noise, and how it is told. */
#define _POSIX_C_SOURCE 200809L
#include "reports.h"

#include "../bench/compare.h"

/* A report of one record; sd < 0: none. */
static json_t *measured(double median, double sd)
{
    json_t *report = parse("{\"suite\": \"gemm\", \"records\": [" RECORD ", \"threads\": 1,"
                           " \"provider\": \"p\"}]}");
    json_t *record = json_array_get(json_object_get(report, "records"), 0);
    json_object_set_new(record, "seconds_median", json_real(median));
    if (sd >= 0)
        json_object_set_new(record, "seconds_sd", json_real(sd));
    return report;
}

static const json_t *record_at(const json_t *report, size_t i)
{
    return json_array_get(json_object_get(report, "records"), i);
}

/* On both sides of the bound: cv of 3 % and 4 % make a noise of e^0.1 - 1; of 0 %, the floor of 1
 * %. */
static void test_verdicts(void **state)
{
    (void)state;
    static const struct {
        double old, old_cv, new, new_cv, noise;
        const char *verdict;
    } cases[] = {
        {1.104, 0.03, 1, 0.04, 0.1, "same (within noise)"}, /* ln 1.104 = 0.0989 */
        {1.106, 0.03, 1, 0.04, 0.1, "faster"},              /* ln 1.106 = 0.1008 */
        {1, 0.04, 1.104, 0.03, 0.1, "same (within noise)"},
        {1, 0.04, 1.106, 0.03, 0.1, "slower"},
        {1.0099, 0, 1, 0, 0.01, "same (within noise)"},
        {1.0102, 0, 1, 0, 0.01, "faster"},
        {1, 0, 1.0099, 0.001, 0.01, "same (within noise)"},
        {1, 0.001, 1.0102, 0, 0.01, "slower"},
        {2.7, 0.4, 1, 0.3, 1, "same (within noise)"}, /* below e */
        {2.8, 0.4, 1, 0.3, 1, "faster"},
        {1, 0.4, 2.7, 0.3, 1, "same (within noise)"},
        {4, -1, 1, 0.01, NAN, "unknown (too few samples)"},
        {4, 0.01, 1, -1, NAN, "unknown (too few samples)"},
        {0, 0, 1, 0.01, NAN, "unknown (too few samples)"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *old = measured(cases[i].old, cases[i].old * cases[i].old_cv);
        json_t *new = measured(cases[i].new, cases[i].new *cases[i].new_cv);
        assert_true(bench_compare(new, old, NULL));
        const json_t *record = record_at(new, 0);
        assert_string_equal(bench_text(record, "verdict"), cases[i].verdict);
        assert_number(record, "baseline_seconds_median", cases[i].old);
        if (!isnan(cases[i].noise)) {
            assert_number(record, "ratio", cases[i].old / cases[i].new);
            assert_number(record, "noise", expm1(cases[i].noise));
        } else {
            assert_absent(record, "noise");
        }
        json_decref(old);
        json_decref(new);
    }
}

/* Beyond noise, but under another peak. */
static void test_other_machine(void **state)
{
    (void)state;
    static const struct {
        double peak;
        const char *verdict;
    } cases[] = {{100, "faster"},
                 {115, "faster"},
                 {117, "not comparable (peaks differ)"},
                 {85, "not comparable (peaks differ)"}};
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *old = measured(2, 0.01), *new = measured(1, 0.01);
        json_t *record = json_array_get(json_object_get(new, "records"), 0);
        json_t *before = json_array_get(json_object_get(old, "records"), 0);
        json_object_set_new(record, "peak_gflops", json_real(cases[i].peak));
        json_object_set_new(before, "peak_gflops", json_real(100));
        assert_true(bench_compare(new, old, NULL));
        assert_string_equal(bench_text(record, "verdict"), cases[i].verdict);
        json_decref(old);
        json_decref(new);
    }
}

/* One key that differs makes another case; the path counts only where it has to. */
static void test_partners(void **state)
{
    (void)state;
    static const char *const keys[] = {"suite", "case", "provider", "precision"};
    for (size_t i = 0; i <= COUNT(keys); i++) {
        json_t *old = measured(1, 0), *new = measured(1, 0);
        json_t *record = json_array_get(json_object_get(old, "records"), 0);
        if (i < COUNT(keys))
            json_object_set_new(record, keys[i], json_string("other"));
        else
            json_object_set_new(record, "threads", json_integer(2));
        assert_true(bench_compare(new, old, NULL));
        assert_string_equal(bench_text(record_at(new, 0), "verdict"), "new");
        json_decref(old);
        json_decref(new);
    }
    json_t *old = measured(1, 0), *new = measured(1, 0);
    json_t *records = json_object_get(old, "records"), *first = json_array_get(records, 0);
    json_object_set_new(first, "provider_path", json_string("/1"));
    assert_true(bench_compare(new, old, NULL)); /* alone of its name, wherever it was */
    assert_string_equal(bench_text(record_at(new, 0), "verdict"), "same (within noise)");
    json_t *second = json_deep_copy(first);
    json_object_set_new(second, "provider_path", json_string("/2"));
    json_object_set_new(second, "seconds_median", json_real(2));
    json_array_append_new(records, second);
    json_object_set_new(json_array_get(json_object_get(new, "records"), 0), "provider_path",
                        json_string("/2"));
    assert_true(bench_compare(new, old, NULL));
    assert_string_equal(bench_text(record_at(new, 0), "verdict"), "faster");
    json_decref(old);
    json_decref(new);
}

static void test_compare_page(void **state)
{
    (void)state;
    json_t *old =
        parse("{\"suite\": \"gemm\", \"date\": \"D\", \"cpu\": \"old cpu\", \"cpus\": 2,"
              " \"version\": \"1\", \"records\": ["
              "{\"suite\": \"gemm\", \"case\": \"a\", \"status\": \"ok\", \"provider\": \"p\","
              " \"provider_version\": \"P 1\", \"threads\": 1, \"seconds_median\": 0.003,"
              " \"seconds_sd\": 0.00003},"
              "{\"suite\": \"gemm\", \"case\": \"b\", \"status\": \"ok\", \"provider\": \"p\","
              " \"provider_version\": \"P 1\", \"threads\": 1, \"seconds_median\": 1,"
              " \"seconds_sd\": 0.1},"
              "{\"suite\": \"gemm\", \"case\": \"c\", \"status\": \"wrong\", \"provider\": \"p\","
              " \"provider_version\": \"P 1\", \"threads\": 1},"
              "{\"suite\": \"gemm\", \"case\": \"gone\", \"status\": \"ok\", \"provider\": \"p\","
              " \"threads\": 1, \"seconds_median\": 1, \"seconds_sd\": 0.1}]}");
    json_t *new =
        parse("{\"suite\": \"gemm\", \"date\": \"E\", \"cpu\": \"new cpu\", \"cpus\": 4,"
              " \"version\": \"1\", \"records\": ["
              "{\"suite\": \"gemm\", \"case\": \"a\", \"status\": \"ok\", \"provider\": \"p\","
              " \"provider_version\": \"P 2\", \"threads\": 1, \"seconds_median\": 0.002,"
              " \"seconds_sd\": 0.00002},"
              "{\"suite\": \"gemm\", \"case\": \"b\", \"status\": \"hung\", \"provider\": \"p\","
              " \"provider_version\": \"P 2\", \"threads\": 1},"
              "{\"suite\": \"gemm\", \"case\": \"c\", \"status\": \"ok\", \"provider\": \"p\","
              " \"provider_version\": \"P 2\", \"threads\": 1, \"seconds_median\": 1,"
              " \"seconds_sd\": 0.1},"
              "{\"suite\": \"gemm\", \"case\": \"d\", \"status\": \"ok\", \"provider\": \"p\","
              " \"threads\": 1, \"seconds_median\": 1, \"seconds_sd\": 0.1}]}");
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_true(bench_compare(new, old, stream));
    assert_int_equal(fclose(stream), 0);
    assert_string_equal(
        text,
        "- cpu: now new cpu, in the baseline old cpu\n"
        "- usable CPUs: now 4, in the baseline 2\n"
        "- p: now P 2, in the baseline P 1\n"
        "\n"
        "Against the baseline of D. Speed is new over old: between 1 / noise and noise it says "
        "nothing. Noise\ncomes from twice the spread of the single samples of both, not from their "
        "standard error: repetitions on a\nshared machine are correlated.\n"
        "\n"
        "| provider | case | threads | baseline |         now ± sd |  speed |  noise | verdict "
        "|\n"
        "|:---------|:-----|--------:|---------:|-----------------:|-------:|-------:|:--------"
        "|\n"
        "| p        | a    |       1 | 3.000 ms | 2.000 ± 0.020 ms | 1.500× | 1.029× | faster  "
        "|\n"
        "| p        | b    |       1 |  1.000 s |             HUNG |      - |      - | broken  "
        "|\n"
        "| p        | c    |       1 |        - |  1.000 ± 0.100 s |      - |      - | mended  "
        "|\n"
        "| p        | d    |       1 |        - |  1.000 ± 0.100 s |      - |      - | new     "
        "|\n"
        "\n"
        "Only in the baseline:\n"
        "\n"
        "- p, gone, threads 1\n");
    free(text);
    json_decref(old);
    json_decref(new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_other_machine),
        cmocka_unit_test(test_partners),
        cmocka_unit_test(test_compare_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
