/* command.h: a subcommand, and the exit codes that scripts depend on. */
#ifndef CLI_COMMAND_H
#define CLI_COMMAND_H

#if defined(__GNUC__)
#define CLI_PRINTF(text, first) __attribute__((format(printf, text, first)))
#else
#define CLI_PRINTF(text, first)
#endif

enum exit_code {
    EXIT_CODE_DONE = 0,
    EXIT_CODE_FAILED = 1,   /* out of memory, disk full, a check that did not pass */
    EXIT_CODE_USAGE = 2,    /* the command line asks for something that there is not */
    EXIT_CODE_INPUT = 3,    /* a data or model file is missing or not usable */
    EXIT_CODE_DIVERGED = 4, /* training met NaN or infinity; the last good state was kept */
    EXIT_CODE_STOPPED = 75, /* by a signal, after a checkpoint: run again with --resume */
};

/* One row of the table in main.c. */
struct command {
    const char *name;
    const char *summary;  /* one sentence */
    const char *synopsis; /* what follows the name */
    const char *example;  /* what follows `gemmlp`; opens the help */
    /* argv[0] is the name of the command; returns an exit_code. */
    int (*run)(const struct command *command, int argc, char **argv);
};

int cli_run_train(const struct command *command, int argc, char **argv);
int cli_run_eval(const struct command *command, int argc, char **argv);
int cli_run_predict(const struct command *command, int argc, char **argv);
int cli_run_info(const struct command *command, int argc, char **argv);
int cli_run_gradcheck(const struct command *command, int argc, char **argv);
int cli_run_explain(const struct command *command, int argc, char **argv);
int cli_run_plot(const struct command *command, int argc, char **argv);
int cli_run_bench(const struct command *command, int argc, char **argv); /* bench/bench.c */

#endif
