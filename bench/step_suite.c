/* step_suite.c: `bench step`: whole training steps: gather, forward, cost, backward, update.
 *
 * Before a step is timed, one step on a batch that is small enough is compared with the plain loops
 * (step_reference.h), and every product is checked at its real size (check.h). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "check.h"
#include "cli/report.h"
#include "core/cpu.h"
#include "statistics.h"
#include "step_fixture.h"
#include "step_reference.h"

/* ---- every product at its real size ---- */

/* One product, into an output that is NaN before. False: the record says why. */
static bool check(const struct gemm *gemm, const void *a, const void *b, float *out,
                  struct record *record)
{
    double residual;
    memset(out, 0xff, gemm->problem.m * gemm->problem.n * sizeof *out);
    gm_gemm_run(gemm, 1, a, b, 0, out, NULL);
    bench_tick();
    if (!bench_check_product(&gemm->problem, a, b, out, &residual)) {
        bench_record_failure(record, "failed", "out of memory: the check of the products");
        return false;
    }
    const double tolerance = bench_tolerance(&gemm->problem);
    return residual <= tolerance ||
           bench_record_verdict(record, "a product of the step", residual, tolerance);
}

/* The products of layer l. Activations and weights are those of the last step; its deltas share two
 * buffers, so that this one may hold those of another layer by now, which are numbers as good as
 * any. */
static bool check_layer(const struct pass *pass, size_t l, float *out, struct record *record)
{
    const struct layer *layer = &pass->model->layers[l];
    const struct products *products = &pass->products[0][l];
    const void *x = l ? pass->layers[l - 1].a : pass->x, *delta = pass->layers[l].delta;
    const void *w = layer->w;
    if (pass->purpose == PASS_TRAIN_BF16) {
        x = l ? pass->layers[l - 1].a16 : pass->x16;
        delta = pass->layers[l].delta16;
        w = pass->model->half + layer->w_at;
    }
    return check(&products->forward, x, w, out, record) &&
           (l == 0 || check(&products->backward, delta, w, out, record)) &&
           check(&products->gradient, delta, x, out, record);
}

/* False: the record says why. */
static bool verify_products(const struct pass *pass, struct record *record)
{
    const struct model *model = pass->model;
    size_t largest = 0;
    for (size_t l = 0; l < model->layer_count; l++) {
        const size_t n_in = model->layers[l].n_in, n_out = model->layers[l].n_out;
        const size_t widest = n_in > n_out ? n_in : n_out;
        largest = n_in * n_out > largest ? n_in * n_out : largest;
        largest = pass->rows * widest > largest ? pass->rows * widest : largest;
    }
    float *out = malloc(largest * sizeof *out);
    bool right = out != NULL;
    if (!out)
        bench_record_failure(record, "failed", "out of memory: the check of the products");
    for (size_t l = 0; right && l < model->layer_count && !bench_interrupted; l++)
        right = check_layer(pass, l, out, record);
    free(out);
    return right;
}

/* ---- where the time goes ---- */

enum part {
    GATHER,
    FORWARD_GEMM,
    FORWARD_EPILOGUE,
    LOSS,
    BACKWARD_GEMM,
    BACKWARD_EPILOGUE,
    GRADIENT_GEMM,
    UPDATE,
    PARTS
};
static const char *const part_names[PARTS] = {"gather",        "forward_gemm",  "forward_epilogue",
                                              "loss",          "backward_gemm", "backward_epilogue",
                                              "gradient_gemm", "update"};

/* A step as step_run makes it, by the pass that times itself. What no clock stands around is the
 * update: the epilogue of the gradient's product, the biases, and the optimizer's own. */
static void timed_step(struct step_fixture *f, size_t index, double seconds[PARTS])
{
    struct pass *pass = f->timed_pass;
    struct timed_provider *timed = &f->timed;
    for (size_t i = 0; i < TIMED_PARTS; i++)
        timed->gemm[i] = timed->epilogue[i] = 0;
    const double start = gm_seconds();
    bench_fixture_gather(f, pass, index);
    const double gathered = gm_seconds();
    pass_forward(pass, NULL);
    const double passed = gm_seconds();
    pass_cost(pass, true, 0, NULL);
    const double lost = gm_seconds();
    optimizer_begin(f->step.optimizer, bench_learning_rate);
    for (size_t l = f->model->layer_count; l-- > 0;) {
        if (l > 0)
            pass_backward(pass, l);
        optimizer_layer(f->step.optimizer, pass, l);
    }
    optimizer_end(f->step.optimizer);
    const double end = gm_seconds();
    seconds[GATHER] = gathered - start;
    seconds[FORWARD_GEMM] = timed->gemm[TIMED_FORWARD];
    seconds[FORWARD_EPILOGUE] = timed->epilogue[TIMED_FORWARD];
    seconds[LOSS] = lost - passed;
    seconds[BACKWARD_GEMM] = timed->gemm[TIMED_BACKWARD];
    seconds[BACKWARD_EPILOGUE] = timed->epilogue[TIMED_BACKWARD];
    seconds[GRADIENT_GEMM] = timed->gemm[TIMED_GRADIENT];
    seconds[UPDATE] = end - lost - timed->gemm[TIMED_BACKWARD] - timed->epilogue[TIMED_BACKWARD] -
                      timed->gemm[TIMED_GRADIENT];
}

