/* train.h: what the files of `gemmlp train` share: its options, and a run while it goes on. */
#ifndef CLI_TRAIN_H
#define CLI_TRAIN_H

#include <stdio.h>

#include "cli/data_options.h"
#include "cli/network_options.h"
#include "cli/record.h"

struct train_options {
    struct data_options data;
    struct network_options network;
    struct objective_options objective;
    struct compute_options compute;
    struct common_options common;
    gemmlp_training training; /* compute, seed and class weights are filled in by the run */
    const char *preprocess, *class_weights, *precision;
    const char *model_path, *log_path, *config;
    bool smoothing_given;
};

/* Parses and checks; false: *code is the exit code and a message has been printed. */
bool cli_train_parse(struct train_options *options, struct args *args, int argc, char **argv,
                     int *code);

/* The label smoothing for a task: what was given, else the default where it makes sense. */
double cli_train_smoothing(const struct train_options *options, gemmlp_task task);

/* Weights for --class-weights, allocated in *out; NULL when the option was not given. */
bool cli_class_weights(const struct command *command, const char *text, const gemmlp_model *model,
                       const gemmlp_dataset *train, double **out, int *code);

struct run_log {
    FILE *stream; /* NULL: no log */
    const char *path;
};

/* One training run. */
struct train_run {
    const struct command *command;
    const struct train_options *options;
    int argc;
    char **argv;

    gemmlp_dataset *train, *valid, *test; /* valid, test: NULL when there is none */
    gemmlp_network network;               /* as asked for; the model's own has all defaults */
    gemmlp_model *model;
    double *class_weights;    /* (outputs) or NULL */
    gemmlp_training training; /* as asked for */
    gemmlp_provider_info provider;
    gemmlp_trainer *trainer;
    gemmlp_cost_model cost;
    struct run_log log;

    double started; /* cli_clock */
    double wall_seconds;
    gemmlp_progress progress;
    gemmlp_metrics valid_metrics, test_metrics; /* of the final model; examples 0: not measured */
    bool diverged, model_saved, log_failed;
};

/* train_log.c. path NULL: no log. False: a message has been printed. */
bool cli_train_log_open(struct run_log *log, const char *path);
bool cli_train_log_close(struct run_log *log);
/* Events; the log is open. */
bool cli_train_log_start(struct train_run *run);
bool cli_train_log_epoch(struct train_run *run);
bool cli_train_log_end(struct train_run *run);

/* train_report.c: everything a run says, except for its progress. */
void cli_train_say_start(const struct train_run *run);
/* The results on stdout, as text or as JSON; returns an exit code. */
int cli_train_results(const struct train_run *run);
/* The keys of `train --json`, which the log's last event has too. */
void cli_train_record_results(struct record *record, const struct train_run *run);
void cli_train_record_computation(struct record *record, const struct train_run *run);

#endif
