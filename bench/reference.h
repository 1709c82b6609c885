/* reference.h: back-propagation from the book, in plain loops: no BLAS, no line shared with the
 * library. The oracle of the tests, and the naive loop that the benchmark compares with.
 *
 * Every formula follows Nielsen, "Neural Networks and Deep Learning", chapters 2 and 3, and the
 * papers of the optimizers, one example at a time, one neuron at a time. Once in float, once in
 * double; what is summed over a batch or over all parameters to one number is summed in double. */
#ifndef GM_BENCH_REFERENCE_H
#define GM_BENCH_REFERENCE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { REFERENCE_MAX_LAYERS = 16 };

/* Names are those of gemmlp's registries and are not needed after reference_create. Numbers are
 * meant as they stand: nothing is a default. */
struct reference_settings {
    size_t layer_count;                     /* layers with weights */
    size_t sizes[REFERENCE_MAX_LAYERS + 1]; /* n_in, then n_out of each layer */
    const char *activations[REFERENCE_MAX_LAYERS];
    const char *loss;
    double label_smoothing; /* y becomes (1 - s) y + s / n_out; softmax with cross_entropy wants
                               targets that sum to 1, for there delta = a - y */
    const char *optimizer;
    double lr;
    double momentum; /* mu of momentum and nesterov, beta1 of adam and adamw */
    double beta2, epsilon;
    double l1, l2;       /* penalties l1 sum |w| + l2/2 sum w^2 */
    double weight_decay; /* decoupled: w <- w - lr weight_decay w before the update */
    double clip_norm;    /* of the gradient with its penalties; 0: no clipping */
    bool bf16; /* mixed precision: what is multiplied with what is rounded to 8 bits first: weights,
                  activations, deltas (x by the caller); sums, biases, updates are as ever */
};

/* For each precision, or build of one (a network is for the functions of the build that made it):
 *   create           parameters are zero until they are written. NULL when a name is unknown, a
 *                    size is zero, softmax is not at the output, cross_entropy stands after
 *                    anything but softmax or sigmoid, or memory runs out.
 *   weights, biases  of a layer, w (n_out x n_in) and b (n_out); may be written.
 *   *_gradient       likewise: the mean gradient after `gradient`; after `step` the one that the
 *                    optimizer saw, with penalties, clipped.
 *   predict          a^L of one example, x (n_in), into out (n_out of the last layer).
 *   gradient         the mean cost of a batch, x (batch x n_in), y (batch x n_out), batch at least
 *                    1, and its gradient; without penalties.
 *   step             gradient, penalties, clipping, decay, update. Returns the mean cost of the
 *                    batch before the update, without penalties. */
#define REFERENCE_DECLARE(real, precision, build)                                                  \
    struct reference_##precision;                                                                  \
    struct reference_##precision *reference_create_##build(const struct reference_settings *);     \
    void reference_free_##build(struct reference_##precision *);                                   \
    real *reference_weights_##build(struct reference_##precision *, size_t layer);                 \
    real *reference_biases_##build(struct reference_##precision *, size_t layer);                  \
    const real *reference_weight_gradient_##build(const struct reference_##precision *, size_t);   \
    const real *reference_bias_gradient_##build(const struct reference_##precision *, size_t);     \
    void reference_predict_##build(struct reference_##precision *, const real *x, real *out);      \
    double reference_gradient_##build(struct reference_##precision *, size_t batch, const real *x, \
                                      const real *y);                                              \
    double reference_step_##build(struct reference_##precision *, size_t batch, const real *x,     \
                                  const real *y);

REFERENCE_DECLARE(float, f32, f32)
REFERENCE_DECLARE(double, f64, f64)

/* The same source for the benchmark, with OpenMP and at full optimisation: see fair.h, which
 * chooses. */
REFERENCE_DECLARE(float, f32, fair_baseline)
REFERENCE_DECLARE(float, f32, fair_v3)
REFERENCE_DECLARE(float, f32, fair_v4)

#endif
