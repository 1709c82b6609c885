/* terminal.h: what the terminal can show, and a clock. */
#ifndef CLI_TERMINAL_H
#define CLI_TERMINAL_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the locale's characters are UTF-8 (main has called setlocale). */
bool cli_locale_utf8(void);
/* Whether a line on stderr can be redrawn: a terminal that is not TERM=dumb. */
bool cli_stderr_redraws(void);
/* Whether colour is welcome there: https://no-color.org */
bool cli_stderr_colour(void);
size_t cli_stderr_columns(void);
/* Columns that a string takes in a terminal, one for each character of a UTF-8 text. */
size_t cli_text_columns(const char *text);

/* `text` with control characters written as \xNN, so that a name in a file cannot command the
 * terminal; what does not fit in out[size] is cut. Returns out. */
const char *cli_printable(const char *text, char *out, size_t size);

/* Seconds of a clock that only goes forward. */
double cli_clock(void);

#endif
