/* plot_threads.c: the picture of the suite `threads`: speed-up and efficiency against the number of
 * threads, a line for each case. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot_page.h"

static int compare_threads(const void *a, const void *b)
{
    const double left = bench_number(*(const json_t *const *)a, "threads");
    const double right = bench_number(*(const json_t *const *)b, "threads");
    return (left > right) - (left < right);
}

static const json_t *find_record(const struct page *page, const json_t *entry,
                                 const json_t *threads)
{
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        if (bench_page_same_entry(record, entry) && bench_page_same_threads(record, threads)) {
            return record;
        }
    }
    return NULL;
}

/* Mark number i of a line; together with the colour no two of 63 lines look the same. */
static int line_point(size_t i)
{
    static const int points[] = {7, 5, 9, 13, 11, 6, 4};
    return points[i % (sizeof points / sizeof points[0])];
}

/* One line of the list and one block of data for each case. */
static void threads_data(struct page *page, const struct entries *cases,
                         const struct entries *threads, double left, double right, double top)
{
    char name[PAGE_TEXT], text[64];
    double y = top + 20;
    bench_page_text(page, left + 16, top, "speed-up of each case", 0,
                    "left font ',10' textcolor rgb '#505050'");
    bench_page_threads(bench_number(threads->entry[threads->count - 1], "threads"), text,
                       sizeof text);
    bench_page_text(page, right + 86, top, text, 0, "right font ',10' textcolor rgb '#505050'");
    for (size_t i = 0; i < cases->count; i++) {
        size_t longest = 0;
        bench_page_entry_name(page, cases->entry[i], name, sizeof name);
        bench_page_key(page, left, y, name, PAGE_NAME, line_point(i), bench_page_colour(i));
        snprintf(text, sizeof text, "case %02zu: threads, speed-up, efficiency", i + 1);
        cli_gnuplot_block(page->plot, text);
        for (size_t t = 0; t < threads->count; t++) {
            const json_t *record = find_record(page, cases->entry[i], threads->entry[t]);
            const double speedup = bench_number(record, "speedup");
            fprintf(page->plot->data, "%g %g %g", bench_number(threads->entry[t], "threads"),
                    speedup, bench_number(record, "efficiency"));
            cli_gnuplot_row(page->plot, name);
            if (t + 1 == threads->count && bench_is_ok(record)) {
                snprintf(text, sizeof text, "%.2f ×", speedup);
                bench_page_text(page, right + 86, y, text, 0, "right font ',11'");
            }
        }
        y += (double)cli_gnuplot_lines(name, PAGE_NAME, &longest) * PAGE_LINE + 4;
    }
}

/* Both panels have the same x: linear for a few threads, logarithmic where they multiply. */
static void threads_axis(FILE *script, const struct entries *threads, double least, double most)
{
    const bool logarithmic = most > 8 * least;
    const double room = logarithmic ? 1.12 : 1 + 0.12 * fmax(1, most - least) / most;
    fprintf(script, "%sset xrange [%g:%g]\nset xlabel 'threads' font ',11'\nset xtics (",
            logarithmic ? "set log xy 2\n" : "",
            logarithmic ? least / room : least - 0.12 * fmax(1, most - least), most * room);
    for (size_t t = 0; t < threads->count; t++) {
        fprintf(script, "%s%g", t ? ", " : "", bench_number(threads->entry[t], "threads"));
    }
    fprintf(script, ") font ',10'\nset ytics font ',10'\nset grid lc rgb '#e4e4e4' lt 1 lw 0.5\n");
}

static void threads_lines(FILE *script, size_t cases, const char *column)
{
    for (size_t i = 0; i < cases; i++) {
        fprintf(script,
                ", \\\n    data index 'case %02zu' using 1:%s with linespoints lw 1.5 pt %d "
                "ps 0.8*dot lc rgb '%s'",
                i + 1, column, line_point(i), bench_page_colour(i));
    }
    fprintf(script, "\n");
}

static void threads_panels(struct page *page, const struct entries *cases,
                           const struct entries *threads, const double edges[4], double top,
                           double bottom)
{
    FILE *script = page->plot->script;
    const double least = bench_number(threads->entry[0], "threads");
    const double most = bench_number(threads->entry[threads->count - 1], "threads");
    const bool logarithmic = most > 8 * least;
    double speedup = most / least, efficiency = 1;
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        speedup = fmax(speedup, bench_number(record, "speedup"));
        efficiency = fmax(efficiency, bench_number(record, "efficiency"));
    }
    fprintf(script, "set multiplot\n");
    bench_page_axes(page, edges[0], edges[1], top, bottom);
    threads_axis(script, threads, least, most);
    fprintf(script,
            "set yrange [%g:%g]\nset ylabel 'speed-up over %g thread%s' font ',11'\n"
            "plot x/%g with lines dashtype 2 lc rgb '#606060'",
            logarithmic ? 0.5 : 0, speedup * 1.1, least, least == 1 ? "" : "s", least);
    threads_lines(script, cases->count, "2");
    fprintf(script, "unset label\n");
    bench_page_axes(page, edges[2], edges[3], top, bottom);
    fprintf(script,
            "unset log y\nset yrange [0:%g]\nset ylabel 'efficiency, %%' font ',11'\n"
            "plot 100 with lines dashtype 2 lc rgb '#606060'",
            110 * efficiency);
    threads_lines(script, cases->count, "(100*$3)");
    fprintf(script, "unset multiplot\n");
}

bool bench_plot_threads(struct page *page)
{
    enum { LEFT = 64, PANEL = 330, HEIGHT = 360, GAP = 70 };
    struct entries cases = {0}, threads = {0};
    const bool made = bench_page_make_entries(page, bench_page_same_entry, &cases) &&
                      bench_page_make_entries(page, bench_page_same_threads, &threads);
    if (made) {
        double width, height;
        qsort(threads.entry, threads.count, sizeof *threads.entry, compare_threads);
        bench_page_list_size(page, &cases, &width, &height);
        const double edges[4] = {LEFT, LEFT + PANEL, LEFT + PANEL + GAP, LEFT + 2 * PANEL + GAP};
        const double list = edges[3] + 28, right = list + 16 + width;
        bench_page_begin(page, "Speed-up by threads", (int)right + 86 + PAGE_MARGIN,
                         (int)fmax(HEIGHT, height + 40) + 70);
        bench_page_text(page, edges[0], page->top + 4, "dashed: ideal", 0,
                        "left font ',10' textcolor rgb '#505050'");
        threads_data(page, &cases, &threads, list, right, page->top + 8);
        threads_panels(page, &cases, &threads, edges, page->top + 18, page->height - 60);
    }
    free(cases.entry);
    free(threads.entry);
    return made;
}
