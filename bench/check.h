/* check.h: is C = op(A) op(B)? Asked before any speed is printed.
 *
 * Computing every element again in plain loops takes m n k operations, for the shapes of a large
 * network minutes. As in the BLIS test suite, a random vector t is taken through both sides in
 * double precision instead, which takes mn + mk + kn: in exact arithmetic
 *
 *     C t = op(A) (op(B) t).
 *
 * residual = max over the rows i of |(C t - op(A) (op(B) t))_i| / (|op(A)_i| |op(B) diag(t)|_F),
 *
 * the denominator being the length that row i of C diag(t) has at most. Rounding leaves a few units
 * of the precision where the terms of a sum scatter around zero. Where they are of one sign, as
 * activations are, a sum that is taken term by term rounds at its growing size: with netlib about
 * sqrt(k) / 12 units, measured up to k = 1 000 000. Three times that is tolerated. One element of C
 * that is wrong by a share d of its typical size leaves about d / sqrt(k n). NaN or infinity in C
 * makes the residual infinite. Operands in bf16 are exact, and the sums are as of f32: so is the
 * tolerance. */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include "linalg/gemm.h"

/* A residual above this is a wrong result: (8 + sqrt(k) / 2) units of the precision
 * (a gradient over 8192 examples has left 31, a third of sqrt(k)). */
double bench_tolerance(const struct gemm_problem *problem);
/* False: out of memory. */
bool bench_check_product(const struct gemm_problem *problem, const void *a, const void *b,
                         const void *c, double *residual);

#endif
