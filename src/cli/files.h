/* files.h: the files that a command line names, looked at before anything is written: a result must
 * not destroy what was read, nor another result, and hours of training must not end at a path that
 * cannot be written. */
#ifndef CLI_FILES_H
#define CLI_FILES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/command.h"
#include "gemmlp.h"

struct named_file {
    const char *name; /* "--model", as the message shall call it */
    const char *path; /* NULL: not given */
    bool written;
};

/* Whether both paths lead to one regular file, or would create one. */
bool cli_files_same(const char *left, const char *right);

/* Whether both paths lead to one directory that is there, or are the same text. */
bool cli_directories_same(const char *left, const char *right);

/* False: a file that is to be written is another one of the list too; a message names both and
 * *code is the exit code. */
bool cli_files_apart(const struct command *command, const struct named_file *files, size_t count,
                     int *code);

enum { CLI_DATA_FILES = 2 };
/* Appends the features and the targets of `dataset` (NULL: none) to a list that has room for them;
 * returns the text that must be freed after the list. */
char *cli_files_of_data(const char *name, const gemmlp_dataset *dataset, struct named_file *files,
                        size_t *count);

/* Whether a result could be saved there; false: a message has been printed. */
bool cli_file_writable(const char *path);

/* Whether the path means the standard output. */
bool cli_path_is_stdout(const char *path);

#endif
