/* report.c: see report.h. The keys and their order; json, jsonl and csv; the formats by name. */
#include "report.h"

#include <string.h>

#include "fields.h"
#include "report_private.h"

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* Nine digits give back every float, and are finer than any clock. */
#define DUMP_FLAGS JSON_REAL_PRECISION(9)

/* Before the name of a step's part in csv. */
#define PART "part_"

/* ---- keys ------------------------------------------------------------------------------------ */

const struct bench_key bench_report_keys[] = {
    {'S', "suite"},
    {'s', "command"},
    {'s', "date"},
    {'s', "version"},
    {'s', "compiler"},
    {'s', "cpu"},
    {'s', "instruction_set"},
    {'s', "os"},
    {'i', "cpus"},
    {'r', "memory_bytes"},
    {'o', "caches"},
    {'s', "governor"},
    {'r', "load"},
    {'r', "other_cpus"},
    {'r', "steal"},
    {'b', "interrupted"},
    {'t', "warnings"},
    {'l', "roofs"},
    {'L', "records"},
    {0, NULL},
};

const struct bench_key bench_record_keys[] = {
    {'S', "suite"},
    {'S', "case"},
    {'S', "status"},
    {'s', "message"},
    {'t', "doubts"},
    {'s', "provider"},
    {'s', "provider_path"},
    {'s', "provider_version"},
    {'s', "kernel"},
    {'s', "operation"},
    {'i', "m"},
    {'i', "n"},
    {'i', "k"},
    {'s', "network"},
    {'i', "batch"},
    {'s', "optimizer"},
    {'s', "activation"},
    {'s', "precision"},
    {'i', "threads"},
    {'r', "threads_ran"},
    {'i', "repetitions"},
    {'r', "seconds_median"},
    {'r', "seconds_min"},
    {'r', "seconds_mean"},
    {'r', "seconds_sd"},
    {'r', "flop"},
    {'r', "gflops"},
    {'r', "examples_per_second"},
    {'r', "peak_gflops"},
    {'r', "peak_fraction"},
    {'r', "intensity"},
    {'r', "roof_gflops"},
    {'r', "roof_fraction"},
    {'r', "residual"},
    {'r', "tolerance"},
    {'b', "verified"},
    {'o', "parts"},
    {'r', "naive_seconds"},
    {'r', "naive_speedup"},
    {'r', "fair_seconds"},
    {'r', "fair_speedup"},
    {'s', "fair_build"},
    {'r', "speedup"},
    {'r', "efficiency"},
    {'r', "target"},
    {'i', "reached"},
    {'i', "seeds"},
    {'r', "test_accuracy_median"},
    {'r', "test_accuracy_min"},
    {'s', "arguments"},
    {'r', "baseline_seconds_median"},
    {'r', "ratio"},
    {'r', "noise"},
    {'s', "verdict"},
    {'s', "cpu"},
    {'s', "compiler"},
    {'s', "version"},
    {'s', "date"},
    {'a', "samples"},
    {0, NULL},
};

/* Stand at the top of a report, and in each record that leaves it. */
static const char *const context_keys[] = {"cpu", "compiler", "version", "date"};

/* ---- json, jsonl, csv ------------------------------------------------------------------------ */

/* False: no memory. */
static bool set_missing(json_t *object, const char *key, json_t *value)
{
    return !value || json_object_get(object, key) || json_object_set(object, key, value) == 0;
}

/* json_object_update_missing (2.14) loses a value in silence where memory is short. */
static bool add_missing(json_t *object, const json_t *others)
{
    /* jansson iterates over objects that it may change; here nothing does. */
    union {
        const json_t *given;
        json_t *iterated;
    } from = {others};
    bool done = object != NULL;
    const char *key;
    json_t *value;
    json_object_foreach(from.iterated, key, value)
    {
        done = done && set_missing(object, key, value);
    }
    return done;
}

/* The same values in the order of the keys, those of other names last. NULL: no memory. */
static json_t *ordered(const json_t *object, const struct bench_key *keys)
{
    json_t *out = json_object();
    bool done = true;
    for (; keys->name; keys++) {
        done = done && set_missing(out, keys->name, json_object_get(object, keys->name));
    }
    if (!done || !add_missing(out, object)) {
        json_decref(out);
        return NULL;
    }
    return out;
}

/* The record in order, which says by itself where it comes from. NULL: no memory. */
static json_t *whole_record(const json_t *report, const json_t *record)
{
    json_t *whole = json_object();
    bool done = add_missing(whole, record);
    for (size_t i = 0; i < COUNT(context_keys); i++) {
        const char *key = context_keys[i];
        done = done && set_missing(whole, key, json_object_get(report, key));
    }
    json_t *out = done ? ordered(whole, bench_record_keys) : NULL;
    json_decref(whole);
    return out;
}

