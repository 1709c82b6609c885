/* plot_curves.c: see plot_curves.h.
 *
 *   title
 *   a line for each run: its mark, its name, what it trained
 *   loss            | accuracy, or rmse
 *   learning rate   | examples/s
 *
 * A run has one colour in all panels; training is a solid line, validation a dashed one. Everything
 * around the axes is placed here, by pixels from the upper left corner: gnuplot's own keys overlap
 * once there are many. */
#include "cli/plot_curves.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/gnuplot.h"
#include "cli/names.h"

enum {
    MARGIN = 16,
    WIDTH = 960,
    TITLE = 46, /* pixels from the top to the first key */
    KEY = 18,   /* of a line of the key */
    PANEL_WIDTH = 380,
    PANEL_HEIGHT = 210,
    LEFT = 74,      /* of the axes of the first column; numbers stand there */
    COLUMN = 474,   /* from column to column */
    ROW = 296,      /* from row to row */
    HEADING = 34,   /* above the axes of a panel */
    MARKED = 40,    /* epochs up to which each has its mark */
    POINTS = 2000,  /* epochs drawn of a run: a picture has no room for more */
    LOG_RATIO = 30, /* a loss that falls that far needs a logarithmic axis */
    KEY_TEXT = 512,
};

struct panel {
    const char *title, *unit;
    enum run_value train, valid; /* the same: there is but one */
    double scale;
    bool logarithmic; /* where the values span more than LOG_RATIO */
    bool from_zero;
};

static const struct panel loss = {"Loss", "", RUN_TRAIN_LOSS, RUN_VALID_LOSS, 1, true, false};
static const struct panel accuracy = {"Accuracy", "%",  RUN_TRAIN_ACCURACY, RUN_VALID_ACCURACY, 100,
                                      false,      false};
static const struct panel rmse = {
    "Root of the mean squared error", "", RUN_TRAIN_RMSE, RUN_VALID_RMSE, 1, true, false};
static const struct panel rate = {
    "Learning rate", "at the end of the epoch", RUN_LR, RUN_LR, 1, false, true};
static const struct panel speed = {
    "Speed", "examples/s, mean since the start", RUN_SPEED, RUN_SPEED, 1, false, true};
static const struct panel high_speed = {
    "Speed", "1000 examples/s, mean since the start", RUN_SPEED, RUN_SPEED, 1e-3, false, true};

struct picture {
    const struct plotted_run *runs;
    size_t count;
    struct gnuplot plot;
    int height;
    int top; /* where the panels begin */
};

/* ---- what there is to draw ------------------------------------------------------------------- */

static bool has(const struct run_curves *curves, enum run_value value)
{
    for (size_t i = 0; i < curves->count; i++) {
        if (isfinite(curves->epochs[i].values[value])) {
            return true;
        }
    }
    return false;
}

static bool any_has(const struct picture *picture, enum run_value value)
{
    for (size_t r = 0; r < picture->count; r++) {
        if (has(&picture->runs[r].curves, value)) {
            return true;
        }
    }
    return false;
}

/* Least and most of a panel's values; false: there are none. */
static bool range_of(const struct picture *picture, const struct panel *panel, double *least,
                     double *most)
{
    *least = INFINITY;
    *most = -INFINITY;
    for (size_t r = 0; r < picture->count; r++) {
        const struct run_curves *curves = &picture->runs[r].curves;
        for (size_t i = 0; i < curves->count; i++) {
            const double *values = curves->epochs[i].values;
            /* fmin and fmax leave NaN out. */
            *least = fmin(*least, fmin(values[panel->train], values[panel->valid]));
            *most = fmax(*most, fmax(values[panel->train], values[panel->valid]));
        }
    }
    *least *= panel->scale;
    *most *= panel->scale;
    return *least <= *most;
}

static size_t last_epoch(const struct picture *picture)
{
    size_t last = 1;
    for (size_t r = 0; r < picture->count; r++) {
        const struct run_curves *curves = &picture->runs[r].curves;
        const size_t epoch = curves->epochs[curves->count - 1].epoch;
        last = epoch > last ? epoch : last;
    }
    return last;
}

/* ---- texts ----------------------------------------------------------------------------------- */

static void place(struct picture *picture, double x, double y)
{
    fprintf(picture->plot.script, " at screen %.5f, screen %.5f ", x / WIDTH,
            1 - y / picture->height);
}

