/* activation.h: a = sigma(z) and its derivative, on rows of a tile. */
#ifndef GM_ACTIVATION_H
#define GM_ACTIVATION_H

#include "nn/real.h"

#define activation_at   GM_REAL(activation_at)
#define activation_name GM_REAL(activation_name)
#define activation_find GM_REAL(activation_find)
#define softmax_rows    GM_REAL(softmax_rows)

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
/* a = softmax(z) (rows x n), in place; log_normaliser (rows): ln a_j = z_j - that. A few rows at
 * once are faster: 10 exponentials are no whole number of vectors. */
void softmax_rows(size_t rows, size_t n, real *z, double *log_normaliser);

#endif
