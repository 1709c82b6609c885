/* test_plot.c: pictures of reports: that data and script hold what was measured, that names are
 * texts and not commands, that numbers of points do not cover each other, and what is said when
 * there is no gnuplot or it fails. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include <jansson.h>
#include <sys/stat.h>

#include "cli/gnuplot.h"
#include "plot.h"

static const char *original_path;
static char message[4096];
static char text[1 << 17]; /* of the file that was read last */

static bool exists(const char *name)
{
    struct stat status;
    return stat(at(name), &status) == 0;
}

static const char *read_text(const char *name)
{
    text[get_file(at(name), text, sizeof text - 1)] = '\0';
    return text;
}

static void write_program(const char *name, const char *content)
{
    put_file(at(name), content, strlen(content));
    assert_int_equal(chmod(at(name), 0755), 0);
}

static void assert_contains(const char *haystack, const char *needle)
{
    if (!haystack || !needle) {
        fail();
        return;
    }
    if (!strstr(haystack, needle)) {
        print_error("'%s' is missing in:\n%s\n", needle, haystack);
        fail();
    }
}

/* A report of the suite with these records, in JSON whose quotes are single. */
static json_t *make_report(const char *suite, const char *records)
{
    static char source[1 << 15];
    snprintf(source, sizeof source,
             "{'suite':'%s','command':'gemmlp bench %s','date':'2026-11-24T13:30:00Z',"
             "'version':'0.1.0','compiler':'gcc 12.2.0','cpu':'A CPU','cpus':2,"
             "'roofs':[{'threads':1,'precision':'f32','peak_gflops':100,'bandwidth_gbytes':20},"
             "{'threads':2,'precision':'f32','peak_gflops':200,'bandwidth_gbytes':25}],"
             "'records':[%s]}",
             suite, suite, records);
    for (char *quote = source; (quote = strchr(quote, '\'')); quote++) {
        *quote = '"';
    }
    json_error_t error;
    json_t *report = json_loads(source, 0, &error);
    if (!report) {
        print_error("%s in %s\n", error.text, source);
    }
    assert_non_null(report);
    return report;
}

static bool draw(json_t *report, const char *name)
{
    *message = '\0';
    const bool drawn = bench_plot(report, at(name), message, sizeof message);
    json_decref(report);
    return drawn;
}

/* Data and script only: gnuplot is not found. */
static void draw_files(const char *suite, const char *records)
{
    assert_int_equal(setenv("PATH", "", 1), 0);
    assert_false(draw(make_report(suite, records), "p.svg"));
    assert_int_equal(setenv("PATH", original_path, 1), 0);
}

/* Whether the original PATH has a gnuplot. */
static bool have_gnuplot(void)
{
    char program[1024];
    for (const char *entry = original_path; *entry;) {
        const size_t length = strcspn(entry, ":");
        snprintf(program, sizeof program, "%.*s/gnuplot", (int)length, entry);
        if (access(program, X_OK) == 0) {
            return true;
        }
        entry += length + (entry[length] == ':');
    }
    print_message("no gnuplot on PATH: its pictures were not looked at\n");
    return false;
}

#define CASE "'case':'784-30-10 B=10','status':'ok','precision':'f32',"

static const char backends[] =
    "{" CASE "'provider':'openblas','provider_path':'/lib/openblas-openmp/libopenblas.so.0',"
    "'provider_version':'OpenBLAS 0.3.21','kernel':'Zen','threads':2,'gflops':150,"
    "'peak_gflops':200,'peak_fraction':0.75},"
    "{" CASE "'provider':'openblas','provider_path':'/lib/openblas-pthread/libopenblas.so.0',"
    "'provider_version':'OpenBLAS 0.3.21','kernel':'Zen','threads':2,'gflops':120.5,"
    "'peak_gflops':200,'peak_fraction':0.6025},"
    "{'case':'784-30-10 B=10','status':'crashed','precision':'f32','provider':'blis',"
    "'provider_path':'/lib/libblis.so.4','provider_version':'0.9.0','threads':2,"
    "'peak_gflops':200}";

