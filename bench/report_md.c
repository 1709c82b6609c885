/* report_md.c: a report for people: the machine, the suite's table, what failed, where a step's
 * time goes, the libraries and the measured roofs. */
#include <math.h>
#include <string.h>

#include "cli/terminal.h"
#include "fields.h"
#include "report.h"
#include "report_library.h"
#include "report_private.h"
#include "report_table.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Of a provider or a status. */
enum { LABEL = 1024 };

/* ---- the tables of each suite ---------------------------------------------------------------- */

/* Where several providers or precisions were asked for, they tell the rows apart. */
static const struct bench_column gemm_columns[] = {
    {"provider", "provider", BENCH_PROVIDER, true},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"op", "operation", BENCH_TEXT, false},
    {"m", "m", BENCH_INTEGER, false},
    {"n", "n", BENCH_INTEGER, false},
    {"k", "k", BENCH_INTEGER, false},
    {"threads", "threads", BENCH_INTEGER, false},
    {"median ± sd", "seconds_median", BENCH_SECONDS_SD, false},
    {"GFLOP/s", "gflops", BENCH_REAL, false},
    {"% of peak", "peak_fraction", BENCH_PERCENT, false},
    {"% of roof", "roof_fraction", BENCH_PERCENT, false},
    {"residual", "residual", BENCH_SCIENTIFIC, false},
};

static const struct bench_column step_columns[] = {
    {"provider", "provider", BENCH_PROVIDER, true},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"threads", "threads", BENCH_INTEGER, false},
    {"median ± sd", "seconds_median", BENCH_SECONDS_SD, false},
    {"GFLOP/s", "gflops", BENCH_REAL, false},
    {"examples/s", "examples_per_second", BENCH_REAL, false},
    {"% of peak", "peak_fraction", BENCH_PERCENT, false},
    {"× naive", "naive_speedup", BENCH_REAL, false},
    {"× fair", "fair_speedup", BENCH_REAL, false},
    {"verdict", "verified", BENCH_VERDICT, false},
};

static const struct bench_column backends_columns[] = {
    {"provider", "provider", BENCH_PROVIDER, false},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"threads", "threads", BENCH_INTEGER, true},
    {"ran", "threads_ran", BENCH_REAL, false},
    {"median ± sd", "seconds_median", BENCH_SECONDS_SD, false},
    {"GFLOP/s", "gflops", BENCH_REAL, false},
    {"best", "seconds_min", BENCH_BEST, false},
    {"% of peak", "peak_fraction", BENCH_PERCENT, false},
    {"verdict", "verified", BENCH_VERDICT, false},
};

static const struct bench_column threads_columns[] = {
    {"provider", "provider", BENCH_PROVIDER, true},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"threads", "threads", BENCH_INTEGER, false},
    {"ran", "threads_ran", BENCH_REAL, false},
    {"median ± sd", "seconds_median", BENCH_SECONDS_SD, false},
    {"GFLOP/s", "gflops", BENCH_REAL, false},
    {"speed-up", "speedup", BENCH_FACTOR, false},
    {"efficiency %", "efficiency", BENCH_PERCENT, false},
};

static const struct bench_column accuracy_columns[] = {
    {"provider", "provider", BENCH_PROVIDER, true},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"reached", "reached", BENCH_REACHED, false},
    {"accuracy % median", "test_accuracy_median", BENCH_ACCURACY, false},
    {"min", "test_accuracy_min", BENCH_ACCURACY, false},
    {"training median (min)", "seconds_median", BENCH_SECONDS_MIN, false},
    {"verdict", "verified", BENCH_VERDICT, false},
    {"arguments", "arguments", BENCH_TEXT, false},
};

static const struct {
    const char *suite;
    const struct bench_column *columns;
    size_t count;
} tables[] = {
    {"gemm", gemm_columns, COUNT(gemm_columns)},
    {"step", step_columns, COUNT(step_columns)},
    {"backends", backends_columns, COUNT(backends_columns)},
    {"threads", threads_columns, COUNT(threads_columns)},
    {"accuracy", accuracy_columns, COUNT(accuracy_columns)},
};

/* Where a step's time goes; its parts in the order in which they run. */
static const struct bench_column parts_columns[] = {
    {"provider", "provider", BENCH_PROVIDER, true},
    {"precision", "precision", BENCH_TEXT, true},
    {"case", "case", BENCH_TEXT, false},
    {"threads", "threads", BENCH_INTEGER, false},
    {"gather", "gather", BENCH_PART, false},
    {"forward GEMM", "forward_gemm", BENCH_PART, false},
    {"+ bias σ", "forward_epilogue", BENCH_PART, false},
    {"loss", "loss", BENCH_PART, false},
    {"backward GEMM", "backward_gemm", BENCH_PART, false},
    {"⊙ σ′", "backward_epilogue", BENCH_PART, false},
    {"gradient GEMM", "gradient_gemm", BENCH_PART, false},
    {"update", "update", BENCH_PART, false},
    {"sum", "parts", BENCH_PARTS_SUM, false},
    {"whole step", "seconds_median", BENCH_SECONDS, false},
};

