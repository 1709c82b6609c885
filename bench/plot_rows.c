/* plot_rows.c: see plot_rows.h. */
#include "plot_rows.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const char bench_rows_peaks_plot[] = "data index 'peak:' using 1:2:(0):3 with vectors nohead "
                                     "dashtype 2 lw 1.5 lc rgb '#000000'";
const char bench_rows_peaks_key[] = "┆  measured peak of fused multiply-adds";

static bool same_record(const json_t *a, const json_t *b)
{
    return a == b;
}

bool bench_rows_make(const struct page *page, same_kind same, double height, struct rows *rows)
{
    struct entries entries;
    size_t longest = 0;
    *rows = (struct rows){0};
    if (bench_page_make_entries(page, same ? same : same_record, &entries)) {
        rows->row = calloc(entries.count, sizeof *rows->row);
    }
    for (size_t i = 0; rows->row && i < entries.count; i++) {
        struct row *row = &rows->row[i];
        row->record = entries.entry[i];
        bench_page_name(page, row->record, true, !same, row->name, sizeof row->name);
        const size_t lines = cli_gnuplot_lines(row->name, PAGE_NAME, &longest);
        row->top = rows->height;
        row->height = fmax(height, (double)lines * PAGE_LINE + 8);
        rows->height += row->height;
    }
    rows->count = entries.count;
    rows->left = PAGE_MARGIN + (double)longest * PAGE_CHARACTER + 10;
    free(entries.entry);
    return rows->row != NULL;
}

void bench_rows_names(struct page *page, const struct rows *rows, double top)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->row[i];
        size_t longest = 0;
        const size_t lines = cli_gnuplot_lines(row->name, PAGE_NAME, &longest);
        bench_page_text(page, rows->left - 8,
                        top + row->top + (row->height - (double)(lines - 1) * PAGE_LINE) / 2,
                        row->name, PAGE_NAME, "right font ',11'");
    }
}

void bench_rows_axes(struct page *page, const struct rows *rows, double left, double right,
                     double top, double limit, const char *label)
{
    bench_page_axes(page, left, right, top, top + rows->height);
    fprintf(page->plot->script,
            "set yrange [%g:0]\nunset ytics\nset xrange [0:%g]\n"
            "set xtics font ',10'\nset grid xtics lc rgb '#d8d8d8' lt 1 lw 0.5\n"
            "set xlabel font ',11' ",
            rows->height, limit);
    cli_gnuplot_text(page->plot, label, 0);
    fprintf(page->plot->script, "\n");
}

void bench_rows_number(struct page *page, double x, double y, const char *text)
{
    bench_page_text(page, x, y, text, 0, "right font ',11'");
}

void bench_rows_heading(struct page *page, double x, double y, const char *text)
{
    bench_page_text(page, x, y, text, 0, "right font ',10' textcolor rgb '#505050'");
}

void bench_rows_failure(struct page *page, double x, double y, const char *text)
{
    bench_page_text(page, x, y, text, 0, "left font ',10' textcolor rgb '#b04000'");
}

const char *bench_rows_per_cent(double fraction, char *out, size_t size)
{
    *out = '\0';
    if (!isnan(fraction)) {
        snprintf(out, size, fraction < 0.0995 ? "%.1f %%" : "%.0f %%", 100 * fraction);
    }
    return out;
}

double bench_rows_largest_speed(const struct page *page)
{
    double largest = 0;
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        largest = fmax(largest, bench_number(record, "gflops"));
        largest = fmax(largest, bench_number(record, "peak_gflops"));
    }
    return largest > 0 ? largest : 1;
}

/* One line for all neighbours that have the same peak. */
void bench_rows_peaks(struct page *page, const struct rows *rows)
{
    cli_gnuplot_block(page->plot, "peak: GFLOP/s, top, height of the rows that have it");
    for (size_t first = 0, next; first < rows->count; first = next) {
        const double peak = bench_number(rows->row[first].record, "peak_gflops");
        double height = 0;
        for (next = first; next < rows->count; next++) {
            const double other = bench_number(rows->row[next].record, "peak_gflops");
            if (next > first && other != peak) {
                break;
            }
            height += rows->row[next].height;
        }
        fprintf(page->plot->data, "%g %g %g\n", peak, rows->row[first].top, height);
    }
}