static void write_text(struct picture *picture, double x, double y, const char *text,
                       const char *style)
{
    fprintf(picture->plot.script, "set label ");
    cli_gnuplot_text(&picture->plot, text, 0);
    place(picture, x, y);
    fprintf(picture->plot.script, "%s\n", style);
}

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* The file's name, or its path where another one has the same name. */
static const char *name_of(const struct picture *picture, size_t run)
{
    const char *name = base_name(picture->runs[run].path);
    for (size_t r = 0; r < picture->count; r++) {
        if (r != run && strcmp(base_name(picture->runs[r].path), name) == 0) {
            return picture->runs[run].path;
        }
    }
    return name;
}

/* Cut where the page ends, at the beginning of a character. */
static void cut(char *text, size_t columns)
{
    size_t seen = 0, at = 0;
    for (; text[at]; at++) {
        if (((unsigned char)text[at] & 0xC0) != 0x80 && seen++ == columns) {
            break;
        }
    }
    if (text[at]) {
        strcpy(text + at, "…");
    }
}

static void describe(const struct picture *picture, size_t run, char *out, size_t size)
{
    enum { COLUMNS = 126 };
    const struct run_curves *curves = &picture->runs[run].curves;
    const struct run_epoch *last = &curves->epochs[curves->count - 1];
    *out = '\0';
    cli_append(out, size - 8, "%s", name_of(picture, run));
    cli_append(out, size - 8, "%s%s", *curves->summary ? ":  " : "", curves->summary);
    cli_append(out, size - 8, ";  %zu epoch%s", last->epoch, last->epoch == 1 ? "" : "s");
    if (curves->best_epoch) {
        cli_append(out, size - 8, ", lowest validation loss after %zu", curves->best_epoch);
    }
    if (curves->resumed) {
        cli_append(out, size - 8, ", resumed %zu time%s", curves->resumed,
                   curves->resumed == 1 ? "" : "s");
    }
    cut(out, COLUMNS);
}

static int mark_of(size_t run)
{
    static const int marks[PLOT_MAX_RUNS / GNUPLOT_COLOURS] = {7, 5, 9, 13};
    return marks[run / GNUPLOT_COLOURS % (PLOT_MAX_RUNS / GNUPLOT_COLOURS)];
}

static void write_head(struct picture *picture)
{
    const bool validated = any_has(picture, RUN_VALID_LOSS) || any_has(picture, RUN_VALID_ACCURACY);
    char text[KEY_TEXT];
    write_text(picture, MARGIN, 24, picture->count > 1 ? "Training, run by run" : "Training",
               "left font ',16'");
    write_text(picture, WIDTH - MARGIN, 24,
               validated ? "solid: training, while the weights change    dashed: validation"
                         : "measured while the weights change",
               "right font ',10' textcolor rgb '#505050'");
    for (size_t r = 0; r < picture->count; r++) {
        const double y = TITLE + KEY * (double)r + KEY / 2.0;
        fprintf(picture->plot.script, "set label ''");
        place(picture, MARGIN + 5, y);
        fprintf(picture->plot.script, "point pt %d ps dot lc rgb '%s'\n", mark_of(r),
                cli_gnuplot_colour(r));
        describe(picture, r, text, sizeof text);
        write_text(picture, MARGIN + 16, y, text, "left font ',10'");
    }
}

/* ---- data ------------------------------------------------------------------------------------ */

static void write_data(struct picture *picture)
{
    FILE *data = picture->plot.data;
    for (size_t r = 0; r < picture->count; r++) {
        const struct run_curves *curves = &picture->runs[r].curves;
        const size_t stride = 1 + (curves->count - 1) / POINTS;
        char name[96];
        snprintf(name, sizeof name,
                 "run %zu: epoch, lr, loss, accuracy and rmse as train and valid, "
                 "speed",
                 r);
        cli_gnuplot_block(&picture->plot, name);
        for (size_t i = 0; i < curves->count; i++) {
            const struct run_epoch *epoch = &curves->epochs[i];
            if (i % stride != 0 && i != curves->count - 1) {
                continue;
            }
            fprintf(data, "%zu", epoch->epoch);
            for (size_t v = 0; v < RUN_VALUES; v++) {
                fprintf(data, isnan(epoch->values[v]) ? " nan" : " %.9g", epoch->values[v]);
            }
            fputc('\n', data);
        }
    }
}

/* ---- panels ---------------------------------------------------------------------------------- */

