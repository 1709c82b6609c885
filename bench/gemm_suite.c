/* gemm_suite.c: `bench gemm`: matrix products alone, one after the other.
 *
 * A, B and C rotate through more memory than the last-level cache holds, as far as a quarter of the
 * memory allows: a product that found its operands in a cache would be quicker than the same product
 * in a training step, where other layers have passed through in between. */
#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "check.h"
#include "core/checked.h"
#include "core/cpu.h"
#include "core/rng.h"
#include "sampling.h"

enum { MAX_SETS = 1024, ROTATED_CACHES = 2, ALIGNMENT = 64 };

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
    const size_t element = p->precision == GEMM_F64 ? sizeof(double) : sizeof(float);
    size_t a, b, c;
    const size_t limit = machine->memory_bytes / 4;
    if (!matrix_bytes(p->m, p->k, element, &a) || !matrix_bytes(p->k, p->n, element, &b) ||
        !matrix_bytes(p->m, p->n, element, &c) || a > limit || b > limit || c > limit)
        return gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                       "the operands of %zu x %zu x %zu are too large: expected at most a quarter "
                       "of the machine's memory (%.1f GB) each",
                       p->m, p->n, p->k, 1e-9 * (double)limit);
    o->b_at = a;
    o->c_at = a + b;
    o->set_bytes = a + b + c;
    const size_t caches = machine->last_cache_bytes * (size_t)machine->last_caches;
    const size_t rotated = ROTATED_CACHES * caches / o->set_bytes + 2;
    o->sets = rotated < MAX_SETS ? rotated : MAX_SETS;
    while (o->sets > 1 && o->sets > limit / o->set_bytes)
        o->sets--;
    o->memory = aligned_alloc(ALIGNMENT, o->sets * o->set_bytes);
    return o->memory ? GEMMLP_OK
                     : gm_fail_memory(error, "the operands of a product", o->sets * o->set_bytes);
}

/* A and B uniform in [-1, 1). C of the set that is checked is NaN (all bits set), so that an element
 * that is not written is seen. */
static void fill(const struct operands *o)
{
    const bool wide = o->gemm.problem.precision == GEMM_F64;
    const size_t count = o->c_at / (wide ? sizeof(double) : sizeof(float));
#pragma omp parallel for schedule(static)
    for (size_t set = 0; set < o->sets; set++) {
        double *doubles = set_at(o, set, 0);
        float *floats = set_at(o, set, 0);
        for (size_t i = 0; i < count; i++) {
            const struct rng_block random = gm_rng(1, RNG_EXAMPLES, 0, set, i);
            if (wide)
                doubles[i] = 2 * gm_uniform(random.u[0]) - 1;
            else
                floats[i] = (float)(2 * gm_uniform(random.u[0]) - 1);
        }
    }
    memset(set_at(o, 0, o->c_at), 0xff, o->set_bytes - o->c_at);
}

/* Set 0, before anything is timed and again afterwards. */
static double residual(const struct operands *o)
{
    return bench_check_product(&o->gemm.problem, set_at(o, 0, 0), set_at(o, 0, o->b_at),
                               set_at(o, 0, o->c_at));
}

static void measure(struct bench *bench, const struct operands *o, struct record *record)
{
    const struct gemm_problem *p = &o->gemm.problem;
    const struct bench_task task = {run, (void *)(uintptr_t)o};
    run((void *)(uintptr_t)o, 0);
    double worst = residual(o);
    struct bench_samples samples = {0};
    if (worst <= bench_tolerance(p->precision)) {
        samples = bench_sample(&task, bench_repetitions(bench), bench_seconds(bench));
        worst = fmax(worst, residual(o));
    }
    if (!bench_record_verdict(record, "the product", worst, bench_tolerance(p->precision))) {
        free(samples.seconds);
        return;
    }
    const double flop = 2.0 * (double)p->m * (double)p->n * (double)p->k;
    const size_t element = p->precision == GEMM_F64 ? sizeof(double) : sizeof(float);
    const double bytes =
        (double)element *
        ((double)p->m * (double)p->k + (double)p->k * (double)p->n + (double)p->m * (double)p->n);
    bench_record_samples(record, &samples, flop, bytes);
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
        fill(&operands);
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
