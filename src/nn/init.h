/* init.h: initial weights; biases start at zero, except where the row says otherwise. */
#ifndef GM_INIT_H
#define GM_INIT_H

#include "nn/real.h"

#define init_at      GM_REAL(init_at)
#define init_name    GM_REAL(init_name)
#define init_weights GM_REAL(init_weights)

enum init_kind { INIT_NORMAL, INIT_UNIFORM, INIT_ORTHOGONAL, INIT_ZEROS };

/* Standard deviation sqrt(gain / fan); a uniform distribution gets the same one. */
struct init {
    const char *name, *description;
    enum init_kind kind;
    double gain;
    enum { FAN_ONE, FAN_IN, FAN_AVERAGE } fan;
    bool biases; /* are drawn from N(0, 1) too, as in Nielsen's book */
};

const struct init *init_at(size_t index);
const char *init_name(size_t index);
/* w (n_out x n_in), b (n_out): a pure function of (name, seed, layer), the same for any number of
 * threads. The name must have been validated. */
gemmlp_status init_weights(const char *name, uint64_t seed, size_t layer, size_t n_out, size_t n_in,
                           real *w, real *b, gemmlp_error *error);

#endif
