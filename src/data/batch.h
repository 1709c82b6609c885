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

/* Examples order[first .. first + rows - 1] of an order of the data set (NULL: first ..
 * themselves): x (rows x features) pre-processed, y (rows x outputs) one-hot for labels; y may be
 * NULL. OpenMP-parallel over rows, allocates nothing. */
void gm_batch_gather(const struct batch_source *source, const uint32_t *order, size_t first,
                     size_t rows, float *x, float *y);

/* The same with x rounded to bf16. */
void gm_batch_gather_bf16(const struct batch_source *source, const uint32_t *order, size_t first,
                          size_t rows, gm_bf16 *x, float *y);

#endif
