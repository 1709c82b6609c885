/* plot_curves.h: the picture of `gemmlp plot`. */
#ifndef CLI_PLOT_CURVES_H
#define CLI_PLOT_CURVES_H

#include <stdbool.h>
#include <stddef.h>

#include "cli/run_log.h"

struct plotted_run {
    const char *path;
    struct run_curves curves;
};

/* Runs that can be told apart: by colour, and from the tenth on by the mark too. */
enum { PLOT_MAX_RUNS = 36 };

/* Draws the runs into `path`, NAME.svg or NAME.png, and leaves NAME.dat and NAME.gp beside it.
 * False: message[size] says why there is no picture. */
bool cli_plot_curves(const struct plotted_run *runs, size_t count, const char *path, char *message,
                     size_t size);

#endif
