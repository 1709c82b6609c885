/* train_options.c: the options of `gemmlp train`, their defaults and what they rule out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/files.h"
#include "cli/names.h"
#include "cli/numbers.h"
#include "cli/report.h"
#include "cli/train.h"

/* What `gemmlp train --data PATH` does when nothing else is said. */
static void train_defaults(struct train_options *options)
{
    *options =
        (struct train_options){.compute.precision = "f32", .every = "10m", .keep = 2, .lock = -1};
    cli_network_options_default(&options->network, 256);
    cli_objective_options_default(&options->objective);
    options->objective.label_smoothing = 0.1; /* where the loss is cross-entropy over classes */
    options->training = gemmlp_training_default();
    options->training.optimizer = "adam";
    options->training.schedule = "one_cycle";
    options->training.batch = 128;
    options->training.epochs = 5;
}

#define AT(member) offsetof(struct train_options, member)

static const struct arg more_data_rows[] = {
    {"preprocess", 0, ARG_NAME, "NAME", AT(preprocess), .registry = GEMMLP_PREPROCESSORS,
     .help = "scale for pixels, standardize for other features, unless given"},
    {"class-weights", 0, ARG_STRING, "balanced|NAME:W,...", AT(class_weights),
     .help = "factor on the cost of each class, by name or index; 1 for classes not named. "
             "balanced: examples / (classes x examples of the class)"},
};

static const struct arg optimizer_rows[] = {
    {"optimizer", 0, ARG_NAME, "NAME", AT(training.optimizer), .registry = GEMMLP_OPTIMIZERS,
     .help = "how the gradient changes the weights"},
    {"lr", 0, ARG_REAL, "X", AT(training.lr), .range = RANGE_POSITIVE,
     .help = "learning rate at its highest; the optimizer's own unless given"},
    {"momentum", 0, ARG_REAL, "X", AT(training.momentum), .range = RANGE_SHARE,
     .help = "of momentum and nesterov, beta1 of adam; 0.9 unless given"},
    {"beta2", 0, ARG_REAL, "X", AT(training.beta2), .range = RANGE_SHARE,
     .help = "decay of the squared gradient; the optimizer's own unless given"},
    {"epsilon", 0, ARG_REAL, "X", AT(training.epsilon), .range = RANGE_NOT_NEGATIVE,
     .help = "added to the root of the squared gradient; 1e-8 unless given"},
    {"weight-decay", 0, ARG_REAL, "X", AT(training.weight_decay), .range = RANGE_NOT_NEGATIVE,
     .help = "w <- (1 - lr X) w in each step; the optimizer's own unless given"},
    {"clip-norm", 0, ARG_REAL, "X", AT(training.clip_norm), .range = RANGE_NOT_NEGATIVE,
     .help = "scale the gradient down to this norm; 0: not"},
    {"schedule", 0, ARG_NAME, "NAME", AT(training.schedule), .registry = GEMMLP_SCHEDULES,
     .help = "how the learning rate goes with the steps"},
    {"warmup", 0, ARG_REAL, "FRACTION", AT(training.warmup), .range = RANGE_SHARE,
     .help = "share of the steps in which the rate rises; the schedule's own unless given"},
    {"schedule-factor", 0, ARG_REAL, "X", AT(training.schedule_factor), .range = RANGE_NOT_NEGATIVE,
     .help = "factor of the schedules below; the schedule's own unless given"},
    {"schedule-epochs", 0, ARG_REAL, "X", AT(training.schedule_epochs), .range = RANGE_POSITIVE,
     .help = "epochs of the schedules below; the schedule's own unless given"},
};

static const struct arg run_rows[] = {
    {"batch", 0, ARG_SIZE, "N", AT(training.batch), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "examples per step"},
    {"epochs", 0, ARG_SIZE, "N", AT(training.epochs), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .help = "passes over the training set"},
    {"patience", 0, ARG_SIZE, "N", AT(training.patience), .upper = ARG_COUNT_LIMIT,
     .help = "stop after N epochs without a better validation loss, and return to the best; "
             "0: never"},
    {"precision", 0, ARG_NAME, "NAME", AT(compute.precision), .registry = GEMMLP_PRECISIONS,
     .help = "of the training steps; bf16 needs a CPU that multiplies it. Measuring and predicting "
             "are always in f32"},
};

