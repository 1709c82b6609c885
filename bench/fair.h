/* fair.h: the two naive loops that the benchmark compares with, each under one name. Both are
 * bench/reference.c, in float: as it stands, and "fair", compiled as a careful programmer without a
 * BLAS would, at full optimisation for the CPU at hand and with its loops on all OpenMP threads. */
#ifndef GM_BENCH_FAIR_H
#define GM_BENCH_FAIR_H

#include <stddef.h>

#include "reference.h"

/* The functions are those of reference.h; a network belongs to the loop whose `create` made it. */
struct bench_naive {
    const char *name;        /* "naive" or "fair" */
    const char *description; /* how it was compiled: "one thread, -O2" */
    struct reference_f32 *(*create)(const struct reference_settings *settings);
    void (*free)(struct reference_f32 *network);
    float *(*weights)(struct reference_f32 *network, size_t layer);
    float *(*biases)(struct reference_f32 *network, size_t layer);
    const float *(*weight_gradient)(const struct reference_f32 *network, size_t layer);
    const float *(*bias_gradient)(const struct reference_f32 *network, size_t layer);
    double (*gradient)(struct reference_f32 *network, size_t batch, const float *x, const float *y);
    double (*step)(struct reference_f32 *network, size_t batch, const float *x, const float *y);
};

const struct bench_naive *bench_naive_plain(void);

/* The best build that this CPU can run. It follows omp_set_num_threads. */
const struct bench_naive *bench_naive_fair(void);

/* All builds that it can run, the best first: NULL when there are not more than `index`. */
const struct bench_naive *bench_naive_fair_build(size_t index);

#endif
