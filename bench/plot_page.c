/* plot_page.c: see plot_page.h. */
#include "plot_page.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/names.h"

const char *bench_page_colour(size_t index)
{
    return cli_gnuplot_colour(index);
}

/* Appends ", text" unless there is none. */
static void list(char *out, size_t size, const char *text)
{
    if (*text) {
        cli_append(out, size, "%s%s", *out ? ", " : "", text);
    }
}

/* The versions of the providers, each once. */
static void list_providers(const struct page *page, char *out, size_t size)
{
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        if (*bench_text(record, "provider") && bench_is_first_of_library(page->records, i)) {
            char provider[PAGE_TEXT];
            bench_page_provider(page, record, provider, sizeof provider);
            list(out, size, provider);
        }
    }
}

/* The small print: where the figures come from, and what speaks against them. */
enum { FACTS = 3, PRINT = 4 };

static void small_print(const struct page *page, char lines[PRINT][4 * PAGE_TEXT])
{
    const size_t size = sizeof lines[0];
    const double cpus = bench_number(page->report, "cpus");
    char warnings[2 * PAGE_TEXT];
    list(lines[0], size, bench_text(page->report, "cpu"));
    list(lines[0], size, bench_text(page->report, "instruction_set"));
    if (cpus > 0) {
        cli_append(lines[0], size, ", %.0f CPU%s", cpus, cpus > 1 ? "s" : "");
    }
    list(lines[0], size, bench_text(page->report, "os"));
    cli_append(lines[1], size, "gemmlp %s", bench_text(page->report, "version"));
    list(lines[1], size, bench_text(page->report, "compiler"));
    if (!page->many_providers) {
        list_providers(page, lines[1], size);
    }
    list(lines[1], size, bench_text(page->report, "date"));
    list(lines[2], size, bench_text(page->report, "command"));
    size_t doubtful = 0;
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        doubtful += json_object_get(json_array_get(page->records, i), "doubts") != NULL;
    }
    if (json_is_true(json_object_get(page->report, "interrupted"))) {
        list(lines[FACTS], size, "interrupted: only the cases that were finished");
    }
    if (doubtful > 0) {
        cli_append(lines[FACTS], size, "%s?: %zu doubtful cases, which the report explains",
                   *lines[FACTS] ? ", " : "", doubtful);
    }
    list(lines[FACTS], size, bench_sentences(page->report, "warnings", warnings, sizeof warnings));
}

void bench_page_begin(struct page *page, const char *title, int width, int body)
{
    enum { SMALL_LINE = 13, TITLE = 46 };
    char lines[PRINT][4 * PAGE_TEXT] = {{0}};
    const size_t columns = (size_t)(width - 2 * PAGE_MARGIN) / 6;
    size_t count = 0, first[PRINT], longest = 0;
    small_print(page, lines);
    for (size_t i = 0; i < PRINT; i++) {
        first[i] = count;
        count += *lines[i] ? cli_gnuplot_lines(lines[i], columns, &longest) : 0;
    }
    page->width = width;
    page->top = TITLE + (int)count * SMALL_LINE + 4;
    page->height = page->top + body;
    cli_gnuplot_page(page->plot, page->width, page->height);
    bench_page_text(page, PAGE_MARGIN, 24, title, 0, "left font ',16'");
    for (size_t i = 0; i < PRINT; i++) {
        if (*lines[i]) {
            bench_page_text(page, PAGE_MARGIN, TITLE + (double)first[i] * SMALL_LINE, lines[i],
                            columns,
                            i < FACTS ? "left font ',9' textcolor rgb '#505050'"
                                      : "left font ',9' textcolor rgb '#b04000'");
        }
    }
}

static void position(struct page *page, double x, double y)
{
    fprintf(page->plot->script, " at screen %.5f, screen %.5f ", x / page->width,
            1 - y / page->height);
}

void bench_page_text(struct page *page, double x, double y, const char *text, size_t width,
                     const char *style)
{
    if (!*text) {
        return;
    }
    fprintf(page->plot->script, "set label ");
    cli_gnuplot_text(page->plot, text, width);
    position(page, x, y);
    fprintf(page->plot->script, "%s\n", style);
}

void bench_page_key(struct page *page, double x, double y, const char *text, size_t width,
                    int point, const char *colour)
{
    fprintf(page->plot->script, "set label ''");
    position(page, x + 5, y);
    fprintf(page->plot->script, "point pt %d ps dot lc rgb '%s'\n", point, colour);
    bench_page_text(page, x + 16, y, text, width, "left font ',11'");
}