static const struct arg output_rows[] = {
    {"model", 0, ARG_STRING, "FILE.safetensors", AT(model_path),
     .help = "where to save the trained network"},
    {"log", 0, ARG_STRING, "RUN.jsonl", AT(log_path),
     .help = "append one JSON line for the run, each epoch and the end"},
    {"config", 0, ARG_STRING, "FILE.ini", AT(config), .not_in_config = true,
     .help = "options as 'name = value' lines; the command line overrides them"},
};

static const struct arg checkpoint_rows[] = {
    {"checkpoint", 0, ARG_STRING, "DIR", AT(checkpoint),
     .help =
         "save the run there as it goes, at its end, and when SIGTERM, SIGINT, SIGUSR1, SIGXCPU or "
         "SIGHUP stops it, with exit code 75; a second signal ends it at once"},
    {"checkpoint-every", 0, ARG_STRING, "N|Nm|Ns", AT(every),
     .help = "after N steps, minutes or seconds"},
    {"keep", 0, ARG_SIZE, "N", AT(keep), .lower = 1, .upper = 1000,
     .help = "checkpoints that are kept"},
    {"resume", 0, ARG_STRING, "DIR", AT(resume),
     .help = "go on with the run whose checkpoints are there, to the bits it would have had; all "
             "options are as they were unless given, checkpoints go there again. With --checkpoint "
             "DIR too, a run is started where there is none yet"},
    {"allow-mismatch", 0, ARG_FLAG, NULL, AT(allow_mismatch), .not_in_config = true,
     .help = "resume though something is not as it was: threads, provider, version, data, options"},
};

/* "10%"; a file of that name is ./10%. */
static bool is_percentage(const char *text)
{
    char number[32];
    double value;
    size_t length = text ? strlen(text) : 0;
    if (length < 2 || length > sizeof number || text[length - 1] != '%') {
        return false;
    }
    memcpy(number, text, length - 1);
    number[length - 1] = '\0';
    return cli_parse_real(number, &value);
}

static bool check(struct train_options *options, const struct args *args, int *code)
{
    const struct command *command = args->command;
    const struct data_options *data = &options->data;
    double fraction;
    if (!data->data) {
        *code = cli_usage(command, "--data is missing");
    } else if (options->training.patience > 0 && !data->valid) {
        *code = cli_usage(command, "--patience: needs --valid, whose loss it watches");
    } else if (is_percentage(data->valid)) {
        *code = cli_usage(command,
                          "--valid: expected a path or a fraction between 0 and 1, found '%s'; a "
                          "tenth is written 0.1",
                          data->valid);
    } else if (options->model_path && cli_path_is_stdout(options->model_path)) {
        *code = cli_usage(command, "--model: expected a file, found '%s', where the results go",
                          options->model_path);
    } else if (options->log_path && strcmp(options->log_path, "-") == 0) {
        *code = cli_usage(command, "--log: expected a file, found '-', where the results go");
    } else if (!options->checkpoint &&
               (cli_arg_given(args, "checkpoint-every") || cli_arg_given(args, "keep"))) {
        *code = cli_usage(command, "--checkpoint-every and --keep: expected --checkpoint DIR too");
    } else if (!cli_checkpoint_every(options->every, &options->every_steps,
                                     &options->every_seconds)) {
        *code = cli_usage(command,
                          "--checkpoint-every: expected a number of steps, minutes or seconds, as "
                          "in 500, 10m or 30s, found '%s'",
                          options->every);
    } else if (data->valid && cli_parse_real(data->valid, &fraction) &&
               !(fraction > 0 && fraction < 1)) {
        *code =
            cli_usage(command, "--valid: expected a path or a fraction between 0 and 1, found '%s'",
                      data->valid);
    } else {
        options->smoothing_given = cli_arg_given(args, "label-smoothing");
        return true;
    }
    return false;
}

bool cli_train_parse(struct train_options *options, struct args *args, int argc, char **argv,
                     int *code)
{
    train_defaults(options);
    const struct arg_group groups[] = {
        ARG_GROUP("data", cli_train_data_rows, &options->data),
        ARG_GROUP("data, as it is used", more_data_rows, options),
        ARG_GROUP("network", cli_network_rows, &options->network),
        ARG_GROUP("objective", cli_objective_rows, &options->objective),
        ARG_GROUP("optimizer", optimizer_rows, options),
        ARG_GROUP("run", run_rows, options),
        ARG_GROUP("machine", cli_compute_rows, &options->compute),
        ARG_GROUP("output", output_rows, options),
        ARG_GROUP("checkpoints", checkpoint_rows, options),
        ARG_GROUP("general", cli_common_rows, &options->common),
    };
    args->groups = groups;
    args->group_count = sizeof groups / sizeof *groups;
    bool good = cli_args_parse(args, argc, argv, code) && cli_resume_open(options, args, code) &&
                check(options, args, code);
    args->groups = NULL;
    return good;
}

