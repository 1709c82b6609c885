/* compare.c: see compare.h.
 *
 * Speed is new over old. A median m has a coefficient of variation cv = sd / m, that of its
 * samples. With both small, sd(ln ratio) is about sqrt(cv_new² + cv_old²), and a ratio is beyond
 * noise where |ln ratio| > 2 sqrt(cv_new² + cv_old²) = ln(1 + noise). The standard error of a
 * median is smaller by about sqrt(n), but it counts the repetitions as independent, and on a shared
 * machine they are not: what disturbs one of them disturbs its neighbours. So the spread of single
 * samples is the measure. */
#include "compare.h"

#include <math.h>
#include <string.h>

#include "cli/terminal.h"
#include "fields.h"
#include "report_library.h"
#include "report_table.h"
#include "statistics.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Differences below this (of |ln ratio|) are not worth a verdict, however quiet the machine was. */
static const double LEAST_NOISE = 0.01;
/* Peaks whose logarithms are further apart than this were measured on two machines, or on one that
 * others have slowed down. */
static const double SAME_MACHINE = 0.15;

static bool same_case(const json_t *a, const json_t *b)
{
    return bench_same_text(a, b, "case") && bench_same_text(a, b, "suite") &&
           bench_same_text(a, b, "provider") && bench_same_text(a, b, "precision") &&
           json_integer_value(json_object_get(a, "threads")) ==
               json_integer_value(json_object_get(b, "threads"));
}

static size_t count_same(const json_t *records, const json_t *record)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(records); i++) {
        count += same_case(json_array_get(records, i), record);
    }
    return count;
}

/* The record among `others` that belongs to `record`, one of `own`; NULL when there is none. */
static json_t *partner(const json_t *record, const json_t *own, const json_t *others)
{
    const bool by_path = count_same(own, record) > 1 || count_same(others, record) > 1;
    for (size_t i = 0; i < json_array_size(others); i++) {
        json_t *other = json_array_get(others, i);
        if (same_case(other, record) &&
            (!by_path || bench_same_text(other, record, "provider_path"))) {
            return other;
        }
    }
    return NULL;
}

/* ---- verdicts -------------------------------------------------------------------------------- */

static double variation(const json_t *record)
{
    return bench_number(record, "seconds_sd") / bench_number(record, "seconds_median");
}

static const char *verdict_of(const json_t *record, const json_t *old, double ratio, double noise)
{
    if (!bench_is_ok(record)) {
        return "broken";
    }
    if (!bench_is_ok(old)) {
        return "mended";
    }
    if (!isfinite(ratio) || !isfinite(noise)) {
        return "unknown (too few samples)";
    }
    if (fmax(ratio, 1 / ratio) <= 1 + noise) {
        return "same (within noise)";
    }
    if (fabs(log(bench_number(record, "peak_gflops") / bench_number(old, "peak_gflops"))) >
        SAME_MACHINE) {
        return "not comparable (peaks differ)";
    }
    return ratio > 1 ? "faster" : "slower";
}

/* old: NULL where there is no partner. */
static bool judge(json_t *record, const json_t *old)
{
    if (!old) {
        return json_object_set_new(record, "verdict", json_string("new")) == 0;
    }
    const double before = bench_number(old, "seconds_median");
    const double ratio = before / bench_number(record, "seconds_median");
    const double spread = 2 * hypot(variation(record), variation(old));
    const double noise = expm1(isnan(spread) ? spread : fmax(spread, LEAST_NOISE));
    const char *verdict = verdict_of(record, old, ratio, noise);
    return bench_set_real(record, "baseline_seconds_median", before) &&
           bench_set_real(record, "ratio", ratio) && bench_set_real(record, "noise", noise) &&
           json_object_set_new(record, "verdict", json_string(verdict)) == 0;
}

/* ---- the page -------------------------------------------------------------------------------- */

/* "- cpu: now Y, in the baseline X", unless they are the same. */
static void write_difference(FILE *out, const char *label, const char *now, const char *then)
{
    char shown[2][512];
    if (strcmp(now, then) != 0) {
        fprintf(out, "- %s: now %s, in the baseline %s\n", label,
                *now ? cli_printable(now, shown[0], sizeof shown[0]) : "unknown",
                *then ? cli_printable(then, shown[1], sizeof shown[1]) : "unknown");
    }
}

