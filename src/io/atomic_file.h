/* atomic_file.h: a file that is replaced whole or not at all.
 *
 * What is written goes to a temporary file in the same directory; commit flushes it to the disk,
 * renames it over `path` and flushes the directory. A path that exists and is not a regular file (a
 * pipe, /dev/stdout, /dev/full) is written in place, for a rename would replace the device itself.
 * A symbolic link keeps being one: the file it points to is replaced. */
#ifndef GM_ATOMIC_FILE_H
#define GM_ATOMIC_FILE_H

#include <stdio.h>

#include "core/error.h"

struct atomic_file {
    FILE *stream;    /* write here */
    char *path;      /* resolved target */
    char *temporary; /* NULL where the target is written in place */
};

gemmlp_status gm_atomic_open(struct atomic_file *file, const char *path, gemmlp_error *error);
/* Every write is checked here: a full disk is told with path and errno, and nothing is left behind.
 */
gemmlp_status gm_atomic_commit(struct atomic_file *file, gemmlp_error *error);
/* Gives up: the target is as it was. Harmless after commit or a failed open. */
void gm_atomic_abort(struct atomic_file *file);

/* Whether `name`, an entry of a directory, is the temporary file of a process of this machine that
 * has died; *length: how much of name + 1 is the name that it would have got. Files of this process
 * itself count as left behind. */
bool gm_atomic_left_behind(const char *name, size_t *length);
/* Removes what dead processes left behind while they wrote `path`; of a directory, with a slash at
 * its end, while they wrote anything there. */
void gm_atomic_sweep(const char *path);
/* mkdir -p of what stands before the last slash; what fails shows when the file is opened. */
void gm_make_directories(const char *path);

#endif
