/* evaluator.c: see evaluator.h; and the public calls that predict and evaluate. */
#include "train/evaluator.h"

#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "linalg/planner.h"

enum { EVALUATION_ROWS = 1024, MAX_THREADS = 4096 };

static const char *precision_name(size_t index)
{
    return gemmlp_name(GEMMLP_PRECISIONS, index);
}

gemmlp_status gm_compute_precision(const gemmlp_compute *compute, enum gemm_precision *precision,
                                   gemmlp_error *error)
{
    size_t index = 0;
    const gemmlp_status status = compute->precision ? gm_find_name("precision", compute->precision,
                                                                   precision_name, &index, error)
                                                    : GEMMLP_OK;
    *precision = index == 1 ? GEMM_BF16 : GEMM_F32;
    return status;
}

static gemmlp_status open_planner(const char *path, bool bf16, struct gemm_provider **out,
                                  gemmlp_error *error)
{
    gemmlp_status status = gm_planner_open(path, out, error);
    if (status == GEMMLP_OK && bf16)
        status = gm_gemm_check_bf16(*out, error);
    if (status != GEMMLP_OK) {
        gm_gemm_close(*out);
        *out = NULL;
    }
    return status;
}

gemmlp_status gm_compute_resolve(const gemmlp_compute *compute, int *threads,
                                 struct gemm_provider **provider, gemmlp_error *error)
{
    static const gemmlp_compute defaults = {0};
    const gemmlp_compute *c = compute ? compute : &defaults;
    if (c->threads < 0 || c->threads > MAX_THREADS)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "threads must be from 1 to %d, found %d",
                       MAX_THREADS, c->threads);
    *threads = c->threads ? c->threads : gemmlp_default_threads();
    enum gemm_precision precision;
    const gemmlp_status status = gm_compute_precision(c, &precision, error);
    if (status != GEMMLP_OK)
        return status;
    const bool automatic = !c->provider || strcmp(c->provider, "auto") == 0;
    const bool bf16 = precision == GEMM_BF16;
    return automatic && c->plan ? open_planner(c->plan, bf16, provider, error)
           : bf16               ? gm_gemm_open_bf16(c->provider, provider, error)
                                : gm_gemm_open(c->provider, provider, error);
}

gemmlp_status gemmlp_compute_info_get(const gemmlp_compute *compute, gemmlp_provider_info *info,
                                      gemmlp_error *error)
{
    struct gemm_provider *provider = NULL;
    int threads = 1;
    *info = (gemmlp_provider_info){0};
    const gemmlp_status status = gm_compute_resolve(compute, &threads, &provider, error);
    if (status == GEMMLP_OK)
        gm_gemm_describe(provider, threads, info);
    gm_gemm_close(provider);
    return status;
}

gemmlp_status gm_evaluator_create(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                  size_t first, size_t count, const struct gemm_provider *provider,
                                  struct evaluator **out, gemmlp_error *error)
{
    const gemmlp_network *network = &model->network.spec;
    const size_t rows = count < EVALUATION_ROWS ? count : EVALUATION_ROWS;
    *out = NULL;
    gemmlp_status status = gm_network_fits_features(network, dataset, error);
    if (status != GEMMLP_OK)
        return status;
    struct evaluator *e = calloc(1, sizeof *e);
    if (!e)
        return gm_fail_memory(error, "an evaluator", sizeof *e);
    *e = (struct evaluator){
        .source = {dataset, model->factor, model->offset, gm_network_outputs(network)},
        .rows = rows,
        .first = first,
        .count = count,
        .tally = {.task = network->task, .outputs = gm_network_outputs(network)},
    };
    status = pass_create(model->core, provider, PASS_PREDICT, rows, count % rows, &e->pass, error);
    for (int bind = 0; status == GEMMLP_OK && network->task == GEMMLP_REGRESS && bind < 2; bind++) {
        if (bind)
            status = gm_arena_allocate(&e->arena, "the sums of an evaluation", error);
        e->tally.shift = gm_arena_take(&e->arena, e->tally.outputs, sizeof(double));
        e->tally.sum = gm_arena_take(&e->arena, e->tally.outputs, sizeof(double));
    }
    if (status != GEMMLP_OK) {
        gm_evaluator_free(e);
        return status;
    }
    *out = e;
    return GEMMLP_OK;
}

