/* step.c: one training step, timed side by side with its bare matrix products and with the naive
 * loop.
 *
 *   bench-step --network 784-256-10 --batch 128
 *
 * Per repetition, in turn: the three products of every layer alone; the step (gather, forward,
 * cost, backward, update). Medians over the repetitions, and the median of the ratios of each pair,
 * so that a machine whose speed drifts does not matter. Before anything is timed, one step of the
 * library and of bench/reference.c are compared. */
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "core/rng.h"
#include "data/batch.h"
#include "nn/network.h"
#include "reference.h"
#include "train/step.h"

static const double RATE = 1e-3; /* eta */

enum { MAX_REPETITIONS = 1000, MAX_LAYERS = REFERENCE_MAX_LAYERS, BATCHES = 4 };

struct bench {
    size_t sizes[MAX_LAYERS + 1], layers, batch, repetitions, naive_steps;
    const char *activation, *optimizer;
    bool general_path;
    int threads;
    struct network network;
    struct model *model;
    struct gemm_provider *provider;
    struct step step;
    gemmlp_dataset *data;
    uint8_t *pixels;
    int32_t *labels;
    uint32_t *order;
    float *factor, *offset;
    struct batch_source source;
};

static void stop(const char *message)
{
    fprintf(stderr, "bench-step: %s\n", message);
    exit(1);
}

static void check(gemmlp_status status, const gemmlp_error *error)
{
    if (status != GEMMLP_OK)
        stop(error->message);
}

static void *allocate(size_t count, size_t size)
{
    void *memory = calloc(count, size);
    if (!memory)
        stop("out of memory");
    return memory;
}

static size_t parse_network(const char *text, size_t sizes[MAX_LAYERS + 1])
{
    size_t n = 0;
    for (char *end; *text; text = *end ? end + 1 : end) {
        unsigned long long size = strtoull(text, &end, 10);
        if (end == text || size == 0 || (*end && *end != '-') || n > MAX_LAYERS)
            stop("--network: expected 2 to 17 sizes such as 784-256-10");
        sizes[n++] = (size_t)size;
    }
    if (n < 2)
        stop("--network: expected 2 to 17 sizes such as 784-256-10");
    return n - 1;
}

/* Random bytes as images, random labels, and a shuffled order. */
static void make_data(struct bench *b)
{
    const size_t n_in = b->sizes[0], n_out = b->sizes[b->layers], examples = BATCHES * b->batch;
    gemmlp_error error;
    b->pixels = allocate(examples, n_in);
    b->labels = allocate(examples, sizeof *b->labels);
    b->order = allocate(examples, sizeof *b->order);
    b->factor = allocate(n_in, sizeof *b->factor);
    b->offset = allocate(n_in, sizeof *b->offset);
    for (size_t i = 0; i < examples * n_in; i++)
        b->pixels[i] = (uint8_t)(gm_rng(1, RNG_EXAMPLES, 0, 0, i / 4).u[i % 4] >> 24);
    for (size_t i = 0; i < examples; i++)
        b->labels[i] = (int32_t)(gm_rng(1, RNG_EXAMPLES, 1, 0, i).u[0] % n_out);
    for (size_t k = 0; k < n_in; k++)
        b->factor[k] = 1.0f / 255;
    gm_shuffle(1, 0, examples, b->order);
    const gemmlp_arrays arrays = {.examples = examples,
                                  .features = n_in,
                                  .outputs = n_out,
                                  .x_u8 = b->pixels,
                                  .labels = b->labels};
    check(gemmlp_dataset_wrap(&arrays, &b->data, &error), &error);
    b->source = (struct batch_source){b->data, b->factor, b->offset, n_out};
}

static void make_network(struct bench *b)
{
    gemmlp_layer layers[MAX_LAYERS] = {{0}};
    for (size_t l = 0; l < b->layers; l++)
        layers[l] = (gemmlp_layer){.n_out = b->sizes[l + 1],
                                   .activation = l + 1 < b->layers ? b->activation : NULL};
    const gemmlp_network network = {
        .n_in = b->sizes[0], .layer_count = b->layers, .layers = layers};
    gemmlp_training training = gemmlp_training_default();
    gemmlp_error error;
    training.optimizer = b->optimizer;
    training.lr = RATE;
    training.general_path = b->general_path;
    check(gm_network_resolve(&network, NULL, &b->network, &error), &error);
    check(model_create(&b->network.spec, &b->model, &error), &error);
    check(model_initialise(b->model, &error), &error);
    check(gm_gemm_open(NULL, &b->provider, &error), &error);
    check(pass_create(b->model, b->provider, PASS_TRAIN, b->batch, 0, &b->step.pass, &error),
          &error);
    check(optimizer_create(b->model, &training, &b->step.optimizer, &error), &error);
}

