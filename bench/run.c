/* run.c: from cases to records: rounds, roofs, and what stands in a record; see bench.h. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "cli/report.h"
#include "fields.h"
#include "linalg/planner.h"
#include "report.h"
#include "roof.h"
#include "statistics.h"

volatile sig_atomic_t bench_interrupted;

size_t bench_repetitions(const struct bench *bench)
{
    const size_t rounds = bench->options->rounds, all = bench->options->repetitions;
    return all / rounds + (bench->round < all % rounds);
}

double bench_seconds(const struct bench *bench)
{
    return (double)bench->options->seconds / (double)bench->options->rounds;
}

/* ---- roofs ---- */

void bench_note_roof(struct bench *bench, const struct bench_roof *roof)
{
    size_t i = 0;
    while (i < bench->roof_count && bench->roofs[i].threads != roof->threads)
        i++;
    if (i == BENCH_ROOFS)
        return;
    struct bench_roof *best = &bench->roofs[i];
    if (i == bench->roof_count) {
        bench->roof_count++;
        *best = *roof;
    }
    best->peak = fmax(best->peak, roof->peak);
    best->bandwidth = fmax(best->bandwidth, roof->bandwidth);
    best->least_peak = fmin(best->least_peak, roof->least_peak);
    best->least_bandwidth = fmin(best->least_bandwidth, roof->least_bandwidth);
}

/* Each number of threads once. */
static void measure_roofs(struct bench *bench, const struct bench_case *cases, size_t count)
{
    for (size_t i = 0; i < count && !bench_interrupted; i++) {
        struct bench_roof roof = {.threads = cases[i].threads};
        const char *instruction_set;
        bool known = false;
        for (size_t j = 0; j < i; j++)
            known |= cases[j].threads == roof.threads;
        if (known)
            continue;
        roof.peak = bench_roof_peak(roof.threads, bench->precision, &instruction_set);
        if (roof.peak == 0)
            continue; /* then there are no shares of a peak, and nothing will run either */
        roof.bandwidth = bench_roof_bandwidth(roof.threads);
        roof.least_peak = roof.peak;
        roof.least_bandwidth = roof.bandwidth;
        snprintf(roof.instruction_set, sizeof roof.instruction_set, "%s", instruction_set);
        bench_note_roof(bench, &roof);
        bench_tick();
    }
}

static json_t *roof_record(const struct bench *bench, const struct bench_roof *roof)
{
    struct record record = cli_record_begin();
    cli_record_size(&record, "threads", (size_t)roof->threads);
    cli_record_text(&record, "precision", gm_gemm_precisions[bench->precision]);
    cli_record_text(&record, "instruction_set", roof->instruction_set);
    cli_record_real(&record, "peak_gflops", roof->peak);
    cli_record_real(&record, "peak_gflops_min", roof->least_peak);
    cli_record_real(&record, "bandwidth_gbytes", roof->bandwidth);
    cli_record_real(&record, "bandwidth_gbytes_min", roof->least_bandwidth);
    return cli_record_take(&record);
}

/* What share of its roof a record reaches. */
static bool apply_roofs(const struct bench *bench, json_t *record)
{
    const double threads = bench_number(record, "threads");
    for (size_t i = 0; i < bench->roof_count; i++) {
        const struct bench_roof *roof = &bench->roofs[i];
        const double intensity = bench_number(record, "intensity");
        const double roof_gflops = fmin(roof->peak, intensity * roof->bandwidth);
        if (threads == (double)roof->threads && intensity > 0 &&
            (json_object_set_new(record, "peak_gflops", json_real(roof->peak)) != 0 ||
             json_object_set_new(record, "roof_gflops", json_real(roof_gflops)) != 0))
            return false;
    }
    return bench_record_derive(record);
}

bool bench_apply_roofs(struct bench *bench)
{
    json_t *roofs = json_object_get(bench->report, "roofs"), *record;
    bool done = json_array_clear(roofs) == 0;
    size_t i;
    for (i = 0; i < bench->roof_count; i++)
        done = done && json_array_append_new(roofs, roof_record(bench, &bench->roofs[i])) == 0;
    json_array_foreach(bench->records, i, record)
    {
        done = done && apply_roofs(bench, record);
    }
    return done;
}

/* ---- records ---- */

struct record bench_record_begin(const char *suite, const struct bench_case *c,
                                 const struct gemm_provider *provider,
                                 enum gemm_precision precision)
{
    struct record record = cli_record_begin();
    const bool product = c->m > 0;
    cli_record_text(&record, "suite", suite);
    cli_record_text(&record, "case", c->label);
    cli_record_text(&record, "provider", provider->name);
    cli_record_text(&record, "provider_path", provider->path[0] ? provider->path : NULL);
    cli_record_text(&record, "provider_version", provider->version[0] ? provider->version : NULL);
    cli_record_text(&record, "kernel", provider->kernel[0] ? provider->kernel : NULL);
    if (c->layer_count > 0) {
        cli_record_text(&record, "network", c->network);
        cli_record_size(&record, "batch", c->batch);
    }
    if (product) {
        cli_record_text(&record, "operation", bench_operation(c->transpose_a, c->transpose_b));
        cli_record_size(&record, "m", c->m);
        cli_record_size(&record, "n", c->n);
        cli_record_size(&record, "k", c->k);
    } else {
        cli_record_text(&record, "activation", c->activation);
        cli_record_text(&record, "optimizer", c->optimizer);
    }
    cli_record_text(&record, "precision", gm_gemm_precisions[precision]);
    cli_record_size(&record, "threads", (size_t)c->threads);
    return record;
}

