/* terminal.c: see terminal.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/terminal.h"

#include <langinfo.h>
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

double cli_clock(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