double cli_train_smoothing(const struct train_options *options, gemmlp_task task)
{
    const char *loss = options->objective.loss;
    bool suits = task == GEMMLP_CLASSIFY && (!loss || strcmp(loss, "cross_entropy") == 0);
    return suits || options->smoothing_given ? options->objective.label_smoothing : 0;
}

/* The class that text[length] names; SIZE_MAX: there is none. */
static size_t class_named(const gemmlp_model *model, const char *text, size_t length)
{
    const char *name;
    char index_text[32];
    for (size_t i = 0; (name = gemmlp_model_class_name(model, i)); i++) {
        if (strlen(name) == length && strncmp(name, text, length) == 0) {
            return i;
        }
    }
    snprintf(index_text, sizeof index_text, "%.*s", length < 31 ? (int)length : 31, text);
    size_t index;
    return cli_parse_size(index_text, &index) && index < cli_model_outputs(model) ? index
                                                                                  : SIZE_MAX;
}

static bool balanced_weights(const struct command *command, const gemmlp_dataset *train,
                             size_t classes, double *weights, int *code)
{
    gemmlp_dataset_info info;
    gemmlp_error error;
    size_t *counts = calloc(classes, sizeof *counts);
    if (!counts) {
        *code = cli_failed_memory("the class counts");
        return false;
    }
    gemmlp_dataset_info_get(train, &info);
    bool good = gemmlp_dataset_class_counts(train, counts, &error) == GEMMLP_OK;
    if (!good) {
        *code = cli_failed_input(command, &error);
    }
    for (size_t i = 0; good && i < classes; i++) {
        if (counts[i] > 0) {
            weights[i] = (double)info.examples / ((double)classes * (double)counts[i]);
        }
    }
    free(counts);
    return good;
}

/* "a:1,b:3"; the last colon parts name and weight, so that names may have colons. */
static bool listed_weights(const struct command *command, const char *text,
                           const gemmlp_model *model, double *weights, int *code)
{
    for (const char *item = text;; item += strcspn(item, ",") + 1) {
        size_t length = strcspn(item, ","), colon = length;
        while (colon > 0 && item[colon - 1] != ':') {
            colon--;
        }
        char number[32] = "";
        double weight;
        if (colon > 0 && length - colon < sizeof number) {
            memcpy(number, item + colon, length - colon);
        }
        if (colon < 2 || !cli_parse_real(number, &weight) || weight < 0) {
            *code = cli_usage(command, "--class-weights: expected CLASS:WEIGHT, found '%.*s'",
                              (int)length, item);
            return false;
        }
        size_t index = class_named(model, item, colon - 1);
        if (index == SIZE_MAX) {
            *code = cli_usage(command, "--class-weights: '%.*s' is none of the %zu classes",
                              (int)(colon - 1), item, cli_model_outputs(model));
            return false;
        }
        weights[index] = weight;
        if (item[length] == '\0') {
            return true;
        }
    }
}

bool cli_class_weights(const struct command *command, const char *text, const gemmlp_model *model,
                       const gemmlp_dataset *train, double **out, int *code)
{
    size_t classes = cli_model_outputs(model);
    *out = NULL;
    if (!text) {
        return true;
    }
    if (gemmlp_model_network(model)->task != GEMMLP_CLASSIFY) {
        *code = cli_usage(command, "--class-weights: the task is %s, which has no classes",
                          cli_task_name(gemmlp_model_network(model)->task));
        return false;
    }
    double *weights = calloc(classes, sizeof *weights);
    if (!weights) {
        *code = cli_failed_memory("the class weights");
        return false;
    }
    for (size_t i = 0; i < classes; i++) {
        weights[i] = 1;
    }
    bool good = strcmp(text, "balanced") == 0
                    ? balanced_weights(command, train, classes, weights, code)
                    : listed_weights(command, text, model, weights, code);
    if (!good) {
        free(weights);
        weights = NULL;
    }
    *out = weights;
    return good;
}
