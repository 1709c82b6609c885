/* gnuplot.h: a picture drawn by gnuplot.
 *
 *   NAME.svg or NAME.png -> NAME.dat (numbers) + NAME.gp (script) -> gnuplot -> the picture
 *
 * The caller writes numbers to `data` and commands to `script`; both files stay beside the picture,
 * and `gnuplot NAME.gp` in their directory draws it again. Lengths are pixels of the SVG; a PNG has
 * twice as many. Every text in the script goes through cli_gnuplot_text: names are not commands. */
#ifndef CLI_GNUPLOT_H
#define CLI_GNUPLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "io/atomic_file.h"

struct gnuplot {
    FILE *data, *script; /* write here */
    struct atomic_file data_file, script_file;
    char directory[4096]; /* "." or what stands before the last slash */
    char stem[256];       /* the name without its extension */
    char extension[4];    /* as the user wrote it: "svg", "PNG" */
    const char *terminal; /* "svg" or "png" */
};

/* Whether a picture could be drawn there, judged by its name, and by the data and script that lie
 * there already, which must be those of an earlier picture: to be asked before an hour of
 * measuring. False: the message says why. */
bool cli_gnuplot_accepts(const char *path, char *message, size_t size);

/* Whether there is a program gnuplot in PATH. */
bool cli_gnuplot_installed(void);

/* Opens both files. False: nothing was changed and the message says why. */
bool cli_gnuplot_open(struct gnuplot *plot, const char *path, char *message, size_t size);

/* The head of the script: terminal, output, encoding, borders at the left and below only; `data` is
 * the name of the data, `dot` what a pointsize must be multiplied by. */
void cli_gnuplot_page(struct gnuplot *plot, int width, int height);

/* Okabe and Ito's palette, which the colour-blind can tell apart (https://jfly.uni-koeln.de/color),
 * less its yellow, in which a line is hard to see, and a wine red by Tol; as "#rrggbb", any index
 * will do. */
enum { GNUPLOT_COLOURS = 9 };
const char *cli_gnuplot_colour(size_t index);

/* Begins the block of data that the script calls `data index 'NAME'`. No name may be the beginning
 * of another: gnuplot takes the first block whose name begins so. */
void cli_gnuplot_block(struct gnuplot *plot, const char *name);

/* Ends a row of data with the name of what was measured, as a comment. */
void cli_gnuplot_row(struct gnuplot *plot, const char *name);

/* Writes `text` as a string of the script, broken into lines of at most `width` characters (0: one
 * line), at blanks where there are any. */
void cli_gnuplot_text(struct gnuplot *plot, const char *text, size_t width);

/* The number of these lines, and the characters of the longest. */
size_t cli_gnuplot_lines(const char *text, size_t width, size_t *longest);

/* Gives up: no file was changed. */
void cli_gnuplot_abandon(struct gnuplot *plot);

/* Writes both files and runs gnuplot. False: the message says why there is no picture. */
bool cli_gnuplot_draw(struct gnuplot *plot, char *message, size_t size);

#endif
