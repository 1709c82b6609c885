/* test_report.c: the benchmark's statistics, the merging of rounds, its reports in every format,
 * reading them back (damaged ones too), and the comparison with a baseline. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"
#include "support.h"

#include "../bench/compare.h"
#include "../bench/fields.h"
#include "../bench/report.h"
#include "../bench/report_library.h"
#include "../bench/report_table.h"
#include "../bench/statistics.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* The last two can be read back. */
static const char *const formats[] = {"md", "csv", "json", "jsonl"};

static json_t *parse(const char *text)
{
    json_error_t where;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!value)
        print_error("line %d: %s\n", where.line, where.text);
    assert_non_null(value);
    return value;
}

static void assert_number(const json_t *object, const char *key, double expected)
{
    assert_close(bench_number(object, key), expected, 1e-12, key);
}

static void assert_absent(const json_t *object, const char *key)
{
    if (json_object_get(object, key))
        fail_msg("%s is there", key);
}

/* What the report reads in a format; the caller frees it. */
static char *written(json_t *report, const char *format)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_true(bench_report_write(report, format, stream));
    assert_int_equal(fclose(stream), 0);
    return text;
}

static void assert_written(json_t *report, const char *format, const char *expected)
{
    char *text = written(report, format);
    assert_string_equal(text, expected);
    free(text);
}

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

/* ---- formats --------------------------------------------------------------------------------- */

/* Keys in another order than theirs. */
static json_t *small_report(void)
{
    return parse("{\"records\": [{\"samples\": [0.001, 0.002, 0.003], \"threads\": 2,"
                 " \"gflops\": 12.3456789012, \"case\": \"a, \\\"b\\\"\", \"status\": \"ok\","
                 " \"verified\": true, \"suite\": \"gemm\", \"extra\": 1},"
                 " {\"suite\": \"gemm\", \"case\": \"c\", \"status\": \"hung\","
                 " \"message\": \"no end\\nafter 10 s\", \"parts\": {\"gather\": 0.5}}],"
                 " \"date\": \"D\", \"cpu\": \"C\", \"compiler\": \"G\", \"version\": \"V\","
                 " \"suite\": \"gemm\"}");
}

static void test_json(void **state)
{
    (void)state;
    json_t *report = small_report();
    assert_written(report, "json",
                   "{\n"
                   "  \"suite\": \"gemm\",\n"
                   "  \"date\": \"D\",\n"
                   "  \"version\": \"V\",\n"
                   "  \"compiler\": \"G\",\n"
                   "  \"cpu\": \"C\",\n"
                   "  \"records\": [\n"
                   "    {\n"
                   "      \"suite\": \"gemm\",\n"
                   "      \"case\": \"a, \\\"b\\\"\",\n"
                   "      \"status\": \"ok\",\n"
                   "      \"threads\": 2,\n"
                   "      \"gflops\": 12.3456789,\n"
                   "      \"verified\": true,\n"
                   "      \"cpu\": \"C\",\n"
                   "      \"compiler\": \"G\",\n"
                   "      \"version\": \"V\",\n"
                   "      \"date\": \"D\",\n"
                   "      \"samples\": [\n"
                   "        0.001,\n"
                   "        0.002,\n"
                   "        0.003\n"
                   "      ],\n"
                   "      \"extra\": 1\n"
                   "    },\n"
                   "    {\n"
                   "      \"suite\": \"gemm\",\n"
                   "      \"case\": \"c\",\n"
                   "      \"status\": \"hung\",\n"
                   "      \"message\": \"no end\\nafter 10 s\",\n"
                   "      \"parts\": {\n"
                   "        \"gather\": 0.5\n"
                   "      },\n"
                   "      \"cpu\": \"C\",\n"
                   "      \"compiler\": \"G\",\n"
                   "      \"version\": \"V\",\n"
                   "      \"date\": \"D\"\n"
                   "    }\n"
                   "  ]\n"
                   "}\n");
    json_decref(report);
}

