/* data_options.c: see data_options.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/data_options.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"

#define AT(member) offsetof(struct data_options, member)
#define ROW_DATA                                                                                   \
    {                                                                                              \
        "data", 0, ARG_STRING, "PATH", AT(data),                                                   \
            .help = "a directory of IDX files under MNIST's names, or one file"                    \
    }
#define ROW_FORMAT                                                                                 \
    {                                                                                              \
        "format", 0, ARG_NAME, "NAME", AT(format),                                                 \
            .registry = GEMMLP_FORMATS, .help = "of the data; recognised by content unless given"  \
    }
#define ROW_TASK                                                                                   \
    {                                                                                              \
        "task", 0, ARG_NAME, "NAME", AT(task),                                                     \
            .registry = GEMMLP_TASKS, .help = "told by the type of the targets unless given"       \
    }

const struct arg cli_train_data_rows[CLI_TRAIN_DATA_ROWS] = {
    ROW_DATA,
    {"test", 0, ARG_STRING, "PATH", AT(test),
     .help = "measured once, after training; a directory's test pair unless given"},
    {"valid", 0, ARG_STRING, "PATH|FRACTION", AT(valid),
     .help = "measured after each epoch: a file, a directory's test pair if it has one, or a "
             "fraction such as 0.1 that is split off the training set"},
    ROW_FORMAT,
    ROW_TASK,
};

const struct arg cli_model_data_rows[CLI_MODEL_DATA_ROWS] = {
    ROW_DATA,
    {"part", 0, ARG_CHOICE, "train|test", AT(part),
     .help = "of a directory with a training and a test pair; test if there is one"},
    ROW_FORMAT,
};
const struct arg cli_plain_data_rows[CLI_PLAIN_DATA_ROWS] = {ROW_DATA, ROW_FORMAT, ROW_TASK};

const struct arg cli_compute_rows[CLI_COMPUTE_ROWS] = {
    {"threads", 0, ARG_SIZE, "N", offsetof(struct compute_options, threads), .lower = 1,
     .upper = 4096,
     .help = "the least of CPU affinity, cgroup quota, SLURM_CPUS_PER_TASK and OMP_NUM_THREADS "
             "unless given"},
    {"provider", 0, ARG_NAME, "NAME|PATH", offsetof(struct compute_options, provider),
     .registry = GEMMLP_PROVIDERS, .extra = "auto", .path_of = "a CBLAS library",
     .help = "of matrix products: auto, for each product the fastest of those below that are "
             "installed (one CBLAS library, the first), unless given; or a CBLAS library by its "
             "path, with a '/'"},
    {"plan", 0, ARG_STRING, "FILE", offsetof(struct compute_options, plan),
     .help = "with --provider auto: which provider, on how many threads, is fastest for each "
             "product; what is not in it is timed and added (default: gemmlp/plan.json in the "
             "user's cache directory; see 'gemmlp info --plan')"},
    {"deterministic", 0, ARG_FLAG, NULL, offsetof(struct compute_options, deterministic),
     .help = "no plan: every product by the first provider on all threads, so that no timing has "
             "a say in the bits of the result"},
};

enum { PLAN_PATH = 4096 };

/* The first directory of the path that exists can be written, so those below it can be made. */
static bool can_be_written(const char *path)
{
    char part[PLAN_PATH];
    snprintf(part, sizeof part, "%s", path);
    if (access(part, F_OK) == 0)
        return access(part, W_OK) == 0;
    for (char *slash = strrchr(part, '/'); slash && slash > part; slash = strrchr(part, '/')) {
        *slash = '\0';
        if (access(part, F_OK) == 0)
            return access(part, W_OK) == 0;
    }
    return false;
}

const char *cli_plan_path(void)
{
    static char path[PLAN_PATH];
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    path[0] = '\0';
    if (cache && cache[0] == '/')
        snprintf(path, sizeof path, "%s/gemmlp/plan.json", cache);
    else if (home && home[0] == '/')
        snprintf(path, sizeof path, "%s/.cache/gemmlp/plan.json", home);
    return strlen(path) + 1 < sizeof path && can_be_written(path) ? path : "";
}

gemmlp_compute cli_compute(const struct compute_options *options)
{
    return (gemmlp_compute){.threads = (int)options->threads,
                            .precision = options->precision,
                            .provider = options->provider,
                            .plan = options->deterministic ? NULL
                                    : options->plan        ? options->plan
                                                           : cli_plan_path()};
}

