/* fields.h: what stands in a record or a report, read with a default where it does not. */
#ifndef BENCH_FIELDS_H
#define BENCH_FIELDS_H

#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* The string under `key`; "" when there is none. */
static inline const char *bench_text(const json_t *object, const char *key)
{
    const char *text = json_string_value(json_object_get(object, key));
    return text ? text : "";
}

/* The number under `key`; NaN when there is none. */
static inline double bench_number(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_number(value) ? json_number_value(value) : (double)NAN;
}

/* Whether both have the same text under `key`, or none. */
static inline bool bench_same_text(const json_t *left, const json_t *right, const char *key)
{
    return strcmp(bench_text(left, key), bench_text(right, key)) == 0;
}

static inline bool bench_is_ok(const json_t *record)
{
    return strcmp(bench_text(record, "status"), "ok") == 0;
}

/* The strings of the array under `key` as one, separated by "; ", as many as fit. Returns out. */
static inline const char *bench_sentences(const json_t *object, const char *key, char *out,
                                          size_t size)
{
    const json_t *list = json_object_get(object, key);
    size_t length = 0;
    out[0] = '\0';
    for (size_t i = 0; i < json_array_size(list) && length < size; i++) {
        const char *text = json_string_value(json_array_get(list, i));
        length += (size_t)snprintf(out + length, size - length, "%s%s", i ? "; " : "", text);
    }
    return out;
}

#endif
