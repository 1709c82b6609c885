/* checkpoint_directory.c: the checkpoints of one run in a directory, step-NNNNNNNNN.safetensors:
 * the newest sound one is found, and the last few are kept. */
#define _POSIX_C_SOURCE 200809L
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "train/checkpoint.h"

#define PREFIX "step-"
#define SUFFIX ".safetensors"

enum { DIGITS = 9, MAX_DIGITS = 19, MAX_FILES = 100000, NAME_SIZE = 64 };

/* Whether name[0 .. length - 1] is that of a checkpoint; *step: its number. */
static bool is_checkpoint(const char *name, size_t length, size_t *step)
{
    const size_t before = strlen(PREFIX), after = strlen(SUFFIX);
    if (length < before + DIGITS + after || length > before + MAX_DIGITS + after ||
        strncmp(name, PREFIX, before) != 0 || strncmp(name + length - after, SUFFIX, after) != 0)
        return false;
    const size_t digits = strspn(name + before, "0123456789");
    *step = (size_t)strtoull(name + before, NULL, 10);
    return before + digits + after == length;
}

static void name_of(size_t step, char name[NAME_SIZE])
{
    snprintf(name, NAME_SIZE, PREFIX "%0*zu" SUFFIX, DIGITS, step);
}

/* "DIRECTORY/step-…", to be freed; NULL: out of memory. */
static char *path_of(const char *directory, size_t step)
{
    char name[NAME_SIZE];
    name_of(step, name);
    const size_t size = strlen(directory) + 1 + strlen(name) + 1;
    char *path = malloc(size);
    if (path)
        snprintf(path, size, "%s/%s", directory, name);
    return path;
}

static int newest_first(const void *a, const void *b)
{
    const size_t s = *(const size_t *)a, t = *(const size_t *)b;
    return (s < t) - (s > t);
}

/* The steps of all checkpoints there, newest first; none where there is no directory. */
static gemmlp_status list(const char *directory, size_t **steps, size_t *count, gemmlp_error *error)
{
    size_t room = 0, step;
    *steps = NULL;
    *count = 0;
    DIR *stream = opendir(directory);
    if (!stream && errno == ENOENT)
        return GEMMLP_OK;
    if (!stream)
        return gm_fail(error, GEMMLP_IO, "%s: could not read the directory: %s", directory,
                       strerror(errno));
    gemmlp_status status = GEMMLP_OK;
    for (const struct dirent *entry; status == GEMMLP_OK && (entry = readdir(stream));) {
        if (!is_checkpoint(entry->d_name, strlen(entry->d_name), &step))
            continue;
        if (*count == room && room < MAX_FILES) {
            room = room ? 2 * room : 16;
            size_t *grown = realloc(*steps, room * sizeof *grown);
            if (!grown)
                status = gm_fail_memory(error, "a list of checkpoints", room * sizeof *grown);
            else
                *steps = grown;
        }
        if (status == GEMMLP_OK && *count < room)
            (*steps)[(*count)++] = step;
    }
    closedir(stream);
    if (status == GEMMLP_OK && *count > 0)
        qsort(*steps, *count, sizeof **steps, newest_first);
    return status;
}

/* Damage, and a disk that does not give back what it was given, are reasons to go back to an older
 * one; lack of memory or of a version are none. */
static bool goes_back(gemmlp_status status)
{
    return status == GEMMLP_BAD_MODEL || status == GEMMLP_IO;
}

gemmlp_status gemmlp_checkpoint_newest(const char *directory, gemmlp_checkpoint **out,
                                       gemmlp_error *error)
{
    size_t *steps, count;
    gemmlp_error first = {GEMMLP_OK, ""}, reason;
    *out = NULL;
    gemmlp_status status = list(directory, &steps, &count, error);
    for (size_t i = 0; status == GEMMLP_OK && i < count && !*out; i++) {
        char *path = path_of(directory, steps[i]);
        if (!path) {
            status = gm_fail_memory(error, "a path", strlen(directory) + NAME_SIZE);
            break;
        }
        reason.status = gemmlp_checkpoint_open(path, out, &reason);
        free(path);
        if (reason.status != GEMMLP_OK && first.status == GEMMLP_OK)
            first = reason;
        if (reason.status != GEMMLP_OK && !goes_back(reason.status)) {
            status = reason.status;
            if (error)
                *error = reason;
        }
    }
    if (status == GEMMLP_OK && *out)
        snprintf((*out)->passed_over, sizeof(*out)->passed_over, "%s", first.message);
    else if (status == GEMMLP_OK && count > 0)
        status = gm_fail(error, GEMMLP_BAD_MODEL,
                         "%s: none of its %zu checkpoints is sound; the newest: %.800s", directory,
                         count, first.message);
    free(steps);
    return status;
}

/* Those before the last `keep`; those after the newest, which were passed over when the run was
 * resumed, for no sound one is newer; and what was left behind half-written. Nothing is lost where
 * that fails. */
static void tidy(const char *directory, size_t newest, size_t keep)
{
    size_t *steps, count, kept = 0;
    if (list(directory, &steps, &count, NULL) != GEMMLP_OK)
        count = 0;
    for (size_t i = 0; i < count; i++) {
        kept += steps[i] <= newest;
        char *path = steps[i] > newest || kept > keep ? path_of(directory, steps[i]) : NULL;
        if (path)
            unlink(path);
        free(path);
    }
    free(steps);
    const size_t size = strlen(directory) + 2;
    char *inside = malloc(size);
    if (inside) {
        snprintf(inside, size, "%s/", directory);
        gm_atomic_sweep(inside);
    }
    free(inside);
}

gemmlp_status gemmlp_trainer_checkpoint(gemmlp_trainer *trainer, const char *directory, size_t keep,
                                        const char *note, gemmlp_error *error)
{
    const size_t step = trainer->progress.step;
    if (keep == 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "at least 1 checkpoint must be kept, found 0");
    char *path = path_of(directory, step);
    if (!path)
        return gm_fail_memory(error, "a path", strlen(directory) + NAME_SIZE);
    gm_make_directories(path);
    gemmlp_status status = gemmlp_trainer_save(trainer, path, note, error);
    if (status == GEMMLP_OK)
        tidy(directory, step, keep);
    free(path);
    return status;
}
