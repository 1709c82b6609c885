/* output.h: a result file that is replaced whole or not at all, and the question, asked before
 * hours of training, whether one could be written. */
#ifndef CLI_OUTPUT_H
#define CLI_OUTPUT_H

#include <stdbool.h>
#include <stdio.h>

struct output_file {
    FILE *stream;
    const char *path; /* as given; NULL: stdout */
    char *target;     /* with symbolic links resolved; NULL where it is written in place */
    char *temporary;  /* beside the target */
};

/* path NULL, "-" and "/dev/stdout" mean stdout. False: a message has been printed. */
bool cli_output_open(struct output_file *output, const char *path);
/* False: the file could not be written whole, and is as it was before; a message has been printed.
 */
bool cli_output_commit(struct output_file *output);
void cli_output_abandon(struct output_file *output);

/* Whether `path` could be created or replaced; false: a message has been printed. */
bool cli_output_possible(const char *path);

#endif
