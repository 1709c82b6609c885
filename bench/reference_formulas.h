/* reference_formulas.h: activations and losses of the reference for one precision, as functions of
 * single numbers. Only reference.c includes it, with `real` defined and its names mapped;
 * hence no include guard. */

/* ---- Activations --------------------------------------------------------------------------- */

static real sigmoid(real z)
{
    return 1 / (1 + exp(-z));
}

/* ln(1 + e^z), written so that e^z cannot overflow. */
static real softplus(real z)
{
    return (z > 0 ? z : 0) + log1p(exp(-fabs(z)));
}

/* Phi(z) = (1 + erf(z / sqrt 2)) / 2, by erfc where the sum would cancel. */
static real normal_cdf(real z)
{
    const real root_half = (real)0.70710678118654752440;
    return erfc(-z * root_half) / 2;
}

static real normal_density(real z)
{
    const real root_two_pi = (real)2.50662827463100050242;
    return exp(-z * z / 2) / root_two_pi;
}

/* a = sigma(z). NaN comes out as NaN. */
static real activate(enum activation activation, real z)
{
    switch (activation) {
    case IDENTITY:
        return z;
    case SIGMOID:
        return sigmoid(z);
    case TANH:
        return tanh(z);
    case RELU:
        return z < 0 ? 0 : z;
    case LEAKY_RELU:
        return z < 0 ? (real)0.01 * z : z;
    case ELU:
        return z < 0 ? expm1(z) : z;
    case SOFTPLUS:
        return softplus(z);
    case GELU:
        return z * normal_cdf(z);
    case SILU:
        return z * sigmoid(z);
    case SOFTMAX:
    case ACTIVATION_COUNT:
        break; /* not a function of one z */
    }
    return NAN;
}

/* sigma'(z); at a kink the derivative from the left. */
static real activation_derivative(enum activation activation, real z)
{
    real a;
    switch (activation) {
    case IDENTITY:
        return 1;
    case SIGMOID:
        a = sigmoid(z);
        return a * (1 - a);
    case TANH:
        a = tanh(z);
        return 1 - a * a;
    case RELU:
        return z > 0 ? 1 : 0;
    case LEAKY_RELU:
        return z > 0 ? 1 : (real)0.01;
    case ELU:
        return z > 0 ? 1 : exp(z);
    case SOFTPLUS:
        return sigmoid(z);
    case GELU:
        return normal_cdf(z) + z * normal_density(z);
    case SILU:
        a = sigmoid(z);
        return a + z * a * (1 - a);
    case SOFTMAX:
    case ACTIVATION_COUNT:
        break;
    }
    return NAN;
}

static real largest(size_t n, const real *z)
{
    real max = z[0];
    for (size_t j = 1; j < n; j++) {
        max = z[j] > max ? z[j] : max;
    }
    return max;
}

/* a_j = e^z_j / sum_i e^z_i; the largest z is taken off all of them, which changes nothing but
 * keeps e^z finite. */
static void softmax(size_t n, const real *z, real *a)
{
    real max = largest(n, z);
    real sum = 0;
    for (size_t j = 0; j < n; j++) {
        a[j] = exp(z[j] - max);
        sum += a[j];
    }
    for (size_t j = 0; j < n; j++) {
        a[j] /= sum;
    }
}

/* ---- Losses: C0 of one example, and its derivative by the output --------------------------- */

/* The term of one output; mse, mae and huber are means over the outputs, which is not done here. */
static real loss_term(enum loss loss, real a, real y)
{
    real d = a - y;
    switch (loss) {
    case QUADRATIC:
    case MSE:
        return d * d;
    case HALF_QUADRATIC:
        return d * d / 2;
    case MAE:
        return fabs(d);
    case HUBER:
        return fabs(d) <= 1 ? d * d / 2 : fabs(d) - (real)0.5;
    case CROSS_ENTROPY:
    case LOSS_COUNT:
        break; /* taken from z, below */
    }
    return NAN;
}

/* The derivative of that term by a. */
static real loss_term_derivative(enum loss loss, real a, real y)
{
    real d = a - y;
    real sign = (real)((d > 0) - (d < 0));
    switch (loss) {
    case QUADRATIC:
    case MSE:
        return 2 * d;
    case HALF_QUADRATIC:
        return d;
    case MAE:
        return sign;
    case HUBER:
        return fabs(d) <= 1 ? d : sign;
    case CROSS_ENTROPY:
    case LOSS_COUNT:
        break;
    }
    return NAN;
}

/* How many outputs the loss is a mean over; 1 where it is a sum. */
static size_t loss_divisor(enum loss loss, size_t n_out)
{
    return loss == MSE || loss == MAE || loss == HUBER ? n_out : 1;
}

/* - sum_j y_j ln a_j with ln a_j = z_j - max - ln sum_i e^(z_i - max). */
static double softmax_cross_entropy(size_t n, const real *z, const real *y)
{
    real max = largest(n, z);
    real sum = 0;
    for (size_t j = 0; j < n; j++) {
        sum += exp(z[j] - max);
    }
    double cost = 0;
    for (size_t j = 0; j < n; j++) {
        cost -= y[j] * (z[j] - max - log(sum));
    }
    return cost;
}

/* - sum_j [y_j ln a_j + (1 - y_j) ln(1 - a_j)]; -ln a = ln(1 + e^-z), -ln(1 - a) = ln(1 + e^z). */
static double sigmoid_cross_entropy(size_t n, const real *z, const real *y)
{
    double cost = 0;
    for (size_t j = 0; j < n; j++) {
        cost += y[j] * softplus(-z[j]) + (1 - y[j]) * softplus(z[j]);
    }
    return cost;
}
