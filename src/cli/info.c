/* info.c: gemmlp info: what is in a model, a data set or this machine, and what a network would
 * cost. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/data_options.h"
#include "cli/info.h"
#include "cli/network_options.h"
#include "cli/numbers.h"
#include "cli/report.h"

struct info_options {
    struct data_options data;
    struct network_options network;
    struct common_options common;
    struct cost_options cost;
    size_t inputs, outputs;
    bool machine;
};

#define AT(member) offsetof(struct info_options, member)

static const struct arg subject_rows[] = {
    {"machine", 0, ARG_FLAG, NULL, AT(machine),
     .help = "the CPU, the threads there are and why, the providers of matrix products"},
};

static const struct arg size_rows[] = {
    {"inputs", 0, ARG_SIZE, "N", AT(inputs), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "of a network that shall be costed"},
    {"outputs", 0, ARG_SIZE, "N", AT(outputs), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "likewise"},
};

static const struct arg cost_rows[] = {
    {"batch", 0, ARG_SIZE, "N", AT(cost.batch), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "examples per step"},
    {"optimizer", 0, ARG_NAME, "NAME", AT(cost.optimizer), .registry = GEMMLP_OPTIMIZERS,
     .help = "whose memory is counted"},
};

static int info_model(const struct command *command, const struct info_options *options,
                      const char *path)
{
    gemmlp_model *model;
    gemmlp_error error;
    if (gemmlp_model_load(path, &model, &error) != GEMMLP_OK) {
        return cli_failed_input(command, &error);
    }
    int code = cli_info_network(command, gemmlp_model_network(model), model, path, &options->cost,
                                options->common.json);
    gemmlp_model_free(model);
    return code;
}

static int info_network(const struct command *command, const struct info_options *options)
{
    gemmlp_network network;
    gemmlp_error error;
    struct objective_options objective;
    int code;
    cli_objective_options_default(&objective);
    if (!options->inputs || !options->outputs) {
        return cli_usage(command, "--%s is missing", options->inputs ? "outputs" : "inputs");
    }
    if (!cli_network_options_build(command, &options->network, &objective, options->outputs,
                                   &network, &code)) {
        return code;
    }
    network.n_in = options->inputs;
    network.task = options->data.task ? cli_task_named(options->data.task) : GEMMLP_CLASSIFY;
    gemmlp_network resolved;
    gemmlp_layer *layers = calloc(network.layer_count, sizeof *layers);
    if (!layers) {
        code = cli_failed_memory("the layers");
    } else if (gemmlp_network_resolve(&network, NULL, layers, &resolved, &error) != GEMMLP_OK) {
        code = cli_failed(command, &error);
    } else {
        code =
            cli_info_network(command, &resolved, NULL, NULL, &options->cost, options->common.json);
    }
    free(layers);
    cli_network_options_free(&network);
    return code;
}

static int info_data(const struct command *command, const struct info_options *options)
{
    const struct data_options *data = &options->data;
    gemmlp_dataset *train = NULL, *test = NULL;
    int code = EXIT_CODE_DONE;
    gemmlp_open_options open = {.format = data->format, .task = data->task};
    bool opened = cli_data_open(command, data->data, &open, &train, &code);
    open.test = true;
    if (opened && gemmlp_dataset_has_test(data->data)) {
        opened = cli_data_open(command, data->data, &open, &test, &code);
    }
    if (opened) {
        code = cli_info_data(command, train, test, options->common.json);
    }
    gemmlp_dataset_free(test);
    gemmlp_dataset_free(train);
    return code;
}

static int inform(const struct args *args, const struct info_options *options)
{
    bool network = options->inputs || options->outputs || cli_arg_given(args, "hidden");
    int subjects =
        (args->operand != NULL) + (options->data.data != NULL) + options->machine + network;
    if (subjects != 1) {
        return cli_usage(
            args->command,
            "expected one of MODEL, --data PATH, --machine, or --inputs N --outputs N");
    }
    return args->operand        ? info_model(args->command, options, args->operand)
           : options->data.data ? info_data(args->command, options)
           : options->machine   ? cli_info_machine(options->common.json)
                                : info_network(args->command, options);
}

int cli_run_info(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct info_options options = {.cost = {.batch = 128, .optimizer = "adam"}};
    cli_network_options_default(&options.network, 256);
    const struct arg_group groups[] = {
        ARG_GROUP("data", cli_plain_data_rows, &options.data),
        ARG_GROUP("machine", subject_rows, &options),
        ARG_GROUP("network to be costed", size_rows, &options),
        ARG_GROUP("its layers", cli_network_rows, &options.network),
        ARG_GROUP("a training step, of that network or of a MODEL", cost_rows, &options),
        ARG_GROUP("general", cli_common_rows, &options.common),
    };
    struct args args = {.command = command,
                        .groups = groups,
                        .group_count = sizeof groups / sizeof *groups,
                        .operand_name = "MODEL"};
    if (cli_args_parse(&args, argc, argv, &code)) {
        code = inform(&args, &options);
    }
    cli_args_free(&args);
    return code;
}
