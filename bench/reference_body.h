/* reference_body.h: the reference for one precision: a network, its gradient, its step. Only
 * reference.c includes it, twice, with `real` defined and its names mapped: hence no guard.
 *
 * In the order of a step: forward pass, backward pass, penalties and clipping, update; then the
 * functions of reference.h. Equations (BP1) to (BP4) are those of Nielsen, chapter 2. */

#include "reference_formulas.h"

/* The weights or the biases of one layer, with what the optimizer keeps for each of them. */
struct tensor {
    bool weights;   /* penalties and decay spare the biases */
    size_t count;   /* of each of the following */
    real *value;    /* w or b */
    real *gradient; /* dC/dw or dC/db */
    real *m;        /* velocity, or running mean of the gradient */
    real *v;        /* running mean of the squared gradient */
};

struct dense {
    size_t n_in, n_out;
    enum activation activation;
    struct tensor w;     /* (n_out x n_in): w_jk from neuron k to neuron j */
    struct tensor b;     /* (n_out) */
    real *z, *a, *delta; /* (n_out), of the example at hand */
};

struct reference {
    struct reference_settings settings; /* for its numbers: the names may be gone */
    struct plan plan;
    struct dense layers[REFERENCE_MAX_LAYERS];
    real *y;     /* (n_out of the output): the smoothed target of the example at hand */
    real *dC_da; /* (n_out of the output) */
    size_t steps;
};

/* ---- One example: forward, delta at the output, backward ----------------------------------- */

/* z_j = sum_k w_jk a_k + b_j and a_j = sigma(z_j), layer after layer. */
static void forward(struct reference *r, const real *x)
{
    const real *a_in = x;
    for (size_t l = 0; l < r->settings.layer_count; l++) {
        struct dense *layer = &r->layers[l];
        for (size_t j = 0; j < layer->n_out; j++) {
            const real *w_j = layer->w.value + j * layer->n_in;
            real sum = 0;
            for (size_t k = 0; k < layer->n_in; k++) {
                sum += w_j[k] * a_in[k];
            }
            layer->z[j] = sum + layer->b.value[j];
            layer->a[j] = activate(layer->activation, layer->z[j]);
        }
        if (layer->activation == SOFTMAX) {
            softmax(layer->n_out, layer->z, layer->a);
        }
        a_in = layer->a;
    }
}

/* C0, after forward and with r->y set. */
static double example_cost(const struct reference *r, const struct dense *output)
{
    size_t n = output->n_out;
    enum loss loss = r->plan.loss;
    if (loss == CROSS_ENTROPY) {
        return output->activation == SOFTMAX ? softmax_cross_entropy(n, output->z, r->y)
                                             : sigmoid_cross_entropy(n, output->z, r->y);
    }
    double cost = 0;
    for (size_t j = 0; j < n; j++) {
        cost += loss_term(loss, output->a[j], r->y[j]);
    }
    return cost / (double)loss_divisor(loss, n);
}

/* (BP1) delta_j = dC/da_j sigma'(z_j), where each output has its own z. Under softmax all a_i
 * depend on z_j: delta_j = sum_i dC/da_i da_i/dz_j, da_i/dz_j = a_i ([i = j] - a_j). Cross-entropy
 * with its own activation leaves a - y (Nielsen, ch. 3). */
static void output_delta(struct reference *r, struct dense *output)
{
    size_t n = output->n_out;
    enum loss loss = r->plan.loss;
    const real *a = output->a;
    if (loss == CROSS_ENTROPY) {
        for (size_t j = 0; j < n; j++) {
            output->delta[j] = a[j] - r->y[j];
        }
        return;
    }
    for (size_t j = 0; j < n; j++) {
        r->dC_da[j] = loss_term_derivative(loss, a[j], r->y[j]) / (real)loss_divisor(loss, n);
    }
    for (size_t j = 0; j < n; j++) {
        if (output->activation == SOFTMAX) {
            output->delta[j] = 0;
            for (size_t i = 0; i < n; i++) {
                output->delta[j] += r->dC_da[i] * a[i] * ((i == j ? 1 : 0) - a[j]);
            }
        } else {
            output->delta[j] =
                r->dC_da[j] * activation_derivative(output->activation, output->z[j]);
        }
    }
}

/* (BP2) delta_j = (sum_i w_ij delta_i) sigma'(z_j), i over the next layer. The loop over i is the
 * outer one, so that each row of w is read from its start to its end. */
