/* optimizer.h: from gradient to update, layer by layer, inside the gradient's matrix product.
 *
 * Three ways, chosen once:
 *   fold into W   plain SGD, where batches are small enough (optimizer_fold):
 *                 W <- (1 - eta lambda) W - (eta/B) delta^T A_prev is one product with
 *                 alpha = -eta/B, beta = 1 - eta lambda; no gradient is ever stored
 *   fold into V   momentum: V <- mu V + delta^T A_prev / B is one product with beta = mu; its
 *                 epilogue adds the penalties and moves W by -eta V
 *   general       everything else: G = delta^T A_prev / B, whose epilogue, run by the provider where
 *                 that is cheapest, updates W and the slots and consumes it: the provider need not
 *                 write it to the gradient slab. Clipping by the global norm must see all of G
 *                 first: there the update is a sweep over the slabs at the end of the step
 * In bf16 mixed precision whatever writes a weight writes its bf16 copy beside it.
 */
#ifndef GM_OPTIMIZER_H
#define GM_OPTIMIZER_H

#include "nn/pass.h"

#define optimizer_at     GM_REAL(optimizer_at)
#define optimizer_name   GM_REAL(optimizer_name)
#define optimizer_find   GM_REAL(optimizer_find)
#define optimizer_create GM_REAL(optimizer_create)
#define optimizer_free   GM_REAL(optimizer_free)
#define optimizer_fold   GM_REAL(optimizer_fold)
#define optimizer_begin  GM_REAL(optimizer_begin)
#define optimizer_layer  GM_REAL(optimizer_layer)
#define optimizer_end    GM_REAL(optimizer_end)

enum { OPTIMIZER_SLOTS = 2 };

/* Coefficients of one step, for weights or for biases (which have no penalties). */
struct update {
    real lr, epsilon;
    real momentum, beta2;
    real fresh1, fresh2; /* 1 - momentum, 1 - beta2, taken in double: the share of what is new */
    real l1, l2;         /* g <- g + l2 w + l1 sign(w) */
    real keep;           /* decoupled decay: w <- keep w, before the update */
    real correction1;    /* adam: 1 / (1 - beta1^t) */
    real correction2;    /* adam: 1 / (1 - beta2^t) */
};

enum fold { FOLD_NONE, FOLD_INTO_WEIGHTS, FOLD_INTO_SLOT };

struct optimizer_rule {
    const char *name, *description;
    size_t slots;
    double lr, beta2, weight_decay; /* defaults */
    enum fold fold;                 /* where it can be, without clipping */
    /* n elements of weights, gradient, slots. */
    void (*update)(const struct update *u, size_t n, real *w, const real *g, real *s0, real *s1);
    /* FOLD_INTO_SLOT: the product has taken the gradient into the slot already. */
    void (*folded)(const struct update *u, size_t n, real *w, real *s0);
};

struct optimizer {
    const struct optimizer_rule *rule;
    struct model *model;
    gemmlp_training settings; /* resolved: no negative defaults */
    enum fold fold;
    uint64_t t;                    /* steps made */
    struct update weights, biases; /* of the step at hand */
    real *gradient;                /* slab; NULL where the update is folded */
    real *slots[OPTIMIZER_SLOTS];  /* slabs */
    struct arena arena;            /* all slabs */
    double *norm_parts;            /* scratch of the global norm */
};

const struct optimizer_rule *optimizer_at(size_t index);
const char *optimizer_name(size_t index);
/* name NULL: adam. */
gemmlp_status optimizer_find(const char *name, const struct optimizer_rule **out,
                             gemmlp_error *error);

/* g + l2 w + l1 sign(w). The sign costs a fifth of Adam: where l1 is 0, the compiler's second loop
 * leaves it out. */
GM_INLINE real optimizer_penalised(const struct update *u, real g, real w)
{
    const real penalty = u->l1 != 0 ? u->l1 * (real)((w > 0) - (w < 0)) : 0;
    return g + u->l2 * w + penalty;
}

/* How the update of these settings is made. */
enum fold optimizer_fold(const struct optimizer_rule *rule, const gemmlp_training *training);

gemmlp_status optimizer_create(struct model *model, const gemmlp_training *training,
                               struct optimizer **out, gemmlp_error *error);
void optimizer_free(struct optimizer *optimizer);

/* One step: begin, then every layer from the last to the first (after pass_backward has used its
 * weights), then end. */
void optimizer_begin(struct optimizer *optimizer, double lr);
void optimizer_layer(struct optimizer *optimizer, const struct pass *pass, size_t l);
/* False: the norm that clipping needs is not finite, and nothing was updated. */
bool optimizer_end(struct optimizer *optimizer);

#endif