static void write_differences(FILE *out, const json_t *report, const json_t *baseline)
{
    static const char *const keys[] = {"cpu", "instruction_set", "governor",
                                       "os",  "version",         "compiler"};
    for (size_t i = 0; i < COUNT(keys); i++) {
        write_difference(out, keys[i], bench_text(report, keys[i]), bench_text(baseline, keys[i]));
    }
    char counts[2][32] = {"", ""};
    const double cpus[] = {bench_number(report, "cpus"), bench_number(baseline, "cpus")};
    for (size_t i = 0; i < COUNT(cpus); i++) {
        if (!isnan(cpus[i])) {
            snprintf(counts[i], sizeof counts[i], "%.0f", cpus[i]);
        }
    }
    write_difference(out, "usable CPUs", counts[0], counts[1]);
}

/* Whether a record before the i-th has spoken for the same library. */
static bool told(const json_t *records, size_t i)
{
    const json_t *record = json_array_get(records, i);
    for (size_t j = 0; j < i; j++) {
        const json_t *earlier = json_array_get(records, j);
        if (bench_same_library(earlier, record) && json_object_get(earlier, "ratio")) {
            return true;
        }
    }
    return false;
}

static void write_provider_differences(FILE *out, const json_t *records, const json_t *old_records)
{
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        const json_t *old = partner(record, records, old_records);
        if (old && !told(records, i)) {
            char name[512], label[512];
            bench_library_label(records, record, name, sizeof name);
            cli_printable(name, label, sizeof label);
            write_difference(out, label, bench_text(record, "provider_version"),
                             bench_text(old, "provider_version"));
            write_difference(out, label, bench_text(record, "kernel"), bench_text(old, "kernel"));
        }
    }
}

/* Those of the baseline that were not measured again. */
static void write_missing(FILE *out, const json_t *records, const json_t *old_records)
{
    const char *begin = "\nOnly in the baseline:\n\n";
    for (size_t i = 0; i < json_array_size(old_records); i++) {
        const json_t *old = json_array_get(old_records, i);
        if (!partner(old, old_records, records)) {
            char label[512], provider[512], name[512];
            bench_library_label(old_records, old, label, sizeof label);
            fprintf(out, "%s- %s, %s, threads %lld\n", begin,
                    cli_printable(label, provider, sizeof provider),
                    cli_printable(bench_text(old, "case"), name, sizeof name),
                    (long long)json_integer_value(json_object_get(old, "threads")));
            begin = "";
        }
    }
}

static const struct bench_column columns[] = {
    {"provider", "provider", BENCH_PROVIDER, false},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"threads", "threads", BENCH_INTEGER, false},
    {"baseline", "baseline_seconds_median", BENCH_SECONDS, false},
    {"now ± sd", "seconds_median", BENCH_SECONDS_SD, false},
    {"speed", "ratio", BENCH_FACTOR, false},
    {"noise", "noise", BENCH_NOISE, false},
    {"verdict", "verdict", BENCH_TEXT, false},
};

bool bench_compare(json_t *report, const json_t *baseline, FILE *out)
{
    const json_t *records = json_object_get(report, "records");
    const json_t *old_records = json_object_get(baseline, "records");
    for (size_t i = 0; i < json_array_size(records); i++) {
        json_t *record = json_array_get(records, i);
        if (!judge(record, partner(record, records, old_records))) {
            return false;
        }
    }
    if (!out) {
        return true;
    }
    char date[64];
    write_differences(out, report, baseline);
    write_provider_differences(out, records, old_records);
    fprintf(
        out,
        "\nAgainst the baseline of %s. Speed is new over old: between 1 / noise and noise it says "
        "nothing. Noise\ncomes from twice the spread of the single samples of both, not from their "
        "standard error: repetitions on a\nshared machine are correlated.\n\n",
        cli_printable(bench_text(baseline, "date"), date, sizeof date));
    bench_table_write(out, records, columns, COUNT(columns));
    write_missing(out, records, old_records);
    return true;
}
