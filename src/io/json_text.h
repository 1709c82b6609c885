/* json_text.h: JSON to text, whole or not at all; and text to JSON, within limits. */
#ifndef GM_JSON_TEXT_H
#define GM_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Compact, zero-terminated, to be freed; NULL when memory has run out, or when json is NULL.
 * Printed into memory of the right size, for json_dumps (2.14) loses a name in silence where its
 * buffer cannot grow. */
char *gm_json_text(const json_t *json);

struct json_limits {
    size_t depth;  /* arrays and objects inside each other */
    size_t values; /* brackets and commas: as many as values, or more */
};

/* Why there is no value: one short phrase, and where. */
struct json_fault {
    bool out_of_memory;
    int line, column, offset; /* line from 1; 0 where the limits were exceeded */
    char text[96];            /* may quote the text, but without control characters */
};

/* One value from a foreign text, which need not end with a zero; a key that comes twice is refused.
 * A value can take a hundred times the memory of its text, so the limits are checked before any is
 * made. NULL: *fault says why. */
json_t *gm_json_parse(const char *text, size_t length, struct json_limits limits,
                      struct json_fault *fault);

#endif