static void test_plot_backends(void **state)
{
    (void)state;
    draw_files("backends", backends);
    const char *data = read_text("p.dat");
    assert_contains(data, "# provider 01");
    assert_contains(data, "\n150 ");
    assert_contains(data, "\n120.5 ");
    assert_contains(data, "# provider 03: GFLOP/s, top, bottom of the bar; with a standard "
                          "deviation more of time, with the least time\nnan ");
    assert_contains(data, " # 784-30-10 B=10\n");
    assert_contains(data, "# peak: GFLOP/s, top, height of the rows that have it\n200 0 ");
    const char *script = read_text("p.gp");
    assert_contains(script, "'Matrix products: the speed of each library'");
    assert_contains(script, "'openblas openmp (OpenBLAS 0.3.21, Zen)'");
    assert_contains(script, "'openblas pthread (OpenBLAS 0.3.21, Zen)'");
    assert_contains(script, "'blis (0.9.0)'");
    assert_contains(script, "'crashed'");
    assert_contains(script, "'75 %'");
    assert_contains(script, "data index 'provider 03'");
    assert_contains(script, "A CPU, 2 CPUs");
    assert_contains(script, "2026-11-24T13:30:00Z");
}

/* What the children measured says the title; what never answered is called by its file. */
static void test_plot_backends_step(void **state)
{
    (void)state;
    draw_files("backends", "{'suite':'step'," CASE "'provider':'netlib','threads':1,'gflops':9},"
                           "{'suite':'step','case':'784-30-10 B=10','status':'crashed',"
                           "'provider':'/a/very/long/way/to/libodd.so',"
                           "'provider_version':'libodd.so','threads':1}");
    const char *script = read_text("p.gp");
    assert_contains(script, "'Training steps: the speed with each library'");
    assert_contains(script, "'libodd.so'");
    assert_null(strstr(script, "Matrix products"));
}

static void test_plot_gemm(void **state)
{
    (void)state;
    draw_files("gemm", "{" CASE "'operation':'TN','threads':1,'gflops':40,'intensity':2.5},"
                       "{" CASE "'operation':'TN','threads':2,'gflops':61,'intensity':2.5}");
    const char *data = read_text("p.dat");
    /* Edges: half the least intensity and twice the largest ridge. */
    assert_contains(data, "GFLOP/s; 1 threads\n1.25 25\n5 100\n16 100\n");
    assert_contains(data, "GFLOP/s; 2 threads\n1.25 31.25\n8 200\n16 200\n");
    assert_contains(data, "# points 01: FLOP/byte, GFLOP/s, shape, number\n2.5 40 9 1 ");
    assert_contains(data, "# points 02: FLOP/byte, GFLOP/s, shape, number\n2.5 61 9 1 ");
    const char *script = read_text("p.gp");
    assert_contains(script, "'1 thread: peak 100 GFLOP/s, memory 20.0 GB/s");
    assert_contains(script, "set xrange [1.25:16]");
    assert_contains(script, "set xtics (2, 5, 10)");
    assert_contains(script, "'784-30-10 B=10'");
}

/* Each operation has a mark of its own, and the key says which, not what it might be for. */
static void test_plot_gemm_operations(void **state)
{
    (void)state;
    static const char *const operations[] = {"NN", "NT", "TN", "TT"};
    static const char *const labels[] = {"'NN: A B'", "'NT: A Bᵀ'", "'TN: Aᵀ B'", "'TT: Aᵀ Bᵀ'"};
    static char records[1024];
    *records = '\0';
    for (int i = 0; i < 4; i++) {
        const size_t length = strlen(records);
        snprintf(records + length, sizeof records - length,
                 "%s{'case':'%s','status':'ok','precision':'f32','operation':'%s','threads':1,"
                 "'gflops':40,'intensity':5}",
                 i ? "," : "", operations[i], operations[i]);
    }
    draw_files("gemm", records);
    const char *row = strstr(read_text("p.dat"), "# points 01");
    int point[4], number;
    for (int i = 0; i < 4; i++) {
        row = strchr(row, '\n') + 1;
        assert_int_equal(sscanf(row, "%*s %*s %d %d", &point[i], &number), 2);
        for (int j = 0; j < i; j++) {
            assert_int_not_equal(point[i], point[j]);
        }
    }
    const char *script = read_text("p.gp");
    for (int i = 0; i < 4; i++) { /* "set label '' at … point pt N …", then its text */
        char mark[32];
        snprintf(mark, sizeof mark, "point pt %d ", point[i]);
        assert_contains(script, mark);
        const char *text_line = strchr(strstr(script, mark), '\n') + 1;
        assert_contains(text_line, labels[i]);
        assert_true(strstr(text_line, labels[i]) < strchr(text_line, '\n'));
    }
    assert_null(strstr(script, "forward"));
}

