/* report.h: messages on stderr, and which exit code follows from which failure. */
#ifndef CLI_REPORT_H
#define CLI_REPORT_H

#include "cli/command.h"
#include "gemmlp.h"

/* "gemmlp: MESSAGE" */
void cli_complain(const char *format, ...) CLI_PRINTF(1, 2);

/* The same and "see 'gemmlp COMMAND --help'"; returns EXIT_CODE_USAGE. command may be NULL. */
int cli_usage(const struct command *command, const char *format, ...) CLI_PRINTF(2, 3);

/* A failure of the library while it read input (data, model), or while it did anything else. They
 * differ in GEMMLP_IO only: a file that cannot be read is bad input, a full disk is not. */
int cli_failed_input(const struct command *command, const gemmlp_error *error);
int cli_failed(const struct command *command, const gemmlp_error *error);

/* "gemmlp: out of memory: WHAT" */
int cli_failed_memory(const char *what);

/* Flushes stdout and says when what was printed could not be written. Returns `code`, or
 * EXIT_CODE_FAILED instead of EXIT_CODE_DONE. */
int cli_finish_stdout(int code);

#endif
