/* names.h: names a user typed, and the ones that there are. */
#ifndef CLI_NAMES_H
#define CLI_NAMES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/command.h"
#include "gemmlp.h"

/* Name `index` of a list, NULL past its last. */
typedef const char *(*name_at)(const void *list, size_t index);

/* Names of a registry; `list` points to a gemmlp_registry. */
const char *cli_registry_name_at(const void *list, size_t index);
/* "activation", "activations" */
const char *cli_registry_singular(gemmlp_registry registry);
const char *cli_registry_plural(gemmlp_registry registry);
/* The registry's own string equal to `name`; NULL when there is none. */
const char *cli_registry_find(gemmlp_registry registry, const char *name);

/* "unknown KIND 'FOUND'; did you mean 'NEAREST'? valid: PREFIXa, PREFIXb" */
void cli_unknown_name(const char *kind, const char *found, const char *prefix, name_at at,
                      const void *list, char *message, size_t size);

/* Appends formatted text to the string in message[size]; what does not fit is cut. */
void cli_append(char *message, size_t size, const char *format, ...) CLI_PRINTF(3, 4);

#endif
