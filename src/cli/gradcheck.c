/* gradcheck.c: gemmlp gradcheck: back-propagation against central differences, for any network that
 * the options can describe. */
#include <stdio.h>
#include <string.h>

#include "cli/data_options.h"
#include "cli/network_options.h"
#include "cli/record.h"
#include "cli/report.h"

struct gradcheck_options {
    struct network_options network;
    struct objective_options objective;
    struct common_options common;
    const char *task;
    size_t inputs, outputs, batch, samples;
    double tolerance;
};

#define AT(member) offsetof(struct gradcheck_options, member)

static const struct arg check_rows[] = {
    {"inputs", 0, ARG_SIZE, "N", AT(inputs), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "of the network"},
    {"outputs", 0, ARG_SIZE, "N", AT(outputs), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "of the network"},
    {"task", 0, ARG_NAME, "NAME", AT(task), .registry = GEMMLP_TASKS,
     .help = "what the random targets are like"},
    {"batch", 0, ARG_SIZE, "N", AT(batch), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "random examples"},
    {"samples", 0, ARG_SIZE, "N", AT(samples), .upper = ARG_COUNT_LIMIT,
     .help = "parameters to check, spread over all; 0: every one"},
    {"tolerance", 0, ARG_REAL, "X", AT(tolerance), .range = RANGE_POSITIVE,
     .help = "largest relative error to accept"},
};

static int print_json(const gemmlp_gradcheck_report *report, bool passed)
{
    struct record record = cli_record_begin();
    cli_record_size(&record, "parameters", report->parameters);
    cli_record_size(&record, "parameters_checked", report->parameters_checked);
    cli_record_real(&record, "max_relative_error", report->max_relative_error);
    cli_record_real(&record, "tolerance", report->tolerance);
    cli_record_real(&record, "max_gradient", report->max_gradient);
    cli_record_size(&record, "worst_layer", report->worst_layer);
    cli_record_size(&record, "worst_row", report->worst_row);
    cli_record_size(&record, "worst_column", report->worst_column);
    cli_record_real(&record, "worst_backprop", report->worst_backprop);
    cli_record_real(&record, "worst_difference", report->worst_difference);
    cli_record_bool(&record, "passed", passed);
    return cli_record_print(&record);
}

static void print_text(const gemmlp_gradcheck_report *report, const gemmlp_network *network)
{
    size_t layer = report->worst_layer;
    size_t n_in = layer ? network->layers[layer - 1].n_out : network->n_in;
    char shape[1024], worst[96];
    cli_network_shape(network, shape, sizeof shape);
    if (report->worst_column == n_in) {
        snprintf(worst, sizeof worst, "layer %zu, bias %zu", layer, report->worst_row);
    } else {
        snprintf(worst, sizeof worst, "layer %zu, weight %zu,%zu", layer, report->worst_row,
                 report->worst_column);
    }
    printf("network             %s\n", shape);
    printf("parameters checked  %zu of %zu\n", report->parameters_checked, report->parameters);
    printf("largest gradient    %.3g\n", report->max_gradient);
    printf("max relative error  %.3g (tolerance %.3g)\n", report->max_relative_error,
           report->tolerance);
    printf("worst               %s: back-propagation %.15g, central difference %.15g\n", worst,
           report->worst_backprop, report->worst_difference);
}

/* The list of all parameters of a large network is long, and each is worth several passes. */
static void remark_on_length(const struct gradcheck_options *options, const gemmlp_network *network)
{
    enum { LONG_LIST = 20000 };
    gemmlp_cost_model cost;
    gemmlp_training training = gemmlp_training_default();
    if (!options->common.quiet && options->samples == 0 &&
        gemmlp_network_cost(network, &training, &cost, NULL) == GEMMLP_OK &&
        cost.parameters > LONG_LIST) {
        fprintf(stderr,
                "all %zu parameters are checked one by one; --samples 1000 would check 1000 of "
                "them, spread over all\n",
                cost.parameters);
    }
}

static int check(const struct command *command, const struct gradcheck_options *options,
                 const gemmlp_network *network)
{
    gemmlp_error error;
    gemmlp_gradcheck_report report;
    gemmlp_gradcheck_options settings = {.batch = options->batch,
                                         .samples = options->samples,
                                         .l1 = options->objective.l1,
                                         .l2 = options->objective.l2,
                                         .tolerance = options->tolerance,
                                         .seed = options->network.seed};
    remark_on_length(options, network);
    if (gemmlp_gradcheck(network, &settings, &report, &error) != GEMMLP_OK) {
        return cli_failed(command, &error);
    }
    /* Written so that a NaN does not pass either. */
    bool proves = report.max_gradient > 0 && report.parameters_checked > 0;
    bool passed = report.passed && proves && report.max_relative_error <= report.tolerance;
    int code = EXIT_CODE_DONE;
    if (options->common.json) {
        code = print_json(&report, passed);
    } else {
        print_text(&report, network);
    }
    if (!proves) {
        cli_complain("all gradients that were checked are zero, which proves nothing");
    } else if (!passed) {
        cli_complain("the largest relative error %.3g exceeds the tolerance %.3g",
                     report.max_relative_error, report.tolerance);
    }
    return passed ? code : EXIT_CODE_FAILED;
}

int cli_run_gradcheck(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct gradcheck_options options = {
        .task = "classify", .inputs = 12, .outputs = 4, .batch = 5, .tolerance = 1e-7};
    cli_network_options_default(&options.network, 9);
    options.network.hidden.items[options.network.hidden.count++].size = 7;
    cli_objective_options_default(&options.objective);
    const struct arg_group groups[] = {
        ARG_GROUP("check", check_rows, &options),
        ARG_GROUP("network", cli_network_rows, &options.network),
        ARG_GROUP("objective", cli_objective_rows, &options.objective),
        ARG_GROUP("general", cli_common_rows, &options.common),
    };
    struct args args = {
        .command = command, .groups = groups, .group_count = sizeof groups / sizeof *groups};
    gemmlp_network network = {0};
    if (cli_args_parse(&args, argc, argv, &code) &&
        cli_network_options_build(command, &options.network, &options.objective,
                                  cli_task_named(options.task), options.outputs, &network, &code)) {
        network.n_in = options.inputs;
        code = check(command, &options, &network);
    }
    cli_network_options_free(&network);
    cli_args_free(&args);
    return code;
}
