/* gradcheck.c: back-propagation against finite differences, in double.
 *
 * dC/dw is approximated by central differences (C(w+h) - C(w-h)) / 2h for shrinking h, extrapolated to
 * h = 0 (Richardson); of all entries of the tableau the one with the smallest estimated error is
 * taken, without a look at what back-propagation says (C. J. F. Ridders, "Accurate computation of
 * F'(x) and F'(x) F''(x)", Advances in Engineering Software 4, 1982). Shrinking h also leaves the kinks
 * of relu, mae and their kin behind. */
#include <math.h>
#include <stdlib.h>

#include "core/cpu.h"
#include "core/rng.h"
#include "nn/network.h"
#include "nn/pass.h"

struct check {
    struct network network;
    struct model *model;
    struct pass *pass;
    double *gradient; /* slab, by back-propagation */
    size_t batch;
    double l1, l2;
    uint64_t seed;
};

static void random_examples(struct check *c)
{
    const size_t n_in = c->network.spec.n_in, n_out = gm_network_outputs(&c->network.spec);
    for (size_t i = 0; i < c->batch * n_in; i++) {
        const struct rng_block block = gm_rng(c->seed, RNG_EXAMPLES, 0, 0, i);
        c->pass->x[i] = sqrt(-2 * log(gm_uniform(block.u[0]))) *
                        cos(6.283185307179586 * gm_uniform(block.u[1]));
    }
    for (size_t i = 0; i < c->batch; i++) {
        const uint32_t label = gm_rng(c->seed, RNG_EXAMPLES, 1, 0, i).u[0] % (uint32_t)n_out;
        for (size_t j = 0; j < n_out; j++) {
            const double u = gm_uniform(gm_rng(c->seed, RNG_EXAMPLES, 2, 0, i * n_out + j).u[0]);
            c->pass->y[i * n_out + j] = c->network.spec.task == GEMMLP_CLASSIFY ? (double)(j == label)
                                        : c->network.spec.task == GEMMLP_REGRESS ? 2 * u - 1
                                                                                 : (double)(u > 0.5);
        }
    }
}

/* Cost and penalties. Dropout draws the same mask every time. */
static double objective(struct check *c)
{
    const struct dropout dropout = {c->seed, 0};
    pass_forward(c->pass, &dropout);
    double cost = pass_cost(c->pass, true, c->network.spec.label_smoothing, NULL) / (double)c->batch;
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

static double central_difference(struct check *c, double *w, double h)
{
    const double before = *w;
    volatile double up = before + h, down = before - h; /* the steps that are really made */
    *w = up;
    const double above = objective(c);
    *w = down;
    const double below = objective(c);
    *w = before;
    return (above - below) / (up - down);
}

static double derivative(struct check *c, double *w)
{
    enum { ROWS = 12 };
    const double shrink = 1.6, square = shrink * shrink;
    double table[ROWS][ROWS], best = NAN, least = INFINITY, h = 0.02 * fmax(1, fabs(*w));
    for (int i = 0; i < ROWS; i++, h /= shrink) {
        double factor = square;
        table[i][0] = central_difference(c, w, h);
        for (int j = 1; j <= i; j++, factor *= square) {
            table[i][j] = (table[i][j - 1] * factor - table[i - 1][j - 1]) / (factor - 1);
            const double error = fmax(fabs(table[i][j] - table[i][j - 1]),
                                      fabs(table[i][j] - table[i - 1][j - 1]));
            if (error < least) {
                least = error;
                best = table[i][j];
            }
        }
    }
    return best;
}

/* One parameter into the report; row-major index within its layer's weights, or bias at column n_in. */
static void check_parameter(struct check *c, size_t l, size_t row, size_t column, double floor,
                            gemmlp_gradcheck_report *report)
{
    const struct layer *layer = &c->model->layers[l];
    const bool bias = column == layer->n_in;
    double *w = bias ? &layer->b[row] : &layer->w[row * layer->n_in + column];
    const double g = c->gradient[bias ? layer->b_at + row : layer->w_at + row * layer->n_in + column];
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
    const size_t stride = samples && samples < report->parameters ? report->parameters / samples : 1;
    size_t next = 0, at = 0;
    for (size_t l = 0; l < c->model->layer_count; l++) {
        const struct layer *layer = &c->model->layers[l];
        const double top = fmax(largest(c->gradient + layer->w_at, layer->n_out * layer->n_in),
                                largest(c->gradient + layer->b_at, layer->n_out));
        report->max_gradient = fmax(report->max_gradient, top);
        for (size_t row = 0; row < layer->n_out; row++) {
            for (size_t column = 0; column <= layer->n_in; column++, at++) {
                if (at != next)
                    continue;
                next += stride;
                check_parameter(c, l, row, column, 1e-3 * top, report);
            }
        }
    }
}

static gemmlp_status create(struct check *c, const gemmlp_network *network, gemmlp_error *error)
{
    const struct gemm_provider *provider;
    gemmlp_status status = gm_network_resolve(network, NULL, &c->network, error);
    if (status == GEMMLP_OK)
        status = model_create(&c->network.spec, &c->model, error);
    if (status == GEMMLP_OK)
        status = model_initialise(c->model, error);
    if (status == GEMMLP_OK)
        status = gm_gemm_provider(NULL, &provider, error);
    if (status == GEMMLP_OK)
        status = pass_create(c->model, provider, PASS_TRAIN, c->batch, 0, &c->pass, error);
    if (status != GEMMLP_OK)
        return status;
    c->gradient = calloc(c->model->slab_size, sizeof *c->gradient);
    return c->gradient ? GEMMLP_OK
                       : gm_fail_memory(error, "a gradient", c->model->slab_size * sizeof(double));
}

gemmlp_status gemmlp_gradcheck(const gemmlp_network *network, const gemmlp_gradcheck_options *options,
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
        random_examples(&check);
        backpropagate(&check);
        check_all(&check, o->samples, report);
        gm_compute_end(scope);
        report->passed = report->max_gradient > 0 && report->max_relative_error <= report->tolerance;
    }
    free(check.gradient);
    pass_free(check.pass);
    model_free(check.model);
    gm_network_free(&check.network);
    return status;
}