static void test_jsonl(void **state)
{
    (void)state;
    json_t *report = small_report();
    assert_written(
        report, "jsonl",
        "{\"suite\":\"gemm\",\"date\":\"D\",\"version\":\"V\",\"compiler\":\"G\",\"cpu\":\"C\"}\n"
        "{\"suite\":\"gemm\",\"case\":\"a, \\\"b\\\"\",\"status\":\"ok\",\"threads\":2,"
        "\"gflops\":12.3456789,\"verified\":true,\"cpu\":\"C\",\"compiler\":\"G\","
        "\"version\":\"V\",\"date\":\"D\",\"samples\":[0.001,0.002,0.003],\"extra\":1}\n"
        "{\"suite\":\"gemm\",\"case\":\"c\",\"status\":\"hung\","
        "\"message\":\"no end\\nafter 10 s\",\"parts\":{\"gather\":0.5},\"cpu\":\"C\","
        "\"compiler\":\"G\",\"version\":\"V\",\"date\":\"D\"}\n");
    json_decref(report);
}

static void test_csv(void **state)
{
    (void)state;
    json_t *report = small_report();
    assert_written(report, "csv",
                   "suite,case,status,message,threads,gflops,verified,cpu,compiler,version,date,"
                   "extra,part_gather\n"
                   "gemm,\"a, \"\"b\"\"\",ok,,2,12.3456789,true,C,G,V,D,1,\n"
                   "gemm,c,hung,\"no end\nafter 10 s\",,,,C,G,V,D,,0.5\n");
    json_decref(report);
}

/* A record from another machine, or of an earlier version, says so in every format. */
static void test_context(void **state)
{
    (void)state;
    static const char *const keys[] = {"cpu", "compiler", "version", "date"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        json_t *report = small_report();
        json_object_set_new(json_array_get(json_object_get(report, "records"), 0), keys[i],
                            json_string("own"));
        for (size_t j = 2; j < COUNT(formats); j++) {
            json_t *again;
            char *text = written(report, formats[j]);
            put_file(at("report"), text, strlen(text));
            assert_int_equal(bench_report_read(at("report"), &again, NULL), GEMMLP_OK);
            const json_t *records = json_object_get(again, "records");
            assert_string_equal(bench_text(json_array_get(records, 0), keys[i]), "own");
            assert_string_equal(bench_text(json_array_get(records, 1), keys[i]),
                                bench_text(report, keys[i]));
            json_decref(again);
            free(text);
        }
        char *csv = written(report, "csv");
        assert_non_null(strstr(csv, ",own"));
        free(csv);
        json_decref(report);
    }
}

