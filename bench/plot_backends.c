/* plot_backends.c: the picture of the suite `backends`: for each case a bar for each library, with
 * the share of the peak that it reaches. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot_rows.h"

static const json_t *find_record(const struct page *page, const json_t *row, const json_t *provider)
{
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        if (bench_page_same_case(record, row) && bench_same_library(record, provider)) {
            return record;
        }
    }
    return NULL;
}

/* The bars of one provider, with their numbers, or with what happened instead. */
static void backend_bars(struct page *page, const struct rows *rows, const json_t *provider,
                         double offset, double bar, double top, double right)
{
    char text[PAGE_TEXT];
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->row[i];
        const json_t *record = find_record(page, row->record, provider);
        const double gflops = bench_number(record, "gflops");
        const double middle = row->top + offset + bar / 2;
        const double flop = bench_number(record, "flop") / 1e9;
        const double low = flop / (bench_number(record, "seconds_median") +
                                   fmax(bench_number(record, "seconds_sd"), 0));
        fprintf(page->plot->data, "%g %g %g %g %g", gflops, middle - bar * 0.44,
                middle + bar * 0.44, low, flop / bench_number(record, "seconds_min"));
        cli_gnuplot_row(page->plot, row->name);
        bench_page_text(page, right + 56, top + middle, bench_page_speed(record, text, sizeof text),
                        0, "right font ',10'");
        bench_page_text(
            page, right + 106, top + middle,
            bench_rows_per_cent(bench_number(record, "peak_fraction"), text, sizeof text), 0,
            "right font ',10'");
        if (!bench_is_ok(record)) {
            bench_rows_failure(page, rows->left + 5, top + middle,
                               record ? bench_text(record, "status") : "not measured");
        }
    }
}

enum { KEY_TEXT = 110, KEY_LINE = 18 };

static size_t backend_key_lines(const struct page *page, const struct entries *providers)
{
    size_t longest = 0, lines = 1;
    for (size_t p = 0; p < providers->count; p++) {
        char name[PAGE_TEXT];
        bench_page_provider(page, providers->entry[p], name, sizeof name);
        lines += cli_gnuplot_lines(name, KEY_TEXT, &longest);
    }
    return lines;
}

static void backend_key(struct page *page, const struct entries *providers)
{
    size_t longest = 0;
    double y = page->top + 8;
    for (size_t p = 0; p < providers->count; p++) {
        char name[PAGE_TEXT];
        bench_page_provider(page, providers->entry[p], name, sizeof name);
        bench_page_key(page, PAGE_MARGIN, y, name, KEY_TEXT, 5, bench_page_colour(p));
        y += (double)cli_gnuplot_lines(name, KEY_TEXT, &longest) * KEY_LINE;
    }
    bench_page_text(page, PAGE_MARGIN + 3, y, bench_rows_peaks_key, 0, "left font ',11'");
    bench_page_text(page, PAGE_MARGIN + 300, y,
                    "├─┤  from a standard deviation below the median's speed to the best", 0,
                    "left font ',11'");
}

/* By what each child has measured. */
static const char *title_of(const struct page *page)
{
    const char *suite = bench_text(json_array_get(page->records, 0), "suite");
    return strcmp(suite, "step") == 0 ? "Training steps: the speed with each library"
                                      : "Matrix products: the speed of each library";
}

bool bench_plot_backends(struct page *page)
{
    enum { WIDTH = 980 };
    FILE *script = page->plot->script;
    struct rows rows;
    struct entries providers;
    if (!bench_page_make_entries(page, bench_same_library, &providers)) {
        return false;
    }
    const size_t count = providers.count;
    const double bar = fmax(13, fmin(24, 60.0 / (double)count)), gap = 8;
    if (!bench_rows_make(page, bench_page_same_case, (double)count * bar + gap, &rows)) {
        free(providers.entry);
        return false;
    }
    const double right = WIDTH - 130;
    const double keys = (double)backend_key_lines(page, &providers) * KEY_LINE + 24;
    bench_page_begin(page, title_of(page), WIDTH, (int)(keys + rows.height) + 60);
    const double top = page->top + keys, limit = 1.04 * bench_rows_largest_speed(page);
    bench_rows_heading(page, right + 56, top - 10, "GFLOP/s");
    bench_rows_heading(page, right + 106, top - 10, "of peak");
    bench_rows_names(page, &rows, top);
    bench_rows_peaks(page, &rows);
    backend_key(page, &providers);
    for (size_t p = 0; p < count; p++) {
        char name[128];
        snprintf(name, sizeof name,
                 "provider %02zu: GFLOP/s, top, bottom of the bar; with a standard "
                 "deviation more of time, with the least time",
                 p + 1);
        cli_gnuplot_block(page->plot, name);
        backend_bars(page, &rows, providers.entry[p], gap / 2 + (double)p * bar, bar, top, right);
    }
    bench_rows_axes(page, &rows, rows.left, right, top, limit, "GFLOP/s");
    fprintf(script, "plot ");
    for (size_t p = 0; p < count; p++) {
        fprintf(script,
                "data index 'provider %02zu' using ($1/2):(($2+$3)/2):(0):1:2:3 "
                "with boxxyerror lc rgb '%s', \\\n    ",
                p + 1, bench_page_colour(p));
    }
    for (size_t p = 0; p < count; p++) {
        fprintf(script,
                "data index 'provider %02zu' using 1:(($2+$3)/2):4:5 with xerrorbars "
                "pt 0 lw 1 lc rgb '#404040', \\\n    ",
                p + 1);
    }
    fprintf(script, "%s\n", bench_rows_peaks_plot);
    free(rows.row);
    free(providers.entry);
    return true;
}
