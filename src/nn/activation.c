/* activation.c: the table of activations. A new one is two inline formulas, KERNELS, and a row. */
#include "nn/activation.h"

#include <math.h>
#include <string.h>

#include "nn/vmath.h"

/* sigma(z), and sigma'(s) where s is what is kept: z or a. */

GM_INLINE real identity(real z)
{
    return z;
}
GM_INLINE real identity_slope(real a)
{
    (void)a;
    return 1;
}

GM_INLINE real sigmoid(real z)
{
    real e = vm_exp(-(real)fabs(z)); /* never overflows, and keeps small values exact */
    real inverse = 1 / (1 + e);
    return z < 0 ? e * inverse : inverse;
}
GM_INLINE real sigmoid_slope(real a)
{
    return a * (1 - a);
}

GM_INLINE real hyperbolic_tangent(real z)
{
    return vm_tanh(z);
}
GM_INLINE real hyperbolic_tangent_slope(real a)
{
    return (1 - a) * (1 + a);
}

GM_INLINE real relu(real z)
{
    return z < 0 ? 0 : z; /* NaN stays NaN */
}
GM_INLINE real relu_slope(real a)
{
    return a > 0 ? 1 : 0;
}

#define LEAK ((real)0.01)
GM_INLINE real leaky_relu(real z)
{
    return z < 0 ? LEAK * z : z;
}
GM_INLINE real leaky_relu_slope(real a)
{
    return a > 0 ? 1 : LEAK;
}

GM_INLINE real elu(real z)
{
#ifdef GEMMLP_F64
    return z < 0 ? expm1(z) : z;
#else
    /* expm1 without cancellation: e^z - 1 = 2 t / (1 - t), t = tanh(z/2). */
    real t = vm_tanh((real)0.5 * (z < 0 ? z : 0));
    return z < 0 ? 2 * t / (1 - t) : z;
#endif
}
GM_INLINE real elu_slope(real a)
{
    return a > 0 ? 1 : a + 1;
}

GM_INLINE real softplus(real z)
{
    return (z > 0 ? z : 0) + vm_log1p_unit(vm_exp(-(real)fabs(z)));
}
GM_INLINE real softplus_slope(real z)
{
    return sigmoid(z);
}

/* Phi(z), the normal distribution function. */
GM_INLINE real normal_cdf(real z)
{
    real half_tail = (real)0.5 * vm_erfc_positive((real)fabs(z) * (real)0.70710678118654752);
    return z < 0 ? half_tail : 1 - half_tail;
}
GM_INLINE real gelu(real z)
{
    return z * normal_cdf(z);
}
GM_INLINE real gelu_slope(real z)
{
    return normal_cdf(z) + z * (real)0.39894228040143268 * vm_exp((real)-0.5 * z * z);
}

GM_INLINE real silu(real z)
{
    return z * sigmoid(z);
}
GM_INLINE real silu_slope(real z)
{
    real s = sigmoid(z);
    return s + z * s * (1 - s);
}

#define KERNELS(name)                                                                              \
    GM_KERNEL static void name##_forward(size_t n, const real *b, real *z, real *a)                \
    {                                                                                              \
        VM_SIMD for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            real x = z[i] + b[i];                                                                  \
            z[i] = x;                                                                              \
            a[i] = name(x);                                                                        \
        }                                                                                          \
    }                                                                                              \
    GM_KERNEL static void name##_backward(size_t n, const real *kept, real *delta)                 \
    {                                                                                              \
        VM_SIMD for (size_t i = 0; i < n; i++)                                                     \
        {                                                                                          \
            delta[i] *= name##_slope(kept[i]);                                                     \
        }                                                                                          \
    }

KERNELS(identity)
KERNELS(sigmoid)
KERNELS(hyperbolic_tangent)
KERNELS(relu)
KERNELS(leaky_relu)
KERNELS(elu)
KERNELS(softplus)
KERNELS(gelu)
KERNELS(silu)

