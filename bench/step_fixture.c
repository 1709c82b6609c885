/* step_fixture.c: see step_fixture.h. */
#include "step_fixture.h"

#include <stdlib.h>

#include "core/checked.h"
#include "core/rng.h"
#include "memory.h"

const double bench_learning_rate = 1e-3;

static gemmlp_status allocate(struct step_fixture *f, size_t examples, size_t n_in,
                              gemmlp_error *error)
{
    size_t bytes;
    if (!gm_mul(examples, n_in, &bytes))
        return gm_fail_memory(error, "random examples", bytes);
    f->pixels = malloc(bytes);
    f->labels = malloc(examples * sizeof *f->labels);
    f->order = malloc(examples * sizeof *f->order);
    f->factor = malloc(n_in * sizeof *f->factor);
    f->offset = calloc(n_in, sizeof *f->offset);
    return f->pixels && f->labels && f->order && f->factor && f->offset
               ? GEMMLP_OK
               : gm_fail_memory(error, "random examples", bytes);
}

/* Random bytes as images, random labels, in a shuffled order. */
static gemmlp_status make_data(struct step_fixture *f, const struct bench_case *c, size_t batch,
                               gemmlp_error *error)
{
    const size_t n_in = c->sizes[0], n_out = c->sizes[c->layer_count];
    const size_t examples = BENCH_BATCHES * batch;
    gemmlp_status status = allocate(f, examples, n_in, error);
    if (status != GEMMLP_OK)
        return status;
    for (size_t i = 0; i < examples * n_in; i += 4) {
        const struct rng_block random = gm_rng(1, RNG_EXAMPLES, 0, 0, i / 4);
        for (size_t j = 0; j < 4 && i + j < examples * n_in; j++)
            f->pixels[i + j] = (uint8_t)(random.u[j] >> 24);
    }
    for (size_t i = 0; i < examples; i++)
        f->labels[i] = (int32_t)(gm_rng(1, RNG_EXAMPLES, 1, 0, i).u[0] % n_out);
    for (size_t k = 0; k < n_in; k++)
        f->factor[k] = 1.0f / 255;
    gm_shuffle(1, 0, examples, f->order);
    const gemmlp_arrays arrays = {.examples = examples,
                                  .features = n_in,
                                  .outputs = n_out,
                                  .x_u8 = f->pixels,
                                  .labels = f->labels};
    f->source = (struct batch_source){NULL, f->factor, f->offset, n_out};
    status = gemmlp_dataset_wrap(&arrays, &f->data, error);
    f->source.dataset = f->data;
    return status;
}

/* So that a network too large for the machine is refused and not killed halfway: training, the pass
 * that times itself, and the reference, which keeps four numbers for each parameter, beside a
 * copy. */
static gemmlp_status fits_memory(const gemmlp_network *network, const gemmlp_training *training,
                                 gemmlp_error *error)
{
    gemmlp_cost_model cost;
    const gemmlp_status status = gemmlp_network_cost(network, training, &cost, error);
    if (status != GEMMLP_OK)
        return status;
    const double free_bytes = (double)bench_available_memory();
    const double bytes = (double)cost.bytes_training + (double)cost.bytes_workspace +
                         5 * (double)cost.bytes_parameters;
    return bytes <= free_bytes
               ? GEMMLP_OK
               : gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                         "a step and its reference take %.1f GB, expected at most what is free "
                         "(%.1f GB)",
                         1e-9 * bytes, 1e-9 * free_bytes);
}

static gemmlp_status make_model(struct step_fixture *f, const struct bench_case *c,
                                const gemmlp_training *training, gemmlp_error *error)
{
    gemmlp_layer layers[REFERENCE_MAX_LAYERS] = {{0}};
    for (size_t l = 0; l < c->layer_count; l++)
        layers[l] = (gemmlp_layer){.n_out = c->sizes[l + 1],
                                   .activation = l + 1 < c->layer_count ? c->activation : NULL};
    const gemmlp_network network = {
        .n_in = c->sizes[0], .layer_count = c->layer_count, .layers = layers};
    gemmlp_status status = gm_network_resolve(&network, NULL, &f->network, error);
    if (status == GEMMLP_OK)
        status = fits_memory(&f->network.spec, training, error);
    if (status == GEMMLP_OK)
        status = model_create(&f->network.spec, &f->model, error);
    return status == GEMMLP_OK ? model_initialise(f->model, error) : status;
}

gemmlp_status bench_fixture_create(const struct bench_case *c, size_t batch,
                                   enum gemm_precision precision,
                                   const struct gemm_provider *provider, struct step_fixture *f,
                                   gemmlp_error *error)
{
    gemmlp_training training = gemmlp_training_default();
    training.optimizer = c->optimizer;
    training.lr = bench_learning_rate;
    training.batch = batch;
    training.compute.precision = gm_gemm_precisions[precision];
    const enum pass_purpose purpose = precision == GEMM_BF16 ? PASS_TRAIN_BF16 : PASS_TRAIN;
    *f = (struct step_fixture){0};
    bench_timed_provider(&f->timed, provider);
    gemmlp_status status = make_model(f, c, &training, error);
    if (status == GEMMLP_OK)
        status = make_data(f, c, batch, error);
    if (status == GEMMLP_OK && precision == GEMM_BF16) {
        status = model_halve(f->model, error);
        if (status == GEMMLP_OK)
            model_round(f->model);
    }
    if (status == GEMMLP_OK)
        status = pass_create(f->model, provider, purpose, batch, 0, &f->step.pass, error);
    if (status == GEMMLP_OK)
        status =
            pass_create(f->model, &f->timed.provider, purpose, batch, 0, &f->timed_pass, error);
    return status == GEMMLP_OK ? optimizer_create(f->model, &training, &f->step.optimizer, error)
                               : status;
}

void bench_fixture_free(struct step_fixture *f)
{
    optimizer_free(f->step.optimizer);
    pass_free(f->timed_pass);
    pass_free(f->step.pass);
    model_free(f->model);
    gm_network_free(&f->network);
    gemmlp_dataset_free(f->data);
    free(f->pixels);
    free(f->labels);
    free(f->order);
    free(f->factor);
    free(f->offset);
}

void bench_fixture_gather(const struct step_fixture *f, struct pass *pass, size_t index)
{
    const size_t rows = pass->rows, first = index % BENCH_BATCHES * rows;
    const struct batch batch = {pass->x, pass->x16, pass->y, pass->x_copies, pass->x_stride};
    gm_batch_gather(&f->source, f->order, first, rows, &batch);
}

double bench_fixture_step(struct step_fixture *f, size_t index)
{
    bench_fixture_gather(f, f->step.pass, index);
    return step_run(&f->step, index, bench_learning_rate);
}