static double time_products(struct bench *b, float *gradient)
{
    struct pass *pass = b->step.pass;
    const double start = gm_seconds();
    for (size_t l = 0; l < b->layers; l++)
        gm_gemm_run(&pass->products[0][l].forward, 1, l ? pass->layers[l - 1].a : pass->x,
                    b->model->layers[l].w, 0, pass->layers[l].a, NULL);
    for (size_t l = b->layers; l-- > 0;) {
        if (l > 0)
            gm_gemm_run(&pass->products[0][l].backward, 1, pass->layers[l].delta,
                        b->model->layers[l].w, 0, pass->layers[l - 1].delta, NULL);
        pass_gradient(pass, l, 1, 0, gradient + b->model->layers[l].w_at, NULL);
    }
    return gm_seconds() - start;
}

static double time_step(struct bench *b, size_t index)
{
    struct pass *pass = b->step.pass;
    const double start = gm_seconds();
    gm_batch_gather(&b->source, b->order, index % BATCHES * b->batch, b->batch, pass->x, pass->y);
    const double cost = step_run(&b->step, index, RATE);
    const double seconds = gm_seconds() - start;
    if (!isfinite(cost))
        stop("the cost became infinite or NaN: what comes after that is no step");
    return seconds;
}

/* |u - v|^2 and |v - w|^2 added to distance and length. */
static void compare(size_t n, const float *u, const float *v, const float *w, double *distance,
                    double *length)
{
    for (size_t i = 0; i < n; i++) {
        *distance += ((double)u[i] - (double)v[i]) * ((double)u[i] - (double)v[i]);
        *length += ((double)v[i] - (double)w[i]) * ((double)v[i] - (double)w[i]);
    }
}

static struct reference_f32 *make_naive(const struct bench *b)
{
    const gemmlp_training *s = &b->step.optimizer->settings;
    struct reference_settings settings = {.layer_count = b->layers,
                                          .loss = b->network.spec.loss,
                                          .optimizer = s->optimizer,
                                          .lr = RATE,
                                          .momentum = s->momentum,
                                          .beta2 = s->beta2,
                                          .epsilon = s->epsilon,
                                          .weight_decay = s->weight_decay};
    memcpy(settings.sizes, b->sizes, (b->layers + 1) * sizeof *b->sizes);
    for (size_t l = 0; l < b->layers; l++)
        settings.activations[l] = b->network.spec.layers[l].activation;
    struct reference_f32 *naive = reference_create_f32(&settings);
    if (!naive)
        stop("the reference does not know this network");
    for (size_t l = 0; l < b->layers; l++) {
        const struct layer *layer = &b->model->layers[l];
        memcpy(reference_weights_f32(naive, l), layer->w,
               layer->n_out * layer->n_in * sizeof *layer->w);
        memcpy(reference_biases_f32(naive, l), layer->b, layer->n_out * sizeof *layer->b);
    }
    return naive;
}

/* One step of both from the same parameters on the same batch: the distance of the results, relative to
 * the length of the step. Then `naive_steps` steps of the naive loop; returns the least seconds. */
static double verify_and_time_naive(struct bench *b, double *residual)
{
    struct reference_f32 *naive = make_naive(b);
    float *before = allocate(b->model->slab_size, sizeof *before);
    double least = INFINITY, distance = 0, length = 0;
    memcpy(before, b->model->slab, b->model->slab_size * sizeof *before);
    time_step(b, 0);
    for (size_t i = 0; i < b->naive_steps || i == 0; i++) {
        const double start = gm_seconds();
        reference_step_f32(naive, b->batch, b->step.pass->x, b->step.pass->y);
        least = fmin(least, gm_seconds() - start);
        for (size_t l = 0; i == 0 && l < b->layers; l++) {
            const struct layer *layer = &b->model->layers[l];
            compare(layer->n_out * layer->n_in, layer->w, reference_weights_f32(naive, l),
                    before + layer->w_at, &distance, &length);
            compare(layer->n_out, layer->b, reference_biases_f32(naive, l), before + layer->b_at,
                    &distance, &length);
        }
    }
    free(before);
    reference_free_f32(naive);
    *residual = sqrt(distance / length);
    return least;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending);
    return n % 2 ? x[n / 2] : (x[n / 2 - 1] + x[n / 2]) / 2;
}