static const struct activation activations[] = {
    {"identity", "z", false, false, false, identity_forward, identity_backward},
    {"sigmoid", "1 / (1 + exp(-z))", false, false, false, sigmoid_forward, sigmoid_backward},
    {"tanh", "hyperbolic tangent", false, false, false, hyperbolic_tangent_forward,
     hyperbolic_tangent_backward},
    {"relu", "max(z, 0)", false, true, false, relu_forward, relu_backward},
    {"leaky_relu", "z, or 0.01 z below 0", false, true, false, leaky_relu_forward,
     leaky_relu_backward},
    {"elu", "z, or exp(z) - 1 below 0", false, true, false, elu_forward, elu_backward},
    {"softplus", "ln(1 + exp(z))", true, true, false, softplus_forward, softplus_backward},
    {"gelu", "z Phi(z), Phi the normal distribution function", true, true, false, gelu_forward,
     gelu_backward},
    {"silu", "z sigmoid(z)", true, true, false, silu_forward, silu_backward},
    {"softmax", "exp(z_j) / sum of exp(z_i); at the output only", false, false, true,
     identity_forward, NULL},
};

const struct activation *activation_at(size_t index)
{
    return index < sizeof activations / sizeof *activations ? &activations[index] : NULL;
}

const char *activation_name(size_t index)
{
    return index < sizeof activations / sizeof *activations ? activations[index].name : NULL;
}

const struct activation *activation_find(const char *name)
{
    size_t index = 0;
    return gm_find_name("activation", name, activation_name, &index, NULL) == GEMMLP_OK
               ? &activations[index]
               : NULL;
}

/* Takes the greatest from all, and returns it. */
GM_KERNEL static real shift(size_t n, real *z)
{
    real greatest = z[0];
    for (size_t i = 1; i < n; i++)
        greatest = z[i] > greatest ? z[i] : greatest;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        z[i] -= greatest;
    return greatest;
}

GM_KERNEL static void exponentials(size_t n, real *z)
{
    VM_SIMD for (size_t i = 0; i < n; i++) z[i] = vm_exp(z[i]);
}

/* Divides all by their sum, and returns it. */
GM_KERNEL static real normalise(size_t n, real *a)
{
    real sum = 0;
#pragma omp simd reduction(+ : sum)
    for (size_t i = 0; i < n; i++)
        sum += a[i];
    const real inverse = 1 / sum;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        a[i] *= inverse;
    return sum;
}

enum { LANES = 16, SHORT_ROW = 32 };

/* Up to LANES rows of at most SHORT_ROW elements, side by side: in rows as short as that, maxima
 * and sums take longer than exponentials. */
GM_KERNEL static void softmax_short(size_t rows, size_t n, real *z, real *greatest, real *sum)
{
    real column[SHORT_ROW][LANES], inverse[LANES];
    memset(column, 0, n * sizeof *column);
    for (size_t row = 0; row < rows; row++)
        for (size_t j = 0; j < n; j++)
            column[j][row] = z[row * n + j];
    for (size_t r = 0; r < LANES; r++) {
        greatest[r] = column[0][r];
        sum[r] = 0;
    }
    for (size_t j = 1; j < n; j++)
        VM_SIMD for (size_t r = 0; r < LANES; r++) greatest[r] =
            column[j][r] > greatest[r] ? column[j][r] : greatest[r];
    for (size_t j = 0; j < n; j++)
        VM_SIMD for (size_t r = 0; r < LANES; r++)
        {
            column[j][r] = vm_exp(column[j][r] - greatest[r]);
            sum[r] += column[j][r];
        }
    for (size_t r = 0; r < LANES; r++)
        inverse[r] = 1 / sum[r];
    for (size_t row = 0; row < rows; row++)
        for (size_t j = 0; j < n; j++)
            z[row * n + j] = column[j][row] * inverse[row];
}

static void softmax_short_rows(size_t rows, size_t n, real *z, double *log_normaliser)
{
    for (size_t row = 0; row < rows; row += LANES) {
        const size_t count = rows - row < LANES ? rows - row : LANES;
        real greatest[LANES], sum[LANES];
        softmax_short(count, n, z + row * n, greatest, sum);
        for (size_t i = 0; i < count; i++)
            log_normaliser[row + i] = (double)greatest[i] + log((double)sum[i]);
    }
}

void softmax_rows(size_t rows, size_t n, real *z, double *log_normaliser)
{
    if (n <= SHORT_ROW) {
        softmax_short_rows(rows, n, z, log_normaliser);
        return;
    }
    for (size_t row = 0; row < rows; row++)
        log_normaliser[row] = (double)shift(n, z + row * n);
    exponentials(rows * n, z);
    for (size_t row = 0; row < rows; row++)
        log_normaliser[row] += log((double)normalise(n, z + row * n));
}
