/* step_reference.h: does a training step of the library do what the book says, and how long do the
 * book's loops take for it? */
#ifndef BENCH_STEP_REFERENCE_H
#define BENCH_STEP_REFERENCE_H

#include "bench.h"

/* One step of the library and one of the plain loops of reference.h from the same parameters on the
 * same batch; where they agree, also the seconds of both references (naive_seconds, fair_seconds),
 * in the first round, unless --no-reference.
 *
 * On a large network the loops take minutes for a whole batch: they get as many examples as the
 * plain ones do in about a second, at least 16, and the fair ones at least 8 for each thread; the
 * seconds of the rest are scaled, for every example costs the same. True: the step agrees; false:
 * the record says why not. */
bool bench_verify_step(const struct bench *bench, const struct bench_case *c,
                       const struct gemm_provider *provider, struct record *record);

#endif
