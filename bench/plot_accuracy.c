/* plot_accuracy.c: the picture of the suite `accuracy`: for each recipe the seconds of its runs,
 * how many of them reached the target, and what accuracy they came to. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "cli/names.h"
#include "plot_rows.h"

/* The longest sample; the median where there are no samples. */
static double seconds_max(const json_t *record)
{
    const json_t *samples = json_object_get(record, "samples");
    double longest = bench_number(record, "seconds_median");
    for (size_t i = 0; i < json_array_size(samples); i++) {
        longest = fmax(longest, json_number_value(json_array_get(samples, i)));
    }
    return longest;
}

/* Per cent, finer than bench_rows_per_cent: a test set of 10000 examples tells hundredths. */
static void accuracy_number(struct page *page, double x, double y, double accuracy)
{
    char text[32] = "";
    if (!isnan(accuracy)) {
        snprintf(text, sizeof text, "%.2f %%", 100 * accuracy);
    }
    bench_rows_number(page, x, y, text);
}

/* A recipe that missed its target, or whose last runs failed, has the figures of the others. */
static void accuracy_columns(struct page *page, const struct row *row, double top, double right)
{
    char text[PAGE_TEXT];
    const double y = top + row->top + row->height / 2;
    const double seconds = bench_number(row->record, "seconds_median");
    if (!bench_is_ok(row->record)) {
        bench_rows_failure(page, right + (isnan(seconds) ? 10 : 304), y,
                           bench_text(row->record, "status"));
    }
    if (isnan(seconds)) {
        return;
    }
    bench_rows_number(page, right + 70, y, bench_page_digits(seconds, " s", text, sizeof text));
    snprintf(text, sizeof text, "%.0f of %.0f", bench_number(row->record, "reached"),
             bench_number(row->record, "seeds"));
    bench_rows_number(page, right + 140, y, text);
    accuracy_number(page, right + 215, y, bench_number(row->record, "test_accuracy_median"));
    accuracy_number(page, right + 290, y, bench_number(row->record, "test_accuracy_min"));
}

/* The target, where all rows have the same one; their names tell it too. */
static void write_title(const struct page *page, char *out, size_t size)
{
    const double target = bench_number(json_array_get(page->records, 0), "target");
    bool same = !isnan(target);
    for (size_t i = 1; i < json_array_size(page->records); i++) {
        same = same && bench_number(json_array_get(page->records, i), "target") == target;
    }
    snprintf(out, size, "Training to a test accuracy");
    if (same) {
        cli_append(out, size, " of %g %%", 100 * target);
    }
}

bool bench_plot_accuracy(struct page *page)
{
    enum { PANEL = 420, COLUMNS = 350 + PAGE_MARGIN, KEYS = 28 };
    FILE *script = page->plot->script;
    struct rows rows;
    char title[PAGE_TEXT];
    if (!bench_rows_make(page, NULL, 28, &rows)) {
        return false;
    }
    const double right = rows.left + PANEL;
    write_title(page, title, sizeof title);
    bench_page_begin(page, title, (int)right + COLUMNS, KEYS + (int)rows.height + 60);
    const double top = page->top + KEYS;
    double limit = 0;
    bench_rows_names(page, &rows, top);
    cli_gnuplot_block(page->plot, "seconds: median, row, least, most");
    for (size_t i = 0; i < rows.count; i++) {
        const struct row *row = &rows.row[i];
        const double most = seconds_max(row->record);
        limit = fmax(limit, most);
        fprintf(page->plot->data, "%g %g %g %g", bench_number(row->record, "seconds_median"),
                row->top + row->height / 2, bench_number(row->record, "seconds_min"), most);
        cli_gnuplot_row(page->plot, row->name);
        accuracy_columns(page, row, top, right);
    }
    bench_rows_heading(page, right + 70, top - 10, "time");
    bench_rows_heading(page, right + 140, top - 10, "reached");
    bench_rows_heading(page, right + 215, top - 10, "accuracy");
    bench_rows_heading(page, right + 290, top - 10, "lowest");
    bench_rows_axes(page, &rows, rows.left, right, top, limit > 0 ? 1.06 * limit : 1,
                    "seconds inside training: median, shortest to longest run");
    fprintf(
        script,
        "set bars 0.6\nplot data index 'seconds:' using 1:2:3:4 with xerrorbars pt 7 ps 0.8*dot "
        "lw 1.5 lc rgb '%s'\n",
        bench_page_colour(0));
    free(rows.row);
    return true;
}
