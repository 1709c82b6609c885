/* publish.c: what becomes of a report: it is saved, drawn, printed and compared, and its doubts are
 * told; whether that can be done is asked before anything is measured. */
#include "bench.h"

#include <string.h>
#include <sys/stat.h>

#include "cli/files.h"
#include "cli/gnuplot.h"
#include "cli/report.h"
#include "compare.h"
#include "fields.h"
#include "io/atomic_file.h"
#include "plot.h"
#include "report.h"

static bool same_file(const char *left, const char *right)
{
    struct stat a, b;
    return stat(left, &a) == 0 && stat(right, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

bool bench_check_outputs(const struct bench *bench, int *code)
{
    const struct bench_options *options = bench->options;
    char message[1024];
    if (options->plot && !cli_gnuplot_accepts(options->plot, message, sizeof message))
        *code = cli_usage(bench->command, "--plot: %s", message);
    else if (options->save && options->compare && same_file(options->save, options->compare))
        *code = cli_usage(bench->command,
                          "--save: expected another file than that of --compare, "
                          "found '%s' in both",
                          options->save);
    else if ((options->save && !cli_file_writable(options->save)) ||
             (options->plot && !cli_file_writable(options->plot)))
        *code = EXIT_CODE_FAILED;
    else
        return true;
    return false;
}

static bool save(const json_t *report, const char *path)
{
    struct atomic_file file;
    gemmlp_error error;
    if (gm_atomic_open(&file, path, &error) == GEMMLP_OK) {
        if (!bench_report_write(report, "json", file.stream) && !ferror(file.stream)) {
            gm_atomic_abort(&file);
            cli_failed_memory("the report");
            return false;
        }
        if (gm_atomic_commit(&file, &error) == GEMMLP_OK)
            return true;
    }
    cli_complain("%s", error.message);
    return false;
}

static bool all_verified(const struct bench *bench)
{
    size_t i;
    json_t *record;
    bool good = !bench->failed && json_array_size(bench->records) > 0;
    json_array_foreach(bench->records, i, record)
    {
        good = good && bench_is_ok(record);
    }
    return good;
}

static bool print_report(struct bench *bench, const json_t *baseline, const char *format)
{
    const bool table = strcmp(format, "md") == 0;
    if (baseline && !table && !bench_compare(bench->report, baseline, NULL))
        return false;
    const bool written = bench->stream ? bench_report_write_line(bench->report, NULL, stdout)
                                       : bench_report_write(bench->report, format, stdout);
    if (!written)
        return ferror(stdout) != 0; /* that is told when it is flushed for the last time */
    if (!baseline || !table)
        return true;
    putchar('\n');
    return bench_compare(bench->report, baseline, stdout) || ferror(stdout);
}

int bench_publish(struct bench *bench, const json_t *baseline, const char *format)
{
    const struct bench_options *options = bench->options;
    char message[1024];
    int code = EXIT_CODE_DONE;
    if (options->save && !save(bench->report, options->save))
        code = EXIT_CODE_FAILED;
    if (options->plot && json_array_size(bench->records) > 0 &&
        !bench_plot(bench->report, options->plot, message, sizeof message)) {
        cli_complain("%s", message);
        code = EXIT_CODE_FAILED;
    }
    if (!print_report(bench, baseline, format))
        code = cli_failed_memory("the report");
    if (bench_interrupted)
        cli_complain("interrupted: this is what was finished");
    return bench_interrupted || !all_verified(bench) ? EXIT_CODE_FAILED : code;
}

void bench_warn(const struct bench *bench)
{
    const json_t *warnings = json_object_get(bench->report, "warnings"), *first = NULL;
    size_t doubtful = 0;
    for (size_t i = 0; i < json_array_size(warnings); i++)
        cli_complain("warning: %s", json_string_value(json_array_get(warnings, i)));
    for (size_t i = 0; i < json_array_size(bench->records); i++) {
        const json_t *record = json_array_get(bench->records, i);
        if (json_object_get(record, "doubts") && doubtful++ == 0)
            first = record;
    }
    if (doubtful == 0)
        return;
    char text[1024];
    cli_complain("warning: %zu of %zu cases are doubtful; the first, %s, %s: %s", doubtful,
                 json_array_size(bench->records), bench_text(first, "case"),
                 bench_text(first, "provider"),
                 bench_sentences(first, "doubts", text, sizeof text));
}