static void backward(struct dense *layer, const struct dense *next)
{
    for (size_t j = 0; j < layer->n_out; j++) {
        layer->delta[j] = 0;
    }
    for (size_t i = 0; i < next->n_out; i++) {
        const real *w_i = next->w.value + i * next->n_in;
        const real delta_i = next->delta[i];
        for (size_t j = 0; j < layer->n_out; j++) {
            layer->delta[j] += w_i[j] * delta_i;
        }
    }
    for (size_t j = 0; j < layer->n_out; j++) {
        layer->delta[j] *= activation_derivative(layer->activation, layer->z[j]);
    }
}

/* (BP3) dC/db_j = delta_j and (BP4) dC/dw_jk = a_k delta_j, added to those of the batch so far. */
static void add_gradient(struct dense *layer, const real *a_in)
{
    for (size_t j = 0; j < layer->n_out; j++) {
        real *dw_j = layer->w.gradient + j * layer->n_in;
        const real delta_j = layer->delta[j];
        for (size_t k = 0; k < layer->n_in; k++) {
            dw_j[k] += a_in[k] * delta_j;
        }
        layer->b.gradient[j] += delta_j;
    }
}

/* Adds the gradient of one example to the layers'; returns its C0. */
static double example(struct reference *r, const real *x, const real *y)
{
    size_t last = r->settings.layer_count - 1;
    struct dense *output = &r->layers[last];
    const real s = (real)r->settings.label_smoothing;
    for (size_t j = 0; j < output->n_out; j++) {
        r->y[j] = (1 - s) * y[j] + s / (real)output->n_out;
    }
    forward(r, x);
    output_delta(r, output);
    for (size_t l = last; l > 0; l--) {
        backward(&r->layers[l - 1], &r->layers[l]);
    }
    for (size_t l = 0; l <= last; l++) {
        add_gradient(&r->layers[l], l == 0 ? x : r->layers[l - 1].a);
    }
    return example_cost(r, output);
}

/* ---- The step ------------------------------------------------------------------------------ */

/* The tensors one after the other, w and b of each layer; NULL past the last. */
static struct tensor *tensor_at(struct reference *r, size_t index)
{
    if (index >= 2 * r->settings.layer_count) {
        return NULL;
    }
    struct dense *layer = &r->layers[index / 2];
    return index % 2 == 0 ? &layer->w : &layer->b;
}

/* The gradient of l1 sum |w| + l2/2 sum w^2. */
static void add_penalties(struct reference *r, struct tensor *p)
{
    const real l1 = (real)r->settings.l1, l2 = (real)r->settings.l2;
    for (size_t i = 0; p->weights && i < p->count; i++) {
        real w = p->value[i];
        p->gradient[i] += l1 * (real)((w > 0) - (w < 0)) + l2 * w;
    }
}

/* Pascanu, Mikolov, Bengio, "On the difficulty of training recurrent neural networks", 2013: one
 * factor for the whole gradient. */
static void clip(struct reference *r)
{
    struct tensor *p;
    double squares = 0;
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
        for (size_t i = 0; i < p->count; i++) {
            squares += (double)p->gradient[i] * (double)p->gradient[i];
        }
    }
    double norm = sqrt(squares);
    if (r->settings.clip_norm <= 0 || norm <= r->settings.clip_norm) {
        return;
    }
    const real factor = (real)(r->settings.clip_norm / norm);
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
        for (size_t i = 0; i < p->count; i++) {
            p->gradient[i] *= factor;
        }
    }
}

/* momentum: Polyak 1964. nesterov: Sutskever et al. 2013, with the velocity at the point where the
 * gradient is taken. rmsprop: Tieleman and Hinton 2012. adam: Kingma and Ba 2015. adamw, the decay
 * apart from the gradient: Loshchilov and Hutter 2019. */
static void update(struct reference *r, struct tensor *p)
{
    const struct reference_settings *s = &r->settings;
    const real lr = (real)s->lr, epsilon = (real)s->epsilon;
    const real decay = p->weights ? (real)(s->lr * s->weight_decay) : 0;
    const real mu = (real)s->momentum, beta1 = (real)s->momentum, beta2 = (real)s->beta2;
    const real rest1 = (real)(1 - s->momentum), rest2 = (real)(1 - s->beta2);
    const real bias1 = (real)(1 - pow(s->momentum, (double)r->steps));
    const real bias2 = (real)(1 - pow(s->beta2, (double)r->steps));
    for (size_t i = 0; i < p->count; i++) {
        const real g = p->gradient[i];
        real *w = &p->value[i], *m = &p->m[i], *v = &p->v[i];
        *w -= decay * *w;
        switch (r->plan.optimizer) {
        case SGD:
            *w -= lr * g;
            break;
        case MOMENTUM:
            *m = mu * *m + g;
            *w -= lr * *m;
            break;
        case NESTEROV:
            *m = mu * *m + g;
            *w -= lr * (g + mu * *m);
            break;
        case RMSPROP:
            *v = beta2 * *v + rest2 * g * g;
            *w -= lr * g / (sqrt(*v) + epsilon);
            break;
        case ADAM:
        case ADAMW:
            *m = beta1 * *m + rest1 * g;
            *v = beta2 * *v + rest2 * g * g;
            *w -= lr * (*m / bias1) / (sqrt(*v / bias2) + epsilon);
            break;
        case OPTIMIZER_COUNT:
            break;
        }
    }
}

