/* plot_rows.h: what the pictures share that have a row for each case: names at the left, horizontal
 * bars on axes whose y counts pixels downwards, and numbers in columns at the right.
 *
 *   records -> rows (name, place, height) -> key above, names, bars, columns */
#ifndef BENCH_PLOT_ROWS_H
#define BENCH_PLOT_ROWS_H

#include "plot_page.h"

struct row {
    const json_t *record;
    double top, height; /* pixels below the upper end of the axes */
    char name[PAGE_TEXT];
};

struct rows {
    struct row *row; /* (count), freed by the caller */
    size_t count;
    double height;
    double left; /* pixel where names end and the axes begin */
};

/* A row for each kind of record (NULL: for each record), at least `height` pixels high. False: out
 * of memory. */
bool bench_rows_make(const struct page *page, same_kind same, double height, struct rows *rows);

void bench_rows_names(struct page *page, const struct rows *rows, double top);

/* Axes for all rows, x from 0 to `limit`. */
void bench_rows_axes(struct page *page, const struct rows *rows, double left, double right,
                     double top, double limit, const char *label);

/* A number and a heading that end at x; what happened instead of a measurement, which begins
 * there. */
void bench_rows_number(struct page *page, double x, double y, const char *text);
void bench_rows_heading(struct page *page, double x, double y, const char *text);
void bench_rows_failure(struct page *page, double x, double y, const char *text);

/* "75 %", "" for NaN. Returns out. */
const char *bench_rows_per_cent(double fraction, char *out, size_t size);

/* The largest speed of a record, or peak above one; at least 1, for an axis. */
double bench_rows_largest_speed(const struct page *page);

/* Dashed lines at the peaks of the rows' threads and precisions: their data, the command that draws
 * them, and their line of the key. */
void bench_rows_peaks(struct page *page, const struct rows *rows);
extern const char bench_rows_peaks_plot[], bench_rows_peaks_key[];

#endif
