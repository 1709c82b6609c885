/* run_log.c: see run_log.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/run_log.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/names.h"
#include "cli/terminal.h"
#include "core/error.h"

enum {
    MAX_EPOCHS = 1000000,
    SHOWN = 64, /* characters of a foreign text in a message */
};

/* A `run` event nests five levels: event, network, layers, layer, and one for what may come. */
const struct json_limits cli_run_log_limits = {.depth = 8, .values = 100000};

static const char *const keys[RUN_VALUES] = {
    [RUN_LR] = "lr",
    [RUN_TRAIN_LOSS] = "train_loss",
    [RUN_VALID_LOSS] = "valid_loss",
    [RUN_TRAIN_ACCURACY] = "train_accuracy",
    [RUN_VALID_ACCURACY] = "valid_accuracy",
    [RUN_TRAIN_RMSE] = "train_rmse",
    [RUN_VALID_RMSE] = "valid_rmse",
    [RUN_SPEED] = "examples_per_second",
};

struct reading {
    const char *path;
    FILE *file;
    char *text; /* the line, without its end */
    size_t length, capacity;
    size_t line; /* its number, from 1 */
    bool ended;  /* by a newline */
    bool begun;  /* a `run` event was seen */
    struct run_curves *curves;
};

static gemmlp_status open_log(struct reading *r, gemmlp_error *error)
{
    struct stat info;
    const int descriptor =
        open(r->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang here */
    if (descriptor < 0 || fstat(descriptor, &info) != 0 ||
        (S_ISREG(info.st_mode) && !(r->file = fdopen(descriptor, "rb")))) {
        const int cause = errno;
        if (descriptor >= 0) {
            close(descriptor);
        }
        return gm_fail(error, GEMMLP_IO, "%s: could not open: %s", r->path, strerror(cause));
    }
    if (r->file) {
        return GEMMLP_OK;
    }
    close(descriptor);
    return gm_fail(error, GEMMLP_IO, "%s: is not a regular file", r->path);
}

static gemmlp_status grow(struct reading *r, gemmlp_error *error)
{
    const size_t capacity = r->capacity ? 2 * r->capacity : 4096;
    char *grown = realloc(r->text, capacity);
    if (!grown) {
        return gm_fail_memory(error, "a line of a log", capacity);
    }
    r->text = grown;
    r->capacity = capacity;
    return GEMMLP_OK;
}

/* *more: there was a line. */
static gemmlp_status read_line(struct reading *r, bool *more, gemmlp_error *error)
{
    int c;
    r->length = 0;
    r->ended = false;
    r->line++;
    errno = 0;
    while ((c = getc(r->file)) != EOF && c != '\n') {
        if (r->length == RUN_LOG_LINE) {
            return gm_fail(error, GEMMLP_BAD_DATA,
                           "%s:%zu: no log of a run: the line is longer than the %d characters "
                           "there may be",
                           r->path, r->line, RUN_LOG_LINE);
        }
        if (r->length == r->capacity) {
            gemmlp_status status = grow(r, error);
            if (status != GEMMLP_OK) {
                return status;
            }
        }
        r->text[r->length++] = (char)c;
    }
    if (ferror(r->file)) {
        return gm_fail(error, GEMMLP_IO, "%s: could not read: %s", r->path, strerror(errno));
    }
    r->ended = c == '\n';
    *more = r->ended || r->length > 0;
    return GEMMLP_OK;
}

/* The place of epoch `number`: those from there on were gone over again. */
static size_t place_of(const struct run_curves *curves, size_t number)
{
    size_t place = curves->count;
    while (place > 0 && curves->epochs[place - 1].epoch >= number) {
        place--;
    }
    return place;
}

static gemmlp_status take_epoch(struct reading *r, const json_t *event, gemmlp_error *error)
{
    struct run_curves *curves = r->curves;
    const json_int_t number = json_integer_value(json_object_get(event, "epoch"));
    struct run_epoch epoch = {.epoch = (size_t)number};
    if (number < 1 || number > MAX_EPOCHS) {
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s:%zu: \"epoch\": expected a whole number from 1 to %d", r->path, r->line,
                       MAX_EPOCHS);
    }
    for (size_t i = 0; i < RUN_VALUES; i++) {
        const json_t *value = json_object_get(event, keys[i]);
        if (value && !json_is_number(value)) {
            return gm_fail(error, GEMMLP_BAD_DATA, "%s:%zu: \"%s\": expected a number", r->path,
                           r->line, keys[i]);
        }
        epoch.values[i] = value ? json_number_value(value) : NAN;
    }
    curves->count = place_of(curves, epoch.epoch);
    if ((curves->count & (curves->count - 1)) == 0) { /* room for the next power of two */
        const size_t room = curves->count ? 2 * curves->count : 1;
        struct run_epoch *grown = realloc(curves->epochs, room * sizeof *grown);
        if (!grown) {
            return gm_fail_memory(error, "the epochs of a log", room * sizeof *grown);
        }
        curves->epochs = grown;
    }
    curves->epochs[curves->count++] = epoch;
    return GEMMLP_OK;
}