/* ---- What reference.h declares ------------------------------------------------------------- */

/* count elements, zero; NULL also when that overflows. */
static real *zeros(size_t count)
{
    return calloc(count, sizeof(real));
}

static bool tensor_create(struct tensor *p, bool weights, size_t count)
{
    *p = (struct tensor){.weights = weights,
                         .count = count,
                         .value = zeros(count),
                         .gradient = zeros(count),
                         .m = zeros(count),
                         .v = zeros(count)};
    return p->value != NULL && p->gradient != NULL && p->m != NULL && p->v != NULL;
}

static void tensor_free(struct tensor *p)
{
    free(p->value);
    free(p->gradient);
    free(p->m);
    free(p->v);
}

static bool layer_create(struct dense *layer, size_t n_in, size_t n_out, enum activation activation)
{
    if (n_in == 0 || n_out == 0 || n_in > SIZE_MAX / n_out) {
        return false;
    }
    layer->n_in = n_in;
    layer->n_out = n_out;
    layer->activation = activation;
    layer->z = zeros(n_out);
    layer->a = zeros(n_out);
    layer->delta = zeros(n_out);
    return tensor_create(&layer->w, true, n_in * n_out) && tensor_create(&layer->b, false, n_out) &&
           layer->z != NULL && layer->a != NULL && layer->delta != NULL;
}

void reference_free(struct reference *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t l = 0; l < r->settings.layer_count; l++) {
        struct dense *layer = &r->layers[l];
        tensor_free(&layer->w);
        tensor_free(&layer->b);
        free(layer->z);
        free(layer->a);
        free(layer->delta);
    }
    free(r->y);
    free(r->dC_da);
    free(r);
}

struct reference *reference_create(const struct reference_settings *settings)
{
    struct plan plan;
    if (!read_names(settings, &plan)) {
        return NULL;
    }
    struct reference *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->settings = *settings;
    r->plan = plan;
    for (size_t l = 0; l < settings->layer_count; l++) {
        if (!layer_create(&r->layers[l], settings->sizes[l], settings->sizes[l + 1],
                          plan.activations[l])) {
            reference_free(r);
            return NULL;
        }
    }
    r->y = zeros(settings->sizes[settings->layer_count]);
    r->dC_da = zeros(settings->sizes[settings->layer_count]);
    if (r->y == NULL || r->dC_da == NULL) {
        reference_free(r);
        return NULL;
    }
    return r;
}

real *reference_weights(struct reference *r, size_t layer)
{
    return r->layers[layer].w.value;
}

real *reference_biases(struct reference *r, size_t layer)
{
    return r->layers[layer].b.value;
}

const real *reference_weight_gradient(const struct reference *r, size_t layer)
{
    return r->layers[layer].w.gradient;
}

const real *reference_bias_gradient(const struct reference *r, size_t layer)
{
    return r->layers[layer].b.gradient;
}

void reference_predict(struct reference *r, const real *x, real *out)
{
    const struct dense *output = &r->layers[r->settings.layer_count - 1];
    forward(r, x);
    memcpy(out, output->a, output->n_out * sizeof *out);
}

double reference_gradient(struct reference *r, size_t batch, const real *x, const real *y)
{
    struct tensor *p;
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
        memset(p->gradient, 0, p->count * sizeof *p->gradient);
    }
    size_t n_in = r->settings.sizes[0], n_out = r->settings.sizes[r->settings.layer_count];
    double cost = 0;
    for (size_t e = 0; e < batch; e++) {
        cost += example(r, x + e * n_in, y + e * n_out);
    }
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
        for (size_t i = 0; i < p->count; i++) {
            p->gradient[i] /= (real)batch;
        }
    }
    return cost / (double)batch;
}

double reference_step(struct reference *r, size_t batch, const real *x, const real *y)
{
    struct tensor *p;
    double cost = reference_gradient(r, batch, x, y);
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
        add_penalties(r, p);
    }
    clip(r);
    r->steps++;
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
        update(r, p);
    }
    return cost;
}