static const struct bench_column roof_columns[] = {
    {"threads", "threads", BENCH_INTEGER, false},
    {"precision", "precision", BENCH_TEXT, false},
    {"instruction set", "instruction_set", BENCH_TEXT, false},
    {"peak GFLOP/s", "peak_gflops", BENCH_REAL, false},
    {"least", "peak_gflops_min", BENCH_REAL, false},
    {"bandwidth GB/s", "bandwidth_gbytes", BENCH_REAL, false},
    {"least", "bandwidth_gbytes_min", BENCH_REAL, false},
};

/* ---- md -------------------------------------------------------------------------------------- */

/* One of several things on a line, left out when it is empty. */
static void item(FILE *out, const char **separator, const char *before, const char *text,
                 const char *after)
{
    char shown[4096];
    if (*text) {
        fprintf(out, "%s%s%s%s", *separator, before, cli_printable(text, shown, sizeof shown),
                after);
        *separator = ", ";
    }
}

static void number_item(FILE *out, const char **separator, const char *before, double value,
                        const char *after)
{
    char text[32] = "";
    if (!isnan(value)) {
        snprintf(text, sizeof text, "%.4g", value);
    }
    item(out, separator, before, text, after);
}

static void end_line(FILE *out, const char **separator)
{
    if (**separator) {
        fputs(".\n", out);
        *separator = "";
    }
}

static void write_machine(FILE *out, const json_t *report)
{
    static const char *const caches[] = {"L1d", "L2", "L3"};
    const char *separator = "";
    item(out, &separator, "gemmlp ", bench_text(report, "version"), "");
    item(out, &separator, "", bench_text(report, "compiler"), "");
    item(out, &separator, "", bench_text(report, "date"), "");
    end_line(out, &separator);
    item(out, &separator, "", bench_text(report, "cpu"), "");
    item(out, &separator, "", bench_text(report, "instruction_set"), "");
    number_item(out, &separator, "usable CPUs ", bench_number(report, "cpus"), "");
    number_item(out, &separator, "memory ", bench_number(report, "memory_bytes") / (1 << 30),
                " GiB");
    for (size_t i = 0; i < COUNT(caches); i++) {
        char name[8];
        double kib = bench_number(json_object_get(report, "caches"), caches[i]) / 1024;
        snprintf(name, sizeof name, "%s ", caches[i]);
        number_item(out, &separator, name, kib < 1024 ? kib : kib / 1024,
                    kib < 1024 ? " KiB" : " MiB");
    }
    item(out, &separator, "governor ", bench_text(report, "governor"), "");
    number_item(out, &separator, "load ", bench_number(report, "load"), "");
    end_line(out, &separator);
    item(out, &separator, "", bench_text(report, "os"), "");
    end_line(out, &separator);
    item(out, &separator, "`", bench_text(report, "command"), "`");
    end_line(out, &separator);
}

/* How the loops of the column "× fair" were compiled: once, for they are the same in all rows. */
static void write_fair_build(FILE *out, const json_t *records)
{
    for (size_t i = 0; i < json_array_size(records); i++) {
        const char *build = bench_text(json_array_get(records, i), "fair_build");
        if (*build) {
            char shown[512];
            fprintf(out, "\n× fair: %s\n", cli_printable(build, shown, sizeof shown));
            return;
        }
    }
}

/* What went wrong or is not to be trusted, a line for each record that is not ok or has doubts. */
static void write_failures(FILE *out, const json_t *records)
{
    const char *begin = "\n";
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        char doubts[LABEL], text[LABEL];
        bench_sentences(record, "doubts", doubts, sizeof doubts);
        if (!bench_is_ok(record) || *doubts) {
            const char *separator = ": ";
            fprintf(out, "%s- %s", begin,
                    *doubts ? "?" : bench_status_label(record, text, sizeof text));
            item(out, &separator, "", bench_library_label(records, record, text, sizeof text), "");
            item(out, &separator, "", bench_text(record, "case"), "");
            number_item(out, &separator, "threads ", bench_number(record, "threads"), "");
            separator = ": ";
            item(out, &separator, "", *doubts ? doubts : bench_text(record, "message"), "");
            fputs("\n", out);
            begin = "";
        }
    }
}

