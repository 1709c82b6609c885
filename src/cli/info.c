/* info.c: gemmlp info: what is in a model, a data set or this machine, and what a network would
 * cost. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/data_options.h"
#include "cli/files.h"
#include "cli/info.h"
#include "cli/network_options.h"
#include "cli/report.h"

struct info_options {
    struct data_options data;
    struct network_options network;
    struct common_options common;
    struct cost_options cost;
    size_t inputs, outputs;
    bool machine, plan;
};

#define AT(member) offsetof(struct info_options, member)

static const struct arg subject_rows[] = {
    {"machine", 0, ARG_FLAG, NULL, AT(machine),
     .help = "the CPU, the threads there are and why, the providers of matrix products"},
    {"plan", 0, ARG_FLAG, NULL, AT(plan),
     .help = "which provider computes which product here, as found by timing; with --json as a "
             "file that --plan of other commands takes"},
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
    {"precision", 0, ARG_NAME, "NAME", AT(cost.precision), .registry = GEMMLP_PRECISIONS,
     .help = "of the training steps whose memory is counted"},
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
    if (!cli_network_options_build(command, &options->network, &objective,
                                   options->data.task ? cli_task_named(options->data.task)
                                                      : GEMMLP_CLASSIFY,
                                   options->outputs, &network, &code)) {
        return code;
    }
    network.n_in = options->inputs;
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

/* With its targets, or without where there is no file of them. */
static bool open_part(const struct command *command, const char *path, gemmlp_open_options open,
                      gemmlp_dataset **out, int *code)
{
    gemmlp_error error, unlabelled_error;
    if (gemmlp_dataset_open(path, &open, out, &error) == GEMMLP_OK) {
        return true;
    }
    open.features_only = true;
    if (gemmlp_dataset_open(path, &open, out, &unlabelled_error) == GEMMLP_OK) {
        struct named_file files[CLI_DATA_FILES];
        size_t count = 0;
        free(cli_files_of_data("--data", *out, files, &count));
        if (count == 1) {
            return true;
        }
    }
    *code = cli_failed_input(command, &error);
    return false;
}

static int info_data(const struct command *command, const struct info_options *options)
{
    const struct data_options *data = &options->data;
    gemmlp_dataset *train = NULL, *test = NULL;
    int code = EXIT_CODE_DONE;
    gemmlp_open_options open = {.format = data->format, .task = data->task};
    bool opened = open_part(command, data->data, open, &train, &code);
    open.test = true;
    if (opened && gemmlp_dataset_has_test(data->data)) {
        opened = open_part(command, data->data, open, &test, &code);
    }
    if (opened) {
        code = cli_info_data(command, train, test, options->common.json);
    }
    gemmlp_dataset_free(test);
    gemmlp_dataset_free(train);
    return code;
}

/* What can be looked at, and the groups of options that say more of it. */
enum info_subject {
    SUBJECT_MODEL = 1,
    SUBJECT_DATA = 2,
    SUBJECT_MACHINE = 4,
    SUBJECT_NETWORK = 8,
    SUBJECT_PLAN = 16,
    SUBJECT_ANY = 31
};

enum { GROUP_DATA, GROUP_MACHINE, GROUP_SIZES, GROUP_LAYERS, GROUP_COST, GROUP_GENERAL, GROUPS };

static const struct {
    unsigned subjects;
    const char *condition;
} groups_of[GROUPS] = {
    [GROUP_DATA] = {SUBJECT_DATA, "--data"},
    [GROUP_MACHINE] = {SUBJECT_MACHINE | SUBJECT_PLAN, "--machine or --plan"},
    [GROUP_SIZES] = {SUBJECT_NETWORK, "--inputs and --outputs"},
    [GROUP_LAYERS] = {SUBJECT_NETWORK, "--inputs and --outputs"},
    [GROUP_COST] = {SUBJECT_MODEL | SUBJECT_NETWORK, "a MODEL, or --inputs and --outputs"},
    [GROUP_GENERAL] = {SUBJECT_ANY, ""},
};

/* An option that says nothing of the subject must not be passed over in silence. */
static bool options_fit(const struct args *args, enum info_subject subject, int *code)
{
    size_t slot = 0;
    for (size_t g = 0; g < args->group_count; g++) {
        for (size_t i = 0; i < args->groups[g].count; i++, slot++) {
            const char *name = args->slots[slot].arg->name;
            unsigned fits = groups_of[g].subjects;
            fits |= strcmp(name, "task") == 0 ? SUBJECT_NETWORK : 0;
            if (args->slots[slot].text && !(fits & subject)) {
                *code = cli_usage(args->command, "--%s: is for %s", name, groups_of[g].condition);
                return false;
            }
        }
    }
    return true;
}

static int inform(const struct args *args, const struct info_options *options)
{
    unsigned subject =
        (args->operand ? SUBJECT_MODEL : 0) | (options->data.data ? SUBJECT_DATA : 0) |
        (options->machine ? SUBJECT_MACHINE : 0) | (options->plan ? SUBJECT_PLAN : 0) |
        (options->inputs || options->outputs ? SUBJECT_NETWORK : 0);
    int code;
    if (subject == 0 || (subject & (subject - 1)) != 0) {
        return cli_usage(
            args->command,
            "expected one of MODEL, --data PATH, --machine, --plan, or --inputs N --outputs N");
    }
    if (!options_fit(args, (enum info_subject)subject, &code)) {
        return code;
    }
    return args->operand        ? info_model(args->command, options, args->operand)
           : options->data.data ? info_data(args->command, options)
           : options->machine   ? cli_info_machine(options->common.json)
           : options->plan      ? cli_info_plan(args->command, options->common.json)
                                : info_network(args->command, options);
}

int cli_run_info(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct info_options options = {.cost = {.batch = 128, .optimizer = "adam", .precision = "f32"}};
    cli_network_options_default(&options.network, 256);
    const struct arg_group groups[] = {
        [GROUP_DATA] = ARG_GROUP("data", cli_plain_data_rows, &options.data),
        [GROUP_MACHINE] = ARG_GROUP("machine", subject_rows, &options),
        [GROUP_SIZES] = ARG_GROUP("network to be costed", size_rows, &options),
        [GROUP_LAYERS] = ARG_GROUP("its layers", cli_network_rows, &options.network),
        [GROUP_COST] =
            ARG_GROUP("a training step, of that network or of a MODEL", cost_rows, &options),
        [GROUP_GENERAL] = ARG_GROUP("general", cli_common_rows, &options.common),
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
