/* json_text.c: see json_text.h. */
#include "io/json_text.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

char *gm_json_text(const json_t *json)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    const size_t length = json ? json_dumpb(json, NULL, 0, flags) : 0;
    char *text = length > 0 ? malloc(length + 1) : NULL;
    if (text && json_dumpb(json, text, length, flags) != length) {
        free(text);
        return NULL;
    }
    if (text)
        text[length] = '\0';
    return text;
}

/* Strings are skipped, everything else is left to the parser. */
static bool within(const char *text, size_t length, struct json_limits limits,
                   struct json_fault *fault)
{
    size_t depth = 0, values = 0;
    bool quoted = false;
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        if (quoted && c == '\\')
            i++;
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++, values++;
        else if (!quoted && (c == '}' || c == ']'))
            depth -= depth > 0;
        else if (!quoted && c == ',')
            values++;
        if (depth > limits.depth || values > limits.values) {
            if (depth > limits.depth)
                snprintf(fault->text, sizeof fault->text, "nests deeper than %zu levels",
                         limits.depth);
            else
                snprintf(fault->text, sizeof fault->text, "has more than %zu values",
                         limits.values);
            return false;
        }
    }
    return true;
}

json_t *gm_json_parse(const char *text, size_t length, struct json_limits limits,
                      struct json_fault *fault)
{
    *fault = (struct json_fault){0};
    if (!within(text, length, limits, fault))
        return NULL;
    json_error_t reason = {0};
    errno = 0; /* what jansson says of lack of memory is often a syntax error */
    json_t *value = json_loadb(text, length, JSON_REJECT_DUPLICATES, &reason);
    if (value)
        return value;
    fault->out_of_memory = errno == ENOMEM;
    fault->line = reason.line;
    fault->column = reason.column;
    fault->offset = reason.position;
    for (size_t i = 0; i < sizeof fault->text - 1 && reason.text[i]; i++) {
        const unsigned char c = (unsigned char)reason.text[i];
        fault->text[i] = c < 0x20 || c == 0x7f ? '?' : reason.text[i];
    }
    return NULL;
}