static void test_plot_threads(void **state)
{
    (void)state;
    draw_files("threads",
               "{" CASE "'threads':2,'speedup':1.9,'efficiency':0.95},"
               "{" CASE "'threads':1,'speedup':1,'efficiency':1},"
               "{'case':'784-30-10 B=10','status':'hung','precision':'f32','threads':4}");
    /* In the order of the threads, whatever the order of the records. */
    const char *data = read_text("p.dat");
    assert_contains(data, "\n1 1 1 # ");
    assert_contains(strstr(data, "\n1 1 1 # "), "\n2 1.9 0.95 # ");
    assert_contains(strstr(data, "\n2 1.9 0.95 # "), "\n4 nan nan # ");
    const char *script = read_text("p.gp");
    assert_contains(script, "plot x/1 with lines dashtype 2");
    assert_contains(script, "(4 threads: hung)");
    assert_contains(script, "set xtics (1, 2, 4)");
}

static void test_plot_step(void **state)
{
    (void)state;
    draw_files("step",
               "{" CASE "'threads':2,'gflops':150,'peak_gflops':200,'peak_fraction':0.75,"
               "'naive_speedup':45.67,'fair_speedup':3.21,"
               "'parts':{'gather':0.0002,'forward_gemm':0.0006,'forward_epilogue':0.0001,"
               "'loss':0.0001,'backward_gemm':0.0004,'gradient_gemm':0.0004,'update':0.0002}}");
    const char *data = read_text("p.dat");
    assert_contains(data, " 0 10 40 45 50 70 70 90 100 # 784-30-10 B=10\n");
    assert_contains(data, "# speed: GFLOP/s, top, bottom of the bar\n150 ");
    const char *script = read_text("p.gp");
    assert_contains(script, "'backward GEMM'");
    assert_contains(script, "'45.7 ×'");
    assert_contains(script, "'3.21 ×'");
    assert_contains(script, "'75 %'");
}

static void test_plot_accuracy(void **state)
{
    (void)state;
    draw_files("accuracy",
               "{'case':'98 %','status':'missed','precision':'f32',"
               "'threads':2,'target':0.98,'reached':3,'seeds':5,"
               "'test_accuracy_median':0.982,'test_accuracy_min':0.9705,'seconds_median':2.5,"
               "'seconds_min':2,'samples':[2,2.25,2.5,3,4]}");
    const char *data = read_text("p.dat");
    assert_contains(data, "# seconds: median, row, least, most\n2.5 14 2 4 # ");
    const char *script = read_text("p.gp");
    assert_contains(script, "'Training to a test accuracy of 98 %'");
    assert_contains(script, "'3 of 5'");
    assert_contains(script, "'missed'"); /* and its figures are there */
    assert_contains(script, "'98.20 %'");
    assert_contains(script, "'97.05 %'");
    assert_contains(script, "'2.50 s'");
    /* Of several targets the title names none. */
    draw_files("accuracy", "{" CASE "'target':0.95,'reached':5,'seeds':5,'seconds_median':1},"
                           "{" CASE "'target':0.98,'reached':5,'seeds':5,'seconds_median':2}");
    assert_contains(read_text("p.gp"), "'Training to a test accuracy'");
    assert_null(strstr(text, "missed"));
}

/* Twenty cases with two numbers of threads, all at one place: their numbers are apart by more than
 * a character's size. */
static void test_plot_numbers_do_not_overlap(void **state)
{
    (void)state;
    enum { COUNT = 40 };
    static char records[COUNT * 160];
    *records = '\0';
    for (int i = 0; i < COUNT; i++) {
        const size_t length = strlen(records);
        snprintf(records + length, sizeof records - length,
                 "%s{'case':'%d','status':'ok','precision':'f32','threads':%d,"
                 "'gflops':40,'intensity':5}",
                 i ? "," : "", i / 2, 1 + i % 2);
    }
    draw_files("gemm", records);
    const char *script = read_text("p.gp");
    double x0, x1, y0, y1, x[COUNT], y[COUNT];
    assert_int_equal(sscanf(strstr(script, "set xrange"), "set xrange [%lf:%lf]", &x0, &x1), 2);
    assert_int_equal(sscanf(strstr(script, "set yrange"), "set yrange [%lf:%lf]", &y0, &y1), 2);
    const char *line = strstr(read_text("p.dat"), "# numbers:");
    for (int i = 0; i < COUNT; i++) {
        line = strchr(line, '\n') + 1;
        assert_int_equal(sscanf(line, "%lf %lf", &x[i], &y[i]), 2);
        assert_true(x[i] > x0 && x[i] < x1 && y[i] > y0 && y[i] < y1);
        for (int j = 0; j < i; j++) { /* the axes are 540 pixels wide and 430 high */
            const double across = fabs(540 * log(x[i] / x[j]) / log(x1 / x0));
            const double up = fabs(430 * log(y[i] / y[j]) / log(y1 / y0));
            assert_true(across > 12 || up > 8);
        }
    }
}