static void report(struct bench *b)
{
    static double products[MAX_REPETITIONS], steps[MAX_REPETITIONS], ratios[MAX_REPETITIONS];
    float *gradient = allocate(b->model->slab_size, sizeof *gradient);
    const double flop = gm_network_flop(&b->network.spec) * (double)b->batch;
    double residual;
    printf("network ");
    for (size_t l = 0; l <= b->layers; l++)
        printf("%s%zu", l ? "-" : "", b->sizes[l]);
    printf(", %s, %s, batch %zu, f32, %d threads\n%s (%s)\n", b->activation, b->optimizer, b->batch,
           b->threads, b->provider->version, b->provider->kernel);
    const double naive = verify_and_time_naive(b, &residual);
    /* Rounding leaves about 1e-5; adam divides by roots of squares near zero, and is less sharp. */
    if (!(residual < 1e-2))
        stop("the step does not agree with the reference: nothing was timed");
    printf("verified: one step agrees with the naive loop's to %.1e of its length\n", residual);
    for (size_t i = 0; i < 3; i++) {
        time_products(b, gradient);
        time_step(b, i);
    }
    for (size_t i = 0; i < b->repetitions; i++) {
        products[i] = time_products(b, gradient);
        steps[i] = time_step(b, i);
        ratios[i] = steps[i] / products[i];
    }
    const double ratio = median(ratios, b->repetitions), bare = median(products, b->repetitions);
    const double step = median(steps, b->repetitions);
    printf("%-14s %12s %10s %14s\n", "", "ms", "GFLOP/s", "examples/s");
    printf("%-14s %12.4f %10.1f\n", "bare products", 1e3 * bare, 1e-9 * flop / bare);
    printf("%-14s %12.4f %10.1f %14.0f\n", "whole step", 1e3 * step, 1e-9 * flop / step,
           (double)b->batch / step);
    printf("step / products %.3f (median of %zu pairs)\n", ratio, b->repetitions);
    if (b->naive_steps) {
        printf("%-14s %12.4f %10.1f %14.0f\n", "naive loop", 1e3 * naive, 1e-9 * flop / naive,
               (double)b->batch / naive);
        printf("%.0f times faster than the naive loop\n", naive / step);
    }
    free(gradient);
}

static size_t parse_count(const char *name, const char *text, size_t least, size_t most)
{
    char *end;
    const unsigned long long n = strtoull(text, &end, 10);
    if (end == text || *end || n < least || n > most) {
        fprintf(stderr, "bench-step: --%s: expected a whole number from %zu to %zu, found '%s'\n",
                name, least, most, text);
        exit(2);
    }
    return (size_t)n;
}

int main(int argc, char **argv)
{
    static const struct option options[] = {{"network", required_argument, NULL, 'n'},
                                            {"batch", required_argument, NULL, 'b'},
                                            {"activation", required_argument, NULL, 'a'},
                                            {"optimizer", required_argument, NULL, 'o'},
                                            {"threads", required_argument, NULL, 't'},
                                            {"repetitions", required_argument, NULL, 'r'},
                                            {"naive", required_argument, NULL, 'v'},
                                            {"general", no_argument, NULL, 'g'},
                                            {"help", no_argument, NULL, 'h'},
                                            {0}};
    struct bench b = {.batch = 128,
                      .repetitions = 50,
                      .naive_steps = 3,
                      .activation = "relu",
                      .optimizer = "sgd",
                      .threads = gemmlp_default_threads()};
    b.layers = parse_network("784-256-10", b.sizes);
    for (int option; (option = getopt_long(argc, argv, "", options, NULL)) != -1;) {
        switch (option) {
        case 'n':
            b.layers = parse_network(optarg, b.sizes);
            break;
        case 'b':
            b.batch = parse_count("batch", optarg, 1, 1 << 20);
            break;
        case 'a':
            b.activation = optarg;
            break;
        case 'o':
            b.optimizer = optarg;
            break;
        case 't':
            b.threads = (int)parse_count("threads", optarg, 1, 4096);
            break;
        case 'r':
            b.repetitions = parse_count("repetitions", optarg, 1, MAX_REPETITIONS);
            break;
        case 'v':
            b.naive_steps = parse_count("naive", optarg, 0, MAX_REPETITIONS);
            break;
        case 'g':
            b.general_path = true;
            break;
        default:
            fprintf(option == 'h' ? stdout : stderr,
                    "bench-step --network 784-256-10 --batch 128 [--activation relu] [--optimizer "
                    "sgd]\n"
                    "           [--threads N] [--repetitions 50] [--naive 3: its steps, 0: only to "
                    "verify]\n"
                    "           [--general: the general update instead of the folded one]\n");
            return option == 'h' ? 0 : 2;
        }
    }
    const struct compute_scope scope = gm_compute_begin(b.threads);
    make_data(&b);
    make_network(&b);
    report(&b);
    gm_compute_end(scope);
    optimizer_free(b.step.optimizer);
    pass_free(b.step.pass);
    gm_gemm_close(b.provider);
    model_free(b.model);
    gm_network_free(&b.network);
    gemmlp_dataset_free(b.data);
    free(b.pixels);
    free(b.labels);
    free(b.order);
    free(b.factor);
    free(b.offset);
    return fflush(stdout) != 0 || ferror(stdout);
}
