/* gemm.c: the table of providers, and the sweep that runs an epilogue after a plain product. */
#include "linalg/gemm.h"

#include <string.h>

#include "core/checked.h"

static const struct gemm_provider *const providers[] = {&gm_gemm_cblas, &gm_gemm_reference};

const struct gemm_provider *gm_gemm_provider_at(size_t index)
{
    return index < sizeof providers / sizeof *providers ? providers[index] : NULL;
}

static const char *name_at(size_t index)
{
    const struct gemm_provider *provider = gm_gemm_provider_at(index);
    return provider ? provider->name : NULL;
}

gemmlp_status gm_gemm_provider(const char *name, const struct gemm_provider **out,
                               gemmlp_error *error)
{
    size_t index = 0;
    gemmlp_status status = GEMMLP_OK;
    if (name && strcmp(name, "auto") != 0)
        status = gm_find_name("provider", name, name_at, &index, error);
    *out = status == GEMMLP_OK ? providers[index] : NULL;
    return status;
}

const char *gemmlp_provider_version(const char *provider)
{
    const struct gemm_provider *found;
    return gm_gemm_provider(provider, &found, NULL) == GEMMLP_OK ? found->version() : NULL;
}

const char *gemmlp_provider_notice(const char *provider, int threads)
{
    const struct gemm_provider *found;
    return gm_gemm_provider(provider, &found, NULL) == GEMMLP_OK && found->notice
               ? found->notice(threads)
               : NULL;
}

gemmlp_status gm_gemm_prepare(struct gemm *gemm, const struct gemm_provider *provider,
                              const struct gemm_problem *problem, gemmlp_error *error)
{
    *gemm = (struct gemm){provider, *problem, NULL};
    return provider->prepare ? provider->prepare(problem, &gemm->plan, error) : GEMMLP_OK;
}

void gm_gemm_run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                 void *c, const struct gemm_epilogue *epilogue)
{
    gemm->provider->run(&gemm->problem, gemm->plan, alpha, a, b, beta, c, epilogue);
}

void gm_gemm_release(struct gemm *gemm)
{
    if (gemm->provider && gemm->provider->release)
        gemm->provider->release(gemm->plan);
    *gemm = (struct gemm){0};
}

/* A tile has about this many elements, so that it passes through L1 while the epilogue works, and
 * at most this many columns. Rows come whole where they are shorter. */
enum { TILE_ELEMENTS = 4096, TILE_COLUMNS = 2048, SERIAL_ELEMENTS = 8192 };

void gm_gemm_sweep(const struct gemm_problem *problem, void *c,
                   const struct gemm_epilogue *epilogue)
{
    const size_t m = problem->m, n = problem->n, ldc = problem->ldc;
    const size_t size = problem->precision == GEMM_F64 ? sizeof(double) : sizeof(float);
    const size_t columns = n < TILE_COLUMNS ? n : TILE_COLUMNS;
    const size_t rows = TILE_ELEMENTS / columns ? TILE_ELEMENTS / columns : 1;
    const size_t across = (n + columns - 1) / columns, down = (m + rows - 1) / rows;
#pragma omp parallel for schedule(static) if (m * n > SERIAL_ELEMENTS)
    for (size_t i = 0; i < across * down; i++) {
        size_t row = i / across * rows, column = i % across * columns;
        struct gemm_tile tile = {
            .c = (unsigned char *)c + (row * ldc + column) * size,
            .ldc = ldc,
            .row = row,
            .column = column,
            .rows = m - row < rows ? m - row : rows,
            .columns = n - column < columns ? n - column : columns,
        };
        epilogue->apply(epilogue->context, &tile);
    }
}
