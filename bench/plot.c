/* plot.c: see plot.h. Chooses the picture by the suite; plot_SUITE.c draws it. */
#include "plot.h"

#include <stdio.h>
#include <string.h>

#include "plot_page.h"

static const struct picture {
    const char *suite;
    bool (*draw)(struct page *page);
} pictures[] = {
    {"backends", bench_plot_backends}, {"gemm", bench_plot_gemm},
    {"threads", bench_plot_threads},   {"step", bench_plot_step},
    {"accuracy", bench_plot_accuracy},
};

static const struct picture *picture_of(const json_t *report)
{
    for (size_t i = 0; i < sizeof pictures / sizeof pictures[0]; i++) {
        if (strcmp(pictures[i].suite, bench_text(report, "suite")) == 0) {
            return &pictures[i];
        }
    }
    return NULL;
}

/* Looks at what differs between the records, so that labels say that and no more. */
static void compare_records(struct page *page)
{
    const json_t *first = json_array_get(page->records, 0);
    for (size_t i = 1; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        page->many_providers |= !bench_same_library(first, record);
        page->many_threads |= !bench_page_same_threads(first, record);
        page->many_precisions |= !bench_same_text(first, record, "precision");
    }
}

bool bench_plot(const json_t *report, const char *path, char *message, size_t size)
{
    const struct picture *picture = picture_of(report);
    struct gnuplot plot;
    struct page page = {
        .report = report, .records = json_object_get(report, "records"), .plot = &plot};
    if (!picture || json_array_size(page.records) == 0) {
        snprintf(message, size, "%s was not drawn: the report has %s", path,
                 picture ? "no records" : "no suite that there is a picture for");
        return false;
    }
    if (!cli_gnuplot_open(&plot, path, message, size)) {
        return false;
    }
    compare_records(&page);
    if (!picture->draw(&page)) {
        cli_gnuplot_abandon(&plot);
        snprintf(message, size, "%s was not drawn: out of memory", path);
        return false;
    }
    return cli_gnuplot_draw(&plot, message, size);
}
