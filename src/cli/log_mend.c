/* log_mend.c: see log_mend.h. Lines of other runs, where several share a log, are never touched. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "cli/log_mend.h"

#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"
#include "cli/run_log.h"

/* *ends: whether the file's first `size` bytes end with a newline, or are none. */
static bool look_at_end(FILE *reading, off_t size, bool *ends)
{
    char last = '\n';
    const bool good = size == 0 || pread(fileno(reading), &last, 1, size - 1) == 1;
    *ends = last == '\n';
    return good;
}

/* What a line after the checkpoint tells of. */
enum line { LINE_OURS, LINE_CHECKPOINT, LINE_OF_OTHERS, LINE_UNREAD /* see errno */ };

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && strcmp(value, text) == 0;
}

/* Whether `path` is that of a file in the directory of the checkpoint. */
static enum line of_run(const char *path, const gemmlp_checkpoint *from)
{
    char *here = cli_checkpoint_origin(from);
    if (!here) {
        errno = ENOMEM;
        return LINE_UNREAD;
    }
    const char *end = strrchr(here, '/'), *other = path ? strrchr(path, '/') : NULL;
    const bool beside = end && other && end - here == other - path &&
                        strncmp(here, path, (size_t)(end - here)) == 0;
    free(here);
    return beside ? LINE_OURS : LINE_OF_OTHERS;
}

/* A part of the run that began after this checkpoint, and was killed before its next one, goes as
 * well. */
static enum line classify(const char *text, size_t length, const gemmlp_checkpoint *from)
{
    gemmlp_progress progress;
    struct json_fault fault;
    gemmlp_checkpoint_progress(from, &progress);
    json_t *object = gm_json_parse(text, length, cli_run_log_limits, &fault);
    if (!object && fault.out_of_memory) {
        errno = ENOMEM;
        return LINE_UNREAD;
    }
    const json_int_t step = json_integer_value(json_object_get(object, "step"));
    enum line line = LINE_OURS;
    if (!json_is_object(object)) {
        line = LINE_OF_OTHERS;
    } else if (is_text(object, "event", "checkpoint") && step == (json_int_t)progress.step) {
        line = LINE_CHECKPOINT;
    } else if (is_text(object, "event", "run")) {
        line = of_run(json_string_value(json_object_get(object, "resumed_from")), from);
    }
    json_decref(object);
    return line;
}

/* *kept: the length that the log shall have; -1: it has lines of other runs. False: see errno; what
 * could not be read is not cut off. */
static bool find_kept(FILE *reading, off_t start, const gemmlp_checkpoint *from, off_t *kept)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length = 0;
    enum line line = LINE_OURS;
    *kept = start;
    if (fseeko(reading, start, SEEK_SET) != 0) {
        return false;
    }
    for (off_t at = start; *kept >= 0 && line != LINE_UNREAD; at += length) {
        length = getline(&text, &room, reading);
        if (length <= 0) {
            break;
        }
        const bool torn = text[length - 1] != '\n';
        line = length > RUN_LOG_LINE ? LINE_OF_OTHERS
               : torn                ? LINE_OURS
                                     : classify(text, (size_t)length, from);
        if (line == LINE_OF_OTHERS) {
            *kept = -1;
        } else if (line == LINE_CHECKPOINT && at == start) {
            *kept = at + length;
        }
    }
    const int cause = errno;
    free(text);
    errno = cause;
    return line != LINE_UNREAD && (length > 0 || feof(reading));
}

static bool cut(struct run_log *log, FILE *reading, off_t start, const gemmlp_checkpoint *from)
{
    bool at_line;
    off_t kept = -1;
    if (!look_at_end(reading, start, &at_line) ||
        (at_line && !find_kept(reading, start, from, &kept))) {
        return false;
    }
    if (kept < 0) {
        cli_complain("%s: has lines of other runs after those of this one: nothing is removed, and "
                     "epochs after the checkpoint stand there twice",
                     log->path);
        return true;
    }
    return ftruncate(fileno(log->stream), kept) == 0;
}

/* *start: where the last line begins, if it was torn: an event without its end. Any other text,
 * whose author only forgot the newline, is not ours to remove: `size`. */
static bool find_torn(FILE *reading, off_t size, off_t *start)
{
    static const char beginning[] = "{\"event\":\"";
    const off_t room = size < RUN_LOG_LINE ? size : RUN_LOG_LINE;
    char *text = malloc((size_t)room + 1);
    const bool good = text && pread(fileno(reading), text, (size_t)room, size - room) == room;
    *start = size;
    if (good) {
        off_t at = room;
        while (at > 0 && text[at - 1] != '\n') {
            at--;
        }
        const size_t torn = (size_t)(room - at);
        const size_t seen = torn < sizeof beginning - 1 ? torn : sizeof beginning - 1;
        if ((at > 0 || room == size) && strncmp(text + at, beginning, seen) == 0) {
            *start = size - room + at;
        }
    }
    const int cause = errno;
    free(text);
    errno = cause;
    return good;
}

static bool mend(struct run_log *log, FILE *reading, off_t bytes, const gemmlp_checkpoint *from)
{
    struct stat status;
    const int descriptor = fileno(log->stream);
    off_t sound;
    bool ended;
    if (fstat(descriptor, &status) != 0 ||
        (bytes >= 0 && bytes <= status.st_size && !cut(log, reading, bytes, from)) ||
        fstat(descriptor, &status) != 0 || !find_torn(reading, status.st_size, &sound)) {
        return false;
    }
    if (sound < status.st_size) {
        return ftruncate(descriptor, sound) == 0;
    }
    return look_at_end(reading, status.st_size, &ended) &&
           (ended || (fputc('\n', log->stream) != EOF && fflush(log->stream) == 0));
}

bool cli_log_mend(struct run_log *log, long long bytes, const gemmlp_checkpoint *from)
{
    struct stat status;
    if (fstat(fileno(log->stream), &status) != 0 || !S_ISREG(status.st_mode) ||
        status.st_size == 0) {
        return true; /* a pipe has no past */
    }
    FILE *reading = fopen(log->path, "re");
    const bool good = reading && mend(log, reading, (off_t)bytes, from);
    const int cause = errno;
    if (reading) {
        fclose(reading);
    }
    errno = cause;
    return good;
}
