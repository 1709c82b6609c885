/* gemm_cblas.c: the provider over the CBLAS library that gemmlp is linked to. */
#include <cblas.h>
#include <limits.h>

#ifdef GEMMLP_OPENBLAS
#include <omp.h>
#endif

#include "linalg/gemm.h"

static const char *version(void)
{
#ifdef GEMMLP_OPENBLAS
    return openblas_get_config();
#else
    return "version unknown: not OpenBLAS";
#endif
}

/* CBLAS counts in int. */
static gemmlp_status prepare(const struct gemm_problem *problem, void **plan, gemmlp_error *error)
{
    const size_t sizes[] = {problem->m,   problem->n,   problem->k,
                            problem->lda, problem->ldb, problem->ldc};
    (void)plan;
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] == 0 || sizes[i] > INT_MAX)
            return gm_fail(
                error, GEMMLP_INVALID_ARGUMENT,
                "a matrix product of m = %zu, n = %zu, k = %zu is out of range: BLAS takes "
                "sizes from 1 to %d",
                problem->m, problem->n, problem->k, INT_MAX);
    return GEMMLP_OK;
}

static bool has_own_threads(void)
{
#ifdef GEMMLP_OPENBLAS
    enum { OWN_THREADS = 1 };
    return openblas_get_parallel() == OWN_THREADS;
#else
    return false;
#endif
}

static const char *notice(int threads)
{
    return threads > 1 && has_own_threads()
               ? "this OpenBLAS has threads of its own, which spin beside those of OpenMP: its "
                 "OpenMP "
                 "build (Debian: libopenblas0-openmp) is several times faster, and so is "
                 "OMP_WAIT_POLICY=passive"
               : NULL;
}

void gm_blas_follow_threads(void)
{
#ifdef GEMMLP_OPENBLAS
    if (has_own_threads() && openblas_get_num_threads() != omp_get_max_threads())
        openblas_set_num_threads(omp_get_max_threads());
#endif
}

static void run(const struct gemm_problem *p, void *plan, double alpha, const void *a,
                const void *b, double beta, void *c, const struct gemm_epilogue *epilogue)
{
    const enum CBLAS_TRANSPOSE op_a = p->transpose_a ? CblasTrans : CblasNoTrans;
    const enum CBLAS_TRANSPOSE op_b = p->transpose_b ? CblasTrans : CblasNoTrans;
    (void)plan;
    gm_blas_follow_threads();
    if (p->precision == GEMM_F32)
        cblas_sgemm(CblasRowMajor, op_a, op_b, (int)p->m, (int)p->n, (int)p->k, (float)alpha, a,
                    (int)p->lda, b, (int)p->ldb, (float)beta, c, (int)p->ldc);
    else
        cblas_dgemm(CblasRowMajor, op_a, op_b, (int)p->m, (int)p->n, (int)p->k, alpha, a,
                    (int)p->lda, b, (int)p->ldb, beta, c, (int)p->ldc);
    if (epilogue)
        gm_gemm_sweep(p, c, epilogue);
}

const struct gemm_provider gm_gemm_cblas = {
    .name = GEMMLP_BLAS_NAME,
    .description = "the CBLAS library gemmlp is linked to, then one sweep for the epilogue",
    .version = version,
    .notice = notice,
    .prepare = prepare,
    .run = run,
};
