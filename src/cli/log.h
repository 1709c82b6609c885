/* log.h: --log RUN.jsonl: one event a line, appended and flushed one by one, so that a run that was
 * stopped leaves all it has done. */
#ifndef CLI_LOG_H
#define CLI_LOG_H

#include <stdbool.h>
#include <stdio.h>

#include "cli/record.h"

struct run_log {
    FILE *stream; /* NULL: no log */
    const char *path;
};

/* path NULL: events are dropped. False: a message has been printed. */
bool cli_log_open(struct run_log *log, const char *path);
/* An object that begins with "event"; nothing is to be done without a log. */
struct record cli_log_event(const char *event);
/* Writes the line and frees the object. False: a message that names the file has been printed. */
bool cli_log_write(struct run_log *log, struct record *record);
bool cli_log_close(struct run_log *log);

#endif
