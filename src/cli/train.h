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
    const char *preprocess, *class_weights;
    const char *model_path, *log_path, *config;
    bool smoothing_given;

    const char *checkpoint, *resume; /* directories, or NULL; to resume is to save there too */
    const char *every;
    size_t every_steps, keep; /* every_steps 0: every_seconds counts */
    double every_seconds;
    bool allow_mismatch;
    gemmlp_checkpoint *from; /* to go on from; NULL: the run is new */
    json_t *note;            /* of the command, in that checkpoint */
    int lock;                /* on the directory; -1: none */
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

struct train_run;

/* train_checkpoint.c. "100" steps, "10m", "30s". */
bool cli_checkpoint_every(const char *text, size_t *steps, double *seconds);
/* Opens the directory, and takes from the newest checkpoint in it every option that was not given.
 * False: a message has been printed. cli_resume_close in either case. */
bool cli_resume_open(struct train_options *options, struct args *args, int *code);
void cli_resume_close(struct train_options *options);
/* Seconds that the parts before have taken, and how long the log `path` was when the checkpoint was
 * saved (-1: it is not the log of the parts before). */
double cli_resume_seconds(const struct train_options *options);
long long cli_resume_log(const struct train_options *options, const char *path);
/* The absolute path of a checkpoint, to be freed; NULL: no memory. */
char *cli_checkpoint_origin(const gemmlp_checkpoint *checkpoint);
/* Sets when the next one is due: run->next_step, or run->next_time. */
void cli_checkpoint_begin(struct train_run *run);
bool cli_checkpoint_due(const struct train_run *run);
/* False: a message has been printed; the run goes on without. */
bool cli_checkpoint_save(struct train_run *run);

/* One training run. */
struct train_run {
    const struct command *command;
    const struct train_options *options;
    const struct args *args;
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
    size_t next_step; /* of the next checkpoint */
    double next_time, checkpoint_seconds;
    size_t saved_step; /* the last checkpoint is of this step; SIZE_MAX: there is none */
    int signal;        /* that stopped it; 0: none */
    gemmlp_progress progress;
    gemmlp_metrics valid_metrics, test_metrics; /* of the final model; examples 0: not measured */
    bool diverged, model_saved, log_failed, checkpoint_failed;
};

/* Since the run began, without the time between its parts. */
double cli_train_seconds(const struct train_run *run);

/* train_data.c: opens run->train, and run->test and run->valid where there are some. False: *code
 * is the exit code and a message has been printed. */
bool cli_train_open_data(struct train_run *run, int *code);

/* train_log.c. path NULL: no log. resumed: what was written after the checkpoint goes, for it will
 * be written again. False: a message has been printed. */
bool cli_train_log_open(struct run_log *log, const char *path, const struct train_options *resumed);
bool cli_train_log_close(struct run_log *log);
/* Events; the log is open. */
bool cli_train_log_start(struct train_run *run);
bool cli_train_log_epoch(struct train_run *run);
bool cli_train_log_checkpoint(struct train_run *run);
bool cli_train_log_end(struct train_run *run);

/* train_report.c: everything a run says, except for its progress. */
void cli_train_say_start(const struct train_run *run);
/* The results on stdout, as text or as JSON; returns an exit code. */
int cli_train_results(const struct train_run *run);
/* The keys of `train --json`, which the log's last event has too. */
void cli_train_record_results(struct record *record, const struct train_run *run);
void cli_train_record_computation(struct record *record, const struct train_run *run);

#endif
