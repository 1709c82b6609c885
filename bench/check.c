/* check.c: see check.h. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#include "core/rng.h"

double bench_tolerance(const struct gemm_problem *p)
{
    const double unit = p->precision == GEMM_F64 ? DBL_EPSILON : (double)FLT_EPSILON;
    return (8 + sqrt((double)p->k) / 2) * unit;
}

static double element(enum gemm_precision precision, const void *x, size_t i)
{
    return precision == GEMM_F64    ? ((const double *)x)[i]
           : precision == GEMM_BF16 ? (double)gm_bf16_value(((const gm_bf16 *)x)[i])
                                    : (double)((const float *)x)[i];
}

/* y (rows) = op(X) t, and, where they are wanted, squares (rows) = |op(X)_i|^2 and *weighted =
 * |op(X) diag(t)|_F^2. X is read in the order of memory. */
static void multiply(enum gemm_precision precision, bool transposed, size_t rows, size_t columns,
                     const void *x, size_t ld, const double *t, double *y, double *squares,
                     double *weighted)
{
    for (size_t i = 0; i < rows; i++) {
        y[i] = 0;
        if (squares)
            squares[i] = 0;
    }
    const size_t outer = transposed ? columns : rows, inner = transposed ? rows : columns;
    for (size_t p = 0; p < outer; p++) {
        for (size_t q = 0; q < inner; q++) {
            const size_t row = transposed ? q : p, column = transposed ? p : q;
            const double value = element(precision, x, p * ld + q);
            y[row] += value * t[column];
            if (squares)
                squares[row] += value * value;
            if (weighted)
                *weighted += value * value * t[column] * t[column];
        }
    }
}

bool bench_check_product(const struct gemm_problem *p, const void *a, const void *b, const void *c,
                         double *residual)
{
    double *t = calloc(p->n + p->k + 3 * p->m, sizeof *t);
    if (!t)
        return false;
    double *bt = t + p->n, *abt = bt + p->k, *squares = abt + p->m, *ct = squares + p->m;
    for (size_t j = 0; j < p->n; j++) { /* of either sign and no two alike */
        const struct rng_block random = gm_rng(1, RNG_EXAMPLES, 2, 0, j);
        t[j] = (1 + gm_uniform(random.u[0])) * (random.u[1] & 1 ? 1 : -1);
    }
    double b_squared = 0, worst = 0;
    multiply(p->precision, p->transpose_b, p->k, p->n, b, p->ldb, t, bt, NULL, &b_squared);
    multiply(p->precision, p->transpose_a, p->m, p->k, a, p->lda, bt, abt, squares, NULL);
    multiply(p->precision == GEMM_F64 ? GEMM_F64 : GEMM_F32, false, p->m, p->n, c, p->ldc, t, ct,
             NULL, NULL);
    for (size_t i = 0; i < p->m; i++) {
        const double bound = sqrt(squares[i]) * sqrt(b_squared);
        const double difference = fabs(ct[i] - abt[i]);
        if (!(difference <= worst * bound)) /* also NaN */
            worst = isfinite(difference) && bound > 0 ? difference / bound : INFINITY;
    }
    free(t);
    *residual = worst;
    return true;
}
