/* terminal.c: see terminal.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/terminal.h"

#include <langinfo.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#include "cli/numbers.h"

bool cli_locale_utf8(void)
{
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

bool cli_stderr_redraws(void)
{
    const char *term = getenv("TERM");
    return isatty(STDERR_FILENO) && term && strcmp(term, "dumb") != 0;
}

bool cli_stderr_colour(void)
{
    const char *no_color = getenv("NO_COLOR");
    return cli_stderr_redraws() && !(no_color && *no_color);
}

size_t cli_stderr_columns(void)
{
    struct winsize window;
    if (ioctl(STDERR_FILENO, TIOCGWINSZ, &window) == 0 && window.ws_col > 0) {
        return window.ws_col;
    }
    const char *columns = getenv("COLUMNS");
    size_t width;
    return columns && cli_parse_size(columns, &width) && width > 0 && width < 10000 ? width : 80;
}

size_t cli_text_columns(const char *text)
{
    size_t columns = 0;
    for (; *text; text++) {
        columns += ((unsigned char)*text & 0xC0) != 0x80; /* not a continuation byte */
    }
    return columns;
}

/* C0 controls, DEL, and C1 controls as UTF-8 writes them: C2 80 .. C2 9F. */
static bool is_control(const unsigned char *at)
{
    return at[0] < 0x20 || at[0] == 0x7F || (at[0] == 0xC2 && at[1] >= 0x80 && at[1] < 0xA0);
}

const char *cli_printable(const char *text, char *out, size_t size)
{
    char *end = out;
    for (const unsigned char *at = (const unsigned char *)text; *at; at++) {
        bool control = is_control(at);
        if (size - (size_t)(end - out) <= (control ? sizeof "\\xNN" : 1)) {
            break;
        }
        if (control) {
            at += at[0] == 0xC2;
            end += snprintf(end, sizeof "\\xNN", "\\x%02X", (unsigned)*at);
        } else {
            *end++ = (char)*at;
        }
    }
    *end = '\0';
    return out;
}

double cli_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
