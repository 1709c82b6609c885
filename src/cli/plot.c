/* plot.c: gemmlp plot: the curves of one run or several, out of the logs that train --log
 * writes. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/args.h"
#include "cli/files.h"
#include "cli/gnuplot.h"
#include "cli/plot_curves.h"
#include "cli/record.h"
#include "cli/report.h"

struct plot_options {
    const char *output;
    struct common_options common;
};

static const struct arg plot_rows[] = {
    {"output", 'o', ARG_STRING, "FILE.svg|png", offsetof(struct plot_options, output),
     .help = "the picture; its numbers and the script that draws it, FILE.dat and FILE.gp, stay "
             "beside it"},
};

static bool check(const struct args *args, const struct plot_options *options, int *code)
{
    char message[1024];
    if (!options->output) {
        *code = cli_usage(args->command, "--output is missing");
        return false;
    }
    if (args->operand_count > PLOT_MAX_RUNS) {
        *code = cli_usage(args->command, "%zu runs are more than the %d that can be told apart",
                          args->operand_count, PLOT_MAX_RUNS);
        return false;
    }
    if (!cli_gnuplot_accepts(options->output, message, sizeof message)) {
        *code = cli_usage(args->command, "--output %s", message);
        return false;
    }
    for (size_t i = 0; i < args->operand_count; i++) {
        const struct named_file files[] = {{"--output", options->output, true},
                                           {"RUN.jsonl", args->operands[i], false}};
        if (!cli_files_apart(args->command, files, 2, code)) {
            return false;
        }
    }
    return true;
}

/* Reads all logs; what is odd in one and does no harm is said. */
static bool read_logs(const struct args *args, bool quiet, struct plotted_run *runs, int *code)
{
    for (size_t i = 0; i < args->operand_count; i++) {
        gemmlp_error error;
        runs[i].path = args->operands[i];
        if (cli_run_log_read(runs[i].path, &runs[i].curves, &error) != GEMMLP_OK) {
            *code = cli_failed_input(args->command, &error);
            return false;
        }
        if (runs[i].curves.torn_line && !quiet) {
            cli_complain("%s:%zu: the last line is torn, as by a kill, and left out", runs[i].path,
                         runs[i].curves.torn_line);
        }
    }
    return true;
}

static int print_json(const struct plotted_run *runs, size_t count, const char *output)
{
    struct record record = cli_record_begin();
    json_t *list = json_array();
    cli_record_text(&record, "output", output);
    for (size_t i = 0; i < count; i++) {
        const struct run_curves *curves = &runs[i].curves;
        struct record run = cli_record_begin();
        cli_record_text(&run, "path", runs[i].path);
        cli_record_size(&run, "epochs", curves->epochs[curves->count - 1].epoch);
        if (curves->best_epoch) {
            cli_record_size(&run, "best_epoch", curves->best_epoch);
        }
        cli_record_size(&run, "resumed", curves->resumed);
        if (curves->torn_line) {
            cli_record_size(&run, "torn_line", curves->torn_line);
        }
        cli_record_append(&record, list, cli_record_take(&run));
    }
    cli_record_json(&record, "runs", list);
    return cli_record_print(&record);
}

static int plot(const struct args *args, const struct plot_options *options)
{
    int code = EXIT_CODE_DONE;
    char message[1024];
    const size_t count = args->operand_count;
    struct plotted_run *runs = calloc(count, sizeof *runs);
    if (!runs) {
        return cli_failed_memory("the runs");
    }
    if (read_logs(args, options->common.quiet, runs, &code)) {
        if (!cli_plot_curves(runs, count, options->output, message, sizeof message)) {
            cli_complain("%s", message);
            code = EXIT_CODE_FAILED;
        } else if (options->common.json) {
            code = print_json(runs, count, options->output);
        }
    }
    for (size_t i = 0; i < count; i++) {
        cli_run_log_free(&runs[i].curves);
    }
    free(runs);
    return code;
}

int cli_run_plot(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct plot_options options = {0};
    const struct arg_group groups[] = {
        ARG_GROUP("picture", plot_rows, &options),
        ARG_GROUP("general", cli_common_rows, &options.common),
    };
    struct args args = {.command = command,
                        .groups = groups,
                        .group_count = sizeof groups / sizeof *groups,
                        .operand_name = "RUN.jsonl",
                        .operand_required = true,
                        .many_operands = true};
    if (cli_args_parse(&args, argc, argv, &code) && check(&args, &options, &code)) {
        code = plot(&args, &options);
    }
    cli_args_free(&args);
    return code;
}
