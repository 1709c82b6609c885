/* gemm_suite.c: `bench gemm`: matrix products alone, one after the other.
 *
 * A, B and C rotate through more memory than the last-level cache holds, as far as a quarter of the
 * memory allows: a product that found its operands in a cache would be quicker than the same
 * product in a training step, where other layers have passed through in between. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "check.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/rng.h"
#include "memory.h"
#include "sampling.h"

enum { ROTATED_CACHES = 2, ALIGNMENT = 64 };

/* Sets of A (m x k), B (k x n), C (m x n), each 64-byte aligned, one after the other. */
struct operands {
    struct gemm gemm;
    unsigned char *memory;
    size_t sets, set_bytes, b_at, c_at;
};

static void *set_at(const struct operands *o, size_t index, size_t at)
{
    return o->memory + index % o->sets * o->set_bytes + at;
}

static void run(void *context, size_t index)
{
    const struct operands *o = context;
    gm_gemm_run(&o->gemm, 1, set_at(o, index, 0), set_at(o, index, o->b_at), 0,
                set_at(o, index, o->c_at), NULL);
}

/* Bytes of rows x columns elements, rounded up to the alignment; false on overflow. */
static bool matrix_bytes(size_t rows, size_t columns, size_t element, size_t *out)
{
    size_t count, bytes;
    if (!gm_mul(rows, columns, &count) || !gm_mul(count, element, &bytes) ||
        !gm_add(bytes, ALIGNMENT - 1, &bytes))
        return false;
    *out = bytes - bytes % ALIGNMENT;
    return true;
}

static gemmlp_status allocate(struct operands *o, const struct gemm_problem *p,
                              const struct bench_machine *machine, gemmlp_error *error)
{
    const size_t in = gm_gemm_input_bytes(p->precision), out = gm_gemm_output_bytes(p->precision);
    size_t a, b, c;
    const size_t limit = bench_available_memory() / 4;
    if (!matrix_bytes(p->m, p->k, in, &a) || !matrix_bytes(p->k, p->n, in, &b) ||
        !matrix_bytes(p->m, p->n, out, &c) || a > limit || b > limit || c > limit)
        return gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                       "the operands of %zu x %zu x %zu are too large: expected at most a quarter "
                       "of the memory that is free (%.1f GB) each",
                       p->m, p->n, p->k, 1e-9 * (double)limit);
    o->b_at = a;
    o->c_at = a + b;
    o->set_bytes = a + b + c;
    const size_t caches = machine->last_cache_bytes * (size_t)machine->last_caches;
    const size_t rotated = ROTATED_CACHES * caches / o->set_bytes + 2, room = limit / o->set_bytes;
    o->sets = rotated < room ? rotated : room > 0 ? room : 1;
    o->memory = aligned_alloc(ALIGNMENT, o->sets * o->set_bytes);
    return o->memory ? GEMMLP_OK
                     : gm_fail_memory(error, "the operands of a product", o->sets * o->set_bytes);
}

/* A and B uniform in [-1, 1). */
static void fill(const struct operands *o)
{
    const enum gemm_precision precision = o->gemm.problem.precision;
    const size_t count = o->c_at / gm_gemm_input_bytes(precision);
    for (size_t set = 0; set < o->sets; set++) {
        double *doubles = set_at(o, set, 0);
        float *floats = set_at(o, set, 0);
        gm_bf16 *halves = set_at(o, set, 0);
#pragma omp parallel for schedule(static) if (count > 16384)
        for (size_t i = 0; i < count; i++) {
            const struct rng_block random = gm_rng(1, RNG_EXAMPLES, 0, set, i);
            const double value = 2 * gm_uniform(random.u[0]) - 1;
            if (precision == GEMM_F64)
                doubles[i] = value;
            else if (precision == GEMM_F32)
                floats[i] = (float)value;
            else
                halves[i] = gm_bf16_round((float)value);
        }
    }
}

/* Every C becomes NaN (all bits set), so that an element that is not written afterwards is seen. */
static void forget_results(const struct operands *o)
{
    for (size_t set = 0; set < o->sets; set++)
        memset(set_at(o, set, o->c_at), 0xff, o->set_bytes - o->c_at);
}

/* Whether the product of a set is right; false: the record says why not. */
static bool verify(const struct operands *o, size_t set, struct record *record)
{
    const struct gemm_problem *p = &o->gemm.problem;
    double residual;
    if (bench_check_product(p, set_at(o, set, 0), set_at(o, set, o->b_at), set_at(o, set, o->c_at),
                            &residual))
        return bench_record_verdict(record, "the product", residual, bench_tolerance(p));
    bench_record_failure(record, "failed", "out of memory: the check of the product");
    return false;
}

/* Verified before anything is timed; and what was timed is verified once more, for a library may
 * stop working after its first call. */
static void measure(struct bench *bench, const struct operands *o, struct record *record)
{
    const struct gemm_problem *p = &o->gemm.problem;
    const struct bench_task task = {run, (void *)(uintptr_t)o};
    fill(o);
    forget_results(o);
    run((void *)(uintptr_t)o, 0);
    if (!verify(o, 0, record))
        return;
    const double quickest = bench_warm_up(&task);
    forget_results(o);
    struct bench_samples samples =
        bench_sample(&task, quickest, bench_repetitions(bench), bench_seconds(bench));
    if (samples.count > 0 && verify(o, 0, record) && verify(o, samples.calls - 1, record)) {
        const double m = (double)p->m, n = (double)p->n, k = (double)p->k;
        const double in = (double)gm_gemm_input_bytes(p->precision);
        const double out = (double)gm_gemm_output_bytes(p->precision);
        bench_record_samples(record, &samples, 2 * m * n * k, in * (m * k + k * n) + out * m * n);
    }
    record->failed |= !samples.seconds;
    free(samples.seconds);
}

static void run_case(struct bench *bench, const struct bench_case *c,
                     const struct gemm_provider *provider)
{
    struct record record = bench_record_begin("gemm", c, provider, bench->precision);
    const struct gemm_problem problem = {
        .precision = bench->precision,
        .transpose_a = c->transpose_a,
        .transpose_b = c->transpose_b,
        .m = c->m,
        .n = c->n,
        .k = c->k,
        .lda = c->transpose_a ? c->m : c->k,
        .ldb = c->transpose_b ? c->k : c->n,
        .ldc = c->n,
    };
    struct operands operands = {0};
    gemmlp_error error;
    if (allocate(&operands, &problem, bench->machine, &error) == GEMMLP_OK &&
        gm_gemm_prepare(&operands.gemm, provider, &problem, &error) == GEMMLP_OK) {
        const struct compute_scope scope = gm_compute_begin(c->threads);
        measure(bench, &operands, &record);
        gm_compute_end(scope);
        gm_gemm_release(&operands.gemm);
    } else {
        bench_record_failure(&record, "failed", error.message);
    }
    free(operands.memory);
    bench_add_record(bench, cli_record_take(&record));
}

int bench_run_gemm(struct bench *bench)
{
    return bench_each_case(bench, bench_product_cases, run_case);
}
