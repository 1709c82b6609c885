/* log_mend.c: see log_mend.h. Lines of other runs, where several share a log, are never touched. */
#define _GNU_SOURCE
#define _FILE_OFFSET_BITS 64
#include "cli/log_mend.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"

enum { LONGEST_LINE = 1 << 20 };

static bool last_byte_is_newline(int descriptor, off_t size)
{
    char last = '\n';
    return size == 0 || (pread(descriptor, &last, 1, size - 1) == 1 && last == '\n');
}

/* What a line after the checkpoint tells of. */
enum line { LINE_OURS, LINE_CHECKPOINT, LINE_OF_OTHERS };

static bool is_text(const json_t *object, const char *key, const char *text)
{
    const char *value = json_string_value(json_object_get(object, key));
    return value && strcmp(value, text) == 0;
}

/* Whether `path` is that of a file in the directory of the checkpoint. */
static bool is_beside(const char *path, const gemmlp_checkpoint *from)
{
    char *here = cli_checkpoint_origin(from);
    const char *end = here ? strrchr(here, '/') : NULL, *other = path ? strrchr(path, '/') : NULL;
    const bool beside = end && other && end - here == other - path &&
                        strncmp(here, path, (size_t)(end - here)) == 0;
    free(here);
    return beside;
}

/* A part of the run that began after this checkpoint, and was killed before its next one, goes as well. */
static enum line classify(const char *text, size_t length, const gemmlp_checkpoint *from)
{
    gemmlp_progress progress;
    gemmlp_checkpoint_progress(from, &progress);
    json_t *object = json_loadb(text, length, 0, NULL);
    const json_int_t step = json_integer_value(json_object_get(object, "step"));
    enum line line = LINE_OURS;
    if (!json_is_object(object)) {
        line = LINE_OF_OTHERS;
    } else if (is_text(object, "event", "checkpoint") && step == (json_int_t)progress.step) {
        line = LINE_CHECKPOINT;
    } else if (is_text(object, "event", "run") &&
               !is_beside(json_string_value(json_object_get(object, "resumed_from")), from)) {
        line = LINE_OF_OTHERS;
    }
    json_decref(object);
    return line;
}

/* The length that the log shall have; -1: it has lines of other runs. */
static off_t kept_length(FILE *stream, off_t start, const gemmlp_checkpoint *from)
{
    char *text = NULL;
    size_t room = 0;
    ssize_t length;
    off_t at = start, kept = start;
    if (fseeko(stream, start, SEEK_SET) != 0) {
        return -1;
    }
    while (kept >= 0 && (length = getline(&text, &room, stream)) > 0) {
        const bool torn = text[length - 1] != '\n';
        const enum line line = length > LONGEST_LINE ? LINE_OF_OTHERS
                               : torn                ? LINE_OURS
                                                     : classify(text, (size_t)length, from);
        const bool first = at == start;
        at += length;
        if (line == LINE_OF_OTHERS) {
            kept = -1;
        } else if (line == LINE_CHECKPOINT && first) {
            kept = at;
        }
    }
    free(text);
    return ferror(stream) ? -1 : kept;
}

static bool cut(struct run_log *log, off_t start, const gemmlp_checkpoint *from)
{
    FILE *stream = fopen(log->path, "re");
    if (!stream) {
        return false;
    }
    const bool at_line = last_byte_is_newline(fileno(stream), start);
    const off_t kept = at_line ? kept_length(stream, start, from) : -1;
    fclose(stream);
    if (kept < 0) {
        cli_complain("%s: has lines of other runs after those of this one: nothing is removed, and "
                     "epochs after the checkpoint stand there twice",
                     log->path);
        return true;
    }
    return ftruncate(fileno(log->stream), kept) == 0;
}

/* The last bytes of a file, LONGEST_LINE at most, to be freed; NULL: errno says why. */
static char *read_end(const char *path, off_t size, size_t *length)
{
    *length = (size_t)(size < LONGEST_LINE ? size : LONGEST_LINE);
    char *text = malloc(*length + 1);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t got =
        text && descriptor >= 0 ? pread(descriptor, text, *length, size - (off_t)*length) : -1;
    const int cause = got >= 0 ? EIO : errno; /* shorter than it was a moment ago */
    if (descriptor >= 0) {
        close(descriptor);
    }
    if (got != (ssize_t)*length) {
        free(text);
        errno = cause;
        return NULL;
    }
    return text;
}

/* Where the last line begins, if it was torn: an event without its end. Any other text, whose author
 * only forgot the newline, is not ours to remove: `length`. */
static size_t before_torn(const char *text, size_t length, bool whole_file)
{
    static const char beginning[] = "{\"event\":\"";
    size_t at = length;
    while (at > 0 && text[at - 1] != '\n') {
        at--;
    }
    const size_t torn = length - at;
    const size_t seen = torn < sizeof beginning - 1 ? torn : sizeof beginning - 1;
    return (at > 0 || whole_file) && strncmp(text + at, beginning, seen) == 0 ? at : length;
}

/* What is added next begins a line. */
static bool mend_end(struct run_log *log, off_t size)
{
    size_t length;
    char *text = read_end(log->path, size, &length);
    if (!text) {
        return false;
    }
    const size_t sound = before_torn(text, length, (off_t)length == size);
    const bool ended = sound == 0 || text[sound - 1] == '\n';
    free(text);
    if (sound < length) {
        return ftruncate(fileno(log->stream), size - (off_t)(length - sound)) == 0;
    }
    return ended || (fputc('\n', log->stream) != EOF && fflush(log->stream) == 0);
}

bool cli_log_mend(struct run_log *log, long long bytes, const gemmlp_checkpoint *from)
{
    struct stat status;
    const int descriptor = fileno(log->stream);
    if (fstat(descriptor, &status) != 0 || !S_ISREG(status.st_mode)) {
        return true; /* a pipe has no past */
    }
    if (bytes >= 0 && bytes <= status.st_size && !cut(log, (off_t)bytes, from)) {
        return false;
    }
    return fstat(descriptor, &status) == 0 && mend_end(log, status.st_size);
}
