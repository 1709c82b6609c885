/* batch.h: shuffle and gather: from examples somewhere in memory to one batch, row by row. */
#ifndef GM_BATCH_H
#define GM_BATCH_H

#include "core/bf16.h"
#include "data/dataset.h"

/* order (count) = a random permutation of 0 .. count - 1: a pure function of (seed, epoch)
 * (Fisher and Yates; Philox; unbiased). */
void gm_shuffle(uint64_t seed, uint64_t epoch, size_t count, uint32_t *order);

/* Where a batch comes from. */
struct batch_source {
    const gemmlp_dataset *dataset;
    const float *factor, *offset; /* (features): the pre-processing */
    size_t outputs;               /* columns of y: the network's, at least the data's classes */
};

/* Where it goes. */
struct batch {
    float *x;              /* (rows x features), pre-processed; or, where it is NULL: */
    gm_bf16 *x16;          /* the same, rounded to bf16 */
    float *y;              /* (rows x outputs), one-hot for labels; NULL: not wanted */
    size_t copies, stride; /* of x, so many elements apart: each by one thread; 0 or 1: no others */
};

/* Examples order[first .. first + rows - 1] of an order of the data set (NULL: first ..
 * themselves). OpenMP-parallel, over rows or copies; allocates nothing. */
void gm_batch_gather(const struct batch_source *source, const uint32_t *order, size_t first,
                     size_t rows, const struct batch *to);

#endif
