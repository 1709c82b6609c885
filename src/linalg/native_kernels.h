/* native_kernels.h: the inner loops of gemmlp's own matrix products, written once in C with vectors
 * (native_body.h) and compiled for each instruction set, and chosen at run time. float only.
 *
 * Two kernels serve all operand orders from row-major memory:
 *
 *   outer   C += A B where rows of B lie together (NN, TN; of NT panels are transposed): each step
 *           of k takes a few elements of a column of A times one or two vectors of a row of B. A
 *           tile of C stays in registers; or, where k is short (ten classes, ten examples), a panel
 *           of B
 *   dot     C += A B^T (NT): each element of C is the inner product of two rows that lie together;
 *           a tile of inner products stays in registers, each as a vector that is summed at the
 *           end. Nothing is packed or transposed, which a small batch could not pay for,
 *           nor a layer of few neurons
 */
#ifndef GM_NATIVE_KERNELS_H
#define GM_NATIVE_KERNELS_H

#include <stdbool.h>
#include <stddef.h>

/* C (m x n) = alpha A B + beta C. Element (i, p) of A is a[i a_row + p a_step], one of both is 1;
 * (p, j) of B is b[p b_step + j b_column]; beta = 0: C is not read. */
struct native_block {
    size_t m, n, k;
    const float *a;
    size_t a_row, a_step;
    size_t a_tile; /* from one tile of rows to the next where A is packed; 0: it is not */
    const float *b;
    size_t b_step, b_column;
    float *panel;    /* outer: 2 x k x columns elements of scratch, for panels of B */
    bool pack_panel; /* outer: copy every panel of B there, not only one that needs it */
    bool keep_panel; /* outer: in registers; all of the product's k is at most short_k, and A is not
                        packed */
    float alpha, beta;
    float *c;
    size_t ldc;
};

struct native_kernels {
    const char *name;        /* of the instruction set */
    bool (*supported)(void); /* by this processor; NULL: always */
    size_t rows, columns;    /* of the outer kernel's tile, at most */
    size_t short_k;          /* most steps of k for keep_panel */
    size_t dot_rows, dot_columns;
    void (*outer)(const struct native_block *block);
    void (*dot)(const struct native_block *block); /* a_step = 1, b_step = 1 */
    /* Copies A and lets the block point to the copy: in the order in which `outer` reads it, so
     * that no two rows meet in a set of the cache. packed: at most m rounded up to `rows`,
     * times k. */
    void (*pack_a)(struct native_block *block, float *packed);
};

/* The fastest that this processor can run come first; NULL past the last. */
const struct native_kernels *gm_native_kernels_at(size_t index);

#endif
