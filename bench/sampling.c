/* sampling.c: see sampling.h. */
#define _DEFAULT_SOURCE
#include "sampling.h"

#include <math.h>
#include <stdlib.h>
#include <sys/resource.h>

#include "bench.h"
#include "core/cpu.h"

/* A sample takes at least SAMPLE_SECONDS, so that neither the clock nor one interrupt is seen. */
static const double WARM_UP_SECONDS = 0.05, SAMPLE_SECONDS = 2e-3;
static const double SHORTEST_SECONDS = 1e-8; /* of a call, where the clock shows none */
enum { WARM_UP_CALLS = 3 };

static double processor_seconds(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
           1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec);
}

double bench_warm_up(const struct bench_task *task)
{
    const double start = gm_seconds();
    double quickest = INFINITY;
    for (size_t i = 0; !bench_interrupted; i++) {
        const double before = gm_seconds();
        task->run(task->context, i);
        const double after = gm_seconds();
        quickest = fmin(quickest, after - before);
        bench_tick();
        /* One call that takes seconds has warmed all there is. */
        if (after - start > WARM_UP_SECONDS && (i + 1 >= WARM_UP_CALLS || after - start > 1))
            break;
    }
    return quickest;
}

struct bench_samples bench_sample(const struct bench_task *task, double quickest,
                                  size_t repetitions, double seconds)
{
    struct bench_samples samples = {.seconds = malloc(repetitions * sizeof *samples.seconds)};
    if (!samples.seconds)
        return samples;
    const double calls = ceil(SAMPLE_SECONDS / fmax(quickest, SHORTEST_SECONDS));
    const double start = gm_seconds(), processor = processor_seconds();
    double now = start;
    while (samples.count < repetitions && !bench_interrupted &&
           (samples.count == 0 || now - start < seconds)) {
        const double before = gm_seconds();
        for (size_t i = 0; i < (size_t)calls; i++)
            task->run(task->context, samples.calls++);
        now = gm_seconds();
        samples.seconds[samples.count++] = (now - before) / calls;
        bench_tick();
    }
    samples.threads_ran = (processor_seconds() - processor) / (now - start);
    return samples;
}