int cli_compute_threads(const struct compute_options *options)
{
    return options->threads ? (int)options->threads : gemmlp_default_threads();
}

bool cli_compute_open(const struct command *command, const struct compute_options *options,
                      gemmlp_provider_info *info, int *code)
{
    gemmlp_error error;
    const gemmlp_compute compute = cli_compute(options);
    if (options->plan &&
        (options->deterministic || (options->provider && strcmp(options->provider, "auto") != 0))) {
        *code = cli_usage(command, "--plan: expected --provider auto, and no --deterministic");
        return false;
    }
    gemmlp_status status = gemmlp_compute_info_get(&compute, info, &error);
    /* A damaged cache, or another version's, is no reason not to work; the user's own file is
     * his. */
    if (status == GEMMLP_BAD_DATA && !options->plan && compute.plan && unlink(compute.plan) == 0) {
        fprintf(stderr, "%s; it was removed, and is made anew\n", error.message);
        status = gemmlp_compute_info_get(&compute, info, &error);
    }
    if (status != GEMMLP_OK) {
        *code = cli_failed(command, &error);
        return false;
    }
    return true;
}

void cli_compute_remark(const struct compute_options *options, const gemmlp_provider_info *info)
{
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    const bool quota = machine.threads_cgroup && machine.threads_cgroup < machine.threads_affinity;
    const int cpus = quota ? machine.threads_cgroup : machine.threads_affinity;
    if (options->threads > (size_t)cpus) {
        fprintf(stderr,
                "--threads: %zu threads will wait for one another on the %d %s that this "
                "process may use%s\n",
                options->threads, cpus, cpus == 1 ? "CPU" : "CPUs",
                quota ? " by the quota of its control group" : "");
    }
    if (info->notice[0]) {
        fprintf(stderr, "%s\n", info->notice);
    }
}

const char *cli_task_name(gemmlp_task task)
{
    return gemmlp_name(GEMMLP_TASKS, (size_t)task);
}

/* The option's own parser has found the name in the registry. */
gemmlp_task cli_task_named(const char *name)
{
    size_t index = 0;
    while (strcmp(gemmlp_name(GEMMLP_TASKS, index), name) != 0) {
        index++;
    }
    return (gemmlp_task)index;
}

size_t cli_model_outputs(const gemmlp_model *model)
{
    const gemmlp_network *network = gemmlp_model_network(model);
    return network->layers[network->layer_count - 1].n_out;
}

bool cli_data_open(const struct command *command, const char *path,
                   const gemmlp_open_options *options, gemmlp_dataset **out, int *code)
{
    gemmlp_error error;
    if (gemmlp_dataset_open(path, options, out, &error) != GEMMLP_OK) {
        *code = cli_failed_input(command, &error);
        return false;
    }
    return true;
}

/* --part NULL: the test pair if there is one. */
static bool open_data_for(const struct command *command, const struct data_options *options,
                          bool features_only, const gemmlp_model *model, gemmlp_dataset **out,
                          int *code)
{
    struct stat status;
    const char *part = options->part;
    if (part && stat(options->data, &status) == 0 && !S_ISDIR(status.st_mode)) {
        *code = cli_usage(command, "--part: %s is one file, not a directory with two parts",
                          options->data);
        return false;
    }
    /* How many classes there are is the model's knowledge; regression data has its own columns. */
    gemmlp_task task = gemmlp_model_network(model)->task;
    const gemmlp_open_options open = {
        .test = part ? strcmp(part, "test") == 0 : gemmlp_dataset_has_test(options->data),
        .format = options->format,
        .task = cli_task_name(task),
        .outputs = task == GEMMLP_CLASSIFY ? cli_model_outputs(model) : 0,
        .features_only = features_only,
    };
    return cli_data_open(command, options->data, &open, out, code);
}

bool cli_subject_open(const struct args *args, const struct data_options *options,
                      bool features_only, struct subject *subject, int *code)
{
    gemmlp_error error;
    *subject = (struct subject){0};
    if (!options->data) {
        *code = cli_usage(args->command, "--data is missing");
        return false;
    }
    if (gemmlp_model_load(args->operand, &subject->model, &error) != GEMMLP_OK) {
        *code = cli_failed_input(args->command, &error);
        return false;
    }
    return open_data_for(args->command, options, features_only, subject->model, &subject->dataset,
                         code);
}

void cli_subject_free(struct subject *subject)
{
    gemmlp_dataset_free(subject->dataset);
    gemmlp_model_free(subject->model);
}
