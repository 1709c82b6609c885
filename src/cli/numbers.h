/* numbers.h: numbers as users write them, read strictly: no blanks, no rest, no wrapping, no NaN.
 */
#ifndef CLI_NUMBERS_H
#define CLI_NUMBERS_H

#include <stdbool.h>
#include <stddef.h>

/* Decimal digits only. */
bool cli_parse_size(const char *text, size_t *out);
/* A finite decimal number; -0.5, .5 and 1e-3 are fine. */
bool cli_parse_real(const char *text, double *out);

/* "1 h 02 min", "3 min 10 s", "12 s", "0.31 s". */
void cli_format_duration(double seconds, char *out, size_t size);
/* "12.5 MB" */
void cli_format_bytes(double bytes, char *out, size_t size);

#endif
