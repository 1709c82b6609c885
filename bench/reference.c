/* reference.c: the naive reference in both precisions. The names are read here; the rest is in
 * reference_network.h, reference_formulas.h and reference_body.h, which come in once with `real`
 * float and once with `real` double. Functions of <tgmath.h> are those of the precision of their
 * argument.
 *
 * With -DREFERENCE_FAIR=NAME, and the flags that meson.build gives with it, the same source is one
 * of the fair builds that fair.c chooses from: float only, functions reference_step_NAME etc. */
#include "reference.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <tgmath.h>

enum activation {
    IDENTITY,
    SIGMOID,
    TANH,
    RELU,
    LEAKY_RELU,
    ELU,
    SOFTPLUS,
    GELU,
    SILU,
    SOFTMAX,
    ACTIVATION_COUNT
};

static const char *const activation_names[ACTIVATION_COUNT] = {
    [IDENTITY] = "identity",
    [SIGMOID] = "sigmoid",
    [TANH] = "tanh",
    [RELU] = "relu",
    [LEAKY_RELU] = "leaky_relu",
    [ELU] = "elu",
    [SOFTPLUS] = "softplus",
    [GELU] = "gelu",
    [SILU] = "silu",
    [SOFTMAX] = "softmax",
};

enum loss { QUADRATIC, HALF_QUADRATIC, MSE, MAE, HUBER, CROSS_ENTROPY, LOSS_COUNT };

static const char *const loss_names[LOSS_COUNT] = {
    [QUADRATIC] = "quadratic", [HALF_QUADRATIC] = "half_quadratic", [MSE] = "mse", [MAE] = "mae",
    [HUBER] = "huber",         [CROSS_ENTROPY] = "cross_entropy",
};

enum optimizer { SGD, MOMENTUM, NESTEROV, RMSPROP, ADAM, ADAMW, OPTIMIZER_COUNT };

static const char *const optimizer_names[OPTIMIZER_COUNT] = {
    [SGD] = "sgd",         [MOMENTUM] = "momentum", [NESTEROV] = "nesterov",
    [RMSPROP] = "rmsprop", [ADAM] = "adam",         [ADAMW] = "adamw",
};

/* The index of `name`, or `count` when it is not there. */
static size_t find(const char *name, const char *const *names, size_t count)
{
    size_t i = 0;
    while (i < count && (name == NULL || strcmp(name, names[i]) != 0)) {
        i++;
    }
    return i;
}

/* The settings with their names read. */
struct plan {
    enum activation activations[REFERENCE_MAX_LAYERS];
    enum loss loss;
    enum optimizer optimizer;
};

static bool read_names(const struct reference_settings *settings, struct plan *plan)
{
    if (settings->layer_count == 0 || settings->layer_count > REFERENCE_MAX_LAYERS) {
        return false;
    }
    size_t loss = find(settings->loss, loss_names, LOSS_COUNT);
    size_t optimizer = find(settings->optimizer, optimizer_names, OPTIMIZER_COUNT);
    if (loss == LOSS_COUNT || optimizer == OPTIMIZER_COUNT) {
        return false;
    }
    plan->loss = (enum loss)loss;
    plan->optimizer = (enum optimizer)optimizer;
    for (size_t l = 0; l < settings->layer_count; l++) {
        bool output = l + 1 == settings->layer_count;
        size_t f = find(settings->activations[l], activation_names, ACTIVATION_COUNT);
        if (f == ACTIVATION_COUNT || (f == SOFTMAX && !output)) {
            return false;
        }
        if (output && loss == CROSS_ENTROPY && f != SOFTMAX && f != SIGMOID) {
            return false;
        }
        plan->activations[l] = (enum activation)f;
    }
    return true;
}

/* How many examples are at hand together: the oracle takes one after the other, the threads of a
 * fair build share out many, and need a z, a and delta for each. */
#ifdef REFERENCE_FAIR
enum { EXAMPLES_AT_ONCE = 256 };
#else
enum { EXAMPLES_AT_ONCE = 1 };
#endif

/* A loop over so few numbers is over before the other threads have come. */
enum { FEW = 10000 };

#ifndef _OPENMP /* then the pragmas of reference_body.h are to do nothing, in silence */
#pragma GCC diagnostic ignored "-Wunknown-pragmas"
#endif

#define JOIN_EXPANDED(stem, suffix) stem##_##suffix
#define JOIN(stem, suffix)          JOIN_EXPANDED(stem, suffix)
#define NAME(stem)                  JOIN(stem, SUFFIX)

/* Everything in those files that is of one precision, so that it reads as if there were one. */
#define tensor                    NAME(tensor)
#define dense                     NAME(dense)
#define reference                 JOIN(reference, PRECISION)
#define sigmoid                   NAME(sigmoid)
#define softplus                  NAME(softplus)
#define normal_cdf                NAME(normal_cdf)
#define normal_density            NAME(normal_density)
#define activate                  NAME(activate)
#define activation_derivative     NAME(activation_derivative)
#define largest                   NAME(largest)
#define softmax                   NAME(softmax)
#define loss_term                 NAME(loss_term)
#define loss_term_derivative      NAME(loss_term_derivative)
#define loss_divisor              NAME(loss_divisor)
#define softmax_cross_entropy     NAME(softmax_cross_entropy)
#define sigmoid_cross_entropy     NAME(sigmoid_cross_entropy)
#define forward                   NAME(forward)
#define example_cost              NAME(example_cost)
#define output_delta              NAME(output_delta)
#define backward                  NAME(backward)
#define back_propagate            NAME(back_propagate)
#define add_gradient              NAME(add_gradient)
#define add_examples              NAME(add_examples)
#define example                   NAME(example)
#define tensor_at                 NAME(tensor_at)
#define add_penalties             NAME(add_penalties)
#define clip                      NAME(clip)
#define update                    NAME(update)
#define zeros                     NAME(zeros)
#define operand_create            NAME(operand_create)
#define round_operands            NAME(round_operands)
#define tensor_create             NAME(tensor_create)
#define tensor_free               NAME(tensor_free)
#define layer_create              NAME(layer_create)
#define example_create            NAME(example_create)
#define example_free              NAME(example_free)
#define reference_free            NAME(reference_free)
#define reference_create          NAME(reference_create)
#define reference_weights         NAME(reference_weights)
#define reference_biases          NAME(reference_biases)
#define reference_weight_gradient NAME(reference_weight_gradient)
#define reference_bias_gradient   NAME(reference_bias_gradient)
#define reference_predict         NAME(reference_predict)
#define reference_gradient        NAME(reference_gradient)
#define reference_step            NAME(reference_step)

#define real      float
#define PRECISION f32
#ifdef REFERENCE_FAIR
#define SUFFIX REFERENCE_FAIR
#else
#define SUFFIX f32
#endif
#include "reference_body.h"

#ifndef REFERENCE_FAIR
#undef real
#undef PRECISION
#undef SUFFIX
#define real      double
#define PRECISION f64
#define SUFFIX    f64
#include "reference_body.h"
#endif
