/* gradcheck.c: back-propagation against finite differences, in double.
 *
 * dC/dw is approximated by central differences (C(w+h) - C(w-h)) / 2h for shrinking h, extrapolated
 * to h = 0 (Richardson); of all entries of the tableau the one with the smallest estimated error is
 * taken, without a look at what back-propagation says (C. J. F. Ridders, "Accurate computation of
 * F'(x) and F'(x) F''(x)", Advances in Engineering Software 4, 1982). Steps that cross a kink (of
 * relu, mae and their kin) say nothing of the derivative and are left out. */
#include <math.h>
#include <stdlib.h>

#include "core/cpu.h"
#include "core/rng.h"
#include "nn/network.h"
#include "nn/pass.h"

struct check {
    struct network network;
    struct model *model;
    struct gemm_provider *provider;
    struct pass *pass;
    double *gradient; /* slab, by back-propagation */
    size_t batch;
    double l1, l2;
    uint64_t seed;
};

static double normal(uint64_t seed, uint32_t lane, uint64_t stream, size_t index)
{
    const struct rng_block block = gm_rng(seed, RNG_EXAMPLES, lane, stream, index);
    return sqrt(-2 * log(gm_uniform(block.u[0]))) * cos(6.283185307179586 * gm_uniform(block.u[1]));
}

/* With biases of zero a neuron whose inputs are all zero or dropped sits exactly on relu's kink,
 * where there is no derivative to compare with. */
static void move_biases(struct check *c)
{
    for (size_t l = 0; l < c->model->layer_count; l++)
        for (size_t j = 0; j < c->model->layers[l].n_out; j++)
            c->model->layers[l].b[j] += 0.1 * normal(c->seed, 3, l, j);
}

/* Labels for cross-entropy. Elsewhere real targets, so that no output sits on the kink of mae. */
static void random_examples(struct check *c)
{
    const size_t n_in = c->network.spec.n_in, n_out = gm_network_outputs(&c->network.spec);
    for (size_t i = 0; i < c->batch * n_in; i++)
        c->pass->x[i] = normal(c->seed, 0, 0, i);
    const struct loss *loss = c->model->loss;
    for (size_t i = 0; i < c->batch; i++) {
        const uint32_t label = gm_rng(c->seed, RNG_EXAMPLES, 1, 0, i).u[0] % (uint32_t)n_out;
        for (size_t j = 0; j < n_out; j++) {
            const double u = gm_uniform(gm_rng(c->seed, RNG_EXAMPLES, 2, 0, i * n_out + j).u[0]);
            c->pass->y[i * n_out + j] = !loss->sigmoid_or_softmax ? 2 * u - 1
                                        : c->network.spec.task == GEMMLP_MULTILABEL
                                            ? (double)(u > 0.5)
                                            : (double)(j == label);
        }
    }
}

/* Cost and penalties. Dropout draws the same mask every time. */
static double objective(struct check *c)
{
    const struct dropout dropout = {c->seed, 0};
    pass_forward(c->pass, &dropout);
    double cost =
        pass_cost(c->pass, true, c->network.spec.label_smoothing, NULL) / (double)c->batch;
    for (size_t l = 0; (c->l1 > 0 || c->l2 > 0) && l < c->model->layer_count; l++) {
        const struct layer *layer = &c->model->layers[l];
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++)
            cost += c->l1 * fabs(layer->w[i]) + c->l2 / 2 * layer->w[i] * layer->w[i];
    }
    return cost;
}

static void backpropagate(struct check *c)
{
    const double mean = 1 / (double)c->batch;
    objective(c);
    for (size_t l = c->model->layer_count; l-- > 0;) {
        const struct layer *layer = &c->model->layers[l];
        double *g = c->gradient + layer->w_at;
        if (l > 0)
            pass_backward(c->pass, l);
        pass_gradient(c->pass, l, mean, 0, g, NULL);
        pass_bias_gradient(c->pass, l, mean, 0, c->gradient + layer->b_at);
        for (size_t i = 0; i < layer->n_out * layer->n_in; i++)
            g[i] += c->l1 * ((layer->w[i] > 0) - (layer->w[i] < 0)) + c->l2 * layer->w[i];
    }
}

/* A hash of the side of its kink on which everything lies after a forward pass: relu, leaky_relu
 * and elu bend where a = 0, mae where a = y, huber where |a - y| = 1. The l1 penalty bends where
 * w = 0. */
static uint64_t sides(const struct check *c)
{
    const size_t last = c->model->layer_count - 1, n_out = c->model->layers[last].n_out;
    const double smoothing = c->network.spec.label_smoothing;
    const double keep = 1 - smoothing, floor = smoothing / (double)n_out;
    uint64_t hash = 0xcbf29ce484222325; /* FNV-1a */
    for (size_t l = 0; l <= last; l++) {
        const struct activation *activation = c->model->layers[l].activation;
        const size_t n = c->batch * c->model->layers[l].n_out;
        const double *a = c->pass->layers[l].kept;
        for (size_t i = 0; activation->rectifier && !activation->needs_z && i < n; i++)
            hash = (hash ^ (a[i] > 0)) * 0x100000001b3;
    }
    for (size_t i = 0; c->model->loss->from_a && i < c->batch * n_out; i++) {
        const double d = c->pass->layers[last].a[i] - (keep * c->pass->y[i] + floor);
        hash = (hash ^ (uint64_t)((d > 0) + (d > 1) + (d > -1))) * 0x100000001b3;
    }
    return hash;
}

