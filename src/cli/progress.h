/* progress.h: how training goes, on stderr: a bar that is redrawn on a terminal, plain lines
 * elsewhere. */
#ifndef CLI_PROGRESS_H
#define CLI_PROGRESS_H

#include <stdbool.h>
#include <stddef.h>

#include "gemmlp.h"

struct progress_view {
    bool quiet;
    bool redraws, colour, utf8;
    bool bar_shown;
    double started, last_shown; /* seconds of cli_clock */
    size_t first_step;          /* a resumed run has steps that took no time of this process */
};

struct progress_view cli_progress_begin(bool quiet, size_t first_step);
/* After each call of gemmlp_trainer_run. */
void cli_progress_show(struct progress_view *view, const gemmlp_progress *progress);
/* Removes the bar, before anything else is written to the terminal. */
void cli_progress_clear(struct progress_view *view);

#endif
