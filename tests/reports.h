/* reports.h: for tests of the benchmark's reports: their text as JSON and back, figures that are
 * there or are not, and what a report reads in a format. */
#ifndef GM_TEST_REPORTS_H
#define GM_TEST_REPORTS_H

#include "support.h"

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#include "../bench/fields.h"
#include "../bench/report.h"

/* The start of a record. */
#define RECORD "{\"suite\": \"gemm\", \"case\": \"a\", \"status\": \"ok\""

static inline json_t *parse(const char *text)
{
    json_error_t where;
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, &where);
    if (!value)
        print_error("line %d: %s\n", where.line, where.text);
    assert_non_null(value);
    return value;
}

static inline void assert_number(const json_t *object, const char *key, double expected)
{
    assert_close(bench_number(object, key), expected, 1e-12, key);
}

static inline void assert_absent(const json_t *object, const char *key)
{
    if (json_object_get(object, key))
        fail_msg("%s is there", key);
}

/* What the report reads in a format; the caller frees it. */
static inline char *written(json_t *report, const char *format)
{
    char *text;
    size_t size;
    FILE *stream = open_memstream(&text, &size);
    assert_non_null(stream);
    assert_true(bench_report_write(report, format, stream));
    assert_int_equal(fclose(stream), 0);
    return text;
}

static inline void assert_written(json_t *report, const char *format, const char *expected)
{
    char *text = written(report, format);
    assert_string_equal(text, expected);
    free(text);
}

#endif
