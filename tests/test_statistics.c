/* test_statistics.c: the benchmark's statistics, of samples and in records, what is derived from
 * them, and the merging of rounds. */
#define _POSIX_C_SOURCE 200809L
#include "reports.h"

#include "../bench/statistics.h"

/* ---- statistics ------------------------------------------------------------------------------ */

static void test_statistics(void **state)
{
    (void)state;
    const double odd[] = {9, 2, 4}, even[] = {7, 1, 5, 3};
    struct bench_statistics s = bench_statistics(odd, 3);
    assert_close(s.median, 4, 0, "median");
    assert_close(s.min, 2, 0, "min");
    assert_close(s.mean, 5, 0, "mean");
    assert_close(s.sd, sqrt(13), 1e-15, "sd"); /* (16 + 9 + 1) / 2 */
    s = bench_statistics(even, 4);
    assert_close(s.median, 4, 0, "median");
    assert_close(s.min, 1, 0, "min");
    assert_close(s.sd, sqrt(20.0 / 3), 1e-15, "sd");
    s = bench_statistics(odd, 1);
    assert_close(s.median, 9, 0, "median");
    assert_close(s.mean, 9, 0, "mean");
    assert_true(isnan(s.sd));
    s = bench_statistics(NULL, 0);
    assert_true(isnan(s.median) && isnan(s.min) && isnan(s.mean) && isnan(s.sd));
}

static void test_record_statistics(void **state)
{
    (void)state;
    const double samples[] = {0.25, 0.5, 1.5};
    json_t *record = json_object();
    assert_true(bench_record_statistics(record, samples, 3));
    assert_number(record, "seconds_median", 0.5);
    assert_number(record, "seconds_min", 0.25);
    assert_number(record, "seconds_mean", 0.75);
    assert_number(record, "seconds_sd", sqrt(0.4375));
    assert_int_equal(json_integer_value(json_object_get(record, "repetitions")), 3);
    assert_int_equal(json_array_size(json_object_get(record, "samples")), 3);
    assert_close(json_real_value(json_array_get(json_object_get(record, "samples"), 2)), 1.5, 0,
                 "sample");
    assert_true(bench_record_statistics(record, samples, 1)); /* no spread any more */
    assert_number(record, "seconds_median", 0.25);
    assert_absent(record, "seconds_sd");
    assert_true(bench_record_statistics(record, NULL, 0));
    assert_int_equal(json_object_size(record), 0);
    json_decref(record);
}

static void test_derive(void **state)
{
    (void)state;
    json_t *record = parse("{\"suite\": \"step\", \"batch\": 10, \"seconds_median\": 0.5,"
                           " \"flop\": 4e9, \"peak_gflops\": 10, \"roof_gflops\": 16.0,"
                           " \"naive_seconds\": 5, \"fair_seconds\": 1.5}");
    assert_true(bench_record_derive(record));
    assert_number(record, "gflops", 8);
    assert_number(record, "examples_per_second", 20);
    assert_number(record, "peak_fraction", 0.8);
    assert_number(record, "roof_fraction", 0.5);
    assert_number(record, "naive_speedup", 10);
    assert_number(record, "fair_speedup", 3);
    /* What does not follow is not there, not even from before. */
    json_object_del(record, "flop");
    json_object_del(record, "fair_seconds");
    json_object_set_new(record, "suite", json_string("gemm"));
    assert_true(bench_record_derive(record));
    assert_absent(record, "gflops");
    assert_absent(record, "examples_per_second");
    assert_absent(record, "peak_fraction");
    assert_absent(record, "roof_fraction");
    assert_absent(record, "fair_speedup");
    assert_number(record, "naive_speedup", 10);
    json_decref(record);
}

/* ---- merging --------------------------------------------------------------------------------- */

static json_t *first_round(void)
{
    return parse("{\"suite\": \"step\", \"case\": \"a\", \"status\": \"ok\", \"batch\": 8,"
                 " \"flop\": 6e9, \"peak_gflops\": 5, \"roof_gflops\": 4, \"residual\": 1e-7,"
                 " \"verified\": true, \"threads_ran\": 2, \"repetitions\": 1,"
                 " \"naive_seconds\": 20, \"parts\": {\"gather\": 1, \"update\": 3},"
                 " \"speedup\": 1.5, \"efficiency\": 0.75, \"seconds_median\": 1,"
                 " \"seconds_min\": 1, \"seconds_mean\": 1, \"samples\": [1]}");
}

