/* with_fann.c: one training step in FANN 2.2, as a worker of step.py; worker.py describes the lines
 * that flow in and out. FANN differs from the others, and step.py says so: sigmoid outputs and
 * squared error in place of softmax and cross-entropy, a piecewise linear activation in place of
 * relu, one thread. It trains a batch as one epoch (FANN_TRAIN_BATCH) of a data set that holds only
 * the gathered batch. FANN_VERSION, a string, comes from the compiler's command line: FANN's
 * headers have none. */
#define _POSIX_C_SOURCE 200809L
#include <fann.h>
#include <jansson.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { BATCHES = 4, MAX_SIZES = 64, WARM_UP_CALLS = 3 };
static const double WARM_UP_SECONDS = 0.05, SAMPLE_SECONDS = 2e-3; /* as in worker.py */
static const double MAX_FLOP = 1e11;                               /* of one step: about a minute */
static const float RATE = 0.1f;

struct trainer {
    unsigned sizes[MAX_SIZES], size_count, batch, index;
    struct fann *network;
    struct fann_train_data *all,
        *gathered;   /* 4 × batch examples in shuffled order of use, and one batch */
    unsigned *order; /* (4 × batch) */
    double loss_before;
};

static double seconds_now(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void reply(json_t *answer)
{
    if (!answer || json_dumpf(answer, stdout, JSON_COMPACT) != 0 || puts("") == EOF ||
        fflush(stdout) != 0)
        exit(1);
    json_decref(answer);
}

static void stop(const char *reason)
{
    reply(json_pack("{s:s}", "error", reason));
    exit(0);
}

static enum fann_activationfunc_enum activation_of(const char *name, float *steepness)
{
    *steepness = 1; /* tanh(s z), and the bounded line z in [0, 1] */
    if (strcmp(name, "tanh") == 0)
        return FANN_SIGMOID_SYMMETRIC;
    if (strcmp(name, "relu") == 0)
        return FANN_LINEAR_PIECE;
    *steepness = 0.5f; /* 1 / (1 + exp(-2 s z)) */
    return FANN_SIGMOID;
}

static void make_data(struct trainer *t)
{
    const unsigned n_in = t->sizes[0], n_out = t->sizes[t->size_count - 1],
                   examples = BATCHES * t->batch;
    t->all = fann_create_train(examples, n_in, n_out);
    t->gathered = fann_create_train(t->batch, n_in, n_out);
    t->order = calloc(examples, sizeof *t->order);
    if (!t->all || !t->gathered || !t->order)
        stop("out of memory");
    for (unsigned i = 0; i < examples; i++) {
        for (unsigned k = 0; k < n_in; k++)
            t->all->input[i][k] = (fann_type)rand() / (fann_type)RAND_MAX;
        memset(t->all->output[i], 0, n_out * sizeof **t->all->output);
        t->all->output[i][(unsigned)rand() % n_out] = 1;
        const unsigned j = (unsigned)rand() % (i + 1); /* shuffle inside out */
        t->order[i] = t->order[j];
        t->order[j] = i;
    }
}

static void make_network(struct trainer *t, const char *activation)
{
    float steepness;
    const enum fann_activationfunc_enum hidden = activation_of(activation, &steepness);
    unsigned widest = 1;
    for (unsigned l = 0; l + 1 < t->size_count; l++)
        widest = t->sizes[l] > widest ? t->sizes[l] : widest;
    t->network = fann_create_standard_array(t->size_count, t->sizes);
    if (!t->network)
        stop("out of memory");
    const float bound = 1 / sqrtf((float)widest);
    fann_randomize_weights(t->network, -bound, bound);
    fann_set_activation_function_hidden(t->network, hidden);
    fann_set_activation_steepness_hidden(t->network, steepness);
    fann_set_activation_function_output(t->network, FANN_SIGMOID);
    fann_set_training_algorithm(t->network, FANN_TRAIN_BATCH);
    fann_set_train_error_function(t->network, FANN_ERRORFUNC_LINEAR);
    fann_set_learning_rate(t->network, RATE);
}

static void create(struct trainer *t, json_t *request)
{
    json_t *sizes;
    const char *activation, *optimizer;
    double flop;
    int batch;
    if (json_unpack(request, "{s:o, s:i, s:s, s:s, s:F}", "network", &sizes, "batch", &batch,
                    "activation", &activation, "optimizer", &optimizer, "flop", &flop) != 0)
        stop("the request lacks network, batch, activation, optimizer or flop");
    if (strcmp(optimizer, "sgd") != 0)
        stop("FANN has no adam");
    t->batch = (unsigned)batch;
    t->size_count = (unsigned)json_array_size(sizes);
    if (t->size_count > MAX_SIZES)
        stop("the network has more than 64 layers");
    for (unsigned l = 0; l < t->size_count; l++)
        t->sizes[l] = (unsigned)json_integer_value(json_array_get(sizes, l));
    if (flop > MAX_FLOP)
        stop("left out: one step would take FANN's one thread minutes");
    make_data(t);
    make_network(t, activation);
    t->loss_before = fann_test_data(t->network, t->all);
}

static void step(struct trainer *t)
{
    const struct fann_train_data *all = t->all, *gathered = t->gathered;
    for (unsigned i = 0; i < t->batch; i++) {
        const unsigned from = t->order[t->index * t->batch + i];
        memcpy(gathered->input[i], all->input[from], all->num_input * sizeof **all->input);
        memcpy(gathered->output[i], all->output[from], all->num_output * sizeof **all->output);
    }
    t->index = (t->index + 1) % BATCHES;
    fann_train_epoch(t->network, t->gathered);
}

static double run(struct trainer *t, size_t steps)
{
    const double start = seconds_now();
    for (size_t i = 0; i < steps; i++)
        step(t);
    return seconds_now() - start;
}

static double warm_up(struct trainer *t)
{
    const double start = seconds_now();
    double quickest = INFINITY, elapsed = 0;
    for (int i = 0; elapsed <= WARM_UP_SECONDS || (i < WARM_UP_CALLS && elapsed <= 1); i++) {
        quickest = fmin(quickest, run(t, 1));
        elapsed = seconds_now() - start;
    }
    return quickest;
}

static json_t *take_turn(struct trainer *t, json_int_t repetitions, double limit)
{
    const size_t steps = (size_t)ceil(SAMPLE_SECONDS / warm_up(t));
    json_t *seconds = json_array();
    const double start = seconds_now();
    for (json_int_t r = 0; r < repetitions && (r == 0 || seconds_now() - start < limit); r++)
        json_array_append_new(seconds, json_real(run(t, steps) / (double)steps));
    return json_pack("{s:o, s:[f, f], s:s}", "seconds", seconds, "loss", t->loss_before,
                     (double)fann_test_data(t->network, t->all), "version", "FANN " FANN_VERSION);
}

int main(void)
{
    struct trainer trainer = {.size_count = 0};
    json_t *request;
    while ((request = json_loadf(stdin, JSON_DISABLE_EOF_CHECK, NULL))) {
        if (!trainer.network)
            create(&trainer, request);
        reply(take_turn(&trainer, json_integer_value(json_object_get(request, "repetitions")),
                        json_number_value(json_object_get(request, "limit"))));
        json_decref(request);
    }
    if (trainer.network) {
        fann_destroy(trainer.network);
        fann_destroy_train(trainer.all);
        fann_destroy_train(trainer.gathered);
        free(trainer.order);
    }
    return 0;
}
