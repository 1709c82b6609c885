/* error.c: status names, and messages into gemmlp_error. */
#define _POSIX_C_SOURCE 200809L
#include "core/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STATUS_ROW(name, text) {#name, text},
static const struct {
    const char *name, *text;
} statuses[] = {GEMMLP_STATUS_MAP(STATUS_ROW)};

const char *gemmlp_status_name(gemmlp_status status)
{
    size_t i = (size_t)status;
    return i < sizeof statuses / sizeof *statuses ? statuses[i].name : "UNKNOWN";
}

const char *gemmlp_status_text(gemmlp_status status)
{
    size_t i = (size_t)status;
    return i < sizeof statuses / sizeof *statuses ? statuses[i].text : "unknown status";
}

gemmlp_status gm_fail(gemmlp_error *error, gemmlp_status status, const char *format, ...)
{
    if (error) {
        va_list arguments;
        va_start(arguments, format);
        error->status = status;
        vsnprintf(error->message, sizeof error->message, format, arguments);
        va_end(arguments);
    }
    return status;
}

gemmlp_status gm_fail_memory(gemmlp_error *error, const char *what, size_t bytes)
{
    return gm_fail(error, GEMMLP_OUT_OF_MEMORY, "no memory for %s: %zu bytes (%.1f MB)", what,
                   bytes, (double)bytes / 1e6);
}

gemmlp_status gm_hand_on(gemmlp_error *error, const gemmlp_error *why)
{
    if (error)
        *error = *why;
    return why->status;
}

#define MAX_NAME 64

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t m = a < b ? a : b;
    return m < c ? m : c;
}

/* Levenshtein distance, names cut at MAX_NAME characters. */
static size_t edit_distance(const char *s, const char *t)
{
    size_t row[MAX_NAME + 1], n = strnlen(t, MAX_NAME);
    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 1; s[i - 1] && i <= MAX_NAME; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= n; j++) {
            size_t above = row[j];
            row[j] = min3(above + 1, row[j - 1] + 1, diagonal + (s[i - 1] != t[j - 1]));
            diagonal = above;
        }
    }
    return row[n];
}

static gemmlp_status fail_name(const char *kind, const char *found, const char *(*name_at)(size_t),
                               gemmlp_error *error)
{
    char valid[640] = "";
    const char *name, *nearest = NULL;
    size_t least = 3; /* farther than two edits is no help */
    for (size_t i = 0; (name = name_at(i)); i++) {
        size_t used = strlen(valid), distance = edit_distance(found, name);
        snprintf(valid + used, sizeof valid - used, "%s%s", i ? ", " : "", name);
        if (distance < least) {
            least = distance;
            nearest = name;
        }
    }
    return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "unknown %s '%.64s'%s%s%s valid: %s", kind,
                   found, nearest ? "; did you mean '" : ";", nearest ? nearest : "",
                   nearest ? "'?" : "", valid);
}

gemmlp_status gm_find_name(const char *kind, const char *name, const char *(*name_at)(size_t),
                           size_t *index, gemmlp_error *error)
{
    const char *candidate;
    for (size_t i = 0; (candidate = name_at(i)); i++) {
        if (strcmp(candidate, name) == 0) {
            *index = i;
            return GEMMLP_OK;
        }
    }
    return fail_name(kind, name, name_at, error);
}
