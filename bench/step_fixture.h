/* step_fixture.h: everything one training step needs: a network, its model, optimizer and passes,
 * and random data in memory. */
#ifndef BENCH_STEP_FIXTURE_H
#define BENCH_STEP_FIXTURE_H

#include "cases.h"
#include "data/batch.h"
#include "nn/network.h"
#include "timed_provider.h"
#include "train/step.h"

/* Batches there are to train on, in turn. Small ones stay in a cache, as a small data set would. */
enum { BENCH_BATCHES = 4 };

struct step_fixture {
    struct network network;
    struct model *model;
    struct step step;
    struct pass *timed_pass; /* over the same model, with a provider that times itself */
    struct timed_provider timed;
    gemmlp_dataset *data;
    uint8_t *pixels;        /* (BENCH_BATCHES batch x n_in) */
    int32_t *labels;        /* (BENCH_BATCHES batch) */
    uint32_t *order;        /* (BENCH_BATCHES batch): shuffled */
    float *factor, *offset; /* (n_in): pixels to [0, 1] */
    struct batch_source source;
};

/* Of the case, with a batch of `batch` examples, in f32 or bf16; the provider must outlive it.
 * Freed by bench_fixture_free, also after a failure. */
gemmlp_status bench_fixture_create(const struct bench_case *c, size_t batch,
                                   enum gemm_precision precision,
                                   const struct gemm_provider *provider,
                                   struct step_fixture *fixture, gemmlp_error *error);
void bench_fixture_free(struct step_fixture *fixture);

/* Gathers batch `index` into the pass. */
void bench_fixture_gather(const struct step_fixture *fixture, struct pass *pass, size_t index);
/* Gather and step: what is timed. Returns the sum of C0 over the batch. */
double bench_fixture_step(struct step_fixture *fixture, size_t index);

/* eta of every step: small, so that random labels do not make the weights grow. */
extern const double bench_learning_rate;

#endif
