/* reference_body.h: the reference for one precision: its gradient and its step. Only reference.c
 * includes it, with `real` defined and its names mapped: hence no guard. The OpenMP pragmas mark
 * the loops whose rounds do not depend on each other, for the fair builds; elsewhere they mean
 * nothing.
 *
 * In the order of a step: forward pass, backward pass, gradient of the batch, penalties and
 * clipping, update; then the functions of reference.h. Equations (BP1) to (BP4) are those of
 * Nielsen, chapter 2. */

#include "reference_formulas.h"
#include "reference_network.h"

/* ---- bf16: 8 bits of a number that is neither subnormal nor infinite ------------------------- */

/* to = from rounded to nearest, ties to even; nothing where products read `from` itself. */
static void round_operands(size_t n, const real *from, real *to)
{
    if (to == from) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        int exponent;
        const real mantissa = frexp(from[i], &exponent); /* 1/2 <= |mantissa| < 1 */
        to[i] = ldexp(nearbyint(ldexp(mantissa, 8)), exponent - 8);
    }
}

/* ---- One example: forward, delta at the output, backward ----------------------------------- */

/* z_j = sum_k w_jk a_k + b_j and a_j = sigma(z_j), layer after layer. */
static void forward(const struct reference *r, struct example *e, const real *x)
{
    const real *a_in = x;
    for (size_t l = 0; l < r->settings.layer_count; l++) {
        const struct dense *layer = &r->layers[l];
        real *z = e->z[l], *a = e->a[l];
        for (size_t j = 0; j < layer->n_out; j++) {
            const real *w_j = layer->w.operand + j * layer->n_in;
            real sum = 0;
            for (size_t k = 0; k < layer->n_in; k++) {
                sum += w_j[k] * a_in[k];
            }
            z[j] = sum + layer->b.value[j];
            a[j] = activate(layer->activation, z[j]);
        }
        if (layer->activation == SOFTMAX) {
            softmax(layer->n_out, z, a);
        }
        round_operands(layer->n_out, a, e->a_operand[l]);
        a_in = e->a_operand[l];
    }
}

/* C0, after forward and with e->y set. */
static double example_cost(const struct reference *r, const struct example *e)
{
    size_t last = r->settings.layer_count - 1, n = r->layers[last].n_out;
    enum loss loss = r->plan.loss;
    const real *z = e->z[last], *a = e->a[last];
    if (loss == CROSS_ENTROPY) {
        return r->layers[last].activation == SOFTMAX ? softmax_cross_entropy(n, z, e->y)
                                                     : sigmoid_cross_entropy(n, z, e->y);
    }
    double cost = 0;
    for (size_t j = 0; j < n; j++) {
        cost += loss_term(loss, a[j], e->y[j]);
    }
    return cost / (double)loss_divisor(loss, n);
}

/* (BP1) delta_j = dC/da_j sigma'(z_j), where each output has its own z. Under softmax all a_i
 * depend on z_j: delta_j = sum_i dC/da_i da_i/dz_j, da_i/dz_j = a_i ([i = j] - a_j). Cross-entropy
 * with its own activation leaves a - y (Nielsen, ch. 3). */
static void output_delta(const struct reference *r, struct example *e)
{
    size_t last = r->settings.layer_count - 1, n = r->layers[last].n_out;
    enum activation activation = r->layers[last].activation;
    enum loss loss = r->plan.loss;
    const real *z = e->z[last], *a = e->a[last];
    real *delta = e->delta[last];
    if (loss == CROSS_ENTROPY) {
        for (size_t j = 0; j < n; j++) {
            delta[j] = a[j] - e->y[j];
        }
        return;
    }
    for (size_t j = 0; j < n; j++) {
        e->dC_da[j] = loss_term_derivative(loss, a[j], e->y[j]) / (real)loss_divisor(loss, n);
    }
    for (size_t j = 0; j < n; j++) {
        if (activation == SOFTMAX) {
            delta[j] = 0;
            for (size_t i = 0; i < n; i++) {
                delta[j] += e->dC_da[i] * a[i] * ((i == j ? 1 : 0) - a[j]);
            }
        } else {
            delta[j] = e->dC_da[j] * activation_derivative(activation, z[j]);
        }
    }
}

/* (BP2) delta_j = (sum_i w_ij delta_i) sigma'(z_j) at layer l, i over the next layer. The loop over
 * i is the outer one, so that each row of w is read from its start to its end. */
static void backward(const struct reference *r, struct example *e, size_t l)
{
    const struct dense *layer = &r->layers[l], *next = &r->layers[l + 1];
    real *delta = e->delta[l];
    for (size_t j = 0; j < layer->n_out; j++) {
        delta[j] = 0;
    }
    for (size_t i = 0; i < next->n_out; i++) {
        const real *w_i = next->w.operand + i * next->n_in;
        const real delta_i = e->delta_operand[l + 1][i];
        for (size_t j = 0; j < layer->n_out; j++) {
            delta[j] += w_i[j] * delta_i;
        }
    }
    for (size_t j = 0; j < layer->n_out; j++) {
        delta[j] *= activation_derivative(layer->activation, e->z[l][j]);
    }
    round_operands(layer->n_out, delta, e->delta_operand[l]);
}

