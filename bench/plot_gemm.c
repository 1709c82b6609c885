/* plot_gemm.c: the picture of the suite `gemm`: products as numbered points under the roofs of
 * memory and arithmetic (Williams, Waterman, Patterson 2009), and a list that names the numbers. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "plot_page.h"

/* The plane of the roofs: logarithmic, and known here to the pixel, so that numbers can be placed
 * where they cover nothing. */
struct plane {
    double left, right, top, bottom; /* pixels */
    double x0, x1, y0, y1;           /* values at the edges */
};

static double pixel_x(const struct plane *plane, double x)
{
    return plane->left +
           (plane->right - plane->left) * log(x / plane->x0) / log(plane->x1 / plane->x0);
}

static double pixel_y(const struct plane *plane, double y)
{
    return plane->bottom -
           (plane->bottom - plane->top) * log(y / plane->y0) / log(plane->y1 / plane->y0);
}

static double value_x(const struct plane *plane, double pixel)
{
    return plane->x0 *
           pow(plane->x1 / plane->x0, (pixel - plane->left) / (plane->right - plane->left));
}

static double value_y(const struct plane *plane, double pixel)
{
    return plane->y0 *
           pow(plane->y1 / plane->y0, (plane->bottom - pixel) / (plane->bottom - plane->top));
}

/* A point and its number, in pixels. */
struct mark {
    double x, y, label_x, label_y;
    const json_t *record;
};

static bool apart(double x, double y, double other_x, double other_y, double width, double height)
{
    return fabs(x - other_x) >= width || fabs(y - other_y) >= height;
}

static bool label_fits(const struct plane *plane, const struct mark *marks, size_t count,
                       size_t placed, double x, double y)
{
    bool fits = x > plane->left + 10 && x < plane->right - 10 && y > plane->top + 8 &&
                y < plane->bottom - 8;
    for (size_t i = 0; i < count && fits; i++) {
        fits = apart(x, y, marks[i].x, marks[i].y, 13, 11) &&
               (i >= placed || apart(x, y, marks[i].label_x, marks[i].label_y, 17, 12));
    }
    return fits;
}

/* Each number goes to the nearest place around its point that is free. */
static void place_labels(const struct plane *plane, struct mark *marks, size_t count)
{
    enum { RINGS = 12, DIRECTIONS = 16 };
    for (size_t i = 0; i < count; i++) {
        bool placed = false;
        for (int place = 0; place < RINGS * DIRECTIONS && !placed; place++) {
            const double radius = 14 + 8.0 * (place / DIRECTIONS);
            const double angle = 2 * acos(-1) * (place % DIRECTIONS) / DIRECTIONS;
            marks[i].label_x = marks[i].x + radius * cos(angle);
            marks[i].label_y = marks[i].y - radius * sin(angle);
            placed = label_fits(plane, marks, count, i, marks[i].label_x, marks[i].label_y);
        }
    }
}

static void include(double value, double *least, double *most)
{
    if (value > 0) {
        *least = fmin(*least, value);
        *most = fmax(*most, value);
    }
}

/* Edges that leave room around the points and the roofs' corners. */
static void choose_edges(const struct page *page, const json_t *roofs, struct plane *plane)
{
    plane->x0 = plane->y0 = INFINITY;
    plane->x1 = plane->y1 = 0;
    for (size_t i = 0; i < json_array_size(page->records); i++) {
        const json_t *record = json_array_get(page->records, i);
        include(bench_number(record, "intensity"), &plane->x0, &plane->x1);
        include(bench_number(record, "gflops"), &plane->y0, &plane->y1);
    }
    for (size_t i = 0; i < json_array_size(roofs); i++) {
        const double peak = bench_number(json_array_get(roofs, i), "peak_gflops");
        include(peak / bench_number(json_array_get(roofs, i), "bandwidth_gbytes"), &plane->x0,
                &plane->x1);
        include(peak, &plane->y0, &plane->y1);
    }
    if (plane->x1 <= 0) {
        plane->x0 = plane->x1 = 1;
    }
    if (plane->y1 <= 0) {
        plane->y0 = plane->y1 = 1;
    }
    plane->x0 /= 2;
    plane->x1 *= 2;
    plane->y0 /= 2;
    plane->y1 *= 1.5;
}

/* Tics at 1, 2 and 5 times the powers of ten. */
static void log_tics(FILE *script, const char *axis, double low, double high)
{
    static const int steps[] = {1, 2, 5};
    const char *separator = "";
    fprintf(script, "set log %s\nset %srange [%g:%g]\nset %stics (", axis, axis, low, high, axis);
    for (int power = (int)floor(log10(low)); power <= (int)ceil(log10(high)); power++) {
        for (size_t i = 0; i < 3; i++) {
            const double tic = steps[i] * pow(10, power);
            if (tic >= low && tic <= high) {
                fprintf(script, "%s%g", separator, tic);
                separator = ", ";
            }
        }
    }
    fprintf(script, ") font ',10'\n");
}

