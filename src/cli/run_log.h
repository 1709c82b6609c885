/* run_log.h: reading what train_log.c wrote: the epochs of a --log file.
 *
 *   RUN.jsonl, one event a line -> for each epoch a row of numbers
 *
 * A run that was resumed has a second `run` event in the same file and goes on; epochs that it went
 * over again count once, as they were the last time. The file is foreign text: the length of a
 * line, its nesting and the number of epochs are bounded. */
#ifndef CLI_RUN_LOG_H
#define CLI_RUN_LOG_H

#include <stdbool.h>
#include <stddef.h>

#include "gemmlp.h"
#include "io/json_text.h"

enum run_value {
    RUN_LR,
    RUN_TRAIN_LOSS,
    RUN_VALID_LOSS,
    RUN_TRAIN_ACCURACY,
    RUN_VALID_ACCURACY,
    RUN_TRAIN_RMSE,
    RUN_VALID_RMSE,
    RUN_SPEED, /* examples/s */
    RUN_VALUES,
};

struct run_epoch {
    size_t epoch;              /* from 1 */
    double values[RUN_VALUES]; /* NaN: not in the file */
};

struct run_curves {
    char summary[200];        /* "784-256-10, adam, lr 0.005, batch 128, seed 1": what is known */
    struct run_epoch *epochs; /* (count), rising; freed by cli_run_log_free */
    size_t count;
    size_t resumed;    /* `run` events after the first */
    size_t torn_line;  /* the last line where it was cut off, as by a kill, and left out; 0: none */
    size_t best_epoch; /* of the lowest validation loss; 0: there is none */
};

/* What a line may hold: a `run` event has the command line and every layer. */
enum { RUN_LOG_LINE = 1 << 20 };
extern const struct json_limits cli_run_log_limits;

/* On failure nothing is to be freed; the message names file, line, what was expected and found. */
gemmlp_status cli_run_log_read(const char *path, struct run_curves *out, gemmlp_error *error);
void cli_run_log_free(struct run_curves *curves);

#endif