/* Records whose names would run commands, were they anything but texts in quotes. */
static void test_plot_hostile_names(void **state)
{
    (void)state;
    static const char *const names[] = {
        "'; system('touch INJECTED'); print '",
        "`touch INJECTED`",
        "\"; system(\"touch INJECTED\"); print \"",
        "x\n! touch INJECTED\n# touch",
        "x\n\n\n# peak: touch INJECTED",
        "@INJECTED $(touch INJECTED) \\",
        "%s %d %n {/Bold a}_b^c ÄØ数 <b>&amp;",
    };
    static const char *const suites[] = {"backends", "gemm", "threads", "step", "accuracy"};
    const bool drawn = have_gnuplot();
    for (size_t s = 0; s < sizeof suites / sizeof suites[0]; s++) {
        json_t *report = make_report(suites[s], "");
        for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
            json_array_append_new(
                json_object_get(report, "records"),
                json_pack("{ss ss ss ss ss ss ss si sf sf sf sf sf}", "case", names[i], "status",
                          i == 1 ? names[0] : "ok", "provider", names[i], "provider_path", names[i],
                          "provider_version", names[i], "kernel", names[i], "precision", "f32",
                          "threads", 1, "gflops", 10.0 + (double)i, "intensity", 4.0, "speedup",
                          1.0, "efficiency", 1.0, "seconds_median", 1.0));
        }
        json_object_set_new(report, "cpu", json_string(names[0]));
        json_object_set_new(report, "command", json_string(names[3]));
        const bool done = draw(report, "p.svg");
        if (drawn && !done) {
            print_error("%s: %s\n", suites[s], message);
        }
        assert_true(done == drawn);
        assert_false(exists("INJECTED"));
        assert_int_not_equal(access("INJECTED", F_OK), 0);
        assert_null(strstr(read_text("p.gp"), "\n! touch"));
        assert_null(strstr(read_text("p.dat"), "\n# touch"));
        if (drawn) {
            const char *picture = read_text("p.svg");
            assert_contains(picture, "`touch INJECTED`");
            assert_contains(picture, "{/Bold a}_b^c ÄØ数");
        }
    }
}

/* The picture's own name may be odd too. */
static void test_plot_hostile_files(void **state)
{
    (void)state;
    static const char *const names[] = {"| touch INJECTED; .svg", "< touch INJECTED; .svg",
                                        "it's `touch INJECTED` \"q\" \\.svg", "-e.svg",
                                        "a b_{c}.svg"};
    if (!have_gnuplot()) {
        return;
    }
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!draw(make_report("backends", backends), names[i])) {
            print_error("%s\n", message);
            fail();
        }
        assert_true(exists(names[i]));
        assert_false(exists("INJECTED"));
    }
    assert_false(draw(make_report("backends", backends), "a\nb.svg"));
    assert_contains(message, "control character");
}

static void test_plot_magic_bytes(void **state)
{
    (void)state;
    static const char *const suites[] = {"backends", "gemm", "threads", "step", "accuracy"};
    if (!have_gnuplot()) {
        return;
    }
    for (size_t s = 0; s < sizeof suites / sizeof suites[0]; s++) {
        assert_true(draw(make_report(suites[s], backends), "p.png"));
        assert_memory_equal(read_text("p.png"), "\x89PNG\r\n\x1a\n", 8);
        assert_true(draw(make_report(suites[s], backends), "p.SVG"));
        assert_memory_equal(read_text("p.SVG"), "<?xml", 5);
        assert_contains(text, "</svg>");
    }
}

/* Nothing was measured right: still a picture. */
static void test_plot_nothing_ok(void **state)
{
    (void)state;
    static const char *const suites[] = {"backends", "gemm", "threads", "step", "accuracy"};
    if (!have_gnuplot()) {
        return;
    }
    for (size_t s = 0; s < sizeof suites / sizeof suites[0]; s++) {
        const bool drawn =
            draw(make_report(suites[s], "{'case':'1','status':'wrong','provider':'x','threads':1}"),
                 "p.svg");
        if (!drawn) {
            print_error("%s: %s\n", suites[s], message);
        }
        assert_true(drawn);
        assert_contains(read_text("p.svg"), "wrong");
    }
}

