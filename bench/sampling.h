/* sampling.h: how long something takes: warm-up, repetitions, and the processor time beside
 * them. */
#ifndef BENCH_SAMPLING_H
#define BENCH_SAMPLING_H

#include <stddef.h>

/* Something that can be done again and again; index counts the calls, so that buffers can
 * rotate. */
struct bench_task {
    void (*run)(void *context, size_t index);
    void *context;
};

struct bench_samples {
    double *seconds; /* (count) of one call each: a sample is the mean of several short calls */
    size_t count;
    size_t calls;       /* in all samples: indices 0 .. calls - 1 */
    double threads_ran; /* processor time over wall time, while samples were taken */
};

/* Calls until caches, clocks and threads are awake; returns the seconds of the quickest call. */
double bench_warm_up(const struct bench_task *task);
/* After the warm-up: at most `repetitions` samples, fewer when they take longer than `seconds`
 * altogether (but one) or the user interrupts. NULL seconds: out of memory. The caller frees
 * them. */
struct bench_samples bench_sample(const struct bench_task *task, double quickest,
                                  size_t repetitions, double seconds);

#endif
