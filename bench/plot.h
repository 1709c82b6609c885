/* plot.h: a report as a picture, drawn by gnuplot: one kind of picture for each suite. */
#ifndef BENCH_PLOT_H
#define BENCH_PLOT_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* Draws the report (bench.h) into `path`, NAME.svg or NAME.png, and leaves NAME.dat and NAME.gp
 * beside it. False: message[size] says why there is no picture. */
bool bench_plot(const json_t *report, const char *path, char *message, size_t size);

#endif