static void test_plot_without_gnuplot(void **state)
{
    (void)state;
    put_file(at("p.svg"), "old", 3);
    draw_files("backends", backends);
    assert_contains(message, "p.svg was not drawn: there is no program gnuplot");
    assert_contains(message, "gnuplot-nox");
    assert_contains(message, "p.dat and p.gp in ");
    assert_contains(message, directory);
    assert_false(exists("p.svg"));
}

/* A gnuplot that says a lot and fails; one that draws nothing; one that is killed. */
static void test_plot_failing_gnuplot(void **state)
{
    (void)state;
    static const struct {
        const char *program, *expected;
    } cases[] = {
        {"#!/bin/sh\ni=0\nwhile [ $i -lt 3000 ]; do echo a warning >&2; i=$((i+1)); done\n"
         "printf '\\n         ^\\n\"./p.gp\" line 3: no such thing\\n\\n' >&2\nexit 1\n",
         "gnuplot ended with 1 and said: \"./p.gp\" line 3: no such thing"},
        {"#!/bin/sh\nexit 0\n", "gnuplot ended with 0 and said: "},
        {"#!/bin/sh\nkill -9 $$\n", "gnuplot was ended by signal 9"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        write_program("gnuplot", cases[i].program);
        assert_int_equal(setenv("PATH", directory, 1), 0);
        const bool drawn = draw(make_report("backends", backends), "p.svg");
        assert_int_equal(setenv("PATH", original_path, 1), 0);
        assert_false(drawn);
        assert_contains(message, cases[i].expected);
    }
}

static void test_plot_refusals(void **state)
{
    (void)state;
    static const char *const names[] = {"p.jpg", "p", ".svg", "p.svg.gz"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_false(draw(make_report("backends", backends), names[i]));
        assert_contains(message, names[i]);
        assert_contains(message, ".svg or .png");
        assert_false(cli_gnuplot_accepts(names[i], message, sizeof message));
    }
    assert_true(cli_gnuplot_accepts("a/b.PNG", message, sizeof message));
    assert_false(draw(make_report("backends", backends), "missing/p.svg"));
    assert_contains(message, "missing/p.dat: could not write: No such file or directory");
    assert_false(draw(make_report("backends", ""), "p.svg"));
    assert_contains(message, "no records");
    assert_false(draw(make_report("other", backends), "p.svg"));
    assert_contains(message, "no suite");
    assert_int_equal(count_entries(), 0);
}

static void test_plot_lines(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width, lines, longest;
    } cases[] = {
        {"", 5, 1, 0},        {"abc", 0, 1, 3},      {"abc def", 7, 1, 7}, {"abc def", 6, 2, 3},
        {"abc def", 3, 2, 3}, {"abcdefgh", 3, 3, 3}, {"äöü äöü", 4, 2, 3}, {"a  b", 2, 2, 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t longest = 0;
        const size_t lines = cli_gnuplot_lines(cases[i].text, cases[i].width, &longest);
        if (lines != cases[i].lines || longest != cases[i].longest) {
            print_error("'%s': %zu lines up to %zu\n", cases[i].text, lines, longest);
            fail();
        }
    }
}

int main(void)
{
    static char path[1 << 14];
    const char *found = getenv("PATH");
    snprintf(path, sizeof path, "%s", found ? found : "/usr/bin:/bin");
    original_path = path;
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_plot_backends),        IN_DIRECTORY(test_plot_gemm),
        IN_DIRECTORY(test_plot_backends_step),   IN_DIRECTORY(test_plot_gemm_operations),
        IN_DIRECTORY(test_plot_threads),         IN_DIRECTORY(test_plot_step),
        IN_DIRECTORY(test_plot_accuracy),        IN_DIRECTORY(test_plot_numbers_do_not_overlap),
        IN_DIRECTORY(test_plot_hostile_names),   IN_DIRECTORY(test_plot_hostile_files),
        IN_DIRECTORY(test_plot_magic_bytes),     IN_DIRECTORY(test_plot_nothing_ok),
        IN_DIRECTORY(test_plot_without_gnuplot), IN_DIRECTORY(test_plot_failing_gnuplot),
        IN_DIRECTORY(test_plot_refusals),        cmocka_unit_test(test_plot_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