/* Every delta of one example; returns its C0. */
static double back_propagate(const struct reference *r, struct example *e, const real *x,
                             const real *y)
{
    size_t last = r->settings.layer_count - 1, n = r->layers[last].n_out;
    const real s = (real)r->settings.label_smoothing;
    for (size_t j = 0; j < n; j++) {
        e->y[j] = (1 - s) * y[j] + s / (real)n;
    }
    forward(r, e, x);
    output_delta(r, e);
    round_operands(n, e->delta[last], e->delta_operand[last]);
    for (size_t l = last; l > 0; l--) {
        backward(r, e, l - 1);
    }
    return example_cost(r, e);
}

/* ---- A batch ------------------------------------------------------------------------------- */

/* (BP3) dC/db_j = delta_j and (BP4) dC/dw_jk = a_k delta_j of layer l, of each of the examples at
 * hand added to those before it. Threads share out the rows j, so that no two write one number. */
static void add_gradient(struct reference *r, size_t l, size_t count, const real *x)
{
    struct dense *layer = &r->layers[l];
#pragma omp parallel for
    for (size_t j = 0; j < layer->n_out; j++) {
        real *dw_j = layer->w.gradient + j * layer->n_in;
        for (size_t i = 0; i < count; i++) {
            const struct example *e = &r->examples[i];
            const real *a_in = l == 0 ? x + i * layer->n_in : e->a_operand[l - 1];
            const real delta_j = e->delta_operand[l][j];
            for (size_t k = 0; k < layer->n_in; k++) {
                dw_j[k] += a_in[k] * delta_j;
            }
            layer->b.gradient[j] += e->delta[l][j];
        }
    }
}

/* Adds the gradient of `count` examples, at most EXAMPLES_AT_ONCE, to the layers'; returns the sum
 * of their C0. */
static double add_examples(struct reference *r, size_t count, const real *x, const real *y)
{
    size_t layers = r->settings.layer_count;
    size_t n_in = r->settings.sizes[0], n_out = r->settings.sizes[layers];
    double cost = 0;
#pragma omp parallel for reduction(+ : cost)
    for (size_t i = 0; i < count; i++) {
        cost += back_propagate(r, &r->examples[i], x + i * n_in, y + i * n_out);
    }
    for (size_t l = 0; l < layers; l++) {
        add_gradient(r, l, count, x);
    }
    return cost;
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
    if (!p->weights) {
        return;
    }
#pragma omp parallel for if (p->count > FEW)
    for (size_t i = 0; i < p->count; i++) {
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
    if (r->settings.clip_norm <= 0) {
        return;
    }
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
#pragma omp parallel for reduction(+ : squares) if (p->count > FEW)
        for (size_t i = 0; i < p->count; i++) {
            squares += (double)p->gradient[i] * (double)p->gradient[i];
        }
    }
    double norm = sqrt(squares);
    if (norm <= r->settings.clip_norm) {
        return;
    }
    const real factor = (real)(r->settings.clip_norm / norm);
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
#pragma omp parallel for if (p->count > FEW)
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
#pragma omp parallel for if (p->count > FEW)
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
    for (size_t l = 0; l < r->settings.layer_count; l++) {
        round_operands(r->layers[l].w.count, r->layers[l].w.value, r->layers[l].w.operand);
    }
    size_t last = r->settings.layer_count - 1;
    forward(r, &r->examples[0], x);
    memcpy(out, r->examples[0].a[last], r->layers[last].n_out * sizeof *out);
}

double reference_gradient(struct reference *r, size_t batch, const real *x, const real *y)
{
    struct tensor *p;
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
#pragma omp parallel for if (p->count > FEW)
        for (size_t i = 0; i < p->count; i++) {
            p->gradient[i] = 0;
        }
    }
    for (size_t l = 0; l < r->settings.layer_count; l++) {
        round_operands(r->layers[l].w.count, r->layers[l].w.value, r->layers[l].w.operand);
    }
    size_t n_in = r->settings.sizes[0], n_out = r->settings.sizes[r->settings.layer_count];
    double cost = 0;
    for (size_t i = 0; i < batch; i += EXAMPLES_AT_ONCE) {
        size_t count = batch - i < EXAMPLES_AT_ONCE ? batch - i : EXAMPLES_AT_ONCE;
        cost += add_examples(r, count, x + i * n_in, y + i * n_out);
    }
    for (size_t t = 0; (p = tensor_at(r, t)) != NULL; t++) {
#pragma omp parallel for if (p->count > FEW)
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
