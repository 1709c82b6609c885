/* gemm.c: the table of providers, and the sweep that runs an epilogue after a plain product. */
#include "linalg/gemm.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/parallel.h"
#include "linalg/blas_library.h"

/* The kinds with one row each. Each CBLAS library is a row too; those stand first. */
static const struct gemm_kind *const others[] = {&gm_gemm_native, &gm_gemm_xsmm, &gm_gemm_onednn,
                                                 &gm_gemm_reference};

const char *const gm_gemm_precisions[] = {
    [GEMM_F32] = "f32", [GEMM_F64] = "f64", [GEMM_BF16] = "bf16"};

struct gemm_name gm_gemm_name_at(size_t index)
{
    const struct blas_row *blas = gm_blas_row_at(index);
    if (blas)
        return (struct gemm_name){blas->name, blas->description, &gm_gemm_cblas};
    index -= gm_blas_rows();
    if (index < sizeof others / sizeof *others)
        return (struct gemm_name){others[index]->name, others[index]->description, others[index]};
    return (struct gemm_name){0};
}

static const char *name_or_auto_at(size_t index)
{
    return index == 0 ? "auto" : gm_gemm_name_at(index - 1).name;
}

/* kind NULL: automatic. */
static gemmlp_status find_kind(const char *name, const struct gemm_kind **kind, gemmlp_error *error)
{
    size_t index = 0;
    *kind = &gm_gemm_cblas;
    if (name && strchr(name, '/'))
        return GEMMLP_OK;
    gemmlp_status status =
        name ? gm_find_name("provider", name, name_or_auto_at, &index, error) : GEMMLP_OK;
    if (status != GEMMLP_OK && error) {
        const size_t length = strlen(error->message);
        snprintf(error->message + length, sizeof error->message - length,
                 ", or the path of a CBLAS library");
    }
    *kind = index ? gm_gemm_name_at(index - 1).kind : NULL;
    return status;
}

static gemmlp_status open_kind(const struct gemm_kind *kind, const char *spec,
                               struct gemm_provider *provider, gemmlp_error *error)
{
    *provider = (struct gemm_provider){.kind = kind};
    return kind->open(spec, provider, error);
}

/* kind NULL: a CBLAS library if there is one, else the first of the others. */
static gemmlp_status open_provider(const struct gemm_kind *kind, const char *spec, bool f64,
                                   struct gemm_provider **out, gemmlp_error *error)
{
    gemmlp_status status;
    gemmlp_error why;
    struct gemm_provider *provider = malloc(sizeof *provider);
    if (!provider)
        return gm_fail_memory(error, "a provider of matrix products", sizeof *provider);
    if (kind) {
        status = open_kind(kind, spec, provider, &why);
    } else {
        status = open_kind(&gm_gemm_cblas, NULL, provider, &why);
        for (size_t i = 0; status == GEMMLP_UNSUPPORTED && i < sizeof others / sizeof *others; i++)
            if (!(f64 && others[i]->f32_only))
                status = open_kind(others[i], NULL, provider, &why);
    }
    if (status != GEMMLP_OK) {
        free(provider);
        return gm_hand_on(error, &why);
    }
    *out = provider;
    return GEMMLP_OK;
}

gemmlp_status gm_gemm_open(const char *name, struct gemm_provider **out, gemmlp_error *error)
{
    const struct gemm_kind *kind;
    *out = NULL;
    const gemmlp_status status = find_kind(name, &kind, error);
    return status == GEMMLP_OK ? open_provider(kind, name, false, out, error) : status;
}

gemmlp_status gm_gemm_open_f64(struct gemm_provider **out, gemmlp_error *error)
{
    *out = NULL;
    return open_provider(NULL, NULL, true, out, error);
}

gemmlp_status gm_gemm_check_bf16(const struct gemm_provider *provider, gemmlp_error *error)
{
    return provider->kind->bf16
               ? provider->kind->bf16(provider, error)
               : gm_fail(error, GEMMLP_UNSUPPORTED,
                         "provider %s has no bf16 products: onednn and native have",
                         provider->name);
}

/* The reference, slow as it is, must be asked for by name. */
static gemmlp_status open_first_bf16(struct gemm_provider **out, gemmlp_error *error)
{
    *out = NULL;
    gemmlp_error why;
    gemmlp_status status = GEMMLP_UNSUPPORTED;
    for (size_t i = 0; status == GEMMLP_UNSUPPORTED && i < sizeof others / sizeof *others; i++) {
        if (!others[i]->bf16 || others[i] == &gm_gemm_reference)
            continue;
        status = open_provider(others[i], others[i]->name, false, out, &why);
        if (status == GEMMLP_OK)
            status = gm_gemm_check_bf16(*out, &why);
        if (status != GEMMLP_OK) {
            gm_gemm_close(*out);
            *out = NULL;
        }
    }
    return status == GEMMLP_OK ? status : gm_hand_on(error, &why);
}

gemmlp_status gm_gemm_open_bf16(const char *name, struct gemm_provider **out, gemmlp_error *error)
{
    if (!name || strcmp(name, "auto") == 0)
        return open_first_bf16(out, error);
    gemmlp_status status = gm_gemm_open(name, out, error);
    if (status == GEMMLP_OK)
        status = gm_gemm_check_bf16(*out, error);
    if (status != GEMMLP_OK) {
        gm_gemm_close(*out);
        *out = NULL;
    }
    return status;
}

