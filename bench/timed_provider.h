/* timed_provider.h: a provider that hands every product to another one and keeps the seconds, those
 * of the product and those of the epilogue apart. Forward products are A B^T, backward ones A B,
 * gradients A^T B: the transposes tell them apart. */
#ifndef BENCH_TIMED_PROVIDER_H
#define BENCH_TIMED_PROVIDER_H

#include "linalg/gemm.h"

enum timed_part { TIMED_FORWARD, TIMED_BACKWARD, TIMED_GRADIENT, TIMED_PARTS };

struct timed_provider {
    struct gemm_provider provider; /* to be given to whoever wants one; it points to this */
    const struct gemm_provider *inner;
    double gemm[TIMED_PARTS], epilogue[TIMED_PARTS]; /* seconds since they were set to zero */
};

/* The structure must stay where it is. */
void bench_timed_provider(struct timed_provider *timed, const struct gemm_provider *inner);

#endif