void bench_record_failure(struct record *record, const char *status, const char *message)
{
    cli_record_text(record, "status", status);
    cli_record_text(record, "message", message);
    cli_record_bool(record, "verified", false);
}

bool bench_record_verdict(struct record *record, const char *what, double residual,
                          double tolerance)
{
    char message[256];
    cli_record_real(record, "residual", residual);
    cli_record_real(record, "tolerance", tolerance);
    if (residual <= tolerance) {
        cli_record_text(record, "status", "ok");
        cli_record_bool(record, "verified", true);
        return true;
    }
    if (isfinite(residual))
        snprintf(message, sizeof message,
                 "%s differs from the reference: residual %.1e, expected at most %.1e; not timed",
                 what, residual, tolerance);
    else
        snprintf(message, sizeof message, "%s holds NaN or infinity; not timed", what);
    bench_record_failure(record, "wrong", message);
    return false;
}

void bench_record_samples(struct record *record, const struct bench_samples *samples, double flop,
                          double bytes)
{
    cli_record_real(record, "flop", flop);
    cli_record_real(record, "threads_ran", samples->threads_ran);
    cli_record_real(record, "intensity", flop / bytes);
    record->failed |= !bench_record_statistics(record->object, samples->seconds, samples->count);
}

static bool same_case(const json_t *left, const json_t *right)
{
    return bench_same_text(left, right, "suite") && bench_same_text(left, right, "case") &&
           bench_same_text(left, right, "provider") &&
           bench_same_text(left, right, "provider_path") &&
           bench_same_text(left, right, "precision") &&
           json_equal(json_object_get(left, "threads"), json_object_get(right, "threads"));
}

/* A parent wants to know each record before the next case can hang. */
static bool stream(struct bench *bench, const json_t *record)
{
    if (!bench->stream)
        return true;
    const bool first = json_array_size(bench->records) == 1;
    return (!first ||
            (bench_apply_roofs(bench) && bench_report_write_line(bench->report, NULL, stdout))) &&
           bench_report_write_line(bench->report, record, stdout) && fflush(stdout) == 0;
}

static json_t *find_record(const struct bench *bench, const json_t *like)
{
    size_t i;
    json_t *record;
    json_array_foreach(bench->records, i, record)
    {
        if (same_case(record, like))
            return record;
    }
    return NULL;
}

void bench_add_record(struct bench *bench, json_t *record)
{
    json_t *earlier = record ? find_record(bench, record) : NULL;
    bool added;
    if (bench_interrupted && record && !json_object_get(record, "samples")) {
        json_decref(record); /* it was not finished */
        return;
    }
    if (earlier) {
        added = bench_record_merge(earlier, record);
        json_decref(record);
    } else {
        added =
            record && apply_roofs(bench, record) && json_array_append(bench->records, record) == 0;
        if (added && !stream(bench, record))
            bench->failed = true; /* stdout: told when it is flushed for the last time */
        json_decref(record);
    }
    if (!added) {
        cli_failed_memory("a record");
        bench->failed = true;
    }
}

/* ---- cases and rounds ---- */

static void print_cases(const struct bench_case *cases, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("%s, %d thread%s\n", cases[i].label, cases[i].threads,
               cases[i].threads == 1 ? "" : "s");
}

/* Whether the earlier rounds of a case were ok. */
static bool succeeded(const struct bench *bench, const struct bench_case *c)
{
    size_t i;
    json_t *record;
    json_array_foreach(bench->records, i, record)
    {
        if (strcmp(bench_text(record, "case"), c->label) == 0 &&
            bench_number(record, "threads") == c->threads)
            return bench_is_ok(record);
    }
    return false;
}

/* Without a name what training takes, too: a plan of all there are. */
static gemmlp_status open_provider(const char *name, enum gemm_precision precision,
                                   struct gemm_provider **provider, gemmlp_error *error)
{
    gemmlp_status status = !name || strcmp(name, "auto") == 0 ? gm_planner_open("", provider, error)
                                                              : gm_gemm_open(name, provider, error);
    if (status == GEMMLP_OK && precision == GEMM_BF16)
        status = gm_gemm_check_bf16(*provider, error);
    return status;
}

int bench_each_case(struct bench *bench, bench_make_cases *make, bench_run_case *run)
{
    struct bench_case *cases = NULL;
    struct gemm_provider *provider = NULL;
    gemmlp_error error;
    size_t count = 0;
    int code =
        make(bench->command, &bench->options->cases, &bench->options->threads, &cases, &count);
    if (code == EXIT_CODE_DONE && bench->options->list) {
        print_cases(cases, count);
    } else if (code == EXIT_CODE_DONE && open_provider(bench->options->provider, bench->precision,
                                                       &provider, &error) != GEMMLP_OK) {
        code = cli_failed(bench->command, &error);
    } else if (code == EXIT_CODE_DONE) {
        for (bench->round = 0; bench->round < bench->options->rounds; bench->round++) {
            measure_roofs(bench, cases, count);
            for (size_t i = 0; i < count && !bench_interrupted; i++) {
                bench_progress(bench, cases[i].label, i, count);
                if (bench->round == 0 || succeeded(bench, &cases[i]))
                    run(bench, &cases[i], provider);
            }
        }
        bench_progress_end();
    }
    gm_gemm_close(provider);
    free(cases);
    return code;
}
