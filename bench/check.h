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
 * of the precision for operands that scatter around zero, more where plain sums of one sign grow with
 * k; one element of C that is wrong by a share d of its typical size
 * leaves about d / sqrt(k n). NaN or infinity in C makes the residual infinite. */
#ifndef BENCH_CHECK_H
#define BENCH_CHECK_H

#include "linalg/gemm.h"

/* A residual above this is a wrong result. */
double bench_tolerance(enum gemm_precision precision);
/* False: out of memory. */
bool bench_check_product(const struct gemm_problem *problem, const void *a, const void *b,
                         const void *c, double *residual);

#endif
