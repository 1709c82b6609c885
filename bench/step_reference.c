/* step_reference.c: see step_reference.h. */
#include "step_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "fair.h"
#include "step_fixture.h"

/* Rounding leaves about 1e-5 of the length of a step at the learning rate that a user would have;
 * adam divides by roots of squares near zero, and is less sharp. */
static const double STEP_TOLERANCE = 1e-2;
/* In bf16 the reference rounds the same operands; but where an f32 sum differs in its last bit a
 * number near a tie may round to its other neighbour, at most 2^-8 of it away. If all did, the
 * length of a gradient would be that much off for each of the two operands of a product. */
static const double BF16_STEP_TOLERANCE = 2.0 / 256 + 1e-2;
static const double REFERENCE_FLOP = 3e9, REFERENCE_SECONDS = 3;
enum { REFERENCE_REPEATS = 3, REFERENCE_EXAMPLES = 16, EXAMPLES_PER_THREAD = 8 };

/* ---- the references ---- */

static struct reference_settings settings_of(const struct bench_case *c,
                                             const struct step_fixture *f)
{
    const gemmlp_training *s = &f->step.optimizer->settings;
    struct reference_settings settings = {.layer_count = c->layer_count,
                                          .loss = f->network.spec.loss,
                                          .optimizer = s->optimizer,
                                          .bf16 = f->step.pass->purpose == PASS_TRAIN_BF16,
                                          .lr = f->step.optimizer->rule->lr,
                                          .momentum = s->momentum,
                                          .beta2 = s->beta2,
                                          .epsilon = s->epsilon,
                                          .weight_decay = s->weight_decay};
    memcpy(settings.sizes, c->sizes, (c->layer_count + 1) * sizeof *c->sizes);
    for (size_t l = 0; l < c->layer_count; l++)
        settings.activations[l] = f->network.spec.layers[l].activation;
    return settings;
}

/* A reference with the parameters of the model; NULL when memory is short. */
static struct reference_f32 *make_reference(const struct bench_naive *naive,
                                            const struct bench_case *c,
                                            const struct step_fixture *f)
{
    const struct reference_settings settings = settings_of(c, f);
    struct reference_f32 *reference = naive->create(&settings);
    for (size_t l = 0; reference && l < c->layer_count; l++) {
        const struct layer *layer = &f->model->layers[l];
        memcpy(naive->weights(reference, l), layer->w,
               layer->n_out * layer->n_in * sizeof *layer->w);
        memcpy(naive->biases(reference, l), layer->b, layer->n_out * sizeof *layer->b);
    }
    return reference;
}

/* For n elements of weights or biases. In bf16 the first step of rmsprop and adam is eta sign(g),
 * which is off by twice its length where the sign is: of elements g of a normal distribution that
 * are off by a share e of their typical length, 0.4 e change it, and two of few may. */
static double step_tolerance(const struct step *step, size_t n)
{
    const bool adaptive = step->optimizer->rule->beta2 > 0;
    const double e = BF16_STEP_TOLERANCE;
    if (!step->pass->x16)
        return STEP_TOLERANCE;
    return adaptive ? 2 * sqrt(fmax(0.4 * e, 2 / (double)n)) : e;
}

/* The distance of u, one step of the library, from v, one of the reference, over the length of that
 * step, which began at w. */
static double distance(size_t n, const float *u, const float *v, const float *w)
{
    double apart = 0, length = 0;
    for (size_t i = 0; i < n; i++) {
        apart += ((double)u[i] - (double)v[i]) * ((double)u[i] - (double)v[i]);
        length += ((double)v[i] - (double)w[i]) * ((double)v[i] - (double)w[i]);
    }
    const double relative = apart > 0 ? sqrt(apart / length) : apart;
    return isnan(relative) ? INFINITY : relative;
}

struct residual {
    double found, tolerance;
};

/* The worse of what is there and n elements. */
static void take_worse(const struct step *step, size_t n, const float *u, const float *v,
                       const float *w, struct residual *worst)
{
    const struct residual here = {distance(n, u, v, w), step_tolerance(step, n)};
    if (here.found / here.tolerance >= worst->found / worst->tolerance)
        *worst = here;
}

/* One step of the library and one of the reference, from the same parameters on the same batch; the
 * worst of all weights and all biases of a layer, for in a deep network the step of the first
 * layers is too short to be seen beside that of the last. False: out of memory. */
