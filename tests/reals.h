/* reals.h: for tests of the core in either precision (float, or double with -DGEMMLP_F64): its
 * epsilon and range, and arrays of random numbers. */
#ifndef GM_TEST_REALS_H
#define GM_TEST_REALS_H

#include "support.h"

#include <float.h>

#include "nn/real.h"

#ifdef GEMMLP_F64
static const double EPSILON = DBL_EPSILON, SMALLEST = DBL_MIN, HUGEST = 1e300;
#else
static const double EPSILON = (double)FLT_EPSILON, SMALLEST = (double)FLT_MIN, HUGEST = 1e38;
#endif

static inline void fill_real(real *out, size_t n, uint64_t seed, double low, double high)
{
    for (size_t i = 0; i < n; i++)
        out[i] = (real)(low + (high - low) * random_uniform(&seed));
}

#endif
