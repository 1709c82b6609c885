/* native_cut.c: see native_cut.h. */
#include "linalg/native_cut.h"

#include <stdbool.h>

static double circumference(const struct gemm_problem *p, const struct native_cut *cut)
{
    return (double)p->m / (double)cut->down + (double)p->n / (double)cut->across;
}

/* Of least circumference, for A and B are read along it. */
static struct native_cut least_cut(const struct gemm_problem *p, size_t threads,
                                   struct native_unit unit)
{
    struct native_cut best = {1, threads, unit};
    for (size_t down = 2; down <= threads; down++) {
        const struct native_cut cut = {down, threads / down, unit};
        if (threads % down == 0 && circumference(p, &cut) < circumference(p, &best))
            best = cut;
    }
    return best;
}

/* By neurons: columns of C in the forward product (NT) and in the backward product (NN, those of
 * the layer before), rows in the gradient (TN). A thread then reads in the forward product weights
 * that it wrote itself in the gradient, and in the gradient deltas that it wrote in the backward
 * product: they need not come from the cache of another core, nor be called back from there to be
 * written. Not where neurons are too few, nor where threads are so many that all of them would read
 * much more. */
struct native_cut gm_native_cut(const struct gemm_problem *p, size_t threads,
                                struct native_unit unit, struct native_unit neurons)
{
    const struct native_cut least = least_cut(p, threads, unit);
    const struct native_cut by_neurons = p->transpose_a ? (struct native_cut){threads, 1, neurons}
                                                        : (struct native_cut){1, threads, neurons};
    const size_t count = p->transpose_a ? p->m : p->n;
    const bool enough = count >= threads * neurons.columns;
    return enough && circumference(p, &by_neurons) <= 2 * circumference(p, &least) ? by_neurons
                                                                                   : least;
}

/* Part `index` of `parts` of 0 … n - 1. */
static struct native_range part(size_t n, size_t unit, size_t index, size_t parts)
{
    const size_t units = (n + unit - 1) / unit;
    const size_t first = units * index / parts * unit, last = units * (index + 1) / parts * unit;
    return (struct native_range){first < n ? first : n, last < n ? last : n};
}

void gm_native_share(const struct gemm_problem *problem, const struct native_cut *cut,
                     size_t thread, struct native_range *rows, struct native_range *columns)
{
    *rows = part(problem->m, cut->unit.rows, thread / cut->across, cut->down);
    *columns = part(problem->n, cut->unit.columns, thread % cut->across, cut->across);
}
