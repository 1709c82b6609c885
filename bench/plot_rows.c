/* plot_rows.c: the pictures with a row for each case: names at the left, horizontal bars on axes
 * whose y counts pixels downwards, and numbers in columns at the right.
 *
 *   records -> rows (name, place, height) -> key above, names, bars, columns */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot_page.h"

struct row {
    const json_t *record;
    double top, height; /* pixels below the upper end of the axes */
    char name[PAGE_TEXT];
};

struct rows {
    struct row *row; /* (count) */
    size_t count;
    double height;
    double left; /* pixel where names end and the axes begin */
};

static const char failed_style[] = "left font ',10' textcolor rgb '#b04000'";
static const char column_style[] = "right font ',11'";
static const char heading_style[] = "right font ',10' textcolor rgb '#505050'";

static bool same_record(const json_t *a, const json_t *b)
{
    return a == b;
}

/* A row for each kind of record, at least `height` pixels high. */
static bool make_rows(const struct page *page, same_kind same, double height, struct rows *rows)
{
    struct entries entries;
    size_t longest = 0;
    *rows = (struct rows){0};
    if (bench_page_make_entries(page, same, &entries)) {
        rows->row = calloc(entries.count, sizeof *rows->row);
    }
    for (size_t i = 0; rows->row && i < entries.count; i++) {
        struct row *row = &rows->row[i];
        row->record = entries.entry[i];
        bench_page_name(page, row->record, true, same == same_record, row->name, sizeof row->name);
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

static void draw_names(struct page *page, const struct rows *rows, double top)
{
    for (size_t i = 0; i < rows->count; i++) {
        const struct row *row = &rows->row[i];
        size_t longest = 0;
        const size_t lines = cli_gnuplot_lines(row->name, PAGE_NAME, &longest);
        bench_page_text(page, rows->left - 8,
                        top + row->top + (row->height - (double)(lines - 1) * PAGE_LINE) / 2,
                        row->name, PAGE_NAME, column_style);
    }
}

/* Axes for all rows, x from 0 to `limit`. */
static void row_axes(struct page *page, const struct rows *rows, double left, double right,
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

static const char *per_cent(double fraction, char *out, size_t size)
{
    *out = '\0';
    if (!isnan(fraction)) {
        snprintf(out, size, fraction < 0.0995 ? "%.1f %%" : "%.0f %%", 100 * fraction);
    }
    return out;
}

/* The largest of a value and the roof that is drawn beside it; at least 1 for an axis. */
static double largest_speed(const struct page *page)
{
    double largest = 0;
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        largest = fmax(largest, bench_number(record, "gflops"));
        largest = fmax(largest, bench_number(record, "peak_gflops"));
    }
    return largest > 0 ? largest : 1;
}

/* A dashed line at the peak of the rows' threads and precision, one for all rows that have it. */
static void peak_data(struct page *page, const struct rows *rows)
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

static const char peak_plot[] = "data index 'peak:' using 1:2:(0):3 with vectors nohead "
                                "dashtype 2 lw 1.5 lc rgb '#000000'";
static const char peak_key[] = "┆  measured peak of fused multiply-adds";

static const json_t *find_record(const struct page *page, const json_t *row, const json_t *provider)
{
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        if (bench_page_same_case(record, row) && bench_page_same_provider(record, provider)) {
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
        fprintf(page->plot->data, "%g %g %g", gflops, middle - bar * 0.44, middle + bar * 0.44);
        cli_gnuplot_row(page->plot, row->name);
        bench_page_text(page, right + 56, top + middle,
                        bench_page_digits(gflops, "", text, sizeof text), 0, "right font ',10'");
        bench_page_text(page, right + 106, top + middle,
                        per_cent(bench_number(record, "peak_fraction"), text, sizeof text), 0,
                        "right font ',10'");
        if (!bench_is_ok(record)) {
            bench_page_text(page, rows->left + 5, top + middle,
                            record ? bench_text(record, "status") : "not measured", 0,
                            failed_style);
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
    bench_page_text(page, PAGE_MARGIN + 3, y, peak_key, 0, "left font ',11'");
}

bool bench_plot_backends(struct page *page)
{
    enum { WIDTH = 980 };
    FILE *script = page->plot->script;
    struct rows rows;
    struct entries providers;
    if (!bench_page_make_entries(page, bench_page_same_provider, &providers)) {
        return false;
    }
    const size_t count = providers.count;
    const double bar = fmax(13, fmin(24, 60.0 / (double)count)), gap = 8;
    if (!make_rows(page, bench_page_same_case, (double)count * bar + gap, &rows)) {
        free(providers.entry);
        return false;
    }
    const double right = WIDTH - 130;
    const double keys = (double)backend_key_lines(page, &providers) * KEY_LINE + 24;
    bench_page_begin(page, "Matrix products: the speed of each library", WIDTH,
                     (int)(keys + rows.height) + 60);
    const double top = page->top + keys, limit = 1.04 * largest_speed(page);
    bench_page_text(page, right + 56, top - 10, "GFLOP/s", 0, heading_style);
    bench_page_text(page, right + 106, top - 10, "of peak", 0, heading_style);
    draw_names(page, &rows, top);
    peak_data(page, &rows);
    backend_key(page, &providers);
    for (size_t p = 0; p < count; p++) {
        char name[64];
        snprintf(name, sizeof name, "provider %02zu: GFLOP/s, top, bottom of the bar", p + 1);
        cli_gnuplot_block(page->plot, name);
        backend_bars(page, &rows, providers.entry[p], gap / 2 + (double)p * bar, bar, top, right);
    }
    row_axes(page, &rows, rows.left, right, top, limit, "GFLOP/s");
    fprintf(script, "plot ");
    for (size_t p = 0; p < count; p++) {
        fprintf(script,
                "data index 'provider %02zu' using ($1/2):(($2+$3)/2):(0):1:2:3 "
                "with boxxyerror lc rgb '%s', \\\n    ",
                p + 1, bench_page_colour(p));
    }
    fprintf(script, "%s\n", peak_plot);
    free(rows.row);
    free(providers.entry);
    return true;
}

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
    peak_data(page, rows);
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
        bench_page_text(page, right + (double)(c + 1) * COLUMN, top - 10, headings[c], 0,
                        heading_style);
    }
    for (size_t i = 0; i < rows->count; i++) {
        const json_t *record = rows->row[i].record;
        const double y = top + rows->row[i].top + rows->row[i].height / 2;
        if (!bench_is_ok(record)) {
            bench_page_text(page, speed_left + 5, y, bench_text(record, "status"), 0, failed_style);
            continue;
        }
        bench_page_text(page, right + COLUMN, y,
                        bench_page_digits(bench_number(record, "gflops"), "", text, sizeof text), 0,
                        column_style);
        bench_page_text(page, right + 2 * COLUMN, y,
                        per_cent(bench_number(record, "peak_fraction"), text, sizeof text), 0,
                        column_style);
        bench_page_text(
            page, right + 3 * COLUMN, y,
            bench_page_digits(bench_number(record, "naive_speedup"), " ×", text, sizeof text), 0,
            column_style);
        bench_page_text(
            page, right + 4 * COLUMN, y,
            bench_page_digits(bench_number(record, "fair_speedup"), " ×", text, sizeof text), 0,
            column_style);
    }
}

bool bench_plot_step(struct page *page)
{
    enum { PANEL = 340, SPEED = 220, COLUMNS = 4 * 66 + PAGE_MARGIN, KEYS = PART_ROWS * 18 + 42 };
    const double bar = 20;
    FILE *script = page->plot->script;
    struct rows rows;
    if (!make_rows(page, same_record, bar + 8, &rows)) {
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
    bench_page_text(page, speed + 3, page->top + 8, peak_key, 0, "left font ',11'");
    draw_names(page, &rows, top);
    step_columns(page, &rows, top, right, speed);
    bench_page_text(page, PAGE_MARGIN, page->height - 12,
                    "vs plain: speed-up over the plain reference loops, one thread, -O2;   "
                    "vs parallel: over the same loops, parallel, at full optimisation",
                    0, "left font ',9' textcolor rgb '#505050'");
    step_data(page, &rows, bar);
    fprintf(script, "set multiplot\n");
    row_axes(page, &rows, left, left + PANEL, top, 100, "% of the time of a step's parts");
    step_parts_plot(script);
    fprintf(script, "unset label\n");
    row_axes(page, &rows, speed, right, top, 1.04 * largest_speed(page), "GFLOP/s");
    fprintf(script,
            "plot data index 'speed:' using ($1/2):(($2+$3)/2):(0):1:2:3 "
            "with boxxyerror lc rgb '%s', \\\n    %s\nunset multiplot\n",
            bench_page_colour(0), peak_plot);
    free(rows.row);
    return true;
}

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

static void accuracy_columns(struct page *page, const struct row *row, double top, double right)
{
    char text[PAGE_TEXT];
    const double y = top + row->top + row->height / 2;
    const double reached = bench_number(row->record, "reached");
    const double seeds = bench_number(row->record, "seeds");
    if (!bench_is_ok(row->record)) {
        bench_page_text(page, right + 10, y, bench_text(row->record, "status"), 0, failed_style);
        return;
    }
    bench_page_text(
        page, right + 70, y,
        bench_page_digits(bench_number(row->record, "seconds_median"), " s", text, sizeof text), 0,
        column_style);
    snprintf(text, sizeof text, "%.0f of %.0f", reached, seeds);
    bench_page_text(page, right + 140, y, text, 0,
                    reached < seeds ? "right font ',11' textcolor rgb '#b04000'" : column_style);
    snprintf(text, sizeof text, "%.2f %%", 100 * bench_number(row->record, "test_accuracy_median"));
    bench_page_text(page, right + 215, y, text, 0, column_style);
    snprintf(text, sizeof text, "%.2f %%", 100 * bench_number(row->record, "test_accuracy_min"));
    bench_page_text(page, right + 290, y, text, 0, column_style);
}

bool bench_plot_accuracy(struct page *page)
{
    enum { PANEL = 420, COLUMNS = 290 + PAGE_MARGIN, KEYS = 28 };
    FILE *script = page->plot->script;
    struct rows rows;
    char title[PAGE_TEXT];
    if (!make_rows(page, same_record, 28, &rows)) {
        return false;
    }
    const double right = rows.left + PANEL;
    const double target = bench_number(json_array_get(page->records, 0), "target");
    snprintf(title, sizeof title, "Training to a test accuracy of %g %%", 100 * target);
    bench_page_begin(page, title, (int)right + COLUMNS, KEYS + (int)rows.height + 60);
    const double top = page->top + KEYS;
    double limit = 0;
    draw_names(page, &rows, top);
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
    bench_page_text(page, right + 70, top - 10, "time", 0, heading_style);
    bench_page_text(page, right + 140, top - 10, "reached", 0, heading_style);
    bench_page_text(page, right + 215, top - 10, "accuracy", 0, heading_style);
    bench_page_text(page, right + 290, top - 10, "lowest", 0, heading_style);
    row_axes(page, &rows, rows.left, right, top, limit > 0 ? 1.06 * limit : 1,
             "seconds inside training: median, shortest to longest run");
    fprintf(
        script,
        "set bars 0.6\nplot data index 'seconds:' using 1:2:3:4 with xerrorbars pt 7 ps 0.8*dot "
        "lw 1.5 lc rgb '%s'\n",
        bench_page_colour(0));
    free(rows.row);
    return true;
}
