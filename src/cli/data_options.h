/* data_options.h: which data a subcommand reads, and how it computes. */
#ifndef CLI_DATA_OPTIONS_H
#define CLI_DATA_OPTIONS_H

#include "cli/args.h"

struct data_options {
    const char *data, *test, *valid;
    const char *format, *task, *part;
};

/* Rows for `train`; for commands that read one data set and know the task from the model; and to
 * look at data without a model. */
#define CLI_TRAIN_DATA_ROWS 5
#define CLI_MODEL_DATA_ROWS 3
#define CLI_PLAIN_DATA_ROWS 3
extern const struct arg cli_train_data_rows[CLI_TRAIN_DATA_ROWS];
extern const struct arg cli_model_data_rows[CLI_MODEL_DATA_ROWS];
extern const struct arg cli_plain_data_rows[CLI_PLAIN_DATA_ROWS];

struct compute_options {
    size_t threads;
    const char *provider, *plan;
    const char *precision; /* of training; NULL: f32 */
    bool deterministic;
};
#define CLI_COMPUTE_ROWS 4
extern const struct arg cli_compute_rows[CLI_COMPUTE_ROWS];

gemmlp_compute cli_compute(const struct compute_options *options);
/* Where plans are kept unless the user names a file: gemmlp/plan.json in the user's cache
 * directory; "" where there is none that can be written. */
const char *cli_plan_path(void);
/* The number of threads that the library will really use. */
int cli_compute_threads(const struct compute_options *options);
/* Loads the provider, and tells what it is. A message has been printed when false. */
bool cli_compute_open(const struct command *command, const struct compute_options *options,
                      gemmlp_provider_info *info, int *code);
/* Says on stderr what the user should know of the provider, and when there are more threads than
 * CPUs for them. */
void cli_compute_remark(const struct compute_options *options, const gemmlp_provider_info *info);

const char *cli_task_name(gemmlp_task task);
gemmlp_task cli_task_named(const char *name);

/* Opens a data set. A message has been printed when false. */
bool cli_data_open(const struct command *command, const char *path,
                   const gemmlp_open_options *options, gemmlp_dataset **out, int *code);

/* What eval, predict and explain work on: the operand MODEL, and --data, which must fit it. To
 * predict, its features are enough. */
struct subject {
    gemmlp_model *model;
    gemmlp_dataset *dataset;
};
/* False: a message has been printed. cli_subject_free in either case. */
bool cli_subject_open(const struct args *args, const struct data_options *options,
                      bool features_only, struct subject *subject, int *code);
void cli_subject_free(struct subject *subject);

size_t cli_model_outputs(const gemmlp_model *model);

#endif
