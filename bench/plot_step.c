/* plot_step.c: the picture of the suite `step`: for each case where the time goes, and the
 * speed. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot_rows.h"

/* The parts of a step in the order in which they run; the products in strong colours and what is
 * done to their results in light ones. */
static const struct part {
    const char *key, *label, *colour;
} parts[] = {
    {"gather", "gather", "#999999"},
    {"forward_gemm", "forward GEMM", "#0072b2"},
    {"forward_epilogue", "+ bias, σ", "#56b4e9"},
    {"loss", "loss", "#f0e442"},
    {"backward_gemm", "backward GEMM", "#d55e00"},
    {"backward_epilogue", "⊙ σ′", "#e69f00"},
    {"gradient_gemm", "gradient GEMM", "#009e73"},
    {"update", "update", "#cc79a7"},
};

enum { PARTS = sizeof parts / sizeof parts[0], PART_ROWS = 3 };

/* Where each part begins, in per cent of their sum, and the sum's end. */
static void step_data(struct page *page, const struct rows *rows, double bar)
{
    cli_gnuplot_block(page->plot, "parts: top, bottom of the bar, then per cent where gather, "
                                  "forward GEMM, … begin, and the end");
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->row[i];
        const json_t *times = json_object_get(row->record, "parts");
        const double middle = row->top + row->height / 2;
        double sum = 0, before = 0;
        for (size_t p = 0; p < PARTS; p++) {
            sum += fmax(0, bench_number(times, parts[p].key)); /* fmax: 0 where it is absent */
        }
        fprintf(page->plot->data, "%g %g", middle - bar / 2, middle + bar / 2);
        for (size_t p = 0; p <= PARTS; p++) {
            fprintf(page->plot->data, " %.4g", sum > 0 ? 100 * before / sum : NAN);
            before += p < PARTS ? fmax(0, bench_number(times, parts[p].key)) : 0;
        }
        cli_gnuplot_row(page->plot, row->name);
    }
    cli_gnuplot_block(page->plot, "speed: GFLOP/s, top, bottom of the bar");
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->row[i];
        const double middle = row->top + row->height / 2;
        fprintf(page->plot->data, "%g %g %g", bench_number(row->record, "gflops"), middle - bar / 2,
                middle + bar / 2);
        cli_gnuplot_row(page->plot, row->name);
    }
    bench_rows_peaks(page, rows);
}

/* Bars, and on those parts that have room for it the per cent. */
static void step_parts_plot(FILE *script)
{
    fprintf(script, "plot ");
    for (size_t p = 0; p < PARTS; p++) {
        const size_t from = p + 3, to = p + 4;
        const bool dark = strchr("05d", parts[p].colour[1]) && strcmp(parts[p].key, "gather") != 0;
        fprintf(script,
                "data index 'parts:' using (($%zu+$%zu)/2):(($1+$2)/2):%zu:%zu:1:2 "
                "with boxxyerror lc rgb '%s', \\\n    "
                "data index 'parts:' using (($%zu+$%zu)/2):($%zu-$%zu < 7 ? NaN : ($1+$2)/2):"
                "(sprintf('%%.0f', $%zu-$%zu)) with labels font ',9' textcolor rgb '%s'%s",
                from, to, from, to, parts[p].colour, from, to, to, from, to, from,
                dark ? "#ffffff" : "#000000", p + 1 < PARTS ? ", \\\n    " : "\n");
    }
}

static void step_columns(struct page *page, const struct rows *rows, double top, double right,
                         double speed_left)
{
    enum { COLUMN = 66 };
    static const char *const headings[] = {"GFLOP/s", "of peak", "vs plain", "vs parallel"};
    char text[PAGE_TEXT];
    for (size_t c = 0; c < 4; c++) {
        bench_rows_heading(page, right + (double)(c + 1) * COLUMN, top - 10, headings[c]);
    }
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *record = rows->row[i].record;
        const double y = top + rows->row[i].top + rows->row[i].height / 2;
        if (!bench_is_ok(record)) {
            bench_rows_failure(page, speed_left + 5, y, bench_text(record, "status"));
            continue;
        }
        bench_rows_number(page, right + COLUMN, y, bench_page_speed(record, text, sizeof text));
        bench_rows_number(
            page, right + 2 * COLUMN, y,
            bench_rows_per_cent(bench_number(record, "peak_fraction"), text, sizeof text));
        bench_rows_number(
            page, right + 3 * COLUMN, y,
            bench_page_digits(bench_number(record, "naive_speedup"), " ×", text, sizeof text));
        bench_rows_number(
            page, right + 4 * COLUMN, y,
            bench_page_digits(bench_number(record, "fair_speedup"), " ×", text, sizeof text));
    }
}

bool bench_plot_step(struct page *page)
{
    enum { PANEL = 340, SPEED = 220, COLUMNS = 4 * 66 + PAGE_MARGIN, KEYS = PART_ROWS * 18 + 42 };
    const double bar = 20;
    FILE *script = page->plot->script;
    struct rows rows;
    if (!bench_rows_make(page, NULL, bar + 8, &rows)) {
        return false;
    }
    const double left = rows.left, speed = left + PANEL + 40, right = speed + SPEED;
    bench_page_begin(page, "Training steps: where the time goes, and how fast they are",
                     (int)right + COLUMNS, KEYS + (int)rows.height + 78);
    const double top = page->top + KEYS;
    for (size_t p = 0; p < PARTS; p++) {
        bench_page_key(page, left + (double)(p / PART_ROWS) * 120,
                       page->top + (double)(p % PART_ROWS) * 18 + 8, parts[p].label, 0, 5,
                       parts[p].colour);
    }
    bench_page_text(page, speed + 3, page->top + 8, bench_rows_peaks_key, 0, "left font ',11'");
    bench_rows_names(page, &rows, top);
    step_columns(page, &rows, top, right, speed);
    bench_page_text(page, PAGE_MARGIN, page->height - 12,
                    "vs plain: speed-up over the plain reference loops, one thread, -O2;   "
                    "vs parallel: over the same loops, parallel, at full optimisation",
                    0, "left font ',9' textcolor rgb '#505050'");
    step_data(page, &rows, bar);
    fprintf(script, "set multiplot\n");
    bench_rows_axes(page, &rows, left, left + PANEL, top, 100, "% of the time of a step's parts");
    step_parts_plot(script);
    fprintf(script, "unset label\n");
    bench_rows_axes(page, &rows, speed, right, top, 1.04 * bench_rows_largest_speed(page),
                    "GFLOP/s");
    fprintf(script,
            "plot data index 'speed:' using ($1/2):(($2+$3)/2):(0):1:2:3 "
            "with boxxyerror lc rgb '%s', \\\n    %s\nunset multiplot\n",
            bench_page_colour(0), bench_rows_peaks_plot);
    free(rows.row);
    return true;
}
