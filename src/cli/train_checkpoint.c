/* train_checkpoint.c: --checkpoint and --resume: the directory of a run, what of its command line
 * is kept in a checkpoint and taken from it again, and when the next one is due. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/files.h"
#include "cli/numbers.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "cli/train.h"
#include "io/atomic_file.h"
#include "io/json_text.h"

/* ---- the directory ---- */

bool cli_checkpoint_every(const char *text, size_t *steps, double *seconds)
{
    char number[24];
    size_t count, length = strlen(text);
    const char unit = length > 0 ? text[length - 1] : '\0';
    const bool timed = unit == 'm' || unit == 's';
    length -= timed;
    if (length >= sizeof number) {
        return false;
    }
    memcpy(number, text, length);
    number[length] = '\0';
    if (!cli_parse_size(number, &count) || count == 0 || count > ARG_COUNT_LIMIT) {
        return false;
    }
    *steps = timed ? 0 : count;
    *seconds = unit == 'm' ? 60 * (double)count : (double)count;
    return true;
}

/* Two runs in one directory would take each other's checkpoints away. The lock ends with the
 * process; some file systems have none, and then there is no such guard. */
static bool lock_directory(struct train_options *options, int *code)
{
    const char *path = options->checkpoint;
    char *inside = malloc(strlen(path) + 2);
    if (!inside) {
        *code = cli_failed_memory("a path");
        return false;
    }
    strcpy(inside, path);
    strcat(inside, "/");
    gm_make_directories(inside);
    options->lock = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    *code = EXIT_CODE_FAILED;
    bool good = false;
    if (options->lock < 0 || access(path, W_OK | X_OK) != 0) {
        cli_complain("--checkpoint: %s: could not be written: %s", path, strerror(errno));
    } else if (flock(options->lock, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK) {
        cli_complain("--checkpoint: %s: another run writes its checkpoints there", path);
    } else {
        gm_atomic_sweep(inside);
        good = true;
    }
    free(inside);
    return good;
}

/* A new run must not mix with an old one. */
static bool is_new(const struct command *command, const char *directory, int *code)
{
    gemmlp_checkpoint *checkpoint;
    gemmlp_error error;
    const gemmlp_status status = gemmlp_checkpoint_newest(directory, &checkpoint, &error);
    if (status == GEMMLP_OK && !checkpoint) {
        return true;
    }
    if (status == GEMMLP_OK || status == GEMMLP_BAD_MODEL || status == GEMMLP_UNSUPPORTED) {
        *code =
            cli_usage(command,
                      "--checkpoint: %s holds checkpoints of a run already; --resume %s goes on "
                      "with it, a new run needs another directory",
                      checkpoint ? gemmlp_checkpoint_path(checkpoint) : directory, directory);
    } else {
        *code = cli_failed_input(command, &error);
    }
    gemmlp_checkpoint_free(checkpoint);
    return false;
}

/* ---- the command line, kept ---- */

/* How this process is told of, and where it writes, are its own affair. */
static bool is_kept(const char *name)
{
    static const char *const own[] = {"json",       "quiet",  "help",          "config",
                                      "checkpoint", "resume", "allow-mismatch"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
        if (strcmp(own[i], name) == 0) {
            return false;
        }
    }
    return true;
}

/* A checkpoint does not choose what code is loaded: who wants a library by its path names it
 * again. */
static bool is_library(const char *name, const char *text)
{
    return strcmp(name, "provider") == 0 && strchr(text, '/');
}

static bool is_path(const char *name, const char *text)
{
    static const char *const paths[] = {"data", "test", "plan", "model", "log"};
    double fraction;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (strcmp(paths[i], name) == 0) {
            return true;
        }
    }
    return strcmp(name, "valid") == 0 && !cli_parse_real(text, &fraction);
}

/* A run may be resumed in another directory. NULL: no memory, or it is not UTF-8. */
static json_t *absolute(const char *path)
{
    char *directory = *path == '/' ? NULL : getcwd(NULL, 0);
    json_t *value = directory ? json_sprintf("%s/%s", directory, path) : json_string(path);
    free(directory);
    return value;
}

static json_t *given_options(const struct args *args)
{
    struct record options = cli_record_begin();
    for (size_t i = 0; i < args->slot_count; i++) {
        const struct arg_slot *slot = &args->slots[i];
        if (slot->given && is_kept(slot->arg->name) && !is_library(slot->arg->name, slot->given)) {
            cli_record_json(&options, slot->arg->name,
                            is_path(slot->arg->name, slot->given) ? absolute(slot->given)
                                                                  : json_string(slot->given));
        }
    }
    return cli_record_take(&options);
}

/* What a checkpoint keeps for the command; NULL: no memory. */
static char *make_note(const struct train_run *run)
{
    struct record note = cli_record_begin();
    struct stat status;
    cli_record_json(&note, "options", given_options(run->args));
    cli_record_real(&note, "seconds", cli_train_seconds(run));
    if (run->log.stream && fstat(fileno(run->log.stream), &status) == 0 &&
        S_ISREG(status.st_mode)) {
        cli_record_json(&note, "log", absolute(run->log.path));
        cli_record_size(&note, "log_bytes", (size_t)status.st_size);
    }
    json_t *object = cli_record_take(&note);
    char *text = gm_json_text(object);
    json_decref(object);
    return text;
}

/* ---- the command line, taken up again ---- */

