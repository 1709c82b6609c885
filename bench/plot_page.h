/* plot_page.h: what the pictures of the suites share: the page with its title, texts placed by the
 * pixel, colours, and the values of a record.
 *
 * Everything around the axes is placed here and not by gnuplot, whose own keys and labels overlap
 * once there are many. Pixels count from the upper left corner. */
#ifndef BENCH_PLOT_PAGE_H
#define BENCH_PLOT_PAGE_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "cli/gnuplot.h"
#include "fields.h"
#include "report_library.h"

struct page {
    const json_t *report;
    const json_t *records; /* its array */
    struct gnuplot *plot;
    int width, height;
    int top;                                            /* where title and small type end */
    bool many_providers, many_threads, many_precisions; /* to be told apart in a label */
};

enum {
    PAGE_MARGIN = 16,
    PAGE_CHARACTER = 7, /* width of one in the labels' 11 pixels, rounded up */
    PAGE_LINE = 14,     /* and the height of a line of them */
    PAGE_NAME = 40,     /* characters of a case's name before it is broken */
    PAGE_TEXT = 512,
};

/* cli_gnuplot_colour. */
const char *bench_page_colour(size_t index);

/* Title, and in small type the machine, the versions, the date and the command; below it `body`
 * pixels for the picture. */
void bench_page_begin(struct page *page, const char *title, int width, int body);

/* A text at a pixel, which is at its left, centre or right and in the middle of its first line;
 * `style` is what else gnuplot's `set label` takes, beginning with the side. */
void bench_page_text(struct page *page, double x, double y, const char *text, size_t width,
                     const char *style);

/* The same with a mark before it: a line of a key. */
void bench_page_key(struct page *page, double x, double y, const char *text, size_t width,
                    int point, const char *colour);

/* Where the next plot's axes lie. */
void bench_page_axes(struct page *page, double left, double right, double top, double bottom);

/* The provider's label with its version and kernel: "openblas openmp (OpenBLAS 0.3.21, Zen)". */
void bench_page_provider(const struct page *page, const json_t *record, char *out, size_t size);

/* "784-30-10 B=10", and the threads, the precision and the provider where these differ. */
void bench_page_name(const struct page *page, const json_t *record, bool with_threads,
                     bool with_provider, char *out, size_t size);

/* The value with three digits: 0.123, 1.23, 12.3, 123, 1234; "" for NaN. Returns out. */
const char *bench_page_digits(double value, const char *unit, char *out, size_t size);

/* The record's GFLOP/s, likewise, with a question mark where it has doubts. Returns out. */
const char *bench_page_speed(const json_t *record, char *out, size_t size);

/* "1 thread", "2 threads" */
void bench_page_threads(double threads, char *out, size_t size);

/* What a picture lists: the first record of each kind. */
struct entries {
    const json_t **entry; /* (count), freed by the caller */
    size_t count;
};

typedef bool (*same_kind)(const json_t *a, const json_t *b);
/* The same case, precision and provider: they differ in the threads. */
bool bench_page_same_entry(const json_t *a, const json_t *b);
bool bench_page_same_threads(const json_t *a, const json_t *b);
/* A roof belongs to a number of threads and a precision. */
bool bench_page_same_roof(const json_t *a, const json_t *b);
/* The same case under the same roof: they differ in the provider. */
bool bench_page_same_case(const json_t *a, const json_t *b);
/* False: out of memory. */
bool bench_page_make_entries(const struct page *page, same_kind same, struct entries *out);
/* The place of `record`; count where it has none. */
size_t bench_page_find_entry(const struct entries *entries, const json_t *record, same_kind same);

/* The name of an entry in a list, where also the records are told that are not ok. */
void bench_page_entry_name(const struct page *page, const json_t *entry, char *out, size_t size);
/* Pixels that a list of them takes. */
void bench_page_list_size(const struct page *page, const struct entries *entries, double *width,
                          double *height);

/* The pictures: they open nothing and close nothing. False: out of memory. */
bool bench_plot_backends(struct page *page);
bool bench_plot_step(struct page *page);
bool bench_plot_accuracy(struct page *page);
bool bench_plot_gemm(struct page *page);
bool bench_plot_threads(struct page *page);

#endif
