/* log.c: see log.h. */
#include "cli/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

static bool complain_about(const struct run_log *log)
{
    cli_complain("%s: %s", log->path, strerror(errno));
    return false;
}

bool cli_log_open(struct run_log *log, const char *path)
{
    *log = (struct run_log){.path = path};
    if (!path) {
        return true;
    }
    log->stream = fopen(path, "a");
    return log->stream ? true : complain_about(log);
}

struct record cli_log_event(const char *event)
{
    struct record record = cli_record_begin();
    cli_record_text(&record, "event", event);
    return record;
}

bool cli_log_write(struct run_log *log, struct record *record)
{
    char *line = cli_record_line(record);
    if (!line) {
        cli_failed_memory(log->path ? log->path : "a line of the log");
        return false;
    }
    errno = 0;
    bool good =
        !log->stream || (fprintf(log->stream, "%s\n", line) > 0 && fflush(log->stream) == 0);
    free(line);
    return good ? true : complain_about(log);
}

bool cli_log_close(struct run_log *log)
{
    FILE *stream = log->stream;
    log->stream = NULL;
    return !stream || fclose(stream) == 0 || complain_about(log);
}
