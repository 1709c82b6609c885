/* numbers.c: see numbers.h. */
#include "cli/numbers.h"

#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool cli_parse_size(const char *text, size_t *out)
{
    size_t length = strlen(text);
    /* strtoull would take blanks and a sign, and turn -1 into its largest number. */
    if (length == 0 || strspn(text, "0123456789") != length) {
        return false;
    }
    errno = 0;
    unsigned long long value = strtoull(text, NULL, 10);
    if (errno || value > SIZE_MAX) {
        return false;
    }
    *out = (size_t)value;
    return true;
}

bool cli_parse_real(const char *text, double *out)
{
    size_t length = strlen(text);
    /* The characters rule out blanks, hexadecimal numbers, "nan" and "inf". */
    if (length == 0 || strspn(text, "0123456789+-.eE") != length) {
        return false;
    }
    char *end;
    double value = strtod(text, &end);
    if (end != text + length || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

void cli_format_duration(double seconds, char *out, size_t size)
{
    if (!(seconds < 9e15)) {
        snprintf(out, size, "a long time");
    } else if (seconds < 10) {
        snprintf(out, size, seconds < 1 ? "%.2f s" : "%.1f s", seconds);
    } else if (seconds < 60) {
        snprintf(out, size, "%.0f s", seconds);
    } else if (seconds < 3600) {
        long whole = lround(seconds);
        snprintf(out, size, "%ld min %02ld s", whole / 60, whole % 60);
    } else {
        long long minutes = llround(seconds / 60);
        snprintf(out, size, "%lld h %02lld min", minutes / 60, minutes % 60);
    }
}

void cli_format_bytes(double bytes, char *out, size_t size)
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB", "PB"};
    size_t unit = 0;
    while (bytes >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        bytes /= 1000;
        unit++;
    }
    snprintf(out, size, unit && bytes < 99.95 ? "%.1f %s" : "%.0f %s", bytes, units[unit]);
}