/* The sizes of the network, as many as a line of a picture has room for. */
static void append_sizes(const json_t *network, char *out, size_t size)
{
    enum { SHOWN_LAYERS = 8 };
    const json_t *layers = json_object_get(network, "layers");
    const size_t count = json_array_size(layers);
    const json_int_t n_in = json_integer_value(json_object_get(network, "n_in"));
    if (n_in < 1 || count == 0) {
        return;
    }
    cli_append(out, size, "%lld", (long long)n_in);
    for (size_t i = 0; i < count; i++) {
        const json_t *layer = json_array_get(layers, i);
        if (count > SHOWN_LAYERS && i == SHOWN_LAYERS - 1) {
            cli_append(out, size, "-…");
            i = count - 1;
            layer = json_array_get(layers, i);
        }
        cli_append(out, size, "-%lld",
                   (long long)json_integer_value(json_object_get(layer, "n_out")));
    }
}

/* The figures by which runs usually differ; keys that are missing are left out. */
static void summarise(const json_t *event, char *out, size_t size)
{
    const json_t *training = json_object_get(event, "training");
    const char *optimizer = json_string_value(json_object_get(training, "optimizer"));
    const json_t *lr = json_object_get(training, "lr");
    const json_t *batch = json_object_get(training, "batch");
    const json_t *seed = json_object_get(event, "seed");
    char shown[32];
    *out = '\0';
    append_sizes(json_object_get(event, "network"), out, size);
    if (optimizer) {
        cli_append(out, size, "%s%s", *out ? ", " : "",
                   cli_printable(optimizer, shown, sizeof shown));
    }
    if (json_is_number(lr)) {
        cli_append(out, size, "%slr %g", *out ? ", " : "", json_number_value(lr));
    }
    if (json_is_integer(batch)) {
        cli_append(out, size, "%sbatch %lld", *out ? ", " : "",
                   (long long)json_integer_value(batch));
    }
    if (json_is_integer(seed)) {
        cli_append(out, size, "%sseed %lld", *out ? ", " : "", (long long)json_integer_value(seed));
    }
}

static gemmlp_status take_event(struct reading *r, const json_t *object, gemmlp_error *error)
{
    const char *event = json_string_value(json_object_get(object, "event"));
    char shown[SHOWN];
    if (!event) {
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s:%zu: no log of a run: expected an object with \"event\"", r->path,
                       r->line);
    }
    if (strcmp(event, "run") == 0) {
        if (!r->begun) {
            summarise(object, r->curves->summary, sizeof r->curves->summary);
        }
        r->curves->resumed += r->begun;
        r->begun = true;
        return GEMMLP_OK;
    }
    if (!r->begun) {
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s:%zu: expected the event \"run\" first, found \"%s\"", r->path, r->line,
                       cli_printable(event, shown, sizeof shown));
    }
    return strcmp(event, "epoch") == 0 ? take_epoch(r, object, error) : GEMMLP_OK;
}

static gemmlp_status take_line(struct reading *r, gemmlp_error *error)
{
    struct json_fault fault;
    json_t *object = gm_json_parse(r->text, r->length, cli_run_log_limits, &fault);
    if (!object && fault.out_of_memory) {
        return gm_fail_memory(error, "a line of a log", r->length);
    }
    if (!object && !r->ended && r->begun) {
        r->curves->torn_line = r->line;
        return GEMMLP_OK;
    }
    if (!object && fault.line == 0) {
        return gm_fail(error, GEMMLP_BAD_DATA, "%s:%zu: no log of a run: the line %s", r->path,
                       r->line, fault.text);
    }
    if (!object) {
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s:%zu: expected one event as a JSON object: column %d: %s", r->path,
                       r->line, fault.column, fault.text);
    }
    gemmlp_status status = take_event(r, object, error);
    json_decref(object);
    return status;
}

static void find_best(struct run_curves *curves)
{
    double least = INFINITY;
    for (size_t i = 0; i < curves->count; i++) {
        if (curves->epochs[i].values[RUN_VALID_LOSS] < least) {
            least = curves->epochs[i].values[RUN_VALID_LOSS];
            curves->best_epoch = curves->epochs[i].epoch;
        }
    }
}

gemmlp_status cli_run_log_read(const char *path, struct run_curves *out, gemmlp_error *error)
{
    struct reading reading = {.path = path, .curves = out};
    bool more = true;
    *out = (struct run_curves){0};
    gemmlp_status status = open_log(&reading, error);
    while (status == GEMMLP_OK && more) {
        status = read_line(&reading, &more, error);
        if (status == GEMMLP_OK && more) {
            status = take_line(&reading, error);
        }
    }
    if (status == GEMMLP_OK && out->count == 0) {
        status = gm_fail(error, GEMMLP_BAD_DATA, "%s: there is no finished epoch in it", path);
    }
    if (reading.file) {
        fclose(reading.file);
    }
    free(reading.text);
    if (status == GEMMLP_OK) {
        find_best(out);
    } else {
        cli_run_log_free(out);
    }
    return status;
}

void cli_run_log_free(struct run_curves *curves)
{
    free(curves->epochs);
    *curves = (struct run_curves){0};
}
