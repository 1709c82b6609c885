/* optimizer_rules.c: the table of optimizers, each a loop over elements, in the form in which
 * PyTorch writes them.
 *   momentum, nesterov  Sutskever et al., "On the importance of initialization and momentum", ICML
 *                       2013
 *   rmsprop             Tieleman and Hinton, "Neural networks for machine learning", lecture 6.5,
 *                       2012
 *   adam                Kingma and Ba, "Adam: a method for stochastic optimization", ICLR 2015
 *   adamw               Loshchilov and Hutter, "Decoupled weight decay regularization", ICLR
 *                       2019 */
#include <math.h>

#include "train/optimizer.h"

GM_KERNEL static void sgd(const struct update *u, size_t n, real *w, const real *g, real *s0,
                          real *s1)
{
    const struct update c = *u;
    (void)s0;
    (void)s1;
#pragma omp simd
    for (size_t i = 0; i < n; i++)
        w[i] = c.keep * w[i] - c.lr * optimizer_penalised(&c, g[i], w[i]);
}

GM_KERNEL static void momentum(const struct update *u, size_t n, real *w, const real *g, real *v,
                               real *s1)
{
    const struct update c = *u;
    (void)s1;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        v[i] = c.momentum * v[i] + optimizer_penalised(&c, g[i], w[i]);
        w[i] = c.keep * w[i] - c.lr * v[i];
    }
}

GM_KERNEL static void momentum_folded(const struct update *u, size_t n, real *w, real *v)
{
    const struct update c = *u;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        v[i] = optimizer_penalised(&c, v[i], w[i]);
        w[i] = c.keep * w[i] - c.lr * v[i];
    }
}

GM_KERNEL static void nesterov(const struct update *u, size_t n, real *w, const real *g, real *v,
                               real *s1)
{
    const struct update c = *u;
    (void)s1;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        real slope = optimizer_penalised(&c, g[i], w[i]);
        v[i] = c.momentum * v[i] + slope;
        w[i] = c.keep * w[i] - c.lr * (slope + c.momentum * v[i]);
    }
}

GM_KERNEL static void rmsprop(const struct update *u, size_t n, real *w, const real *g, real *s,
                              real *s1)
{
    const struct update c = *u;
    (void)s1;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        real slope = optimizer_penalised(&c, g[i], w[i]);
        s[i] = c.beta2 * s[i] + c.fresh2 * slope * slope;
        w[i] = c.keep * w[i] - c.lr * slope / ((real)sqrt(s[i]) + c.epsilon);
    }
}

GM_KERNEL static void adam(const struct update *u, size_t n, real *w, const real *g, real *m,
                           real *v)
{
    const struct update c = *u;
#pragma omp simd
    for (size_t i = 0; i < n; i++) {
        real slope = optimizer_penalised(&c, g[i], w[i]);
        m[i] = c.momentum * m[i] + c.fresh1 * slope;
        v[i] = c.beta2 * v[i] + c.fresh2 * slope * slope;
        w[i] = c.keep * w[i] -
               c.lr * (m[i] * c.correction1) / ((real)sqrt(v[i] * c.correction2) + c.epsilon);
    }
}

static const struct optimizer_rule rules[] = {
    {"sgd", "w <- w - eta g", 0, 0.1, 0, 0, FOLD_INTO_WEIGHTS, sgd, NULL},
    {"momentum", "v <- mu v + g, w <- w - eta v", 1, 0.05, 0, 0, FOLD_INTO_SLOT, momentum,
     momentum_folded},
    {"nesterov", "v <- mu v + g, w <- w - eta (g + mu v)", 1, 0.05, 0, 0, FOLD_NONE, nesterov,
     NULL},
    {"rmsprop", "s <- beta2 s + (1-beta2) g^2, w <- w - eta g / (sqrt(s) + epsilon)", 1, 0.001,
     0.99, 0, FOLD_NONE, rmsprop, NULL},
    {"adam", "first and second moments with bias correction", 2, 0.005, 0.999, 0, FOLD_NONE, adam,
     NULL},
    {"adamw", "adam with decoupled weight decay, 0.01 by default", 2, 0.005, 0.999, 0.01, FOLD_NONE,
     adam, NULL},
};

const struct optimizer_rule *optimizer_at(size_t index)
{
    return index < sizeof rules / sizeof *rules ? &rules[index] : NULL;
}

const char *optimizer_name(size_t index)
{
    return index < sizeof rules / sizeof *rules ? rules[index].name : NULL;
}

gemmlp_status optimizer_find(const char *name, const struct optimizer_rule **out,
                             gemmlp_error *error)
{
    size_t index = 0;
    gemmlp_status status =
        gm_find_name("optimizer", name ? name : "adam", optimizer_name, &index, error);
    *out = status == GEMMLP_OK ? &rules[index] : NULL;
    return status;
}
