/* test_report_tables.c: a report as tables of Markdown, for each suite: columns, units, and what
 * libraries are called. */
#define _POSIX_C_SOURCE 200809L
#include "reports.h"

#include <string.h>

#include "../bench/report_library.h"
#include "../bench/report_table.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_md_gemm),        cmocka_unit_test(test_md_step),
        cmocka_unit_test(test_library_labels), cmocka_unit_test(test_md_suites),
        cmocka_unit_test(test_units),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
