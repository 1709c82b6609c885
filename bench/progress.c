/* progress.c: what is being measured, on stderr, for whoever waits: one line that is redrawn on a
 * terminal, elsewhere a line every ten seconds; a parent process takes it for a sign of life. */
#include <stdio.h>

#include "bench.h"
#include "cli/terminal.h"
#include "core/cpu.h"

static const double PERIOD = 10;

static struct {
    bool quiet;
    char text[512];
    double shown_at; /* 0: never */
} progress;

static void show(void)
{
    const int columns = (int)cli_stderr_columns() - 1;
    progress.shown_at = gm_seconds();
    if (cli_stderr_redraws())
        fprintf(stderr, "\r\033[K%.*s", columns > 0 ? columns : 79, progress.text);
    else
        fprintf(stderr, "%s\n", progress.text);
    fflush(stderr);
}

void bench_progress(const struct bench *bench, const char *label, size_t index, size_t count)
{
    char printable[256];
    progress.quiet = bench->options->common.quiet;
    if (progress.shown_at == 0)
        progress.shown_at = gm_seconds();
    snprintf(progress.text, sizeof progress.text, "round %zu/%zu, %zu of %zu: %s", bench->round + 1,
             bench->options->rounds, index + 1, count,
             cli_printable(label, printable, sizeof printable));
    if (!progress.quiet && cli_stderr_redraws())
        show();
    bench_tick();
}

void bench_tick(void)
{
    if (!progress.quiet && progress.text[0] && !cli_stderr_redraws() &&
        gm_seconds() - progress.shown_at > PERIOD)
        show();
}

void bench_progress_end(void)
{
    if (!progress.quiet && progress.text[0] && cli_stderr_redraws())
        fprintf(stderr, "\r\033[K");
    progress.text[0] = '\0';
}