void bench_page_axes(struct page *page, double left, double right, double top, double bottom)
{
    fprintf(page->plot->script,
            "set lmargin at screen %.5f\nset rmargin at screen %.5f\n"
            "set tmargin at screen %.5f\nset bmargin at screen %.5f\n",
            left / page->width, right / page->width, 1 - top / page->height,
            1 - bottom / page->height);
}

void bench_page_provider(const struct page *page, const json_t *record, char *out, size_t size)
{
    const char *version = bench_text(record, "provider_version"); /* may be the file's name */
    char details[PAGE_TEXT] = "";
    bench_library_label(page->records, record, out, size);
    list(details, sizeof details, strstr(out, version) ? "" : version);
    list(details, sizeof details, bench_text(record, "kernel"));
    if (*details) {
        cli_append(out, size, " (%s)", details);
    }
}

const char *bench_page_digits(double value, const char *unit, char *out, size_t size)
{
    const int decimals = value >= 100 ? 0 : value >= 10 ? 1 : value >= 1 ? 2 : 3;
    if (isnan(value)) {
        *out = '\0';
    } else {
        snprintf(out, size, "%.*f%s", decimals, value, unit);
    }
    return out;
}

const char *bench_page_speed(const json_t *record, char *out, size_t size)
{
    const char *mark = json_object_get(record, "doubts") ? " ?" : "";
    return bench_page_digits(bench_number(record, "gflops"), mark, out, size);
}

void bench_page_threads(double threads, char *out, size_t size)
{
    snprintf(out, size, "%.0f thread%s", threads, threads == 1 ? "" : "s");
}

void bench_page_name(const struct page *page, const json_t *record, bool with_threads,
                     bool with_provider, char *out, size_t size)
{
    char text[PAGE_TEXT];
    snprintf(out, size, "%s", bench_text(record, "case"));
    if (page->many_precisions) {
        list(out, size, bench_text(record, "precision"));
    }
    if (page->many_threads && with_threads) {
        bench_page_threads(bench_number(record, "threads"), text, sizeof text);
        list(out, size, text);
    }
    if (page->many_providers && with_provider) {
        bench_page_provider(page, record, text, sizeof text);
        list(out, size, text);
    }
}

bool bench_page_same_entry(const json_t *a, const json_t *b)
{
    return bench_same_text(a, b, "case") && bench_same_text(a, b, "precision") &&
           bench_same_library(a, b);
}

bool bench_page_same_threads(const json_t *a, const json_t *b)
{
    const double left = bench_number(a, "threads"), right = bench_number(b, "threads");
    return left == right || (isnan(left) && isnan(right));
}

bool bench_page_same_roof(const json_t *a, const json_t *b)
{
    return bench_page_same_threads(a, b) && bench_same_text(a, b, "precision");
}

bool bench_page_same_case(const json_t *a, const json_t *b)
{
    return bench_same_text(a, b, "case") && bench_page_same_roof(a, b);
}

size_t bench_page_find_entry(const struct entries *entries, const json_t *record,
                             bool (*same)(const json_t *, const json_t *))
{
    size_t i = 0;
    while (i < entries->count && !same(entries->entry[i], record)) {
        i++;
    }
    return i;
}

bool bench_page_make_entries(const struct page *page, bool (*same)(const json_t *, const json_t *),
                             struct entries *out)
{
    const size_t records = json_array_size(page->records);
    *out = (struct entries){.entry = calloc(records, sizeof *out->entry)};
    for (size_t i = 0; out->entry && i < records; i++) {
        const json_t *record = json_array_get(page->records, i);
        if (bench_page_find_entry(out, record, same) == out->count) {
            out->entry[out->count++] = record;
        }
    }
    return out->entry != NULL;
}

void bench_page_entry_name(const struct page *page, const json_t *entry, char *out, size_t size)
{
    bench_page_name(page, entry, false, true, out, size);
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        if (bench_page_same_entry(record, entry) && !bench_is_ok(record)) {
            char threads[64];
            bench_page_threads(bench_number(record, "threads"), threads, sizeof threads);
            cli_append(out, size, " (%s: %s)", threads, bench_text(record, "status"));
        }
    }
}

void bench_page_list_size(const struct page *page, const struct entries *entries, double *width,
                          double *height)
{
    size_t longest = 0, lines = 0;
    for (size_t i = 0; i < entries->count; i++) {
        char name[PAGE_TEXT];
        bench_page_entry_name(page, entries->entry[i], name, sizeof name);
        lines += cli_gnuplot_lines(name, PAGE_NAME, &longest);
    }
    *width = (double)longest * PAGE_CHARACTER;
    *height = (double)lines * PAGE_LINE + (double)entries->count * 4;
}