static json_t *second_round(void)
{
    return parse("{\"suite\": \"step\", \"case\": \"a\", \"status\": \"ok\", \"batch\": 8,"
                 " \"flop\": 6e9, \"peak_gflops\": 6, \"roof_gflops\": 3, \"residual\": 3e-7,"
                 " \"verified\": true, \"threads_ran\": 1, \"repetitions\": 3,"
                 " \"naive_seconds\": 24, \"fair_seconds\": 9, \"fair_build\": \"-O3\","
                 " \"seconds_median\": 3,"
                 " \"parts\": {\"gather\": 5, \"loss\": 1}, \"samples\": [5, 3, 3]}");
}

static void test_merge(void **state)
{
    (void)state;
    json_t *into = first_round(), *from = second_round();
    assert_true(bench_record_merge(into, from));
    assert_int_equal(json_array_size(json_object_get(into, "samples")), 4);
    assert_int_equal(json_integer_value(json_object_get(into, "repetitions")), 4);
    assert_number(into, "seconds_median", 3);
    assert_number(into, "seconds_min", 1);
    assert_number(into, "seconds_mean", 3);
    assert_number(into, "seconds_sd", sqrt(8.0 / 3));
    assert_number(into, "gflops", 2);
    assert_number(into, "examples_per_second", 8.0 / 3);
    assert_number(into, "peak_gflops", 6);
    assert_number(into, "peak_fraction", 1.0 / 3);
    assert_number(into, "roof_gflops", 4);
    assert_number(into, "roof_fraction", 0.5);
    assert_close(bench_number(into, "residual") * 1e7, 3, 1e-12, "residual");
    assert_number(into, "threads_ran", 1.25); /* (1 · 2 + 3 · 1) / 4 */
    assert_number(into, "naive_seconds", 23); /* (1 · 20 + 3 · 24) / 4 */
    assert_number(into, "naive_speedup", 23.0 / 3);
    assert_number(into, "fair_seconds", 9); /* only one round had it */
    assert_number(into, "fair_speedup", 3);
    assert_string_equal(bench_text(into, "fair_build"), "-O3");
    const json_t *parts = json_object_get(into, "parts");
    assert_number(parts, "gather", 4); /* (1 · 1 + 3 · 5) / 4 */
    assert_number(parts, "update", 3);
    assert_number(parts, "loss", 1);
    assert_absent(into, "speedup");
    assert_absent(into, "efficiency");
    assert_true(json_is_true(json_object_get(into, "verified")));
    /* A third one weighs against four. */
    json_object_set_new(from, "repetitions", json_integer(4));
    json_object_set_new(from, "verified", json_false());
    assert_true(bench_record_merge(into, from));
    assert_number(into, "threads_ran", 1.125);
    assert_true(json_is_false(json_object_get(into, "verified")));
    json_decref(into);
    json_decref(from);
}

static void test_merge_failure(void **state)
{
    (void)state;
    static const char *const figures[] = {"seconds_median", "seconds_min",   "seconds_mean",
                                          "seconds_sd",     "samples",       "repetitions",
                                          "gflops",         "peak_fraction", "examples_per_second",
                                          "roof_fraction",  "naive_speedup", "parts",
                                          "threads_ran",    "speedup"};
    const char *const bad = "{\"suite\": \"step\", \"case\": \"a\", \"status\": \"wrong\","
                            " \"message\": \"off\", \"verified\": false, \"residual\": 0.5}";
    /* Whichever of the two rounds failed. */
    for (int failed_first = 0; failed_first < 2; failed_first++) {
        json_t *good = first_round(), *failed = parse(bad);
        json_t *into = failed_first ? failed : good, *from = failed_first ? good : failed;
        assert_true(bench_record_derive(good));
        assert_true(bench_record_merge(into, from));
        assert_string_equal(bench_text(into, "status"), "wrong");
        assert_string_equal(bench_text(into, "message"), "off");
        assert_true(json_is_false(json_object_get(into, "verified")));
        assert_number(into, "residual", 0.5);
        for (size_t i = 0; i < COUNT(figures); i++)
            assert_absent(into, figures[i]);
        json_decref(good);
        json_decref(failed);
    }
    /* The first failure is the one that is told. */
    json_t *into = parse(bad), *from = parse(bad);
    json_object_set_new(from, "status", json_string("hung"));
    assert_true(bench_record_merge(into, from));
    assert_string_equal(bench_text(into, "status"), "wrong");
    json_decref(into);
    json_decref(from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_statistics),    cmocka_unit_test(test_record_statistics),
        cmocka_unit_test(test_derive),        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