static void set_axes(struct picture *picture, const struct panel *panel, double left, double top)
{
    FILE *script = picture->plot.script;
    double least, most;
    if (!range_of(picture, panel, &least, &most)) {
        least = 0;
        most = 1;
    }
    fprintf(script,
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set tmargin at screen %.5f\nset bmargin at screen %.5f\n",
            left / WIDTH, (left + PANEL_WIDTH) / WIDTH, 1 - top / picture->height,
            1 - (top + PANEL_HEIGHT) / picture->height);
    const size_t last = last_epoch(picture);
    double step = 1;
    for (int i = 0; step * 8 < (double)last; i++) { /* 1, 2, 5, 10, … */
        step *= i % 3 == 1 ? 2.5 : 2;
    }
    fprintf(script,
            "set xrange [0:%.9g]\nset xtics 0, %.9g\nset grid ytics lc rgb '#d8d8d8' lt 1 lw 0.5\n",
            (double)last + (last < MARKED ? 0.5 : 0.01 * (double)last), step);
    fputs("unset logscale y\n", script);
    if (panel->logarithmic && least > 0 && most > LOG_RATIO * least) {
        fputs("set logscale y\nset yrange [*:*]\n", script);
    } else if (panel->from_zero && least >= 0 && most > 0) {
        fprintf(script, "set yrange [0:%.9g]\n", 1.05 * most);
    } else {
        const double room = most > least ? 0.05 * (most - least) : fmax(0.05 * fabs(most), 1e-9);
        fprintf(script, "set yrange [%.9g:%.9g]\n", least - room, most + room);
    }
}

static void plot_line(struct picture *picture, size_t run, const struct panel *panel, bool valid,
                      bool *first)
{
    const enum run_value value = valid ? panel->valid : panel->train;
    const struct run_curves *curves = &picture->runs[run].curves;
    if (!has(curves, value)) {
        return;
    }
    const size_t every = curves->count > MARKED ? 1 + curves->count / 10 : 1;
    const bool marked = curves->count <= MARKED || picture->count > GNUPLOT_COLOURS;
    fprintf(picture->plot.script, "%s data index 'run %zu:' using 1:($%d*%g) with %s ",
            *first ? "plot" : ", \\\n    ", run, (int)value + 2, panel->scale,
            marked ? "linespoints" : "lines");
    if (marked) {
        fprintf(picture->plot.script, "pointinterval %zu pt %d ps 0.6*dot ", every, mark_of(run));
    }
    fprintf(picture->plot.script, "lw 1.5 dt %d lc rgb '%s'", valid ? 2 : 1,
            cli_gnuplot_colour(run));
    *first = false;
}

static void draw_panel(struct picture *picture, const struct panel *panel, int column, int row)
{
    const double left = LEFT + COLUMN * column, top = picture->top + HEADING + ROW * row;
    FILE *script = picture->plot.script;
    double least, most;
    char title[128];
    snprintf(title, sizeof title, "%s%s%s", panel->title, *panel->unit ? ", " : "", panel->unit);
    fputs("unset label\n", script);
    if (column == 0 && row == 0) {
        write_head(picture);
    }
    write_text(picture, left, top - 14, title, "left font ',12'");
    write_text(picture, left + PANEL_WIDTH, top + PANEL_HEIGHT + 34, "epoch",
               "right font ',10' textcolor rgb '#505050'");
    set_axes(picture, panel, left, top);
    if (!range_of(picture, panel, &least, &most)) {
        write_text(picture, left + PANEL_WIDTH / 2.0, top + PANEL_HEIGHT / 2.0, "not in the log",
                   "center font ',11' textcolor rgb '#505050'");
        fputs("unset ytics\nplot 0 with lines lc rgb '#ffffff'\nset ytics\n", script);
        return;
    }
    bool first = true;
    for (size_t r = 0; r < picture->count; r++) {
        plot_line(picture, r, panel, false, &first);
        if (panel->valid != panel->train) {
            plot_line(picture, r, panel, true, &first);
        }
    }
    fputc('\n', script);
}

bool cli_plot_curves(const struct plotted_run *runs, size_t count, const char *path, char *message,
                     size_t size)
{
    struct picture picture = {.runs = runs, .count = count};
    if (!cli_gnuplot_open(&picture.plot, path, message, size)) {
        return false;
    }
    double least, most;
    const bool classified =
        any_has(&picture, RUN_TRAIN_ACCURACY) || any_has(&picture, RUN_VALID_ACCURACY);
    picture.top = TITLE + KEY * (int)count;
    picture.height = picture.top + 2 * ROW + MARGIN / 2;
    cli_gnuplot_page(&picture.plot, WIDTH, picture.height);
    fputs("set multiplot\n", picture.plot.script);
    write_data(&picture);
    draw_panel(&picture, &loss, 0, 0);
    draw_panel(&picture, classified ? &accuracy : &rmse, 1, 0);
    draw_panel(&picture, &rate, 0, 1);
    const bool fast = range_of(&picture, &speed, &least, &most) && most >= 1e4;
    draw_panel(&picture, fast ? &high_speed : &speed, 1, 1);
    fputs("unset multiplot\n", picture.plot.script);
    return cli_gnuplot_draw(&picture.plot, message, size);
}
