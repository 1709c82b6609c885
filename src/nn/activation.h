/* activation.h: a = sigma(z) and its derivative, on rows of a tile. */
#ifndef GM_ACTIVATION_H
#define GM_ACTIVATION_H

#include "nn/real.h"

#define activation_at   GM_REAL(activation_at)
#define activation_name GM_REAL(activation_name)
#define activation_find GM_REAL(activation_find)
#define softmax_row     GM_REAL(softmax_row)

struct activation {
    const char *name, *description;
    bool needs_z;     /* sigma' is computed from z; otherwise from a */
    bool rectifier;   /* He initialisation suits it */
    bool output_only; /* softmax: not elementwise, see loss.c; forward only adds the bias */
    /* z <- z + b, a = sigma(z): n elements of one row. a may be z: then only a survives. */
    void (*forward)(size_t n, const real *b, real *z, real *a);
    /* delta <- delta * sigma'(z); `kept` is z where needs_z, else a. */
    void (*backward)(size_t n, const real *kept, real *delta);
};

const struct activation *activation_at(size_t index);
const char *activation_name(size_t index);
/* Only for names that were validated. */
const struct activation *activation_find(const char *name);
/* a = softmax(z), in place; returns the log of the normaliser, so that ln a_j = z_j - that. */
double softmax_row(size_t n, real *z);

#endif