/* The shape of a point tells which operands are stored transposed. */
static const struct operation {
    const char *name, *label;
    int point;
} operations[] = {
    {"NN", "NN: A B", 5},
    {"NT", "NT: A Bᵀ", 7},
    {"TN", "TN: Aᵀ B", 9},
    {"TT", "TT: Aᵀ Bᵀ", 13},
};

enum { OPERATIONS = sizeof operations / sizeof operations[0], OTHER_POINT = 4 };

static int operation_point(const json_t *record)
{
    for (size_t i = 0; i < OPERATIONS; i++) {
        if (strcmp(operations[i].name, bench_text(record, "operation")) == 0) {
            return operations[i].point;
        }
    }
    return OTHER_POINT;
}

/* Roofs, then points by number of threads, then the numbers with lines to points that are far. */
static void gemm_data(struct page *page, const struct plane *plane, const json_t *roofs,
                      const struct entries *cases, const struct entries *series,
                      const struct mark *marks, size_t count)
{
    FILE *data = page->plot->data;
    char name[PAGE_TEXT];
    for (size_t i = 0; i < json_array_size(roofs); i++) {
        const json_t *roof = json_array_get(roofs, i);
        const double peak = bench_number(roof, "peak_gflops");
        const double bandwidth = bench_number(roof, "bandwidth_gbytes");
        snprintf(name, sizeof name, "roof %02zu: FLOP/byte, GFLOP/s; %g threads", i + 1,
                 bench_number(roof, "threads"));
        cli_gnuplot_block(page->plot, name);
        fprintf(data, "%g %g\n%g %g\n%g %g\n", plane->x0, bandwidth * plane->x0, peak / bandwidth,
                peak, plane->x1, peak);
    }
    for (size_t s = 0; s < series->count; s++) {
        snprintf(name, sizeof name, "points %02zu: FLOP/byte, GFLOP/s, shape, number", s + 1);
        cli_gnuplot_block(page->plot, name);
        for (size_t i = 0; i < count; i++) {
            const json_t *record = marks[i].record;
            if (bench_page_same_roof(record, series->entry[s])) {
                fprintf(data, "%g %g %d %zu", bench_number(record, "intensity"),
                        bench_number(record, "gflops"), operation_point(record),
                        bench_page_find_entry(cases, record, bench_page_same_entry) + 1);
                bench_page_name(page, record, true, true, name, sizeof name);
                cli_gnuplot_row(page->plot, name);
            }
        }
    }
    cli_gnuplot_block(page->plot, "numbers: x, y of the number, the number, x, y of the point, and "
                                  "where a line to it ends");
    for (size_t i = 0; i < count; i++) {
        const struct mark *m = &marks[i];
        const double distance = hypot(m->label_x - m->x, m->label_y - m->y);
        const double reach = distance > 16 ? 1 - 8 / distance : 0;
        fprintf(data, "%g %g %zu %g %g %g %g\n", value_x(plane, m->label_x),
                value_y(plane, m->label_y),
                bench_page_find_entry(cases, m->record, bench_page_same_entry) + 1,
                value_x(plane, m->x), value_y(plane, m->y),
                value_x(plane, m->x + reach * (m->label_x - m->x)),
                value_y(plane, m->y + reach * (m->label_y - m->y)));
    }
}

/* The numbered cases, and for each series a column of GFLOP/s. */
static void gemm_list(struct page *page, const struct entries *cases, const struct entries *series,
                      double left, double right, double top)
{
    char name[PAGE_TEXT], style[64], text[64];
    for (size_t s = 0; s < series->count; s++) {
        bench_page_threads(bench_number(series->entry[s], "threads"), text, sizeof text);
        snprintf(style, sizeof style, "right font ',10' textcolor rgb '%s'", bench_page_colour(s));
        bench_page_text(page, right + (double)(s + 1) * 70, top, text, 0, style);
    }
    bench_page_text(page, left + 24, top, "GFLOP/s of each case", 0,
                    "left font ',10' textcolor rgb '#505050'");
    double y = top + 20;
    for (size_t i = 0; i < cases->count; i++) {
        size_t longest = 0;
        bench_page_entry_name(page, cases->entry[i], name, sizeof name);
        snprintf(text, sizeof text, "%zu", i + 1);
        bench_page_text(page, left + 16, y, text, 0, "right font ',11'");
        bench_page_text(page, left + 24, y, name, PAGE_NAME, "left font ',11'");
        for (size_t j = 0; j < json_array_size(page->records); j++) {
            const json_t *record = json_array_get(page->records, j);
            const size_t s = bench_page_find_entry(series, record, bench_page_same_roof);
            if (bench_page_same_entry(record, cases->entry[i]) && bench_is_ok(record)) {
                bench_page_speed(record, text, sizeof text);
                bench_page_text(page, right + (double)(s + 1) * 70, y, text, 0, "right font ',11'");
            }
        }
        y += (double)cli_gnuplot_lines(name, PAGE_NAME, &longest) * PAGE_LINE + 4;
    }
}

