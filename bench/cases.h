/* cases.h: what is measured: options -> a list of matrix products or of training steps. */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "cli/args.h"
#include "reference.h"

struct bench_case_options {
    const char *network; /* NETWORK[:BATCH[:ACTIVATION]],…; NULL: the standard ones */
    struct arg_list batch, activation, optimizer; /* empty: as each network says; sgd */
    struct arg_list m, n, k;                      /* empty: the products of the networks */
    const char *operation;                        /* of m, n, k: NN, NT, TN, TT, a comma list */
};

struct bench_case {
    char label[160]; /* names the case; the same in every process and every run */
    int threads;
    /* a product: op(A) (m x k), op(B) (k x n) */
    bool transpose_a, transpose_b;
    size_t m, n, k;
    /* a step, or where the product comes from: layer_count = 0 for a plain product */
    char network[128]; /* "784-30-10" */
    size_t layer_count, sizes[REFERENCE_MAX_LAYERS + 1], batch;
    const char *activation, *optimizer;
};

/* "NT": which of A and B are stored transposed. */
const char *bench_operation(bool transpose_a, bool transpose_b);

/* The cases, each for every number of threads: *out (*count), freed by the caller. A message has
 * been printed when the exit code is not 0. */
int bench_product_cases(const struct command *command, const struct bench_case_options *options,
                        const struct arg_list *threads, struct bench_case **out, size_t *count);
int bench_step_cases(const struct command *command, const struct bench_case_options *options,
                     const struct arg_list *threads, struct bench_case **out, size_t *count);

#endif
