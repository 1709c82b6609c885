/* report_table.h: records, or any objects, as a table.
 *
 * In: rows, and for each column the key that it shows and how. Out: Markdown that reads as well in
 * a terminal. */
#ifndef BENCH_REPORT_TABLE_H
#define BENCH_REPORT_TABLE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

/* How a cell reads; "-" where there is nothing. The first three stand to the left, numbers to the
 * right. */
enum bench_cell {
    BENCH_TEXT,
    BENCH_PROVIDER,   /* bench_library_label */
    BENCH_VERDICT,    /* verified, unverified, or the status: WRONG */
    BENCH_INTEGER,    /* 64 */
    BENCH_REAL,       /* 1234, 123.4, 12.34, 1.234 */
    BENCH_FACTOR,     /* 12.34× */
    BENCH_NOISE,      /* of a fraction above 1: 1.34× */
    BENCH_PERCENT,    /* of a fraction: 74.3 */
    BENCH_ACCURACY,   /* of a fraction: 98.12 */
    BENCH_SCIENTIFIC, /* 1.2e-07 */
    BENCH_SECONDS,    /* 1.234 ms */
    BENCH_SECONDS_SD, /* 1.234 ± 0.051 ms, "?" where the record has doubts; where there is nothing,
                          the status */
    BENCH_SECONDS_MIN, /* 1.234 (1.201) ms, likewise */
    BENCH_SPEED,       /* GFLOP/s of the record under the key, likewise */
    BENCH_BEST,        /* GFLOP/s of the shortest sample */
    BENCH_REACHED,     /* 5/5 seeds */
    BENCH_PART,        /* per cent of the sum of a step's parts */
    BENCH_PARTS_SUM,   /* that sum: 1.234 ms */
};

struct bench_column {
    const char *title, *key;
    enum bench_cell cell;
    bool where_it_differs; /* shown only where rows differ in it */
};

/* A Markdown table that reads as well in a terminal: padded, numbers to the right. rows: an array
 * of objects; at most 16 columns. */
void bench_table_write(FILE *out, const json_t *rows, const struct bench_column *columns,
                       size_t count);

/* The status in capitals: "WRONG". Returns out. */
const char *bench_status_label(const json_t *record, char *out, size_t size);

#endif