void gm_gemm_close(struct gemm_provider *provider)
{
    if (provider && provider->kind->close)
        provider->kind->close(provider);
    free(provider);
}

void gm_gemm_describe(const struct gemm_provider *p, int threads, gemmlp_provider_info *info)
{
    const char *notice = p->kind->notice ? p->kind->notice(p, threads) : NULL;
    *info = (gemmlp_provider_info){0};
    snprintf(info->name, sizeof info->name, "%s", p->name);
    snprintf(info->version, sizeof info->version, "%s", p->version);
    snprintf(info->kernel, sizeof info->kernel, "%s", p->kernel);
    snprintf(info->path, sizeof info->path, "%s", p->path);
    snprintf(info->notice, sizeof info->notice, "%s", notice ? notice : "");
}

gemmlp_status gemmlp_provider_info_get(const char *provider, int threads,
                                       gemmlp_provider_info *info, gemmlp_error *error)
{
    struct gemm_provider *p;
    *info = (gemmlp_provider_info){0};
    gemmlp_status status = gm_gemm_open(provider, &p, error);
    if (status == GEMMLP_OK)
        gm_gemm_describe(p, threads, info);
    gm_gemm_close(p);
    return status;
}

gemmlp_status gm_gemm_prepare(struct gemm *gemm, const struct gemm_provider *provider,
                              const struct gemm_problem *problem, gemmlp_error *error)
{
    *gemm = (struct gemm){provider, *problem, NULL};
    const gemmlp_status status =
        problem->precision == GEMM_BF16 ? gm_gemm_check_bf16(provider, error) : GEMMLP_OK;
    if (status != GEMMLP_OK)
        return status;
    return provider->kind->prepare ? provider->kind->prepare(provider, problem, &gemm->plan, error)
                                   : GEMMLP_OK;
}

gemmlp_status gm_gemm_check_sizes(const struct gemm_problem *problem, uint64_t most,
                                  gemmlp_error *error)
{
    const size_t sizes[] = {problem->m,   problem->n,   problem->k,
                            problem->lda, problem->ldb, problem->ldc};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++)
        if (sizes[i] == 0 || sizes[i] > most)
            return gm_fail(
                error, GEMMLP_INVALID_ARGUMENT,
                "a matrix product of m = %zu, n = %zu, k = %zu is out of range: this library takes "
                "sizes from 1 to %" PRIu64,
                problem->m, problem->n, problem->k, most);
    return GEMMLP_OK;
}

void gm_gemm_run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                 void *c, const struct gemm_epilogue *epilogue)
{
    gemm->provider->kind->run(gemm, alpha, a, b, beta, c, epilogue);
}

bool gm_gemm_reads_copies(const struct gemm *gemm)
{
    const struct gemm_kind *kind = gemm->provider->kind;
    return kind->reads_copies && kind->reads_copies(gemm);
}

void gm_gemm_release(struct gemm *gemm)
{
    if (gemm->provider && gemm->provider->kind->release)
        gemm->provider->kind->release(gemm->plan);
    *gemm = (struct gemm){0};
}

/* A tile has about this many elements, so that it passes through L1 while the epilogue works, and
 * at most this many columns. Rows come whole where they are shorter. */
enum { TILE_ELEMENTS = 4096, TILE_COLUMNS = 2048, SERIAL_ELEMENTS = 8192, LARGE = 65536 };
/* Multiplications of a product that OpenBLAS makes on one thread: C, and what the epilogue has
 * beside it, is in that core's cache and stays there, unless C is large. */
static const double SERIAL_WORK = 1 << 18;

struct sweep {
    const struct gemm_problem *problem;
    const struct gemm_epilogue *epilogue;
    unsigned char *c;
    size_t size;          /* of an element */
    size_t rows, columns; /* of a tile */
    size_t across;        /* tiles in a row of C */
};

static void sweep_tiles(const void *context, size_t first, size_t last)
{
    const struct sweep *s = context;
    const struct gemm_problem *p = s->problem;
    for (size_t i = first; i < last; i++) {
        const size_t row = i / s->across * s->rows, column = i % s->across * s->columns;
        const struct gemm_tile tile = {
            .c = s->c + (row * p->ldc + column) * s->size,
            .ldc = p->ldc,
            .row = row,
            .column = column,
            .rows = p->m - row < s->rows ? p->m - row : s->rows,
            .columns = p->n - column < s->columns ? p->n - column : s->columns,
        };
        s->epilogue->apply(s->epilogue->context, &tile);
    }
}

void gm_gemm_sweep(const struct gemm_problem *problem, void *c,
                   const struct gemm_epilogue *epilogue)
{
    const size_t m = problem->m, n = problem->n;
    const size_t columns = n < TILE_COLUMNS ? n : TILE_COLUMNS;
    const size_t rows = TILE_ELEMENTS / columns ? TILE_ELEMENTS / columns : 1;
    const size_t across = (n + columns - 1) / columns, down = (m + rows - 1) / rows;
    const size_t size = gm_gemm_output_bytes(problem->precision);
    const struct sweep sweep = {problem, epilogue, c, size, rows, columns, across};
    const double work = (double)m * (double)n * (double)problem->k;
    const bool parallel = m * n > SERIAL_ELEMENTS && (work > SERIAL_WORK || m * n > LARGE);
    gm_parallel(parallel, across * down, sweep_tiles, &sweep);
}
