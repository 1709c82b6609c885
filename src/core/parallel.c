/* parallel.c: see parallel.h. */
#include "core/parallel.h"

#include <omp.h>

void gm_parallel(bool worth_it, size_t count, gm_range *body, const void *context)
{
    if (!worth_it || omp_get_max_threads() == 1) {
        body(context, 0, count);
        return;
    }
#pragma omp parallel
    {
        const size_t threads = (size_t)omp_get_num_threads(), thread = (size_t)omp_get_thread_num();
        const size_t share = count / threads, rest = count % threads;
        const size_t first = thread * share + (thread < rest ? thread : rest);
        const size_t last = first + share + (thread < rest);
        if (first < last)
            body(context, first, last);
    }
}
