/* loss.c: the table of losses, and the output layer that joins loss and activation; see loss.h. */
#include "nn/loss.h"

#include <math.h>

#include "core/parallel.h"
#include "nn/vmath.h"

/* y after label smoothing. */
GM_INLINE real smoothed(real y, real keep, real floor)
{
    return keep * y + floor;
}

/* f(d) and f'(d) for d = a - y; C0 is the sum or the mean of f over the outputs. */

GM_INLINE double square(real d)
{
    return (double)d * (double)d;
}
GM_INLINE real square_slope(real d)
{
    return 2 * d;
}

GM_INLINE double half_square(real d)
{
    return 0.5 * (double)d * (double)d;
}
GM_INLINE real half_square_slope(real d)
{
    return d;
}

GM_INLINE double magnitude(real d)
{
    return fabs((double)d);
}
GM_INLINE real magnitude_slope(real d)
{
    return (real)((d > 0) - (d < 0));
}

GM_INLINE double huber(real d)
{
    double size = fabs((double)d);
    return size <= 1 ? 0.5 * size * size : size - 0.5;
}
GM_INLINE real huber_slope(real d)
{
    return d > 1 ? 1 : d < -1 ? -1 : d;
}

#define FROM_A(name)                                                                               \
    static double name##_from_a(size_t n, const real *a, const real *y, real keep, real floor,     \
                                real *g)                                                           \
    {                                                                                              \
        double sum = 0;                                                                            \
        for (size_t j = 0; j < n; j++) {                                                           \
            real d = a[j] - smoothed(y[j], keep, floor);                                           \
            sum += name(d);                                                                        \
            if (g)                                                                                 \
                g[j] = name##_slope(d);                                                            \
        }                                                                                          \
        return sum;                                                                                \
    }

FROM_A(square)
FROM_A(half_square)
FROM_A(magnitude)
FROM_A(huber)

static const struct loss losses[] = {
    {"cross_entropy", "with softmax: -sum y ln a; with sigmoid: -sum y ln a + (1-y) ln(1-a)", true,
     false, NULL},
    {"quadratic", "sum (a-y)^2, as in 3Blue1Brown's derivation", false, false, square_from_a},
    {"half_quadratic", "1/2 sum (a-y)^2, as in Nielsen's book", false, false, half_square_from_a},
    {"mse", "mean of (a-y)^2 over the outputs", false, true, square_from_a},
    {"mae", "mean of |a-y| over the outputs", false, true, magnitude_from_a},
    {"huber", "mean over the outputs of (a-y)^2/2, beyond 1 of |a-y|-1/2", false, true,
     huber_from_a},
};

const struct loss *loss_at(size_t index)
{
    return index < sizeof losses / sizeof *losses ? &losses[index] : NULL;
}

const char *loss_name(size_t index)
{
    return index < sizeof losses / sizeof *losses ? losses[index].name : NULL;
}

const struct loss *loss_find(const char *name)
{
    size_t index = 0;
    return gm_find_name("loss", name, loss_name, &index, NULL) == GEMMLP_OK ? &losses[index] : NULL;
}

enum {
    ROWS = 16, /* that are taken together: for few outputs exponentials in whole vectors */
    ROWS_ELEMENTS = 1024 /* at most, or one row: they stay in L1 */
};

/* a, y and delta (rows x n), cost (rows), rows <= ROWS. z -> a = softmax(z); C0 = -sum y ln a;
 * delta = a sum(y) - y, and sum(y) = 1 for probabilities. */
static void softmax_cross_entropy(size_t rows, size_t n, real *a, const real *y, real keep,
                                  real floor, double *cost, real *delta)
{
    double total[ROWS], log_normaliser[ROWS];
    for (size_t row = 0; row < rows; row++) {
        total[row] = cost[row] = 0;
        for (size_t i = row * n; i < (row + 1) * n; i++) {
            const double target = (double)smoothed(y[i], keep, floor);
            cost[row] -= target * (double)a[i];
            total[row] += target;
        }
    }
    softmax_rows(rows, n, a, log_normaliser);
    for (size_t row = 0; row < rows; row++) {
        cost[row] += total[row] * log_normaliser[row];
        if (delta)
            for (size_t i = row * n; i < (row + 1) * n; i++)
                delta[i] = a[i] * (real)total[row] - smoothed(y[i], keep, floor);
    }
}

enum { BLOCK = 64 };

/* n <= BLOCK outputs; cost and delta receive one number for each. */
GM_KERNEL static void sigmoid_cross_entropy_block(size_t n, real *a, const real *y, real keep,
                                                  real floor, real *cost, real *delta)
{
    VM_SIMD for (size_t j = 0; j < n; j++)
    {
        real z = a[j], target = smoothed(y[j], keep, floor);
        real e = vm_exp(-(real)fabs(z)), inverse = 1 / (1 + e);
        real sigmoid = z < 0 ? e * inverse : inverse;
        a[j] = sigmoid;
        cost[j] = (z > 0 ? z : 0) - target * z + vm_log1p_unit(e);
        delta[j] = sigmoid - target;
    }
}

