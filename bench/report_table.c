/* report_table.c: see report_table.h. */
#include "report_table.h"

#include <assert.h>
#include <ctype.h>
#include <math.h>
#include <string.h>

#include "cli/terminal.h"
#include "fields.h"
#include "report_library.h"
#include "statistics.h"

enum { CELL = 1024, MAX_COLUMNS = 16 };

#define NOTHING "-"

/* Decimals that make four digits. */
static int decimals(double value)
{
    return value >= 999.95 ? 0 : value >= 99.995 ? 1 : value >= 9.9995 ? 2 : 3;
}

/* `text` so that it stays in its cell. */
static void format_text(const char *text, char *out, size_t size)
{
    char shown[CELL / 2];
    size_t length = 0;
    for (cli_printable(text, shown, sizeof shown), text = shown; *text; text++) {
        if (*text == '|' && length + 2 < size) {
            out[length++] = '\\';
        }
        if (length + 1 < size) {
            out[length++] = *text;
        }
    }
    out[length] = '\0';
}

const char *bench_status_label(const json_t *record, char *out, size_t size)
{
    format_text(bench_text(record, "status"), out, size);
    for (char *at = out; *at; at++) {
        *at = (char)toupper((unsigned char)*at);
    }
    return out;
}

/* Both in the unit of the first; `beside` may be NaN. */
static void format_seconds(double seconds, const char *before, double beside, const char *after,
                           char *out, size_t size)
{
    const char *unit = seconds < 1e-3 ? "µs" : seconds < 1 ? "ms" : "s";
    const double scale = seconds < 1e-3 ? 1e6 : seconds < 1 ? 1e3 : 1;
    const int digits = decimals(seconds * scale);
    if (isnan(beside)) {
        snprintf(out, size, "%.*f %s", digits, seconds * scale, unit);
    } else {
        snprintf(out, size, "%.*f%s%.*f%s %s", digits, seconds * scale, before, digits,
                 beside * scale, after, unit);
    }
}

/* Whether it stands to the left. */
static bool is_words(const struct bench_column *column)
{
    return column->cell <= BENCH_VERDICT;
}

static void format_words(const json_t *rows, const json_t *row, const struct bench_column *column,
                         char *out, size_t size)
{
    char label[CELL];
    if (column->cell == BENCH_VERDICT && bench_is_ok(row)) {
        snprintf(out, size,
                 json_is_true(json_object_get(row, column->key)) ? "verified" : "unverified");
    } else if (column->cell == BENCH_VERDICT) {
        bench_status_label(row, out, size);
    } else if (column->cell == BENCH_PROVIDER) {
        format_text(bench_library_label(rows, row, label, sizeof label), out, size);
    } else {
        format_text(bench_text(row, column->key), out, size);
    }
}

/* NaN: there is nothing. */
static double cell_value(const json_t *row, const struct bench_column *column)
{
    switch (column->cell) {
    case BENCH_PART:
        return bench_number(json_object_get(row, "parts"), column->key) / bench_parts_sum(row);
    case BENCH_PARTS_SUM:
        return bench_parts_sum(row);
    case BENCH_SPEED:
        return bench_number(row, "gflops");
    case BENCH_BEST:
        return bench_number(row, "flop") / bench_number(row, column->key) / 1e9;
    default:
        return bench_number(row, column->key);
    }
}

