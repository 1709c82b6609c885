/* report.c: see report.h. */
#include "cli/report.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "cli/terminal.h"

static void print_message(const char *format, va_list arguments)
{
    char message[4096], shown[4096];
    vsnprintf(message, sizeof message, format, arguments);
    fprintf(stderr, "gemmlp: %s\n", cli_printable(message, shown, sizeof shown));
}

void cli_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
}

int cli_usage(const struct command *command, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    print_message(format, arguments);
    va_end(arguments);
    fprintf(stderr, "see 'gemmlp%s%s --help'\n", command ? " " : "", command ? command->name : "");
    return EXIT_CODE_USAGE;
}

static int failed(const struct command *command, const gemmlp_error *error, int io_code)
{
    switch (error->status) {
    case GEMMLP_INVALID_ARGUMENT:
    case GEMMLP_UNSUPPORTED:
    case GEMMLP_MISMATCH:
        return cli_usage(command, "%s", error->message);
    case GEMMLP_BAD_DATA:
    case GEMMLP_BAD_MODEL:
        cli_complain("%s", error->message);
        return EXIT_CODE_INPUT;
    case GEMMLP_IO:
        cli_complain("%s", error->message);
        return io_code;
    case GEMMLP_DIVERGED:
        cli_complain("%s", error->message);
        return EXIT_CODE_DIVERGED;
    case GEMMLP_OUT_OF_MEMORY:
    case GEMMLP_OK:
        break;
    }
    cli_complain("%s", error->message);
    return EXIT_CODE_FAILED;
}

int cli_failed_input(const struct command *command, const gemmlp_error *error)
{
    return failed(command, error, EXIT_CODE_INPUT);
}

int cli_failed(const struct command *command, const gemmlp_error *error)
{
    return failed(command, error, EXIT_CODE_FAILED);
}

int cli_failed_memory(const char *what)
{
    cli_complain("out of memory: %s", what);
    return EXIT_CODE_FAILED;
}

int cli_finish_stdout(int code)
{
    errno = 0;
    if (fflush(stdout) == 0 && !ferror(stdout)) {
        return code;
    }
    /* An earlier write may have failed for a reason that errno no longer knows. */
    cli_complain("standard output: %s", errno ? strerror(errno) : "could not be written");
    return code == EXIT_CODE_DONE ? EXIT_CODE_FAILED : code;
}
