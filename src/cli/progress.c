/* progress.c: see progress.h. */
#include "cli/progress.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/names.h"
#include "cli/numbers.h"
#include "cli/terminal.h"

/* Seconds between plain lines inside an epoch: enough to see that it lives, in a job's output. */
static const double plain_interval = 10;

/* Fewer seconds are over before anyone has read them. */
static const double shortest_left = 0.05;

enum { LINE_SIZE = 512 };

struct progress_view cli_progress_begin(bool quiet, size_t first_step)
{
    double now = cli_clock();
    return (struct progress_view){
        .quiet = quiet,
        .redraws = cli_stderr_redraws(),
        .colour = cli_stderr_colour(),
        .utf8 = cli_locale_utf8(),
        .started = now,
        .last_shown = now,
        .first_step = first_step,
    };
}

void cli_progress_clear(struct progress_view *view)
{
    if (view->bar_shown) {
        fputs("\r\033[K", stderr);
        fflush(stderr);
        view->bar_shown = false;
    }
}

/* Appends "  NAME …" where the line still has room for it: whole fields, as many as fit. */
static void append_field(char *line, size_t columns, const char *field)
{
    if (cli_text_columns(line) + 2 + strlen(field) < columns) {
        cli_append(line, LINE_SIZE, "  %s", field);
    }
}

static void append_loss(char *line, size_t columns, const char *prefix,
                        const gemmlp_metrics *metrics)
{
    char field[64];
    if (isnan(metrics->loss)) {
        return;
    }
    snprintf(field, sizeof field, "%sloss %.4f", prefix, metrics->loss);
    append_field(line, columns, field);
}

static void append_score(char *line, size_t columns, const char *prefix,
                         const gemmlp_metrics *metrics)
{
    char field[64];
    if (!isnan(metrics->accuracy)) {
        snprintf(field, sizeof field, "%saccuracy %.2f %%", prefix, 100 * metrics->accuracy);
        append_field(line, columns, field);
    } else if (!isnan(metrics->rmse)) {
        snprintf(field, sizeof field, "%srmse %.4g", prefix, metrics->rmse);
        append_field(line, columns, field);
    }
}

static void append_speed(char *line, size_t columns, const gemmlp_progress *progress)
{
    char field[64];
    if (!isfinite(progress->examples_per_second) || !isfinite(progress->gflops)) {
        return;
    }
    snprintf(field, sizeof field, "%.0f examples/s", progress->examples_per_second);
    append_field(line, columns, field);
    snprintf(field, sizeof field, "%.1f GFLOP/s", progress->gflops);
    append_field(line, columns, field);
}

static void append_time_left(char *line, size_t columns, const struct progress_view *view,
                             const gemmlp_progress *progress, double now)
{
    double steps = (double)progress->steps_per_epoch * (double)progress->epochs;
    double steps_left = steps - (double)progress->step;
    size_t made = progress->step - view->first_step;
    double left = (now - view->started) / (double)made * steps_left;
    if (made > 0 && left >= shortest_left && !progress->finished) {
        char duration[48], field[64];
        cli_format_duration(left, duration, sizeof duration);
        snprintf(field, sizeof field, "%s left", duration);
        append_field(line, columns, field);
    }
}

/* Where in its epoch the run is, from 0 to 1. */
static double share_of_epoch(const gemmlp_progress *progress)
{
    size_t done = progress->step - progress->epoch * progress->steps_per_epoch;
    double share = progress->steps_per_epoch ? (double)done / (double)progress->steps_per_epoch : 0;
    return share < 1 ? share : 1;
}

/* A line that stays: of a completed epoch, or of one that goes on. */
static void print_plain(const struct progress_view *view, const gemmlp_progress *progress,
                        double now)
{
    char line[LINE_SIZE] = "";
    size_t columns = view->redraws ? cli_stderr_columns() : LINE_SIZE;
    size_t epoch = progress->epoch + (progress->epoch_completed ? 0 : 1);
    cli_append(line, sizeof line, "epoch %zu/%zu", epoch, progress->epochs);
    if (!progress->epoch_completed) {
        cli_append(line, sizeof line, " (%d %%)", (int)(100 * share_of_epoch(progress)));
    }
    append_loss(line, sizeof line, "", &progress->train);
    append_score(line, sizeof line, "", &progress->train);
    if (progress->epoch_completed && progress->valid.examples > 0) {
        append_loss(line, sizeof line, "valid ", &progress->valid);
        append_score(line, sizeof line, "valid ", &progress->valid);
    }
    append_speed(line, columns, progress);
    append_time_left(line, columns, view, progress, now);
    fprintf(stderr, "%s\n", line);
}

/* "[████▌   ]", `cells` wide. */
static void append_bar(char *line, const struct progress_view *view, double share, size_t cells)
{
    static const char *const eighths[] = {" ", "▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"};
    size_t filled = (size_t)(share * (double)cells * 8);
    cli_append(line, LINE_SIZE, " [");
    for (size_t cell = 0; cell < cells; cell++) {
        size_t part = filled > 8 * cell ? filled - 8 * cell : 0;
        part = part < 8 ? part : 8;
        cli_append(line, LINE_SIZE, "%s", view->utf8 ? eighths[part] : part == 8 ? "#" : " ");
    }
    cli_append(line, LINE_SIZE, "]");
}

/* After the bar, the most important first; a narrow terminal has a short bar, or none. */
static void draw_bar(struct progress_view *view, const gemmlp_progress *progress, double now)
{
    char line[LINE_SIZE] = "";
    size_t columns = cli_stderr_columns(), cells = columns / 5;
    cli_append(line, sizeof line, "epoch %zu/%zu", progress->epoch + 1, progress->epochs);
    size_t head = strlen(line);
    if (columns >= 40) {
        append_bar(line, view, share_of_epoch(progress), cells < 30 ? cells : 30);
    }
    size_t bar_end = strlen(line);
    append_score(line, columns, "", &progress->train);
    append_time_left(line, columns, view, progress, now);
    append_loss(line, columns, "", &progress->train);
    append_speed(line, columns, progress);
    if (cli_text_columns(line) < columns) {
        fprintf(stderr, "\r%.*s%s%.*s%s%s\033[K", (int)head, line, view->colour ? "\033[36m" : "",
                (int)(bar_end - head), line + head, view->colour ? "\033[0m" : "", line + bar_end);
        fflush(stderr);
        view->bar_shown = true;
    }
}

void cli_progress_show(struct progress_view *view, const gemmlp_progress *progress)
{
    double now = cli_clock();
    if (view->quiet) {
        return;
    }
    if (progress->epoch_completed) {
        cli_progress_clear(view);
        print_plain(view, progress, now);
        view->last_shown = now;
    } else if (view->redraws) {
        draw_bar(view, progress, now);
    } else if (now - view->last_shown >= plain_interval) {
        print_plain(view, progress, now);
        view->last_shown = now;
    }
}