static void test_formats(void **state)
{
    (void)state;
    json_t *report = small_report();
    char buffer[64];
    FILE *unwritable = fmemopen(buffer, sizeof buffer, "r");
    assert_non_null(unwritable);
    for (size_t i = 0; i < COUNT(formats); i++)
        assert_false(bench_report_write(report, formats[i], unwritable));
    assert_false(bench_report_write(report, "xml", stdout));
    fclose(unwritable);
    json_decref(report);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Allocations that jansson may still make. */
static size_t allocations_left;

static void *scarce_malloc(size_t size)
{
    return allocations_left > 0 && allocations_left-- ? malloc(size) : NULL;
}

static bool do_merge(json_t *report, json_t *other)
{
    return bench_record_merge(json_array_get(json_object_get(report, "records"), 0),
                              json_array_get(json_object_get(other, "records"), 0));
}

static bool do_compare(json_t *report, json_t *other)
{
    return bench_compare(report, other, NULL);
}

/* With k allocations, k = 0, 1, 2, …: a clean failure until there are enough for all of it. */
static void sweep(const char *name, bool (*act)(json_t *report, json_t *other))
{
    json_malloc_t usual_malloc;
    json_free_t usual_free;
    json_get_alloc_funcs(&usual_malloc, &usual_free);
    json_t *expected = small_report(), *other = small_report();
    assert_true(act(expected, other));
    bool done = false;
    size_t k = 0;
    for (; !done; k++) {
        json_t *report = small_report();
        allocations_left = k;
        json_set_alloc_funcs(scarce_malloc, free);
        done = act(report, other);
        json_set_alloc_funcs(usual_malloc, usual_free);
        if (done && !json_equal(report, expected))
            fail_msg("%s: %zu allocations, and something is missing in silence", name, k);
        json_decref(report);
    }
    assert_true(k > 3);
    json_decref(expected);
    json_decref(other);
}

static void test_memory(void **state)
{
    (void)state;
    sweep("merge", do_merge);
    sweep("compare", do_compare);
    json_malloc_t usual_malloc;
    json_free_t usual_free;
    json_get_alloc_funcs(&usual_malloc, &usual_free);
    json_t *report = small_report();
    for (size_t i = 0; i < COUNT(formats); i++) {
        char *expected = written(report, formats[i]);
        bool done = false;
        for (size_t k = 0; !done; k++) {
            char *text;
            size_t size;
            FILE *stream = open_memstream(&text, &size);
            assert_non_null(stream);
            allocations_left = k;
            json_set_alloc_funcs(scarce_malloc, free);
            done = bench_report_write(report, formats[i], stream);
            json_set_alloc_funcs(usual_malloc, usual_free);
            assert_int_equal(fclose(stream), 0);
            if (done && strcmp(text, expected) != 0)
                fail_msg("%s: %zu allocations, and something is missing in silence:\n%s",
                         formats[i], k, text);
            free(text);
        }
        free(expected);
    }
    json_decref(report);
}

/* ---- tables ---------------------------------------------------------------------------------- */

static void test_md_gemm(void **state)
{
    (void)state;
    json_t *report = parse(
        "{\"suite\": \"gemm\", \"command\": \"gemmlp bench gemm\", \"date\": \"D\","
        " \"version\": \"0.1.0\", \"compiler\": \"gcc 12.2.0\", \"cpu\": \"EPYC\", \"cpus\": 2,"
        " \"instruction_set\": \"AVX2\", \"os\": \"Linux\", \"memory_bytes\": 8589934592,"
        " \"caches\": {\"L1d\": 32768, \"L3\": 33554432}, \"governor\": \"performance\","
        " \"load\": 0.125, \"interrupted\": true, \"warnings\": [\"others\", \"steal\"],"
        " \"roofs\": [{\"threads\": 2, \"precision\": \"f32\","
        " \"instruction_set\": \"AVX2\", \"peak_gflops\": 160.25, \"peak_gflops_min\": 150.1,"
        " \"bandwidth_gbytes\": 21}],"
        " \"records\": [{\"suite\": \"gemm\", \"case\": \"a|b\", \"status\": \"ok\","
        " \"provider\": \"openblas\", \"provider_version\": \"OpenBLAS 0.3.21\","
        " \"provider_path\": \"/lib/x.so\", \"operation\": \"NT\", \"m\": 64, \"n\": 128,"
        " \"k\": 784, \"threads\": 2, \"seconds_median\": 0.000123, \"seconds_sd\": 0.000004,"
        " \"gflops\": 104.44, \"peak_fraction\": 0.6519, \"roof_fraction\": 0.7,"
        " \"residual\": 1.25e-7},"
        " {\"suite\": \"gemm\", \"case\": \"long σ′ name\", \"status\": \"wrong\","
        " \"provider\": \"openblas\", \"provider_path\": \"/lib/x.so\", \"threads\": 2,"
        " \"residual\": 0.1, \"message\": \"off by 10 %\"}]}");
    assert_written(
        report, "md",
        "gemmlp 0.1.0, gcc 12.2.0, D.\n"
        "EPYC, AVX2, usable CPUs 2, memory 8 GiB, L1d 32 KiB, L3 32 MiB, governor performance, "
        "load 0.125.\n"
        "Linux.\n"
        "`gemmlp bench gemm`.\n"
        "\n"
        "**Interrupted:** these are the cases that were finished.\n"
        "\n"
        "- Warning: others\n"
        "- Warning: steal\n"
        "\n"
        "| case         | op |  m |   n |   k | threads |    median ± sd | GFLOP/s | % of peak | "
        "% of roof | residual |\n"
        "|:-------------|:---|---:|----:|----:|--------:|---------------:|--------:|----------:|"
        "----------:|---------:|\n"
        "| a\\|b         | NT | 64 | 128 | 784 |       2 | 123.0 ± 4.0 µs |   104.4 |      65.2 | "
        "     70.0 |  1.2e-07 |\n"
        "| long σ′ name | -  |  - |   - |   - |       2 |          WRONG |       - |         - | "
        "        - |  1.0e-01 |\n"
        "\n"
        "- WRONG: openblas, long σ′ name, threads 2: off by 10 %\n"
        "\n"
        "- openblas: OpenBLAS 0.3.21, /lib/x.so\n"
        "\n"
        "Measured roofs:\n"
        "\n"
        "| threads | precision | instruction set | peak GFLOP/s | least | bandwidth GB/s | least "
        "|\n"
        "|--------:|:----------|:----------------|-------------:|------:|---------------:|------:|"
        "\n"
        "|       2 | f32       | AVX2            |        160.2 | 150.1 |          21.00 |     - "
        "|\n");
    json_decref(report);
}

static void test_md_step(void **state)
{
    (void)state;
    json_t *report =
        parse("{\"suite\": \"step\", \"records\": [{\"suite\": \"step\", \"case\": \"a\","
              " \"status\": \"ok\", \"verified\": true, \"threads\": 1, \"seconds_median\": 1.5e-3,"
              " \"seconds_sd\": 2.5e-5, \"gflops\": 0.5, \"examples_per_second\": 170667.2,"
              " \"peak_fraction\": 0.5, \"naive_speedup\": 91.25, \"fair_speedup\": 3,"
              " \"fair_build\": \"OpenMP, -O3 -ffast-math -march=x86-64-v3\","
              " \"parts\": {\"gather\": 1e-4, \"forward_gemm\": 4e-4, \"update\": 5e-4}},"
              " {\"suite\": \"step\", \"case\": \"b\", \"status\": \"failed\", \"threads\": 1,"
              " \"message\": \"x\"}]}");
    assert_written(
        report, "md",
        "\n"
        "| case | threads |      median ± sd | GFLOP/s | examples/s | % of peak | × naive | "
        "× fair | verdict  |\n"
        "|:-----|--------:|-----------------:|--------:|-----------:|----------:|--------:|"
        "-------:|:---------|\n"
        "| a    |       1 | 1.500 ± 0.025 ms |   0.500 |     170667 |      50.0 |   91.25 | "
        " 3.000 | verified |\n"
        "| b    |       1 |           FAILED |       - |          - |         - |       - | "
        "     - | FAILED   |\n"
        "\n"
        "× fair: OpenMP, -O3 -ffast-math -march=x86-64-v3\n"
        "\n"
        "- FAILED: b, threads 1: x\n"
        "\n"
        "Where a step's time goes, per cent of the sum of its parts, which are timed in a step of "
        "their own:\n"
        "\n"
        "| case | threads | gather | forward GEMM | + bias σ | loss | backward GEMM | ⊙ σ′ | "
        "gradient GEMM | update |      sum | whole step |\n"
        "|:-----|--------:|-------:|-------------:|---------:|-----:|--------------:|-----:|"
        "--------------:|-------:|---------:|-----------:|\n"
        "| a    |       1 |   10.0 |         40.0 |        - |    - |             - |    - | "
        "            - |   50.0 | 1.000 ms |   1.500 ms |\n"
        "| b    |       1 |      - |            - |        - |    - |             - |    - | "
        "            - |      - |        - |          - |\n");
    json_decref(report);
}

/* Libraries, and what each is called beside the others. */
static void test_library_labels(void **state)
{
    (void)state;
    static const struct {
        const char *provider, *path, *label;
    } cases[][4] = {
        {{"openblas", "/lib/openblas-openmp/libopenblas.so.0", "openblas"},
         {"blis", "/lib/blis-openmp/libblis.so.4", "blis"}},
        {{"openblas", "/lib/openblas-openmp/libopenblasp-r0.3.21.so", "openblas openmp"},
         {"openblas", "/lib/openblas-pthread/libopenblasp-r0.3.21.so", "openblas pthread"},
         {"openblas", "/lib/openblas-serial/libopenblas-r0.3.21.so", "openblas serial"},
         {"openblas", "/opt/libopenblas.so", "openblas libopenblas.so"}},
        {{"mkl", "/opt/a/libmkl_rt.so.2", "mkl libmkl_rt.so.2"},
         {"mkl", "./libmkl_rt.so.3", "mkl libmkl_rt.so.3"}},
        {{"cblas", "/home/new/lib/libcblas.so", "cblas new"},
         {"cblas", "/home/old/lib/libcblas.so", "cblas old"}},
        /* A flavour that two have tells nothing, nor does a directory of the flavour's name. */
        {{"blis", "/a/blis-openmp/libblis.so", "blis a"},
         {"blis", "/b/blis-openmp/libblis.so", "blis b"},
         {"blis", "/c/openmp/libblis.so", "blis c"}},
        {{"blis", "/lib/blis-openmp/libblis.so.4", "blis libblis.so.4"},
         {"blis", "/lib/blis-openmp/libblis.so.5", "blis libblis.so.5"}},
        /* A part that one has and another has not; no part at all. */
        {{"blis", "/lib/libblis.so", "blis"}, {"blis", "/usr/lib/libblis.so", "blis usr"}},
        {{"x", "", "x"}, {"x", "/x.so", "x x.so"}},
        {{"x", "a", "x"}, {"x", "/a", "x #2"}},
        /* Those that never answered have only the path by which they were asked for. */
        {{"/far/away/libodd.so", "", "libodd.so"}, {"openblas", "/lib/x.so", "openblas"}},
        {{"/far/1/libodd.so", "", "libodd.so 1"}, {"/far/2/libodd.so", "", "libodd.so 2"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *records = json_array();
        for (size_t j = 0; j < 8; j++) /* each twice */
            if (cases[i][j % 4].provider)
                json_array_append_new(records,
                                      json_pack("{s:s, s:s}", "provider", cases[i][j % 4].provider,
                                                "provider_path", cases[i][j % 4].path));
        const size_t count = json_array_size(records);
        for (size_t j = 0; j < count; j++) {
            char label[512];
            assert_string_equal(
                bench_library_label(records, json_array_get(records, j), label, sizeof label),
                cases[i][j % (count / 2)].label);
            assert_true(bench_is_first_of_library(records, j) == (j < count / 2));
        }
        json_decref(records);
    }
}

/* The rest of the suites: the lines of the table that differ. */
static void test_md_suites(void **state)
{
    (void)state;
    static const struct {
        const char *report, *lines[5];
    } cases[] = {
        {"{\"suite\": \"backends\", \"records\": [{\"suite\": \"gemm\", \"case\": \"a\","
         " \"status\": \"ok\", \"verified\": true, \"provider\": \"blas\", \"kernel\": \"Zen\","
         " \"provider_version\": \"B 1\", \"provider_path\": \"/1\", \"threads\": 2,"
         " \"threads_ran\": 1.97, \"gflops\": 99.5, \"peak_fraction\": 0.5,"
         " \"flop\": 1e9, \"seconds_min\": 0.01, \"seconds_median\": 0.0101,"
         " \"seconds_sd\": 0.004, \"doubts\": [\"spread\", \"load\"]},"
         " {\"suite\": \"gemm\", \"case\": \"a\", \"status\": \"crashed\", \"threads\": 2,"
         " \"provider\": \"blas\", \"provider_path\": \"/2\", \"message\": \"signal 6\"},"
         " {\"suite\": \"gemm\", \"case\": \"b\", \"status\": \"ok\", \"threads\": 2,"
         " \"provider\": \"blas\", \"provider_path\": \"/2\"}]}",
         {"| GFLOP/s |  blas 1 |  blas 2 |\n", "| a       | 99.50 ? | CRASHED |\n",
          "| provider | case |   ran |       median ± sd | GFLOP/s |  best | % of peak | verdict   "
          " |\n"
          "|:---------|:-----|------:|------------------:|--------:|------:|----------:|:----------"
          "-|\n"
          "| blas 1   | a    | 1.970 | 10.10 ± 4.00 ms ? |   99.50 | 100.0 |      50.0 | verified  "
          " |\n"
          "| blas 2   | a    |     - |           CRASHED |       - |     - |         - | CRASHED   "
          " |\n"
          "| blas 2   | b    |     - |                 - |       - |     - |         - | "
          "unverified |\n",
          "\n- ?: blas 1, a, threads 2: spread; load\n- CRASHED: blas 2, a, threads 2: signal 6\n",
          "\n- blas 1: B 1, Zen, /1\n- blas 2: /2\n"}},
        {"{\"suite\": \"threads\", \"records\": [{\"suite\": \"step\", \"case\": \"a\","
         " \"status\": \"ok\", \"threads\": 4, \"threads_ran\": 3.5, \"seconds_median\": 2,"
         " \"precision\": \"f32\", \"gflops\": 1234.5, \"speedup\": 3.2, \"efficiency\": 0.8,"
         " \"parts\": {\"gather\": 1}},"
         " {\"suite\": \"step\", \"case\": \"a\", \"status\": \"hung\", \"threads\": 8}]}",
         {"| case | threads |   ran | median ± sd | GFLOP/s | speed-up | efficiency % |\n",
          "| a    |       4 | 3.500 |     2.000 s |    1234 |   3.200× |         80.0 |\n"
          "| a    |       8 |     - |        HUNG |       - |        - |            - |\n"}},
        {"{\"suite\": \"threads\", \"records\": [{\"suite\": \"step\", \"case\": \"a\","
         " \"status\": \"ok\", \"threads\": 4, \"precision\": \"f32\"},"
         " {\"suite\": \"step\", \"case\": \"a\", \"status\": \"ok\", \"threads\": 4,"
         " \"precision\": \"f64\"}]}",
         {"| precision | case | threads |", "| f64       | a    |       4 |"}},
        {"{\"suite\": \"accuracy\", \"records\": [{\"suite\": \"accuracy\", \"case\": \"a\","
         " \"status\": \"missed\", \"message\": \"4 of 5 seeds reached it\","
         " \"reached\": 4, \"seeds\": 5, \"test_accuracy_median\": 0.98125,"
         " \"test_accuracy_min\": 0.9766, \"seconds_median\": 12.25, \"seconds_min\": 9.5,"
         " \"arguments\": \"train --hidden 256\"},"
         " {\"suite\": \"accuracy\", \"case\": \"b\", \"status\": \"crashed\"},"
         " {\"suite\": \"accuracy\", \"case\": \"c\", \"status\": \"ok\","
         " \"verified\": true, \"seconds_median\": 1}]}",
         {"| case | reached | accuracy % median |   min | training median (min) | verdict  | "
          "arguments          |\n",
          "| a    |     4/5 |             98.12 | 97.66 |        12.25 (9.50) s | MISSED   | train "
          "--hidden 256 |\n",
          "| b    |       - |                 - |     - |               CRASHED | CRASHED  | -",
          "| c    |       - |                 - |     - |               1.000 s | verified | -",
          "\n- MISSED: a: 4 of 5 seeds reached it\n- CRASHED: b\n"}},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *report = parse(cases[i].report);
        char *text = written(report, "md");
        for (size_t j = 0; j < COUNT(cases[i].lines) && cases[i].lines[j]; j++)
            if (!strstr(text, cases[i].lines[j]))
                fail_msg("expected\n%sin\n%s", cases[i].lines[j], text);
        free(text);
        json_decref(report);
    }
}

/* Times keep four digits in a unit that fits, also where rounding would make a fifth. */
static void test_units(void **state)
{
    (void)state;
    static const struct {
        double seconds, sd;
        const char *cell;
    } cases[] = {
        {1.234e-7, NAN, "| 0.123 µs |"},          {9.9999e-6, NAN, "| 10.00 µs |"},
        {123.449e-6, NAN, "| 123.4 µs |"},        {1e-3, 1e-5, "| 1.000 ± 0.010 ms |"},
        {12.345e-3, 1, "| 12.35 ± 1000.00 ms |"}, {0.99, 0.005, "| 990.0 ± 5.0 ms |"},
        {1, 0.25, "| 1.000 ± 0.250 s |"},         {1234.5, NAN, "| 1234 s |"},
    };
    static const struct bench_column column = {"t", "seconds_median", BENCH_SECONDS_SD, false};
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *rows =
            json_pack("[{s:s, s:f}]", "status", "ok", "seconds_median", cases[i].seconds);
        if (!isnan(cases[i].sd))
            json_object_set_new(json_array_get(rows, 0), "seconds_sd", json_real(cases[i].sd));
        char text[512] = "";
        FILE *stream = fmemopen(text, sizeof text, "w");
        assert_non_null(stream);
        bench_table_write(stream, rows, &column, 1);
        fclose(stream);
        if (!strstr(text, cases[i].cell))
            fail_msg("expected %s in\n%s", cases[i].cell, text);
        json_decref(rows);
    }
}

/* ---- reading --------------------------------------------------------------------------------- */

static void test_read(void **state)
{
    (void)state;
    json_t *report = small_report();
    for (size_t i = 2; i < COUNT(formats); i++) { /* json, jsonl */
        char *text = written(report, formats[i]);
        json_t *again;
        gemmlp_error error;
        put_file(at("report"), text, strlen(text));
        assert_int_equal(bench_report_read(at("report"), &again, &error), GEMMLP_OK);
        assert_written(again, formats[i], text);
        json_decref(again);
        free(text);
    }
    json_decref(report);
}

#define TOP    "{\"suite\": \"gemm\""
#define RECORD "{\"suite\": \"gemm\", \"case\": \"a\", \"status\": \"ok\""

static void test_read_damaged(void **state)
{
    (void)state;
    static const struct {
        const char *text, *message;
    } cases[] = {
        {"", "line 1, column 0: '[' or '{' expected near end of file"},
        {"suite,case\n", "line 1, column 5: '[' or '{' expected near 'suite'"},
        {"[]", "\"suite\": expected a string, found none"},
        {"{}", "\"suite\": expected a string, found none"},
        {TOP, "line 1, column 16: '}' expected near end of file"},
        {TOP ", \"suite\": \"x\"}", "duplicate object key"},
        {"{\"suite\": 1}", "\"suite\": expected a string, found a number"},
        {TOP ", \"records\": {}}", "\"records\": expected an array of objects, found an object"},
        {TOP ", \"records\": [1]}", "\"records\": expected an array of objects, found an array"},
        {TOP ", \"records\": []} {}", "line 1: expected the end of the file after the report"},
        {TOP ", \"records\": []}\n\nx", "line 3: expected the end of the file after the report"},
        {TOP ", \"cpus\": -1}", "\"cpus\": expected a whole number, 0 or more, found a number "
                                "below 0"},
        {TOP ", \"caches\": {\"L2\": \"x\"}}", "\"caches\": expected an object of numbers"},
        {TOP ", \"roofs\": [{}]}", "roof 1: \"threads\": expected a whole number"},
        {TOP "}\n" RECORD, "line 2, column"},
        {TOP "}\n" RECORD "}\n" RECORD ",}", "line 3, column"},
        {TOP "}\n" RECORD "}\n[]", "\"records\": expected an array of objects"},
        {TOP ", \"records\": [" RECORD "}, {}]}", "record 2: \"suite\": expected a string, found "
                                                  "none"},
        {TOP ", \"records\": [{\"suite\": \"s\", \"status\": \"ok\"}]}", "record 1: \"case\":"},
        {TOP ", \"records\": [" RECORD ", \"threads\": 1.5}]}",
         "record 1: \"threads\": expected a whole number, 0 or more, found a number"},
        {TOP ", \"records\": [" RECORD ", \"gflops\": null}]}", "found null"},
        {TOP ", \"records\": [" RECORD ", \"gflops\": -0.5}]}",
         "\"gflops\": expected a number, 0 or more, found a number below 0"},
        {TOP ", \"records\": [" RECORD ", \"gflops\": 1e999}]}", "real number overflow"},
        {TOP ", \"records\": [" RECORD ", \"verified\": 1}]}", "expected true or false"},
        {TOP ", \"records\": [" RECORD ", \"samples\": [1, \"x\"]}]}",
         "record 1: \"samples\": expected an array of numbers"},
        {TOP ", \"records\": [" RECORD ", \"parts\": {\"gather\": []}}]}",
         "record 1: \"parts\": expected an object of numbers"},
        {TOP ", \"cpu\": \"\xff\"}", "unable to decode byte 0xff"},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        json_t *report = json_null();
        gemmlp_error error;
        put_file(at("bad"), cases[i].text, strlen(cases[i].text));
        gemmlp_status status = bench_report_read(at("bad"), &report, &error);
        assert_failed(status, &error, GEMMLP_BAD_DATA, cases[i].message);
        assert_non_null(strstr(error.message, at("bad")));
        assert_null(report);
    }
}

/* Cut anywhere, it is either refused or, after a whole line of jsonl, a shorter report. */
static void test_read_cut(void **state)
{
    (void)state;
    json_t *report = small_report();
    for (size_t i = 2; i < COUNT(formats); i++) {
        char *text = written(report, formats[i]);
        const size_t length = strlen(text);
        for (size_t cut = 0; cut + 1 < length; cut++) {
            json_t *again;
            put_file(at("cut"), text, cut);
            bool whole = bench_report_read(at("cut"), &again, NULL) == GEMMLP_OK;
            bool line = cut > 0 && (text[cut] == '\n' || text[cut - 1] == '\n');
            assert_true(whole == (line && strcmp(formats[i], "jsonl") == 0));
            json_decref(again);
        }
        free(text);
    }
    json_decref(report);
}

static void test_read_files(void **state)
{
    (void)state;
    json_t *report;
    gemmlp_error error;
    assert_failed(bench_report_read(at("none"), &report, &error), &error, GEMMLP_IO, "none: No ");
    assert_failed(bench_report_read(directory, &report, &error), &error, GEMMLP_IO, directory);
    /* Larger than any report. */
    FILE *large = fopen(at("large"), "wb");
    assert_non_null(large);
    assert_int_equal(fseek(large, 256L << 20, SEEK_SET), 0);
    assert_int_equal(fputc(' ', large), ' ');
    assert_int_equal(fclose(large), 0);
    assert_failed(bench_report_read(at("large"), &report, &error), &error, GEMMLP_BAD_DATA,
                  "expected at most 256 MiB, found more");
    /* More records than any report. */
    FILE *many = fopen(at("many"), "wb");
    assert_non_null(many);
    fputs(TOP "}\n", many);
    for (int i = 0; i < 10001; i++)
        fputs(RECORD "}\n", many);
    assert_int_equal(fclose(many), 0);
    assert_failed(bench_report_read(at("many"), &report, &error), &error, GEMMLP_BAD_DATA,
                  "at most 10000 records");
}

/* ---- comparison ------------------------------------------------------------------------------ */

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

/* On both sides of the bound: cv of 3 % and 4 % make a noise of e^0.1 - 1; of 0 %, the floor of 1 %. */
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
        cmocka_unit_test(test_statistics),
        cmocka_unit_test(test_record_statistics),
        cmocka_unit_test(test_derive),
        cmocka_unit_test(test_merge),
        cmocka_unit_test(test_merge_failure),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_csv),
        IN_DIRECTORY(test_context),
        cmocka_unit_test(test_formats),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_md_gemm),
        cmocka_unit_test(test_md_step),
        cmocka_unit_test(test_library_labels),
        cmocka_unit_test(test_md_suites),
        cmocka_unit_test(test_units),
        IN_DIRECTORY(test_read),
        IN_DIRECTORY(test_read_damaged),
        IN_DIRECTORY(test_read_cut),
        IN_DIRECTORY(test_read_files),
        cmocka_unit_test(test_verdicts),
        cmocka_unit_test(test_other_machine),
        cmocka_unit_test(test_partners),
        cmocka_unit_test(test_compare_page),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