void gm_evaluator_free(struct evaluator *evaluator)
{
    if (!evaluator)
        return;
    pass_free(evaluator->pass);
    gm_arena_free(&evaluator->arena);
    gm_gemm_close(evaluator->own);
    free(evaluator);
}

/* The outputs of `rows` examples; the sum of their costs where targets are wanted. */
static double run_batch(struct evaluator *e, size_t first, size_t rows, bool with_y)
{
    pass_set_rows(e->pass, rows);
    const struct batch batch = {.x = e->pass->x, .y = with_y ? e->pass->y : NULL};
    gm_batch_gather(&e->source, NULL, e->first + first, rows, &batch);
    pass_forward(e->pass, NULL);
    return pass_cost(e->pass, with_y, 0, NULL);
}

static const float *outputs_of(const struct evaluator *e)
{
    return e->pass->layers[e->pass->model->layer_count - 1].a;
}

gemmlp_metrics gm_evaluator_run(struct evaluator *e, size_t *confusion)
{
    gm_tally_reset(&e->tally);
    for (size_t first = 0; first < e->count; first += e->rows) {
        const size_t rows = e->count - first < e->rows ? e->count - first : e->rows;
        const double cost = run_batch(e, first, rows, true);
        gm_tally_add(&e->tally, rows, outputs_of(e), e->pass->y, cost, confusion);
    }
    return gm_tally_metrics(&e->tally);
}

void gm_evaluator_predict(struct evaluator *e, float *out)
{
    const size_t n = e->tally.outputs;
    for (size_t first = 0; first < e->count; first += e->rows) {
        const size_t rows = e->count - first < e->rows ? e->count - first : e->rows;
        run_batch(e, first, rows, false);
        memcpy(out + first * n, outputs_of(e), rows * n * sizeof *out);
    }
}

/* The evaluator, and the scope in which its memory was touched and it may run. */
static gemmlp_status open_evaluator(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                    size_t first, size_t count, const gemmlp_compute *compute,
                                    struct compute_scope *scope, struct evaluator **out,
                                    gemmlp_error *error)
{
    struct gemm_provider *provider;
    int threads = 1;
    gemmlp_status status = gm_compute_resolve(compute, &threads, &provider, error);
    if (status != GEMMLP_OK)
        return status;
    *scope = gm_compute_begin(threads);
    status = gm_evaluator_create(model, dataset, first, count, provider, out, error);
    if (status != GEMMLP_OK) {
        gm_compute_end(*scope);
        gm_gemm_close(provider);
        return status;
    }
    (*out)->own = provider;
    return GEMMLP_OK;
}

gemmlp_status gemmlp_model_predict(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                   size_t first, size_t count, const gemmlp_compute *compute,
                                   float *out, gemmlp_error *error)
{
    struct compute_scope scope = {0};
    struct evaluator *evaluator;
    if (count == 0 || first > dataset->examples || count > dataset->examples - first)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "examples %zu and the %zu from there on are asked for, the data has %zu",
                       first, count, dataset->examples);
    gemmlp_status status =
        open_evaluator(model, dataset, first, count, compute, &scope, &evaluator, error);
    if (status != GEMMLP_OK)
        return status;
    gm_evaluator_predict(evaluator, out);
    gm_compute_end(scope);
    gm_evaluator_free(evaluator);
    return GEMMLP_OK;
}

gemmlp_status gemmlp_model_evaluate(const gemmlp_model *model, const gemmlp_dataset *dataset,
                                    const gemmlp_compute *compute, gemmlp_metrics *out,
                                    size_t *confusion, gemmlp_error *error)
{
    struct compute_scope scope = {0};
    struct evaluator *evaluator;
    gemmlp_status status = gm_network_fits(&model->network.spec, dataset, error);
    if (status == GEMMLP_OK)
        status = open_evaluator(model, dataset, 0, dataset->examples, compute, &scope, &evaluator,
                                error);
    if (status != GEMMLP_OK)
        return status;
    const size_t outputs = evaluator->tally.outputs;
    if (confusion)
        memset(confusion, 0, outputs * outputs * sizeof *confusion);
    *out = gm_evaluator_run(evaluator, confusion);
    gm_compute_end(scope);
    gm_evaluator_free(evaluator);
    return GEMMLP_OK;
}
