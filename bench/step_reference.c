/* step_reference.c: see step_reference.h. */
#include "step_reference.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "fair.h"
#include "step_fixture.h"

/* Rounding leaves about 1e-5 of the length of a step; adam divides by roots of squares near zero,
 * and is less sharp. */
static const double STEP_TOLERANCE = 1e-2;
static const double REFERENCE_FLOP = 3e9;
enum { REFERENCE_REPEATS = 3, REFERENCE_EXAMPLES = 16 };

/* ---- the references ---- */

static struct reference_settings settings_of(const struct bench_case *c,
                                             const struct step_fixture *f)
{
    const gemmlp_training *s = &f->step.optimizer->settings;
    struct reference_settings settings = {.layer_count = c->layer_count,
                                          .loss = f->network.spec.loss,
                                          .optimizer = s->optimizer,
                                          .lr = bench_learning_rate,
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
static void *make_reference(const struct bench_naive *naive, const struct bench_case *c,
                            const struct step_fixture *f)
{
    const struct reference_settings settings = settings_of(c, f);
    void *reference = naive->create(&settings);
    for (size_t l = 0; reference && l < c->layer_count; l++) {
        const struct layer *layer = &f->model->layers[l];
        memcpy(naive->weights(reference, l), layer->w,
               layer->n_out * layer->n_in * sizeof *layer->w);
        memcpy(naive->biases(reference, l), layer->b, layer->n_out * sizeof *layer->b);
    }
    return reference;
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

/* One step of the library and one of the reference, from the same parameters on the same batch: the
 * distance between the results, relative to the length of the step. */
static double step_residual(const struct bench_naive *naive, void *reference,
                            struct step_fixture *f)
{
    const struct model *model = f->model;
    float *before = malloc(model->slab_size * sizeof *before);
    double distance = 0, length = 0;
    if (!before)
        return INFINITY;
    memcpy(before, model->slab, model->slab_size * sizeof *before);
    bench_fixture_step(f, 0);
    const struct pass *pass = f->step.pass;
    naive->step(reference, pass->rows, pass->x, pass->y);
    for (size_t l = 0; l < model->layer_count; l++) {
        const struct layer *layer = &model->layers[l];
        compare(layer->n_out * layer->n_in, layer->w, naive->weights(reference, l),
                before + layer->w_at, &distance, &length);
        compare(layer->n_out, layer->b, naive->biases(reference, l), before + layer->b_at,
                &distance, &length);
    }
    free(before);
    const double residual = sqrt(distance / length);
    return isnan(residual) ? INFINITY : residual;
}

/* Seconds of a step over `batch` examples, from one over fewer: t(step) + the gradient of the rest.
 * The least of some repeats. */
static double reference_seconds(const struct bench_naive *naive, void *reference,
                                const struct pass *pass, size_t batch)
{
    double step = INFINITY, gradient = INFINITY;
    for (size_t i = 0; i < REFERENCE_REPEATS && !bench_interrupted; i++) {
        const double start = gm_seconds();
        naive->step(reference, pass->rows, pass->x, pass->y);
        const double middle = gm_seconds();
        step = fmin(step, middle - start);
        if (pass->rows < batch) {
            naive->gradient(reference, pass->rows, pass->x, pass->y);
            gradient = fmin(gradient, gm_seconds() - middle);
        }
    }
    return pass->rows < batch ? step + gradient * (double)(batch - pass->rows) / (double)pass->rows
                              : step;
}

static void time_references(const struct bench *bench, const struct bench_case *c,
                            const struct step_fixture *f, struct record *record)
{
    const struct {
        const struct bench_naive *naive;
        const char *key;
    } references[] = {{bench_naive_plain(), "naive_seconds"}, {bench_naive_fair(), "fair_seconds"}};
    for (size_t i = 0; i < 2 && !bench->options->no_reference; i++) {
        void *reference = make_reference(references[i].naive, c, f);
        if (!reference) {
            record->failed = true;
            return;
        }
        cli_record_real(record, references[i].key,
                        reference_seconds(references[i].naive, reference, f->step.pass, c->batch));
        references[i].naive->free(reference);
    }
}

/* As many examples as the plain loops can take in a second or two. */
static size_t affordable_batch(const struct bench_case *c)
{
    double flop = 0;
    for (size_t l = 0; l < c->layer_count; l++)
        flop += (l ? 6.0 : 4.0) * (double)c->sizes[l] * (double)c->sizes[l + 1];
    const double examples = fmax(REFERENCE_EXAMPLES, REFERENCE_FLOP / flop);
    return examples < (double)c->batch ? (size_t)examples : c->batch;
}

static bool verify(const struct bench *bench, const struct bench_case *c, struct step_fixture *f,
                   struct record *record)
{
    const struct bench_naive *plain = bench_naive_plain();
    void *reference = make_reference(plain, c, f);
    if (!reference) {
        bench_record_failure(record, "failed", "out of memory: the reference");
        return false;
    }
    const double residual = step_residual(plain, reference, f);
    plain->free(reference);
    const bool verified = bench_record_verdict(record, "the step", residual, STEP_TOLERANCE);
    if (verified && bench->round == 0)
        time_references(bench, c, f, record);
    return verified;
}

bool bench_verify_step(const struct bench *bench, const struct bench_case *c,
                       const struct gemm_provider *provider, struct record *record)
{
    struct step_fixture f;
    gemmlp_error error;
    bool verified = false;
    if (bench_fixture_create(c, affordable_batch(c), provider, &f, &error) == GEMMLP_OK)
        verified = verify(bench, c, &f, record);
    else
        bench_record_failure(record, "failed", error.message);
    bench_fixture_free(&f);
    return verified;
}
