/* init.c: the table of initialisations.
 *   he        He et al., "Delving deep into rectifiers", ICCV 2015
 *   glorot    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural
 *             networks", AISTATS 2010
 *   lecun     LeCun et al., "Efficient BackProp", 1998
 *   orthogonal  Saxe et al., "Exact solutions to the nonlinear dynamics of learning", ICLR 2014
 *   nielsen, normal  "Neural Networks and Deep Learning", chapters 3 and 1 */
#include "nn/init.h"

#include <math.h>
#include <stdlib.h>

#include "core/checked.h"
#include "core/rng.h"
#include "linalg/lapack.h"

static const struct init inits[] = {
    {"he", "N(0, 2/n_in), for relu and its kin", INIT_NORMAL, 2, FAN_IN, false},
    {"he_uniform", "uniform with that variance", INIT_UNIFORM, 2, FAN_IN, false},
    {"glorot", "N(0, 2/(n_in + n_out))", INIT_NORMAL, 1, FAN_AVERAGE, false},
    {"glorot_uniform", "uniform with that variance", INIT_UNIFORM, 1, FAN_AVERAGE, false},
    {"lecun", "N(0, 1/n_in)", INIT_NORMAL, 1, FAN_IN, false},
    {"lecun_uniform", "uniform with that variance", INIT_UNIFORM, 1, FAN_IN, false},
    {"nielsen", "N(0, 1/n_in), biases N(0, 1): chapter 3", INIT_NORMAL, 1, FAN_IN, true},
    {"normal", "N(0, 1), biases too: chapter 1", INIT_NORMAL, 1, FAN_ONE, true},
    {"orthogonal", "orthonormal rows or columns (QR of a normal matrix)", INIT_ORTHOGONAL, 1,
     FAN_ONE, false},
    {"zeros", "all zero", INIT_ZEROS, 0, FAN_ONE, false},
};

const struct init *init_at(size_t index)
{
    return index < sizeof inits / sizeof *inits ? &inits[index] : NULL;
}

const char *init_name(size_t index)
{
    return index < sizeof inits / sizeof *inits ? inits[index].name : NULL;
}

/* Four numbers of variance 1 from one random block. */
static void draw(enum init_kind kind, struct rng_block block, double out[4])
{
    const double two_pi = 6.283185307179586, root3 = 1.7320508075688772;
    for (int i = 0; i < 4; i += 2) {
        double u = gm_uniform(block.u[i]), v = gm_uniform(block.u[i + 1]);
        if (kind == INIT_UNIFORM) {
            out[i] = (2 * u - 1) * root3;
            out[i + 1] = (2 * v - 1) * root3;
        } else { /* Box and Muller */
            double radius = sqrt(-2 * log(u));
            out[i] = radius * cos(two_pi * v);
            out[i + 1] = radius * sin(two_pi * v);
        }
    }
}

/* Numbers first .. first + count - 1 of the layer's stream; first is a multiple of 4. */
static void fill(enum init_kind kind, uint64_t seed, size_t layer, size_t first, size_t count,
                 double deviation, real *out)
{
    const size_t blocks = (count + 3) / 4;
#pragma omp parallel for schedule(static) if (count > 4096)
    for (size_t i = 0; i < blocks; i++) {
        double x[4];
        draw(kind, gm_rng(seed, RNG_INIT, 0, layer, first / 4 + i), x);
        for (size_t j = 0; j < 4 && 4 * i + j < count; j++)
            out[4 * i + j] = (real)(deviation * x[j]);
    }
}

static gemmlp_status orthogonal(uint64_t seed, size_t layer, size_t n_out, size_t n_in, real *w,
                                gemmlp_error *error)
{
    const size_t rows = n_out < n_in ? n_out : n_in, columns = n_out < n_in ? n_in : n_out;
    size_t bytes;
    double *q = gm_mul(rows * columns, sizeof *q, &bytes) ? malloc(bytes) : NULL;
    if (!q)
        return gm_fail_memory(error, "an orthogonal initialisation", bytes);
    fill(INIT_NORMAL, seed, layer, 0, rows * columns, 1, w);
    for (size_t i = 0; i < rows * columns; i++)
        q[i] = (double)w[i];
    gemmlp_status status = gm_lapack_orthonormal_rows(rows, columns, q, error);
    for (size_t j = 0; status == GEMMLP_OK && j < n_out; j++)
        for (size_t k = 0; k < n_in; k++)
            w[j * n_in + k] = (real)(rows == n_out ? q[j * columns + k] : q[k * columns + j]);
    free(q);
    return status;
}

gemmlp_status init_weights(const char *name, uint64_t seed, size_t layer, size_t n_out, size_t n_in,
                           real *w, real *b, gemmlp_error *error)
{
    size_t index;
    gemmlp_status status = gm_find_name("initialisation", name, init_name, &index, error);
    if (status != GEMMLP_OK)
        return status;
    const struct init *init = &inits[index];
    const size_t weights = n_out * n_in;
    const double fan = init->fan == FAN_IN        ? (double)n_in
                       : init->fan == FAN_AVERAGE ? ((double)n_in + (double)n_out) / 2
                                                  : 1;
    for (size_t j = 0; j < n_out; j++)
        b[j] = 0;
    if (init->biases)
        fill(INIT_NORMAL, seed, layer, (weights + 3) / 4 * 4, n_out, 1, b);
    if (init->kind == INIT_ORTHOGONAL)
        return orthogonal(seed, layer, n_out, n_in, w, error);
    if (init->kind == INIT_ZEROS)
        for (size_t i = 0; i < weights; i++)
            w[i] = 0;
    else
        fill(init->kind, seed, layer, 0, weights, sqrt(init->gain / fan), w);
    return GEMMLP_OK;
}