/* The report in order, with whole records. NULL: no memory. */
static json_t *whole_report(const json_t *report)
{
    json_t *out = ordered(report, bench_report_keys), *records = json_array();
    const json_t *originals = json_object_get(report, "records");
    bool done = out && json_object_set_new(out, "records", records) == 0;
    for (size_t i = 0; done && i < json_array_size(originals); i++) {
        json_t *record = whole_record(report, json_array_get(originals, i));
        done = json_array_append_new(records, record) == 0;
    }
    if (!done) {
        json_decref(out);
        return NULL;
    }
    return out;
}

static bool write_value(const json_t *value, size_t flags, FILE *out)
{
    return value && json_dumpf(value, out, flags | DUMP_FLAGS) == 0 && putc('\n', out) != EOF;
}

static bool write_json(const json_t *report, FILE *out)
{
    json_t *whole = whole_report(report);
    bool done = write_value(whole, JSON_INDENT(2), out);
    json_decref(whole);
    return done;
}

bool bench_report_write_line(const json_t *report, const json_t *record, FILE *out)
{
    json_t *line = record ? whole_record(report, record) : ordered(report, bench_report_keys);
    if (!record) {
        json_object_del(line, "records");
    }
    bool done = write_value(line, JSON_COMPACT, out);
    json_decref(line);
    return done;
}

static bool write_jsonl(const json_t *report, FILE *out)
{
    const json_t *records = json_object_get(report, "records");
    bool done = bench_report_write_line(report, NULL, out);
    for (size_t i = 0; done && i < json_array_size(records); i++) {
        done = bench_report_write_line(report, json_array_get(records, i), out);
    }
    return done;
}

/* RFC 4180, but with the line ends of this system. */
static void write_csv_text(FILE *out, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, out);
        return;
    }
    putc('"', out);
    for (; *text; text++) {
        fputs(*text == '"' ? "\"" : "", out);
        putc(*text, out);
    }
    putc('"', out);
}

/* `column` may be of a part: part_gather. */
static void write_csv_value(FILE *out, const json_t *record, const char *column)
{
    const json_t *value = json_object_get(record, column);
    if (!value && strncmp(column, PART, strlen(PART)) == 0) {
        value = json_object_get(json_object_get(record, "parts"), column + strlen(PART));
    }
    if (json_is_string(value)) {
        write_csv_text(out, json_string_value(value));
    } else if (json_is_integer(value)) {
        fprintf(out, "%lld", (long long)json_integer_value(value));
    } else if (json_is_real(value)) {
        fprintf(out, "%.9g", json_real_value(value));
    } else if (json_is_boolean(value)) {
        fputs(json_is_true(value) ? "true" : "false", out);
    } else if (json_is_array(value)) {
        char text[2048];
        write_csv_text(out, bench_sentences(record, column, text, sizeof text));
    }
}

/* An object whose keys are the columns: what all records have but their samples, parts last. NULL:
 * no memory. */
static json_t *csv_columns(const json_t *records)
{
    json_t *all = json_object(), *value;
    bool done = all != NULL;
    const char *key;
    for (size_t i = 0; done && i < json_array_size(records); i++) {
        json_t *record = json_array_get(records, i);
        json_object_foreach(record, key, value)
        {
            bool scalar = !json_is_object(value) && strcmp(key, "samples") != 0;
            done = done && (!scalar || json_object_set(all, key, value) == 0);
        }
        json_object_foreach(json_object_get(record, "parts"), key, value)
        {
            char name[64];
            snprintf(name, sizeof name, PART "%s", key);
            done = done && json_object_set(all, name, value) == 0;
        }
    }
    json_t *columns = done ? ordered(all, bench_record_keys) : NULL;
    json_decref(all);
    return columns;
}

static bool write_csv(const json_t *report, FILE *out)
{
    json_t *whole = whole_report(report);
    const json_t *records = json_object_get(whole, "records");
    json_t *columns = whole ? csv_columns(records) : NULL;
    const char *column, *separator = "";
    json_t *unused;
    json_object_foreach(columns, column, unused)
    {
        fputs(separator, out);
        write_csv_text(out, column);
        separator = ",";
    }
    putc('\n', out);
    for (size_t i = 0; i < json_array_size(records); i++) {
        separator = "";
        json_object_foreach(columns, column, unused)
        {
            fputs(separator, out);
            write_csv_value(out, json_array_get(records, i), column);
            separator = ",";
        }
        putc('\n', out);
    }
    bool done = columns != NULL;
    json_decref(columns);
    json_decref(whole);
    return done;
}

/* ---- formats --------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    bool (*write)(const json_t *report, FILE *out);
} formats[] = {
    {"md", bench_report_write_md},
    {"csv", write_csv},
    {"json", write_json},
    {"jsonl", write_jsonl},
};

bool bench_report_write(const json_t *report, const char *format, FILE *out)
{
    for (size_t i = 0; i < COUNT(formats); i++) {
        if (strcmp(formats[i].name, format) == 0) {
            return formats[i].write(report, out) && fflush(out) == 0 && !ferror(out);
        }
    }
    return false;
}
