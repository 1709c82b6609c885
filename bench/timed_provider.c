/* timed_provider.c: see timed_provider.h. */
#include "timed_provider.h"

#include <stdlib.h>

#include "core/cpu.h"

static gemmlp_status prepare(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **plan, gemmlp_error *error)
{
    const struct timed_provider *timed = provider->context;
    struct gemm *inner = malloc(sizeof *inner);
    if (!inner)
        return gm_fail_memory(error, "a timed product", sizeof *inner);
    *plan = inner;
    return gm_gemm_prepare(inner, timed->inner, problem, error);
}

static gemmlp_status bf16(const struct gemm_provider *provider, gemmlp_error *error)
{
    return gm_gemm_check_bf16(((const struct timed_provider *)provider->context)->inner, error);
}

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    struct timed_provider *timed = gemm->provider->context;
    const struct gemm_problem *p = &gemm->problem;
    const enum timed_part part = p->transpose_a   ? TIMED_GRADIENT
                                 : p->transpose_b ? TIMED_FORWARD
                                                  : TIMED_BACKWARD;
    const double start = gm_seconds();
    gm_gemm_run(gemm->plan, alpha, a, b, beta, c, NULL);
    const double product = gm_seconds();
    if (epilogue)
        gm_gemm_sweep(p, c, epilogue);
    timed->gemm[part] += product - start;
    timed->epilogue[part] += gm_seconds() - product;
}

static bool reads_copies(const struct gemm *gemm)
{
    return gm_gemm_reads_copies(gemm->plan);
}

static void release(void *plan)
{
    if (plan)
        gm_gemm_release(plan);
    free(plan);
}

void bench_timed_provider(struct timed_provider *timed, const struct gemm_provider *inner)
{
    static const struct gemm_kind kind = {.name = "timed",
                                          .bf16 = bf16,
                                          .prepare = prepare,
                                          .run = run,
                                          .release = release,
                                          .reads_copies = reads_copies};
    *timed = (struct timed_provider){.inner = inner};
    timed->provider.kind = &kind;
    timed->provider.context = timed;
}
