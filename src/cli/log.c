/* log.c: see log.h. */
#include "cli/log.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

static bool complain_about(const struct run_log *log)
{
    gm_complain("%s: %s", log->path, strerror(errno));
    return false;
}

bool gm_log_open(struct run_log *log, const char *path)
{
    *log = (struct run_log){.path = path};
    if (!path) {
        return true;
    }
    log->stream = fopen(path, "a");
    return log->stream ? true : complain_about(log);
}

struct record gm_log_event(const char *event)
{
    struct record record = gm_record_begin();
    gm_record_text(&record, "event", event);
    return record;
}

bool gm_log_write(struct run_log *log, struct record *record)
{
    char *line = gm_record_line(record);
    if (!line) {
        gm_failed_memory(log->path ? log->path : "a line of the log");
        return false;
    }
    errno = 0;
    bool good =
        !log->stream || (fprintf(log->stream, "%s\n", line) > 0 && fflush(log->stream) == 0);
    free(line);
    return good ? true : complain_about(log);
}

bool gm_log_close(struct run_log *log)
{
    FILE *stream = log->stream;
    log->stream = NULL;
    return !stream || fclose(stream) == 0 || complain_about(log);
}
