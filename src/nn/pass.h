/* pass.h: forward and backward over a whole mini-batch: three matrix products per layer.
 *
 *   pass_forward    Z = A_prev W^T + b, A = sigma(Z)              (batch x n_out)
 *   pass_cost       C0 of each example, delta^L = dC0/dZ^L         (batch x n_out)
 *   pass_backward   delta_prev = (delta W) * sigma'(Z_prev)       (batch x n_in)
 *   pass_gradient   G = alpha delta^T A_prev + beta G             (n_out x n_in)
 *

 * In bf16 mixed precision the products read bf16 copies of a, delta, x and W, which whoever makes
 * the numbers writes beside them: the epilogue on the tile at hand, the gather, the loss, the
 * optimizer. Sums, C, delta and the cost stay f32.
 *
 * delta belongs to C0 of each example; the mean over the batch is taken by alpha = 1 / batch. */
#ifndef GM_PASS_H
#define GM_PASS_H

#include "nn/model.h"

#define pass_create        GM_REAL(pass_create)
#define pass_free          GM_REAL(pass_free)
#define pass_set_rows      GM_REAL(pass_set_rows)
#define pass_forward_layer GM_REAL(pass_forward_layer)
#define pass_forward       GM_REAL(pass_forward)
#define pass_cost          GM_REAL(pass_cost)
#define pass_backward      GM_REAL(pass_backward)
#define pass_gradient      GM_REAL(pass_gradient)
#define pass_bias_gradient GM_REAL(pass_bias_gradient)
#define pass_workspace     GM_REAL(pass_workspace)

enum pass_purpose { PASS_PREDICT, PASS_TRAIN, PASS_TRAIN_BF16 };

struct pass_layer {
    const struct activation *activation; /* of the forward epilogue; identity where pass_cost goes
                                            on from z */
    real *a;                             /* (batch x n_out); NULL in bf16 where `kept` is apart */
    real *kept;    /* (batch x n_out): what sigma' is computed from, z or a; may be `a` itself */
    uint8_t *mask; /* (batch x n_out): 1 where dropout kept the activation; NULL without dropout */
    real *delta;   /* (batch x n_out): dC0/dz; two buffers serve all layers in turn, so it is valid
                      from the pass_backward that writes it to the next but one */
    gm_bf16 *a16, *delta16; /* the same rounded, in bf16; a16 not at the output */
};

/* The products of one layer for one number of rows. */
struct products {
    struct gemm forward, backward, gradient;
};

struct pass {
    const struct model *model;
    enum pass_purpose purpose;
    size_t rows;               /* of the batch at hand: one of the two row counts */
    real *x;                   /* (batch x n_in); NULL in bf16 */
    gm_bf16 *x16;              /* (batch x n_in); NULL but in bf16 */
    size_t x_copies, x_stride; /* of x, so many elements apart: one, or one for each thread, and
                                     whoever writes x writes all */
    real *y;                   /* (batch x outputs) */
    double *cost;              /* (batch): C0 of each example */
    struct pass_layer *layers; /* (layer_count) */
    struct arena workspace;    /* all of the above, but where there are copies, x: */
    struct arena copies;
    size_t row_counts[2];         /* full batches, and the shorter last one (0: there is none) */
    struct products *products[2]; /* (layer_count) each */
};

/* Random bits of one step's dropout. */
struct dropout {
    uint64_t seed, step;
};

/* A pass for batches of `rows` examples, and of `last_rows` (0: none). To predict, activations
 * share two buffers, and there is no delta. To train in bf16 the model must be halved (model.h) as
 * long as the pass is used. */
gemmlp_status pass_create(const struct model *model, const struct gemm_provider *provider,
                          enum pass_purpose purpose, size_t rows, size_t last_rows,
                          struct pass **out, gemmlp_error *error);
void pass_free(struct pass *pass);
/* What its workspace would take, in bytes; SIZE_MAX on overflow, 0 where memory is too short to
 * tell. */
size_t pass_workspace(const struct model *model, enum pass_purpose purpose, size_t rows);

/* rows: one of the two numbers given to pass_create. */
void pass_set_rows(struct pass *pass, size_t rows);
/* From x to the last a (or z, where the output activation is completed by pass_cost). dropout may
 * be NULL for a pass that predicts, and for a network without dropout. */
void pass_forward(struct pass *pass, const struct dropout *dropout);
/* One layer of it: a of layer l from a of the layer before. */
void pass_forward_layer(struct pass *pass, size_t l, const struct dropout *dropout);
/* Completes the output activation. with_y: fills cost, and delta^L if the pass trains; returns the
 * sum of cost, else 0. class_weights (outputs) may be NULL. */
double pass_cost(struct pass *pass, bool with_y, double label_smoothing, const real *class_weights);
/* delta of layer l - 1 from delta of layer l > 0. */
void pass_backward(struct pass *pass, size_t l);
/* g (n_out x n_in) of layer l, and the epilogue on it (may be NULL). */
void pass_gradient(const struct pass *pass, size_t l, double alpha, double beta, real *g,
                   const struct gemm_epilogue *epilogue);
/* g (n_out) = alpha (column sums of delta) + beta g. */
void pass_bias_gradient(const struct pass *pass, size_t l, double alpha, double beta, real *g);

#endif
