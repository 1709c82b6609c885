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

/* ---- reading --------------------------------------------------------------------------------- */

struct scan {
    const char *text;
    size_t length;
    size_t at, line, line_start;
    size_t depth, values;
    size_t token, longest; /* characters between brackets, commas, colons and blanks */
    bool quoted, closed;   /* closed: the first object or array has ended */
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_token(char c)
{
    return !is_blank(c) && c != '{' && c != '}' && c != '[' && c != ']' && c != ',' && c != ':';
}

/* The next character, and behind a backslash the one after it. */
static void step(struct scan *scan)
{
    const char c = scan->text[scan->at++];
    if (c == '\n') {
        scan->line++;
        scan->line_start = scan->at;
    }
    if (!scan->quoted) {
        scan->depth += c == '{' || c == '[';
        if (scan->depth > 0 && (c == '}' || c == ']'))
            scan->closed = --scan->depth == 0;
        scan->values += c == '{' || c == '[' || c == ',';
    }
    scan->token = scan->quoted || is_token(c) ? scan->token + 1 : 0;
    if (scan->quoted && c == '\\' && scan->at < scan->length) {
        scan->at++; /* a line cannot end here: the parser takes no control characters in strings */
        scan->token++;
    } else if (c == '"')
        scan->quoted = !scan->quoted;
    scan->longest = scan->token > scan->longest ? scan->token : scan->longest;
}

static bool refuse(const struct scan *scan, struct json_fault *fault, const char *text)
{
    snprintf(fault->text, sizeof fault->text, "%s", text);
    fault->line = (int)scan->line;
    fault->column = (int)(scan->at - scan->line_start);
    fault->offset = (int)scan->at;
    return false;
}

/* Whether the text is worth parsing. Strings are skipped, everything else is left to the parser. */
static bool within(struct scan *scan, struct json_limits limits, struct json_fault *fault)
{
    scan->line = 1;
    while (scan->at < scan->length) {
        const bool more = scan->closed && !is_blank(scan->text[scan->at]);
        step(scan);
        if (more)
            return refuse(scan, fault, "the end expected behind the first object or array");
        if (scan->depth > limits.depth) {
            snprintf(fault->text, sizeof fault->text, "nests deeper than %zu levels", limits.depth);
            return false;
        }
        if (scan->values > limits.values) {
            snprintf(fault->text, sizeof fault->text, "has more than %zu values", limits.values);
            return false;
        }
    }
    if (scan->quoted)
        return refuse(scan, fault, "unexpected end within a string");
    return scan->depth == 0 || refuse(scan, fault, "unexpected end within a value");
}

/* jansson's lexer (2.14) collects a token in a buffer, and where that cannot grow it loses a
 * character in silence: "classify" becomes "clssify". So the text is read as the second element of
 * an array whose first one is a string as long as the longest token: if that one comes out whole,
 * the buffer has grown once and for all. */
struct feed {
    size_t padding; /* characters of the first string */
    const char *text;
    size_t length;
    size_t at; /* of all that is fed */
};

enum { OPENING = 2, BETWEEN = 2 }; /* characters of [" and ", */

static size_t feed(void *buffer, size_t size, void *data)
{
    struct feed *feed = data;
    const size_t start = OPENING + feed->padding + BETWEEN, end = start + feed->length + 1;
    char *out = buffer;
    size_t n = 0;
    for (; n < size && feed->at < end; n++, feed->at++) {
        const size_t at = feed->at;
        out[n] = at < OPENING                   ? "[\""[at]
                 : at < OPENING + feed->padding ? 'x'
                 : at < start                   ? "\","[at - OPENING - feed->padding]
                 : at < start + feed->length    ? feed->text[at - start]
                                                : ']';
    }
    return n;
}

json_t *gm_json_parse(const char *text, size_t length, struct json_limits limits,
                      struct json_fault *fault)
{
    struct scan scan = {.text = text, .length = length};
    *fault = (struct json_fault){0};
    if (!within(&scan, limits, fault))
        return NULL;
    struct feed source = {.padding = scan.longest, .text = text, .length = length};
    const int start = (int)(OPENING + source.padding + BETWEEN);
    json_error_t reason = {0};
    errno = 0; /* what jansson says of lack of memory is often a syntax error */
    json_t *pair = json_load_callback(feed, &source, JSON_REJECT_DUPLICATES, &reason);
    fault->out_of_memory =
        pair ? json_string_length(json_array_get(pair, 0)) != source.padding : errno == ENOMEM;
    json_t *value = json_array_size(pair) == 2 && !fault->out_of_memory
                        ? json_incref(json_array_get(pair, 1))
                        : NULL;
    if (value && !json_is_object(value) && !json_is_array(value)) {
        json_decref(value);
        value = NULL;
    }
    if (!pair) {
        fault->line = reason.line;
        fault->column = reason.line == 1 ? reason.column - start : reason.column;
        fault->offset = reason.position - start;
    } else if (!value) {
        fault->line = fault->column = 1;
        snprintf(reason.text, sizeof reason.text, "one object or array expected");
    }
    json_decref(pair);
    for (size_t i = 0; !value && i < sizeof fault->text - 1 && reason.text[i]; i++) {
        const unsigned char c = (unsigned char)reason.text[i];
        fault->text[i] = c < 0x20 || c == 0x7f ? '?' : reason.text[i];
    }
    return value;
}
