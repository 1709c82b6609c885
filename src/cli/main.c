/* main.c: the command `gemmlp`: finds the subcommand and runs it. Everything under src/cli talks to
 * the library through gemmlp.h, and shares with it how files are replaced (io/atomic_file.h) and
 * how those of a data set are called (data/idx_names.h); it is the only code that prints, and main
 * the only one that exits. */
#define _POSIX_C_SOURCE 200809L
#include <fcntl.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cli/command.h"
#include "cli/names.h"
#include "cli/providers.h"
#include "cli/report.h"

static const struct command commands[] = {
    {"train", "Trains a network on a data set, and says how good it has become.",
     "--data PATH [options]", "train --data datasets/mnist --model mnist.safetensors",
     cli_run_train},
    {"eval", "Measures a model on a data set.", "MODEL --data PATH [options]",
     "eval mnist.safetensors --data datasets/mnist --confusion", cli_run_eval},
    {"predict", "Writes what a model says of each example, as CSV with a header line.",
     "MODEL --data PATH [options]",
     "predict mnist.safetensors --data datasets/mnist --output predictions.csv", cli_run_predict},
    {"info", "Shows what is in a model, a data set or this machine, or what a network would cost.",
     "MODEL | --data PATH | --machine | --inputs N --outputs N [options]", "info mnist.safetensors",
     cli_run_info},
    {"gradcheck",
     "Compares gradients by back-propagation with central differences, in double precision.",
     "[options]", "gradcheck --activation tanh --loss cross_entropy", cli_run_gradcheck},
    {"explain", "Shows the chain rule for single weights, factor by factor, with numbers.",
     "MODEL --data PATH [options]",
     "explain mnist.safetensors --data datasets/mnist --example 7 --weight 1,3,20",
     cli_run_explain},
    {"plot", "Draws loss, accuracy, learning rate and speed of runs from their logs, by gnuplot.",
     "RUN.jsonl... --output FILE.svg|png [options]", "plot run.jsonl --output run.svg",
     cli_run_plot},
    {"bench",
     "Measures matrix products, training steps, BLAS libraries, threads and time to an accuracy.",
     "gemm|step|backends|threads|accuracy [options]", "bench step --network 784-256-10:128",
     cli_run_bench},
};

enum { COMMANDS = sizeof commands / sizeof *commands };

static const char *command_name_at(const void *list, size_t index)
{
    const struct command *table = list;
    return index < COMMANDS ? table[index].name : NULL;
}

static void print_names(const char *title, gemmlp_registry registry)
{
    const char *name;
    printf("%-15s", title);
    for (size_t i = 0; (name = gemmlp_name(registry, i)); i++) {
        printf("%s%s", i ? ", " : "", name);
    }
    putchar('\n');
}

static void print_version(void)
{
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    gemmlp_provider_info blas;
    char title[256] = "unknown";
    if (gemmlp_provider_info_get(NULL, 1, &blas, NULL) == GEMMLP_OK) {
        cli_provider_title(&blas, title, sizeof title);
    }
    printf("gemmlp %s\n", GEMMLP_VERSION);
#if defined(__clang__)
    printf("compiler       %s\n", __VERSION__);
#elif defined(__GNUC__)
    printf("compiler       gcc %s\n", __VERSION__);
#else
    printf("compiler       unknown\n");
#endif
    printf("BLAS           %s%s%s\n", title, blas.path[0] ? ", " : "", blas.path);
    print_names("providers", GEMMLP_PROVIDERS);
    print_names("data formats", GEMMLP_FORMATS);
    print_names("precisions", GEMMLP_PRECISIONS);
    printf("elementwise    %s\n", machine.instruction_set);
}

static void print_help(FILE *stream)
{
    fprintf(stream, "  gemmlp %s\n\n", commands[0].example);
    fprintf(stream, "Trains multi-layer perceptrons on CPUs.\n\n"
                    "usage: gemmlp COMMAND [options]\n\ncommands\n");
    for (size_t i = 0; i < COMMANDS; i++) {
        fprintf(stream, "  %-11s%s\n", commands[i].name, commands[i].summary);
    }
    fprintf(
        stream,
        "\n  --version  version, compiler, BLAS and features\n"
        "  --help     this; 'gemmlp COMMAND --help' or 'gemmlp help COMMAND' for the options of a "
        "command\n\n"
        "exit codes: 0 done, 1 failed, 2 wrong usage, 3 bad data or model file,\n"
        "4 training diverged and the last good state was kept,\n"
        "75 stopped by a signal after a checkpoint: run again with --resume\n");
}

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < COMMANDS; i++) {
        if (strcmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

static int refuse_command(const char *name)
{
    char message[1024];
    cli_unknown_name("command", name, "", command_name_at, commands, message, sizeof message);
    return cli_usage(NULL, "%s", message);
}

/* gemmlp help [COMMAND] */
static int help(int argc, char **argv)
{
    char option[] = "--help";
    if (argc == 1) {
        print_help(stdout);
        return EXIT_CODE_DONE;
    }
    if (argc > 2) {
        return cli_usage(NULL, "help: expected one command, found '%s' too", argv[2]);
    }
    const struct command *command = find_command(argv[1]);
    char *words[] = {argv[1], option, NULL};
    return command ? command->run(command, 2, words) : refuse_command(argv[1]);
}

static int dispatch(int argc, char **argv)
{
    if (argc < 2) {
        print_help(stderr);
        return EXIT_CODE_USAGE;
    }
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0) {
        print_help(stdout);
        return EXIT_CODE_DONE;
    }
    if (strcmp(argv[1], "--version") == 0) {
        print_version();
        return EXIT_CODE_DONE;
    }
    if (strcmp(argv[1], "help") == 0) {
        return help(argc - 1, argv + 1);
    }
    const struct command *command = find_command(argv[1]);
    return command ? command->run(command, argc - 1, argv + 1) : refuse_command(argv[1]);
}

/* Where a standard stream is closed, the next file that is opened would take its number, and
 * results would be written into the user's data. Reading and writing fail on what is put there
 * instead. */
static void fill_standard_streams(void)
{
    for (int descriptor = 0; descriptor <= 2; descriptor++) {
        if (fcntl(descriptor, F_GETFD) == -1) {
            int opened = open("/dev/null", descriptor == 0 ? O_WRONLY : O_RDONLY);
            if (opened >= 0 && opened != descriptor) {
                close(opened);
            }
        }
    }
}

int main(int argc, char **argv)
{
    fill_standard_streams();
    setlocale(LC_CTYPE, ""); /* what the terminal can show; numbers keep their point */
    return cli_finish_stdout(dispatch(argc, argv));
}