static bool recall_options(struct train_options *options, struct args *args, int *code)
{
    const char *text = gemmlp_checkpoint_note(options->from), *name;
    const char *path = gemmlp_checkpoint_path(options->from);
    /* An object of texts in an object; no command has as many options. */
    const struct json_limits limits = {.depth = 2, .values = 1000};
    struct json_fault fault = {.out_of_memory = false};
    char message[1024];
    json_t *value;
    options->note = text ? gm_json_parse(text, strlen(text), limits, &fault) : NULL;
    if (fault.out_of_memory) {
        *code = cli_failed_memory("the command line of a checkpoint");
        return false;
    }
    json_t *given = json_object_get(options->note, "options");
    bool good = json_is_object(given);
    snprintf(message, sizeof message, "it was not saved by this command");
    json_object_foreach(given, name, value)
    {
        const char *word = json_string_value(value);
        good = good && word && is_kept(name) && !is_library(name, word) &&
               cli_arg_recall(args, name, word, message, sizeof message);
    }
    if (!good) {
        cli_complain("%s: holds no command line to go on with: %s", path, message);
        *code = EXIT_CODE_INPUT;
    }
    return good;
}

static bool find_checkpoint(struct train_options *options, const struct command *command,
                            bool may_start, int *code)
{
    gemmlp_error error;
    const char *directory = options->resume;
    if (gemmlp_checkpoint_newest(directory, &options->from, &error) != GEMMLP_OK) {
        *code = cli_failed_input(command, &error);
        return false;
    }
    if (options->from && gemmlp_checkpoint_passed_over(options->from)[0]) {
        cli_complain("%s; going back to %s", gemmlp_checkpoint_passed_over(options->from),
                     gemmlp_checkpoint_path(options->from));
    }
    if (!options->from && !may_start) {
        cli_complain("--resume: there is no checkpoint in %s; with --checkpoint %s as well, a run "
                     "starts anew where there is none",
                     directory, directory);
        *code = EXIT_CODE_INPUT;
        return false;
    }
    return true;
}

static bool open_new(struct train_options *options, const struct command *command, int *code)
{
    return lock_directory(options, code) && is_new(command, options->checkpoint, code);
}

bool cli_resume_open(struct train_options *options, struct args *args, int *code)
{
    const struct command *command = args->command;
    const bool may_start = options->checkpoint != NULL;
    if (!options->resume && options->allow_mismatch) {
        *code = cli_usage(command, "--allow-mismatch: is for --resume DIR");
        return false;
    }
    if (!options->resume) {
        return !options->checkpoint || open_new(options, command, code);
    }
    if (!may_start) {
        options->checkpoint = options->resume;
    }
    const bool here = cli_directories_same(options->checkpoint, options->resume);
    /* Nothing is made where there is nothing to resume. */
    const bool there = may_start || access(options->resume, F_OK) == 0;
    if ((here && there && !lock_directory(options, code)) ||
        !find_checkpoint(options, command, may_start, code) ||
        (!here && !open_new(options, command, code))) {
        return false;
    }
    if (!options->from && !options->common.quiet) {
        fprintf(stderr, "no checkpoint in %s yet: the run starts anew\n", options->resume);
    }
    return !options->from || recall_options(options, args, code);
}

void cli_resume_close(struct train_options *options)
{
    gemmlp_checkpoint_free(options->from);
    json_decref(options->note);
    if (options->lock >= 0) {
        close(options->lock);
    }
    options->from = NULL;
    options->note = NULL;
    options->lock = -1;
}

char *cli_checkpoint_origin(const gemmlp_checkpoint *checkpoint)
{
    const char *path = gemmlp_checkpoint_path(checkpoint);
    char *real = realpath(path, NULL);
    return real ? real : strdup(path);
}

double cli_resume_seconds(const struct train_options *options)
{
    const double seconds = json_number_value(json_object_get(options->note, "seconds"));
    return seconds > 0 ? seconds : 0;
}

long long cli_resume_log(const struct train_options *options, const char *path)
{
    const char *then = json_string_value(json_object_get(options->note, "log"));
    const json_int_t bytes = json_integer_value(json_object_get(options->note, "log_bytes"));
    return then && cli_files_same(then, path) && bytes > 0 ? (long long)bytes : -1;
}

/* ---- when, and how ---- */

void cli_checkpoint_begin(struct train_run *run)
{
    const size_t every = run->options->every_steps, step = run->progress.step;
    run->next_step = every ? step - step % every + every : SIZE_MAX;
    run->next_time = every ? 0 : cli_clock() + run->options->every_seconds;
}

bool cli_checkpoint_due(const struct train_run *run)
{
    const bool timed = run->options->every_steps == 0;
    return run->options->checkpoint && !run->progress.finished &&
           (timed ? cli_clock() >= run->next_time : run->progress.step >= run->next_step);
}

bool cli_checkpoint_save(struct train_run *run)
{
    const char *directory = run->options->checkpoint;
    const double start = cli_clock();
    gemmlp_error error = {GEMMLP_OK, ""};
    char *note = make_note(run);
    gemmlp_status status =
        note ? gemmlp_trainer_checkpoint(run->trainer, directory, run->options->keep, note, &error)
             : GEMMLP_OUT_OF_MEMORY;
    if (!note) {
        cli_failed_memory("a checkpoint, or a path in its note is not UTF-8");
    } else if (status != GEMMLP_OK) {
        cli_complain("%s; the run goes on", error.message);
    }
    free(note);
    run->checkpoint_failed = status != GEMMLP_OK;
    run->saved_step = status == GEMMLP_OK ? run->progress.step : run->saved_step;
    run->checkpoint_seconds = cli_clock() - start;
    cli_checkpoint_begin(run);
    return status == GEMMLP_OK;
}
