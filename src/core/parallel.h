/* parallel.h: a loop on several threads, where it is worth it.
 *
 * `#pragma omp parallel if (small)` takes half a microsecond even where the condition is false: the
 * run-time library makes a team of one. The step of a small network is a dozen such loops and has
 * twelve microseconds, so the branch goes around the region. */
#ifndef GM_PARALLEL_H
#define GM_PARALLEL_H

#include <stdbool.h>
#include <stddef.h>

/* first <= i < last */
typedef void gm_range(const void *context, size_t first, size_t last);

/* body over all of 0 <= i < count, each once: in one call, or, where it is worth it, one for each
 * thread, in order of the threads. */
void gm_parallel(bool worth_it, size_t count, gm_range *body, const void *context);

#endif