static bool step_residual(const struct bench_naive *naive, struct reference_f32 *reference,
                          struct step_fixture *f, struct residual *worst)
{
    const struct model *model = f->model;
    const struct pass *pass = f->step.pass;
    const size_t inputs = pass->rows * model->layers[0].n_in;
    float *before = malloc(model->slab_size * sizeof *before), *x = malloc(inputs * sizeof *x);
    if (!before || !x) {
        free(before);
        free(x);
        return false;
    }
    memcpy(before, model->slab, model->slab_size * sizeof *before);
    bench_fixture_gather(f, f->step.pass, 0);
    for (size_t i = 0; i < inputs; i++)
        x[i] = pass->x ? pass->x[i] : gm_bf16_value(pass->x16[i]);
    step_run(&f->step, 0, f->step.optimizer->rule->lr);
    naive->step(reference, pass->rows, x, pass->y);
    *worst = (struct residual){0, 1};
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        take_worse(&f->step, layer->n_out * layer->n_in, layer->w, naive->weights(reference, l),
                   before + layer->w_at, worst);
        take_worse(&f->step, layer->n_out, layer->b, naive->biases(reference, l),
                   before + layer->b_at, worst);
    }
    free(before);
    free(x);
    return true;
}

/* Seconds of a step over the whole batch, from one over `pass->rows` examples of it: t(step) + the
 * gradient of the rest. The least of some repeats. */
static double reference_seconds(const struct bench_naive *naive, struct reference_f32 *reference,
                                const struct pass *pass, size_t batch)
{
    const double start = gm_seconds();
    double step = INFINITY, gradient = pass->rows < batch ? INFINITY : 0;
    for (size_t i = 0; i < REFERENCE_REPEATS && !bench_interrupted; i++) {
        const double before = gm_seconds();
        naive->step(reference, pass->rows, pass->x, pass->y);
        const double middle = gm_seconds();
        step = fmin(step, middle - before);
        if (pass->rows < batch) {
            naive->gradient(reference, pass->rows, pass->x, pass->y);
            gradient = fmin(gradient, gm_seconds() - middle);
        }
        bench_tick();
        if (gm_seconds() - start > REFERENCE_SECONDS)
            break;
    }
    return step + gradient * (double)(batch - pass->rows) / (double)pass->rows;
}

/* As many examples as the plain loops can take in about a second. */
static size_t affordable_batch(const struct bench_case *c)
{
    double flop = 0;
    for (size_t l = 0; l < c->layer_count; l++)
        flop += (l ? 6.0 : 4.0) * (double)c->sizes[l] * (double)c->sizes[l + 1];
    const double examples = fmax(REFERENCE_EXAMPLES, REFERENCE_FLOP / flop);
    return examples < (double)c->batch ? (size_t)examples : c->batch;
}

/* The loops over `rows` examples, in f32; records the seconds of a whole batch under `key`. */
static void time_loops(const struct bench_naive *naive, const struct bench_case *c, size_t rows,
                       const struct gemm_provider *provider, struct record *record, const char *key)
{
    struct step_fixture f;
    gemmlp_error error;
    struct reference_f32 *reference = NULL;
    if (bench_fixture_create(c, rows, GEMM_F32, provider, &f, &error) == GEMMLP_OK)
        reference = make_reference(naive, c, &f);
    if (reference) {
        bench_fixture_gather(&f, f.step.pass, 0);
        cli_record_real(record, key, reference_seconds(naive, reference, f.step.pass, c->batch));
        naive->free(reference);
    }
    record->failed |= !reference;
    bench_fixture_free(&f);
}

static void time_references(const struct bench_case *c, const struct gemm_provider *provider,
                            struct record *record)
{
    const struct bench_naive *fair = bench_naive_fair();
    const size_t few = affordable_batch(c);
    /* The fair loops run in parallel over the examples: every thread needs some. */
    const size_t enough = (size_t)c->threads * EXAMPLES_PER_THREAD;
    const size_t more = enough < c->batch ? enough : c->batch;
    time_loops(bench_naive_plain(), c, few, provider, record, "naive_seconds");
    time_loops(fair, c, few > more ? few : more, provider, record, "fair_seconds");
    cli_record_text(record, "fair_build", fair->description);
}

static bool verify(const struct bench_case *c, struct step_fixture *f, struct record *record)
{
    const struct bench_naive *plain = bench_naive_plain();
    struct reference_f32 *reference = make_reference(plain, c, f);
    struct residual worst;
    const bool known = reference && step_residual(plain, reference, f, &worst);
    plain->free(reference);
    if (known)
        return bench_record_verdict(record, "the step", worst.found, worst.tolerance);
    bench_record_failure(record, "failed", "out of memory: the reference");
    return false;
}

bool bench_verify_step(const struct bench *bench, const struct bench_case *c,
                       const struct gemm_provider *provider, struct record *record)
{
    struct step_fixture f;
    gemmlp_error error;
    bool verified = false;
    if (bench_fixture_create(c, affordable_batch(c), bench->precision, provider, &f, &error) ==
        GEMMLP_OK)
        verified = verify(c, &f, record);
    else
        bench_record_failure(record, "failed", error.message);
    bench_fixture_free(&f);
    bench_tick();
    if (verified && bench->round == 0 && !bench->options->no_reference && !bench_interrupted)
        time_references(c, provider, record);
    return verified;
}
