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

/* z -> a = softmax(z); C0 = -sum y ln a; delta = a sum(y) - y, and sum(y) = 1 for probabilities. */
static double softmax_cross_entropy(size_t n, real *a, const real *y, real keep, real floor,
                                    real *delta)
{
    double yz = 0, total = 0;
    for (size_t j = 0; j < n; j++) {
        double target = (double)smoothed(y[j], keep, floor);
        yz += target * (double)a[j];
        total += target;
    }
    double log_normaliser = softmax_row(n, a);
    if (delta)
        for (size_t j = 0; j < n; j++)
            delta[j] = a[j] * (real)total - smoothed(y[j], keep, floor);
    return total * log_normaliser - yz;
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
    if (o->activation->output_only)
        softmax_row(n, a);
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

/* sigma at the output, where the forward pass has left z. */
static void activate(const struct output *o, real *z)
{
    static const struct {
        real zero[BLOCK];
    } no_bias;
    if (o->activation->output_only) {
        softmax_row(o->n, z);
        return;
    }
    for (size_t j = 0; j < o->n; j += BLOCK)
        o->activation->forward(o->n - j < BLOCK ? o->n - j : BLOCK, no_bias.zero, z + j, z + j);
}

static double row_weight(const struct output *o, const real *y)
{
    size_t label = 0;
    for (size_t j = 1; j < o->n; j++)
        if (y[j] > y[label])
            label = j;
    return (double)o->class_weights[label];
}

static void output_row(const struct output *o, size_t row)
{
    const size_t n = o->n, offset = row * n;
    const real keep = (real)(1 - o->label_smoothing),
               floor = (real)(o->label_smoothing / (double)n);
    real *a = o->a + offset, *delta = o->delta ? o->delta + offset : NULL;
    if (!o->cost) {
        if (output_takes_z(o->loss, o->activation))
            activate(o, a);
        return;
    }
    const real *y = o->y + offset;
    double cost;
    if (!o->loss->sigmoid_or_softmax)
        cost = cost_from_a(o, a, y, keep, floor, offset);
    else if (o->activation->output_only)
        cost = softmax_cross_entropy(n, a, y, keep, floor, delta);
    else
        cost = sigmoid_cross_entropy(n, a, y, keep, floor, delta);
    if (o->class_weights) {
        double weight = row_weight(o, y);
        cost *= weight;
        if (delta)
            scale_row(n, delta, (real)weight);
    }
    o->cost[row] = cost;
    if (o->delta16)
        real_to_bf16(n, delta, o->delta16 + offset);
}

static void output_rows(const void *output, size_t first, size_t last)
{
    for (size_t row = first; row < last; row++)
        output_row(output, row);
}

void output_cost(const struct output *output)
{
    gm_parallel(output->rows * output->n > 2048, output->rows, output_rows, output);
}