static void format_number(const json_t *row, const struct bench_column *column, double value,
                          char *out, size_t size)
{
    switch (column->cell) {
    case BENCH_REAL:
    case BENCH_SPEED:
    case BENCH_BEST:
        snprintf(out, size, "%.*f", decimals(value), value);
        break;
    case BENCH_FACTOR:
        snprintf(out, size, "%.*f×", decimals(value), value);
        break;
    case BENCH_NOISE:
        snprintf(out, size, "%.*f×", decimals(1 + value), 1 + value);
        break;
    case BENCH_PERCENT:
    case BENCH_PART:
        snprintf(out, size, "%.1f", 100 * value);
        break;
    case BENCH_ACCURACY:
        snprintf(out, size, "%.2f", 100 * value);
        break;
    case BENCH_SCIENTIFIC:
        snprintf(out, size, "%.1e", value);
        break;
    case BENCH_SECONDS:
    case BENCH_PARTS_SUM:
        format_seconds(value, "", NAN, "", out, size);
        break;
    case BENCH_SECONDS_SD:
        format_seconds(value, " ± ", bench_number(row, "seconds_sd"), "", out, size);
        break;
    case BENCH_SECONDS_MIN:
        format_seconds(value, " (", bench_number(row, "seconds_min"), ")", out, size);
        break;
    case BENCH_REACHED:
        snprintf(out, size, "%.0f/%.0f", value, bench_number(row, "seeds"));
        break;
    default:
        snprintf(out, size, "%.0f", value);
    }
}

static void format_cell(const json_t *rows, const json_t *row, const struct bench_column *column,
                        char *out, size_t size)
{
    const bool tells_status = column->cell == BENCH_SECONDS_SD ||
                              column->cell == BENCH_SECONDS_MIN || column->cell == BENCH_SPEED;
    *out = '\0';
    if (column->cell == BENCH_SPEED) {
        row = json_object_get(row, column->key);
    }
    const double value = cell_value(row, column);
    if (is_words(column)) {
        format_words(rows, row, column, out, size);
    } else if (tells_status && !bench_is_ok(row) && isnan(value)) {
        bench_status_label(row, out, size);
    } else if (!isnan(value)) {
        format_number(row, column, value, out, size);
        if (tells_status && json_object_get(row, "doubts")) {
            strcat(out, " ?");
        }
    }
    if (!*out) {
        snprintf(out, size, NOTHING);
    }
}

/* ---- the table ------------------------------------------------------------------------------- */

/* Columns that it takes; 0: it is left out. */
static size_t column_width(const json_t *rows, const struct bench_column *column)
{
    char first[CELL] = "", text[CELL];
    size_t width = cli_text_columns(column->title);
    bool shown = !column->where_it_differs;
    for (size_t i = 0; i < json_array_size(rows); i++) {
        format_cell(rows, json_array_get(rows, i), column, text, sizeof text);
        size_t taken = cli_text_columns(text);
        width = taken > width ? taken : width;
        if (!*first && strcmp(text, NOTHING) != 0) {
            strcpy(first, text);
        }
        shown = shown || (strcmp(text, NOTHING) != 0 && strcmp(text, first) != 0);
    }
    return shown ? width : 0;
}

static void print_cell(FILE *out, const char *text, size_t width, bool left)
{
    const int padding = (int)(width - cli_text_columns(text));
    fprintf(out, " %*s%s%*s |", left ? 0 : padding, "", text, left ? padding : 0, "");
}

void bench_table_write(FILE *out, const json_t *rows, const struct bench_column *columns,
                       size_t count)
{
    size_t widths[MAX_COLUMNS] = {0};
    char text[CELL];
    assert(count <= MAX_COLUMNS);
    for (size_t c = 0; c < count; c++) {
        widths[c] = column_width(rows, &columns[c]);
    }
    putc('|', out);
    for (size_t c = 0; c < count; c++) {
        if (widths[c]) {
            print_cell(out, columns[c].title, widths[c], is_words(&columns[c]));
        }
    }
    fputs("\n|", out);
    for (size_t c = 0; c < count; c++) {
        bool left = is_words(&columns[c]);
        for (size_t i = 0; widths[c] && i < widths[c] + 2; i++) {
            putc(i == (left ? 0 : widths[c] + 1) ? ':' : '-', out);
        }
        fputs(widths[c] ? "|" : "", out);
    }
    putc('\n', out);
    for (size_t i = 0; i < json_array_size(rows); i++) {
        putc('|', out);
        for (size_t c = 0; c < count; c++) {
            if (widths[c]) {
                format_cell(rows, json_array_get(rows, i), &columns[c], text, sizeof text);
                print_cell(out, text, widths[c], is_words(&columns[c]));
            }
        }
        putc('\n', out);
    }
}
