/* native_cut.h: how C of gemmlp's own products is cut into one rectangle for each thread. */
#ifndef GM_NATIVE_CUT_H
#define GM_NATIVE_CUT_H

#include "linalg/gemm.h"

/* Rows and columns of which C is cut at multiples. */
struct native_unit {
    size_t rows, columns;
};

/* Into `down` x `across` rectangles. */
struct native_cut {
    size_t down, across;
    struct native_unit unit;
};

/* first <= i < last */
struct native_range {
    size_t first, last;
};

/* neurons: the unit where C is cut by neurons, else `unit`. */
struct native_cut gm_native_cut(const struct gemm_problem *problem, size_t threads,
                                struct native_unit unit, struct native_unit neurons);

/* The rows and columns of a thread; either may be none. */
void gm_native_share(const struct gemm_problem *problem, const struct native_cut *cut,
                     size_t thread, struct native_range *rows, struct native_range *columns);

#endif