/* z -> a = sigmoid(z); C0 = sum softplus(z) - y z; delta = a - y. */
static double sigmoid_cross_entropy(size_t n, real *a, const real *y, real keep, real floor,
                                    real *delta)
{
    double sum = 0;
    for (size_t j = 0; j < n; j += BLOCK) {
        const size_t count = n - j < BLOCK ? n - j : BLOCK;
        real cost[BLOCK], no_delta[BLOCK];
        sigmoid_cross_entropy_block(count, a + j, y + j, keep, floor, cost,
                                    delta ? delta + j : no_delta);
        for (size_t i = 0; i < count; i++)
            sum += (double)cost[i];
    }
    return sum;
}

/* delta_j = sum_i g_i da_i/dz_j = a_j (g_j - sum_i a_i g_i), in place of g. */
static void softmax_jacobian(size_t n, const real *a, real *g)
{
    double mean = 0;
    for (size_t i = 0; i < n; i++)
        mean += (double)(a[i] * g[i]);
    for (size_t j = 0; j < n; j++)
        g[j] = a[j] * (g[j] - (real)mean);
}

static void scale_row(size_t n, real *x, real factor)
{
    for (size_t j = 0; j < n; j++)
        x[j] *= factor;
}

static double cost_from_a(const struct output *o, real *a, const real *y, real keep, real floor,
                          size_t offset)
{
    const size_t n = o->n;
    real *delta = o->delta ? o->delta + offset : NULL;
    double log_normaliser;
    if (o->activation->output_only)
        softmax_rows(1, n, a, &log_normaliser);
    double cost = o->loss->from_a(n, a, y, keep, floor, delta);
    if (o->loss->mean)
        cost /= (double)n;
    if (!delta)
        return cost;
    if (o->loss->mean)
        scale_row(n, delta, 1 / (real)n);
    if (o->activation->output_only)
        softmax_jacobian(n, a, delta);
    else
        o->activation->backward(n, o->kept + offset, delta);
    return cost;
}

/* sigma at the output, rows <= ROWS, where the forward pass has left z. */
static void activate(const struct output *o, size_t rows, real *z)
{
    static const struct {
        real zero[BLOCK];
    } no_bias;
    const size_t all = rows * o->n;
    double log_normaliser[ROWS];
    if (o->activation->output_only) {
        softmax_rows(rows, o->n, z, log_normaliser);
        return;
    }
    for (size_t i = 0; i < all; i += BLOCK)
        o->activation->forward(all - i < BLOCK ? all - i : BLOCK, no_bias.zero, z + i, z + i);
}

static double row_weight(const struct output *o, const real *y)
{
    size_t label = 0;
    for (size_t j = 1; j < o->n; j++)
        if (y[j] > y[label])
            label = j;
    return (double)o->class_weights[label];
}

/* C0 and delta of rows <= ROWS rows, before they are weighted. */
static void cost_of_rows(const struct output *o, size_t first, size_t rows, double *cost)
{
    const size_t n = o->n;
    const real keep = (real)(1 - o->label_smoothing),
               floor = (real)(o->label_smoothing / (double)n);
    real *a = o->a + first * n, *delta = o->delta ? o->delta + first * n : NULL;
    const real *y = o->y + first * n;
    if (o->loss->sigmoid_or_softmax && o->activation->output_only) {
        softmax_cross_entropy(rows, n, a, y, keep, floor, cost, delta);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        const size_t at = row * n;
        cost[row] =
            o->loss->sigmoid_or_softmax
                ? sigmoid_cross_entropy(n, a + at, y + at, keep, floor, delta ? delta + at : NULL)
                : cost_from_a(o, a + at, y + at, keep, floor, first * n + at);
    }
}

static void finish_row(const struct output *o, size_t row, double cost)
{
    const size_t n = o->n;
    real *delta = o->delta ? o->delta + row * n : NULL;
    const double weight = o->class_weights ? row_weight(o, o->y + row * n) : 1;
    o->cost[row] = weight * cost;
    if (o->class_weights && delta)
        scale_row(n, delta, (real)weight);
    if (o->delta16)
        real_to_bf16(n, delta, o->delta16 + row * n);
}

static size_t rows_together(const struct output *o)
{
    const size_t fit = ROWS_ELEMENTS / o->n;
    return fit < 1 ? 1 : fit < ROWS ? fit : ROWS;
}

/* Blocks of rows; where they lie does not depend on the number of threads. */
static void output_blocks(const void *output, size_t first, size_t last)
{
    const struct output *o = output;
    const size_t together = rows_together(o);
    for (size_t block = first; block < last; block++) {
        const size_t row = block * together, left = o->rows - row;
        const size_t rows = left < together ? left : together;
        double cost[ROWS];
        if (!o->cost) {
            if (output_takes_z(o->loss, o->activation))
                activate(o, rows, o->a + row * o->n);
            continue;
        }
        cost_of_rows(o, row, rows, cost);
        for (size_t i = 0; i < rows; i++)
            finish_row(o, row + i, cost[i]);
    }
}

void output_cost(const struct output *o)
{
    const size_t together = rows_together(o);
    gm_parallel(o->rows * o->n > 2048, (o->rows + together - 1) / together, output_blocks, o);
}
