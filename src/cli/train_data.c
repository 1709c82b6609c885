/* train_data.c: the data of gemmlp train: training, test and validation set are opened or split
 * off, and must be of one kind and not the same. */
#include "cli/train.h"

#include <string.h>

#include "cli/files.h"
#include "cli/numbers.h"
#include "cli/report.h"

/* A test or validation set must look like the training set; hours later is too late to find out. */
static bool matches(const struct train_run *run, const char *option, const gemmlp_dataset *other,
                    int *code)
{
    gemmlp_dataset_info train, info;
    gemmlp_dataset_info_get(run->train, &train);
    gemmlp_dataset_info_get(other, &info);
    if (info.features != train.features) {
        cli_complain("--%s: %s has %zu features, the training data %s has %zu", option, info.path,
                     info.features, train.path, train.features);
    } else if (info.outputs != train.outputs) {
        cli_complain("--%s: %s has %zu outputs, the training data %s has %zu", option, info.path,
                     info.outputs, train.path, train.outputs);
    } else {
        return true;
    }
    *code = EXIT_CODE_INPUT;
    return false;
}

/* To measure on what was learnt by heart says nothing of new data. */
static bool is_other(const struct train_run *run, const char *option, const char *path,
                     const gemmlp_dataset *other, int *code)
{
    gemmlp_dataset_info train, info;
    gemmlp_dataset_info_get(run->train, &train);
    gemmlp_dataset_info_get(other, &info);
    if (!cli_files_same(train.path, info.path)) {
        return true;
    }
    *code = cli_usage(run->command, "--%s: %s%s is the training data itself", option,
                      strcmp(path, info.path) == 0 ? "" : "all that is found there, ", info.path);
    return false;
}

static bool open_other(const struct train_run *run, const char *option, const char *path, bool test,
                       gemmlp_dataset **out, int *code)
{
    gemmlp_dataset_info train;
    gemmlp_dataset_info_get(run->train, &train);
    const gemmlp_open_options open = {
        .test = test,
        .format = run->options->data.format,
        .task = cli_task_name(train.task),
        .outputs = train.task == GEMMLP_CLASSIFY ? train.outputs : 0,
    };
    return cli_data_open(run->command, path, &open, out, code) &&
           is_other(run, option, path, *out, code) && matches(run, option, *out, code);
}

static bool split_valid(struct train_run *run, double fraction, int *code)
{
    gemmlp_dataset *rest;
    gemmlp_error error;
    if (gemmlp_dataset_split(run->train, fraction, run->options->network.seed, &rest, &run->valid,
                             &error) != GEMMLP_OK) {
        *code = cli_failed(run->command, &error);
        return false;
    }
    gemmlp_dataset_free(run->train);
    run->train = rest;
    return true;
}

bool cli_train_open_data(struct train_run *run, int *code)
{
    const struct data_options *data = &run->options->data;
    double fraction;
    const gemmlp_open_options open = {.format = data->format, .task = data->task};
    if (!cli_data_open(run->command, data->data, &open, &run->train, code)) {
        return false;
    }
    const char *test = data->test ? data->test : data->data;
    bool pair = gemmlp_dataset_has_test(test);
    if ((data->test || pair) && !open_other(run, "test", test, pair, &run->test, code)) {
        return false;
    }
    if (!data->valid) {
        return true;
    }
    return cli_parse_real(data->valid, &fraction)
               ? split_valid(run, fraction, code)
               : open_other(run, "valid", data->valid, gemmlp_dataset_has_test(data->valid),
                            &run->valid, code);
}