static void gemm_key(struct page *page, const json_t *roofs, const struct entries *series,
                     double left)
{
    char text[PAGE_TEXT], threads[64], style[64];
    for (size_t i = 0; i < OPERATIONS; i++) {
        bench_page_key(page, left + (double)i * 100, page->top + 8, operations[i].label, 0,
                       operations[i].point, "#606060");
    }
    for (size_t i = 0; i < json_array_size(roofs); i++) {
        const json_t *roof = json_array_get(roofs, i);
        bench_page_threads(bench_number(roof, "threads"), threads, sizeof threads);
        snprintf(text, sizeof text, "%s: peak %.0f GFLOP/s, memory %.1f GB/s (%s %s)", threads,
                 bench_number(roof, "peak_gflops"), bench_number(roof, "bandwidth_gbytes"),
                 bench_text(roof, "precision"), bench_text(roof, "instruction_set"));
        const size_t s = bench_page_find_entry(series, roof, bench_page_same_roof);
        const double y = page->top + 8 + 18 * (double)(i + 1);
        snprintf(style, sizeof style, "left font ',11' textcolor rgb '%s'",
                 s < series->count ? bench_page_colour(s) : "#606060");
        bench_page_text(page, left, y, "━", 0, style);
        bench_page_text(page, left + 16, y, text, 0, "left font ',11'");
    }
}

static void gemm_plot(struct page *page, const struct plane *plane, const json_t *roofs,
                      const struct entries *series)
{
    FILE *script = page->plot->script;
    bench_page_axes(page, plane->left, plane->right, plane->top, plane->bottom);
    log_tics(script, "x", plane->x0, plane->x1);
    log_tics(script, "y", plane->y0, plane->y1);
    fprintf(script, "set grid lc rgb '#e4e4e4' lt 1 lw 0.5\n"
                    "set xlabel 'FLOP per byte that memory must move' font ',11'\n"
                    "set ylabel 'GFLOP/s' font ',11'\nplot ");
    for (size_t i = 0; i < json_array_size(roofs); i++) {
        const size_t s =
            bench_page_find_entry(series, json_array_get(roofs, i), bench_page_same_roof);
        fprintf(script, "data index 'roof %02zu' using 1:2 with lines lw 2 lc rgb '%s', \\\n    ",
                i + 1, s < series->count ? bench_page_colour(s) : "#606060");
    }
    fprintf(script, "data index 'numbers:' using 4:5:($6-$4):($7-$5) with vectors nohead "
                    "lc rgb '#909090' lw 0.7");
    for (size_t s = 0; s < series->count; s++) {
        fprintf(script,
                ", \\\n    data index 'points %02zu' using 1:2:3 with points pointtype variable "
                "ps 0.8*dot lc rgb '%s'",
                s + 1, bench_page_colour(s));
    }
    fprintf(script, ", \\\n    data index 'numbers:' using 1:2:3 with labels font ',9'\n");
}

bool bench_plot_gemm(struct page *page)
{
    enum { LEFT = 70, PLANE = 540, HEIGHT = 430, GAP = 28 };
    const json_t *roofs = json_object_get(page->report, "roofs");
    const size_t records = json_array_size(page->records);
    struct entries cases = {0}, series = {0};
    struct mark *marks = calloc(records, sizeof *marks);
    const bool made = marks && bench_page_make_entries(page, bench_page_same_entry, &cases) &&
                      bench_page_make_entries(page, bench_page_same_roof, &series);
    if (made) {
        double width, height;
        size_t count = 0;
        bench_page_list_size(page, &cases, &width, &height);
        const double keys = (double)(json_array_size(roofs) + 1) * 18 + 8;
        const double list = LEFT + PLANE + GAP, right = list + 24 + width;
        bench_page_begin(page, "Matrix products under their roofs",
                         (int)right + PAGE_MARGIN + 70 * (int)series.count,
                         (int)fmax(HEIGHT + keys, height + 40) + 60);
        struct plane plane = {LEFT, LEFT + PLANE, page->top + keys, page->height - 60, 0, 0, 0, 0};
        choose_edges(page, roofs, &plane);
        for (size_t i = 0; i < records; i++) {
            const json_t *record = json_array_get(page->records, i);
            const double x = bench_number(record, "intensity");
            const double y = bench_number(record, "gflops");
            if (bench_is_ok(record) && x > 0 && y > 0) {
                marks[count++] = (struct mark){
                    .x = pixel_x(&plane, x), .y = pixel_y(&plane, y), .record = record};
            }
        }
        place_labels(&plane, marks, count);
        gemm_data(page, &plane, roofs, &cases, &series, marks, count);
        gemm_key(page, roofs, &series, LEFT);
        gemm_list(page, &cases, &series, list, right, page->top + 8);
        gemm_plot(page, &plane, roofs, &series);
    }
    free(marks);
    free(cases.entry);
    free(series.entry);
    return made;
}
