/* names.c: see names.h. */
#include "cli/names.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { NAME_LIMIT = 64 }; /* longer names have no neighbour */

static const struct {
    const char *singular, *plural;
} titles[] = {
    [GEMMLP_TASKS] = {"task", "tasks"},
    [GEMMLP_FORMATS] = {"format", "formats"},
    [GEMMLP_PREPROCESSORS] = {"preprocessing", "preprocessing"},
    [GEMMLP_ACTIVATIONS] = {"activation", "activations"},
    [GEMMLP_LOSSES] = {"loss", "losses"},
    [GEMMLP_INITS] = {"initialisation", "initialisations"},
    [GEMMLP_OPTIMIZERS] = {"optimizer", "optimizers"},
    [GEMMLP_SCHEDULES] = {"schedule", "schedules"},
    [GEMMLP_PROVIDERS] = {"provider", "providers"},
    [GEMMLP_PRECISIONS] = {"precision", "precisions"},
};

const char *cli_registry_singular(gemmlp_registry registry)
{
    return titles[registry].singular;
}

const char *cli_registry_plural(gemmlp_registry registry)
{
    return titles[registry].plural;
}

const char *cli_registry_name_at(const void *list, size_t index)
{
    return gemmlp_name(*(const gemmlp_registry *)list, index);
}

const char *cli_registry_find(gemmlp_registry registry, const char *name)
{
    const char *found;
    for (size_t i = 0; (found = gemmlp_name(registry, i)); i++) {
        if (strcmp(found, name) == 0) {
            return found;
        }
    }
    return NULL;
}

void cli_append(char *message, size_t size, const char *format, ...)
{
    size_t length = strlen(message);
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message + length, size - length, format, arguments);
    va_end(arguments);
}

static size_t min3(size_t a, size_t b, size_t c)
{
    size_t least = a < b ? a : b;
    return least < c ? least : c;
}

/* Levenshtein's distance with swapped neighbours as one error (optimal string alignment). */
static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_LIMIT + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    size_t width = strlen(b);
    if (width > NAME_LIMIT || strlen(a) > NAME_LIMIT) {
        return 2 * (size_t)NAME_LIMIT;
    }
    for (size_t j = 0; j <= width; j++) {
        before[j] = last[j] = j;
    }
    for (size_t i = 0; a[i]; i++) {
        row[0] = i + 1;
        for (size_t j = 0; j < width; j++) {
            row[j + 1] = min3(last[j + 1] + 1, row[j] + 1, last[j] + (a[i] != b[j]));
            if (i && j && a[i] == b[j - 1] && a[i - 1] == b[j] && before[j - 1] + 1 < row[j + 1]) {
                row[j + 1] = before[j - 1] + 1;
            }
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[width];
}

/* The most similar name, if similar enough to be what was meant: one that `found` begins, or one
 * with at most a third of the letters wrong. */
static const char *nearest(const char *found, name_at at, const void *list)
{
    const char *best = NULL, *name;
    size_t length = strlen(found);
    size_t best_distance = 2 + length / 3;
    for (size_t i = 0; (name = at(list, i)); i++) {
        size_t d = length >= 3 && strncmp(name, found, length) == 0 ? 1 : distance(found, name);
        if (d < best_distance && d < length) {
            best_distance = d;
            best = name;
        }
    }
    return best;
}

void cli_unknown_name(const char *kind, const char *found, const char *prefix, name_at at,
                      const void *list, char *message, size_t size)
{
    const char *best = nearest(found, at, list), *name;
    message[0] = '\0';
    cli_append(message, size, "unknown %s '%s%s'", kind, prefix, found);
    if (best) {
        cli_append(message, size, "; did you mean '%s%s'? valid:", prefix, best);
    } else {
        cli_append(message, size, "; valid:");
    }
    for (size_t i = 0; (name = at(list, i)); i++) {
        cli_append(message, size, "%s %s%s", i ? "," : "", prefix, name);
    }
}