/* What the whole report suffers from. */
static void write_warnings(FILE *out, const json_t *report)
{
    const json_t *warnings = json_object_get(report, "warnings");
    if (json_is_true(json_object_get(report, "interrupted"))) {
        fputs("\n**Interrupted:** these are the cases that were finished.\n", out);
    }
    for (size_t i = 0; i < json_array_size(warnings); i++) {
        char shown[LABEL];
        fprintf(out, "%s- Warning: %s\n", i ? "" : "\n",
                cli_printable(json_string_value(json_array_get(warnings, i)), shown, sizeof shown));
    }
}

static void write_providers(FILE *out, const json_t *records)
{
    const char *begin = "\n";
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        if (*bench_text(record, "provider") && bench_is_first_of_library(records, i)) {
            char label[LABEL];
            const char *separator = begin;
            bench_library_label(records, record, label, sizeof label);
            item(out, &separator, "- ", label, "");
            separator = ": ";
            item(out, &separator, "", bench_text(record, "provider_version"), "");
            item(out, &separator, "", bench_text(record, "kernel"), "");
            item(out, &separator, "", bench_text(record, "provider_path"), "");
            fputs("\n", out);
            begin = "";
        }
    }
}

/* ---- libraries side by side ---- */

enum { LIBRARIES = 12 };

/* The row of the record's case and threads, made where there is none yet; NULL: no memory. */
static json_t *speed_row(json_t *rows, const json_t *record)
{
    for (size_t i = 0; i < json_array_size(rows); i++) {
        json_t *row = json_array_get(rows, i);
        if (strcmp(bench_text(row, "case"), bench_text(record, "case")) == 0 &&
            json_equal(json_object_get(row, "threads"), json_object_get(record, "threads"))) {
            return row;
        }
    }
    json_t *row = json_object();
    if (!row || json_object_set(row, "case", json_object_get(record, "case")) != 0 ||
        json_object_set(row, "threads", json_object_get(record, "threads")) != 0 ||
        json_array_append(rows, row) != 0) {
        json_decref(row);
        return NULL;
    }
    json_decref(row);
    return row;
}

/* GFLOP/s, a row for each case and a column for each library. False: no memory. */
static bool write_speeds(FILE *out, const json_t *records)
{
    char labels[LIBRARIES][LABEL], label[LABEL];
    struct bench_column columns[LIBRARIES + 2] = {{"GFLOP/s", "case", BENCH_TEXT, false},
                                                  {"threads", "threads", BENCH_INTEGER, true}};
    json_t *rows = json_array();
    size_t libraries = 0;
    bool done = rows != NULL;
    for (size_t i = 0; done && i < json_array_size(records); i++) {
        const json_t *record = json_array_get(records, i);
        bench_library_label(records, record, label, sizeof label);
        if (bench_is_first_of_library(records, i) && libraries < LIBRARIES) {
            strcpy(labels[libraries], label);
            columns[2 + libraries] =
                (struct bench_column){labels[libraries], labels[libraries], BENCH_SPEED, false};
            libraries++;
        }
        json_t *row = speed_row(rows, record);
        done = row && json_object_set(row, label, json_array_get(records, i)) == 0;
    }
    if (done && libraries > 1) {
        bench_table_write(out, rows, columns, 2 + libraries);
        putc('\n', out);
    }
    json_decref(rows);
    return done;
}

static bool any_parts(const json_t *records)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(records); i++) {
        count += json_object_size(json_object_get(json_array_get(records, i), "parts"));
    }
    return count > 0;
}

bool bench_report_write_md(const json_t *report, FILE *out)
{
    const json_t *records = json_object_get(report, "records");
    const json_t *roofs = json_object_get(report, "roofs");
    write_machine(out, report);
    write_warnings(out, report);
    putc('\n', out);
    if (strcmp(bench_text(report, "suite"), "backends") == 0 && !write_speeds(out, records)) {
        return false;
    }
    for (size_t i = 0; i < COUNT(tables); i++) {
        if (strcmp(tables[i].suite, bench_text(report, "suite")) == 0) {
            bench_table_write(out, records, tables[i].columns, tables[i].count);
        }
    }
    const bool steps = strcmp(bench_text(report, "suite"), "step") == 0;
    if (steps) {
        write_fair_build(out, records);
    }
    write_failures(out, records);
    if (steps && any_parts(records)) {
        fputs("\nWhere a step's time goes, per cent of the sum of its parts, which are timed in a "
              "step of their own:\n\n",
              out);
        bench_table_write(out, records, parts_columns, COUNT(parts_columns));
    }
    write_providers(out, records);
    if (json_array_size(roofs) > 0) {
        fputs("\nMeasured roofs:\n\n", out);
        bench_table_write(out, roofs, roof_columns, COUNT(roof_columns));
    }
    return true;
}