/* *smooth: nothing has crossed a kink on the way. */
static double central_difference(struct check *c, double *w, double h, bool *smooth)
{
    const double before = *w;
    volatile double up = before + h, down = before - h; /* the steps that are really made */
    *w = up;
    const double above = objective(c);
    const uint64_t above_sides = sides(c);
    *w = down;
    const double below = objective(c);
    *smooth = sides(c) == above_sides && (c->l1 <= 0 || (up > 0) == (down > 0));
    *w = before;
    return (above - below) / (up - down);
}

static double derivative(struct check *c, double *w)
{
    enum { ROWS = 10, MOST_STEPS = 50 };
    const double shrink = 1.6, square = shrink * shrink;
    double table[ROWS][ROWS], best = NAN, least = INFINITY, h = 0.02 * fmax(1, fabs(*w));
    for (int i = 0, steps = 0; i < ROWS && steps < MOST_STEPS; steps++, h /= shrink) {
        double factor = square;
        bool smooth;
        table[i][0] = central_difference(c, w, h, &smooth);
        if (!smooth) { /* start over: extrapolation needs a constant ratio from step to step */
            i = 0;
            least = INFINITY;
            continue;
        }
        for (int j = 1; j <= i; j++, factor *= square) {
            table[i][j] = (table[i][j - 1] * factor - table[i - 1][j - 1]) / (factor - 1);
            const double error =
                fmax(fabs(table[i][j] - table[i][j - 1]), fabs(table[i][j] - table[i - 1][j - 1]));
            if (error < least) {
                least = error;
                best = table[i][j];
            }
        }
        i++;
    }
    return best;
}

/* One parameter into the report; row-major index within its layer's weights, or bias at column
 * n_in. */
static void check_parameter(struct check *c, size_t l, size_t row, size_t column, double floor,
                            gemmlp_gradcheck_report *report)
{
    const struct layer *layer = &c->model->layers[l];
    const bool bias = column == layer->n_in;
    double *w = bias ? &layer->b[row] : &layer->w[row * layer->n_in + column];
    const double g =
        c->gradient[bias ? layer->b_at + row : layer->w_at + row * layer->n_in + column];
    const double d = derivative(c, w), scale = fmax(fmax(fabs(g), fabs(d)), floor);
    const double error = scale > 0 ? fabs(g - d) / scale : fabs(g - d);
    report->parameters_checked++;
    if (error <= report->max_relative_error && report->parameters_checked > 1)
        return;
    report->max_relative_error = isnan(error) ? INFINITY : error;
    report->worst_layer = l;
    report->worst_row = row;
    report->worst_column = column;
    report->worst_backprop = g;
    report->worst_difference = d;
}

static double largest(const double *x, size_t n)
{
    double m = 0;
    for (size_t i = 0; i < n; i++)
        m = fmax(m, fabs(x[i]));
    return m;
}

/* Every parameter, or every stride-th, so that samples spread over all layers. */
static void check_all(struct check *c, size_t samples, gemmlp_gradcheck_report *report)
{
    const size_t stride = samples ? (report->parameters + samples - 1) / samples : 1;
    size_t next = 0, at = 0;
    report->max_gradient = largest(c->gradient, c->model->slab_size);
    for (size_t l = 0; l < c->model->layer_count; l++) {
        const struct layer *layer = &c->model->layers[l];
        for (size_t row = 0; row < layer->n_out; row++) {
            for (size_t column = 0; column <= layer->n_in; column++, at++) {
                if (at != next)
                    continue;
                next += stride;
                check_parameter(c, l, row, column, 1e-3 * report->max_gradient, report);
            }
        }
    }
}

static gemmlp_status create(struct check *c, const gemmlp_network *network, gemmlp_error *error)
{
    gemmlp_status status = gm_network_resolve(network, NULL, &c->network, error);
    if (status == GEMMLP_OK)
        status = model_create(&c->network.spec, &c->model, error);
    if (status == GEMMLP_OK)
        status = model_initialise(c->model, error);
    if (status == GEMMLP_OK)
        status = gm_gemm_open_f64(&c->provider, error);
    if (status == GEMMLP_OK)
        status = pass_create(c->model, c->provider, PASS_TRAIN, c->batch, 0, &c->pass, error);
    if (status != GEMMLP_OK)
        return status;
    c->gradient = calloc(c->model->slab_size, sizeof *c->gradient);
    return c->gradient ? GEMMLP_OK
                       : gm_fail_memory(error, "a gradient", c->model->slab_size * sizeof(double));
}

gemmlp_status gemmlp_gradcheck(const gemmlp_network *network,
                               const gemmlp_gradcheck_options *options,
                               gemmlp_gradcheck_report *report, gemmlp_error *error)
{
    static const gemmlp_gradcheck_options defaults = {0};
    const gemmlp_gradcheck_options *o = options ? options : &defaults;
    struct check check = {
        .batch = o->batch ? o->batch : 5, .l1 = o->l1, .l2 = o->l2, .seed = o->seed};
    *report = (gemmlp_gradcheck_report){.tolerance = o->tolerance > 0 ? o->tolerance : 1e-7};
    gemmlp_status status = create(&check, network, error);
    if (status == GEMMLP_OK) {
        for (size_t l = 0; l < check.model->layer_count; l++)
            report->parameters += check.model->layers[l].n_out * (check.model->layers[l].n_in + 1);
        struct compute_scope scope = gm_compute_begin(1); /* the products here are small */
        move_biases(&check);
        random_examples(&check);
        backpropagate(&check);
        check_all(&check, o->samples, report);
        gm_compute_end(scope);
        report->passed =
            report->max_gradient > 0 && report->max_relative_error <= report->tolerance;
    }
    free(check.gradient);
    pass_free(check.pass);
    gm_gemm_close(check.provider);
    model_free(check.model);
    gm_network_free(&check.network);
    return status;
}
