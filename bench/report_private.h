/* report_private.h: what the files behind report.h share. */
#ifndef BENCH_REPORT_PRIVATE_H
#define BENCH_REPORT_PRIVATE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* s string, i integer, r any number, b boolean, o object of numbers, a array of numbers, t array of
 * strings, l array of objects; a capital: it must be there. */
struct bench_key {
    char type;
    const char *name;
};

/* In the order in which they are written; the name after the last is NULL. */
extern const struct bench_key bench_report_keys[], bench_record_keys[];

/* The format md. */
bool bench_report_write_md(const json_t *report, FILE *out);

#endif
