/* test_report.c: the benchmark's reports in every format, as far as memory lasts, and reading them
 * back, damaged ones too. Tables are in test_report_tables.c. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"
#include "reports.h"

#include "../bench/compare.h"
#include "../bench/statistics.h"

/* The last two can be read back. */
static const char *const formats[] = {"md", "csv", "json", "jsonl"};

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

#define TOP "{\"suite\": \"gemm\""

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json),    cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_csv),     IN_DIRECTORY(test_context),
        cmocka_unit_test(test_formats), cmocka_unit_test(test_memory),
        IN_DIRECTORY(test_read),        IN_DIRECTORY(test_read_damaged),
        IN_DIRECTORY(test_read_cut),    IN_DIRECTORY(test_read_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
