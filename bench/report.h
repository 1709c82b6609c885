/* report.h: what a suite measured, as text.
 *
 * A report is one JSON object: the machine, the version and the command at the top, "roofs" (the
 * machine's measured limits) and "records" (one measurement each). In: such an object, or a file
 * that holds one. Out: md for people, csv for spreadsheets, json and jsonl for programs. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "core/error.h"

/* Writes the whole report in the format "md", "csv", "json" or "jsonl". In json, jsonl and csv each
 * record carries cpu, compiler, version and date as well. False when memory was short, the file
 * could not be written, or there is no such format. */
bool bench_report_write(const json_t *report, const char *format, FILE *out);

/* One line of jsonl, while the report grows: the record, or, where that is NULL, the report without
 * its records; this line goes first. False likewise. */
bool bench_report_write_line(const json_t *report, const json_t *record, FILE *out);

/* Reads what was written as json or jsonl, whatever the file is called. *out is the caller's, NULL
 * after a failure. What it holds has the types that a report has, and no number is negative. */
gemmlp_status bench_report_read(const char *path, json_t **out, gemmlp_error *error);

#endif