/* The medians over at most `repetitions` steps. */
static void record_parts(struct record *record, struct step_fixture *f, size_t repetitions)
{
    double(*steps)[PARTS] = malloc(repetitions * sizeof *steps);
    double *one = malloc(repetitions * sizeof *one);
    struct record parts = cli_record_begin();
    size_t count = 0;
    while (steps && one && count < repetitions && !bench_interrupted) {
        timed_step(f, count, steps[count]);
        count++;
        bench_tick();
    }
    for (size_t part = 0; part < PARTS && count > 0; part++) {
        for (size_t i = 0; i < count; i++)
            one[i] = steps[i][part];
        cli_record_real(&parts, part_names[part], bench_statistics(one, count).median);
    }
    if (count > 0)
        cli_record_json(record, "parts", cli_record_take(&parts));
    else
        json_decref(cli_record_take(&parts));
    record->failed |= !steps || !one;
    free(one);
    free(steps);
}

/* ---- the step ---- */

struct timed {
    struct step_fixture fixture;
    bool diverged;
};

static void run_step(void *context, size_t index)
{
    struct timed *timed = context;
    timed->diverged |= !isfinite(bench_fixture_step(&timed->fixture, index));
}

/* What must be read and written at least once: the pixels of a batch, the parameters and what the
 * optimizer keeps beside them. */
static double least_bytes(const struct step_fixture *f)
{
    const double slab = (double)f->model->slab_size * sizeof(float);
    const double half = f->model->half ? (double)f->model->slab_size * sizeof(gm_bf16) : 0;
    return 2 * slab * (double)(1 + f->step.optimizer->rule->slots) + 2 * half +
           (double)f->step.pass->rows * (double)f->model->layers[0].n_in;
}

/* The products are checked before anything is timed and again afterwards, for a library may stop
 * working after its first calls. */
static void measure(struct bench *bench, const struct bench_case *c, struct timed *timed,
                    struct record *record)
{
    struct step_fixture *f = &timed->fixture;
    const struct bench_task task = {run_step, timed};
    run_step(timed, 0);
    if (!verify_products(f->step.pass, record))
        return;
    const double quickest = bench_warm_up(&task);
    struct bench_samples samples =
        bench_sample(&task, quickest, bench_repetitions(bench), bench_seconds(bench));
    if (timed->diverged) {
        bench_record_failure(record, "failed",
                             "the cost became NaN or infinity: what comes after that is no step");
    } else if (samples.count > 0 && verify_products(f->step.pass, record)) {
        bench_record_samples(record, &samples, gm_network_flop(&f->network.spec) * (double)c->batch,
                             least_bytes(f));
        record_parts(record, f, samples.count);
    }
    record->failed |= !samples.seconds;
    free(samples.seconds);
}

static void run_case(struct bench *bench, const struct bench_case *c,
                     const struct gemm_provider *provider)
{
    struct record record = bench_record_begin("step", c, provider, bench->precision);
    const struct compute_scope scope = gm_compute_begin(c->threads);
    if (bench_verify_step(bench, c, provider, &record) && !bench_interrupted) {
        struct timed timed = {.diverged = false};
        gemmlp_error error;
        if (bench_fixture_create(c, c->batch, bench->precision, provider, &timed.fixture, &error) ==
            GEMMLP_OK)
            measure(bench, c, &timed, &record);
        else
            bench_record_failure(&record, "failed", error.message);
        bench_fixture_free(&timed.fixture);
    }
    gm_compute_end(scope);
    bench_add_record(bench, cli_record_take(&record));
}

int bench_run_step(struct bench *bench)
{
    if (bench->precision == GEMM_F64)
        return cli_usage(bench->command, "--precision: bench step knows f32 and bf16 only");
    return bench_each_case(bench, bench_step_cases, run_case);
}
