/* roof.h: the two limits of the roofline model (Williams, Waterman, Patterson 2009), measured: what
 * the cores can multiply and add, and what the memory can deliver.
 *
 *   speed of a computation <= min(peak, intensity x bandwidth)      intensity: FLOP per byte moved
 */
#ifndef BENCH_ROOF_H
#define BENCH_ROOF_H

#include <stdbool.h>
#include <stddef.h>

#include "linalg/gemm.h"

/* GFLOP/s of multiply-adds on registers alone, by `threads` OpenMP threads at once: the best of
 * several runs, by the fastest instruction set of this processor, whose name goes to
 * *instruction_set (NULL is allowed). 0: no instruction here multiplies in this precision. */
double bench_roof_peak(int threads, enum gemm_precision precision, const char **instruction_set);

/* What the peak is measured with: a round is one multiply-add on each x of a number of registers,
 * whose lanes start at 1/2, 1/3, …, the same in all lanes of a register. */
struct bench_roof_kernel {
    const char *instruction_set;
    enum gemm_precision precision;
    double flop;             /* of one round: 2 for each lane of each register, 4 in bf16 */
    bool (*supported)(void); /* by this processor; NULL: always */
    /* Returns the sum of all lanes. x <- multiplier x + addend; on NEON x <- x + multiplier addend,
     * and in bf16 the same twice. */
    double (*run)(size_t rounds, double multiplier, double addend);
};

/* Those that this processor can run; NULL when there are not more than `index`. */
const struct bench_roof_kernel *bench_roof_kernel(size_t index);

/* GB/s (10^9 bytes) of McCalpin's STREAM triad a = b + s c by `threads` OpenMP threads, counted as
 * STREAM does: 24 bytes for each double of a (that most CPUs read a before they write it is not
 * counted). The arrays are far larger than the caches. NaN: not enough memory. */
double bench_roof_bandwidth(int threads);

#endif
