/* gemm_onednn.c: the provider over oneDNN's matmul primitives, through version 2 or 3 of its C API
 * (onednn_versions.h).
 *
 * A primitive is made for one problem with one set of attributes, which can take milliseconds; a
 * plan has one for each form that a product takes in training, and a run only sets pointers:
 *
 *     PLAIN    C <- op(A) op(B)               forward and backward
 *     SCALED   C <- alpha op(A) op(B)         a gradient
 *     ADDED    C <- alpha op(A) op(B) + C     a gradient into the weights, or into its average
 *
 * alpha changes with the learning rate: it is an attribute whose value is read at each run and
 * given to the kernel, at no cost. (As a post-operation it would cost a hundredfold: without
 * AVX-512 only oneDNN's reference multiplies after a product.) The factor of C is part of the
 * primitive; where beta is neither 0 nor 1, C is multiplied first, as OpenBLAS does. Our epilogues
 * are none of oneDNN's post-operations and follow in a sweep. Transposed matrices have their
 * strides exchanged.
 *
 * A plan holds the operands while it runs: one thread at a time runs it. It is prepared for
 * omp_get_max_threads(), and a run has no more. */
#define _GNU_SOURCE /* dladdr */
#include <dlfcn.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "linalg/gemm.h"
#include "linalg/onednn_versions.h"

/* ---- the library ----------------------------------------------------------------------------- */

struct library {
    dnnl_engine_t engine;
    dnnl_stream_t stream;
};

static gemmlp_status fail(gemmlp_error *error, const char *what, dnnl_status_t status)
{
    return gm_fail(error, status == dnnl_out_of_memory ? GEMMLP_OUT_OF_MEMORY : GEMMLP_UNSUPPORTED,
                   "oneDNN could not make %s: %s", what,
                   status == dnnl_out_of_memory       ? "it is out of memory"
                   : status == dnnl_unimplemented     ? "it has no implementation for it"
                   : status == dnnl_invalid_arguments ? "it calls the arguments invalid"
                                                      : "it failed within");
}

/* The names are of x86's sets: on another processor the same bits stand for other ones. */
static bool may_use(dnnl_cpu_isa_t isa)
{
#if defined(__x86_64__)
    return ((unsigned)dnnl_get_effective_cpu_isa() & (unsigned)isa) == (unsigned)isa;
#else
    (void)isa;
    return false;
#endif
}

/* The instructions that it may use, the most capable set that is complete. */
static const char *instructions(void)
{
    static const struct {
        dnnl_cpu_isa_t isa;
        const char *name;
    } sets[] = {
        {dnnl_cpu_isa_avx512_core_amx, "AVX-512 and AMX"},
        {dnnl_cpu_isa_avx512_core_bf16, "AVX-512 with BF16"},
        {dnnl_cpu_isa_avx512_core_vnni, "AVX-512 with VNNI"},
        {dnnl_cpu_isa_avx512_core, "AVX-512"},
        {dnnl_cpu_isa_avx2_vnni, "AVX2 with VNNI"},
        {dnnl_cpu_isa_avx2, "AVX2"},
        {dnnl_cpu_isa_avx, "AVX"},
        {dnnl_cpu_isa_sse41, "SSE4.1"},
    };
    for (size_t i = 0; i < sizeof sets / sizeof *sets; i++)
        if (may_use(sets[i].isa))
            return sets[i].name;
    return "";
}

/* With plain AVX-512 oneDNN emulates bf16, at less than the speed of f32. */
static gemmlp_status bf16(const struct gemm_provider *provider, gemmlp_error *error)
{
    (void)provider;
    if (may_use(dnnl_cpu_isa_avx512_core_bf16) || may_use(dnnl_cpu_isa_avx512_core_amx))
        return GEMMLP_OK;
    const char *have = instructions();
    return gm_fail(
        error, GEMMLP_UNSUPPORTED,
        "bf16 needs AVX512_BF16 or AMX, of which oneDNN may use neither here (it has %s)",
        have[0] ? have : "nothing of the kind");
}

/* Version 3 writes what fails to standard output, where our JSON goes. Who sets the variable wants
 * to read it. */
static void keep_quiet(void)
{
    if (!getenv("ONEDNN_VERBOSE") && !getenv("DNNL_VERBOSE"))
        dnnl_set_verbose(0);
}

/* The version is a constant inside the library. */
static void find_path(struct gemm_provider *provider)
{
    Dl_info info;
    if (!dladdr(dnnl_version(), &info) || !info.dli_fname)
        return;
    char *real = realpath(info.dli_fname, NULL);
    snprintf(provider->path, sizeof provider->path, "%s", real ? real : info.dli_fname);
    free(real);
}

static void close_library(struct gemm_provider *provider)
{
    struct library *library = provider->context;
    dnnl_stream_destroy(library->stream);
    dnnl_engine_destroy(library->engine);
    free(library);
}

static gemmlp_status open_library(const char *spec, struct gemm_provider *provider,
                                  gemmlp_error *error)
{
    if (!spec)
        return gm_fail(error, GEMMLP_UNSUPPORTED, "oneDNN is used where it is named");
    struct library *library = calloc(1, sizeof *library);
    if (!library)
        return gm_fail_memory(error, "a provider of matrix products", sizeof *library);
    provider->context = library;
    keep_quiet();
    dnnl_status_t status = dnnl_engine_create(&library->engine, dnnl_cpu, 0);
    if (status == dnnl_success)
        status = dnnl_stream_create(&library->stream, library->engine, dnnl_stream_default_flags);
    if (status != dnnl_success) {
        close_library(provider);
        return fail(error,
                    dnnl_version()->cpu_runtime == DNNL_RUNTIME_SYCL
                        ? "an engine for the CPU (built for SYCL, it needs a CPU that OpenCL lists)"
                        : "an engine for the CPU",
                    status);
    }
    const dnnl_version_t *version = dnnl_version();
    snprintf(provider->name, sizeof provider->name, "%s", provider->kind->name);
    snprintf(provider->version, sizeof provider->version, "oneDNN %d.%d.%d", version->major,
             version->minor, version->patch);
    snprintf(provider->kernel, sizeof provider->kernel, "%s", instructions());
    find_path(provider);
    return GEMMLP_OK;
}

/* TBB, and SYCL over it, take all CPUs that the process may use; there is nothing in oneDNN's C API
 * that would hold them back. */
static const char *notice(const struct gemm_provider *provider, int threads)
{
    (void)provider;
    switch (dnnl_version()->cpu_runtime) {
    case DNNL_RUNTIME_OMP:
        return NULL;
    case DNNL_RUNTIME_SEQ:
    case DNNL_RUNTIME_THREADPOOL: /* of the caller, who has none */
        return threads > 1 ? "this oneDNN was not built for OpenMP: it has one thread" : NULL;
    default:
        return "this oneDNN was not built for OpenMP: it has threads of its own beside ours, "
               "on all CPUs, however few were asked for";
    }
}

/* ---- plans ----------------------------------------------------------------------------------- */

enum form { PLAIN, SCALED, ADDED, FORMS };

struct plan {
    dnnl_primitive_t primitives[FORMS];
    dnnl_memory_t scratch[FORMS];
    dnnl_memory_t a, b, c, alpha;
    float alpha_value; /* where `alpha` points */
};

static void release(void *released)
{
    struct plan *plan = released;
    if (!plan)
        return;
    for (size_t i = 0; i < FORMS; i++) {
        dnnl_primitive_destroy(plan->primitives[i]);
        dnnl_memory_destroy(plan->scratch[i]);
    }
    dnnl_memory_destroy(plan->a);
    dnnl_memory_destroy(plan->b);
    dnnl_memory_destroy(plan->c);
    dnnl_memory_destroy(plan->alpha);
    free(plan);
}

/* op(X) (rows x columns) for matmul, and a memory that will be told where X is. */
static dnnl_status_t matrix_create(dnnl_engine_t engine, size_t rows, size_t columns,
                                   bool transposed, size_t ld, dnnl_data_type_t type,
                                   dnnl_memory_desc_t *layout, dnnl_memory_t *memory)
{
    const dnnl_dims_t sizes = {(dnnl_dim_t)rows, (dnnl_dim_t)columns};
    const dnnl_dims_t strides = {transposed ? 1 : (dnnl_dim_t)ld, transposed ? (dnnl_dim_t)ld : 1};
    dnnl_status_t status = layout_create(layout, 2, sizes, strides, type);
    if (status == dnnl_success)
        status = dnnl_memory_create(memory, argument(layout), engine, DNNL_MEMORY_NONE);
    return status;
}

static dnnl_status_t alpha_create(dnnl_engine_t engine, struct plan *plan)
{
    const dnnl_dims_t one = {1};
    dnnl_memory_desc_t layout = {0};
    dnnl_status_t status = layout_create(&layout, 1, one, one, dnnl_f32);
    if (status == dnnl_success)
        status = dnnl_memory_create(&plan->alpha, argument(&layout), engine, &plan->alpha_value);
    layout_destroy(&layout);
    return status;
}

static dnnl_status_t set_sum(dnnl_primitive_attr_t attributes)
{
    dnnl_post_ops_t operations = NULL;
    dnnl_status_t status = dnnl_post_ops_create(&operations);
    if (status == dnnl_success)
        status = append_sum(operations);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_post_ops(attributes, operations);
    dnnl_post_ops_destroy(operations);
    return status;
}

static dnnl_status_t form_create(dnnl_engine_t engine, enum form form, struct plan *plan,
                                 const dnnl_memory_desc_t layouts[3])
{
    dnnl_primitive_attr_t attributes = NULL;
    dnnl_primitive_desc_t matmul = NULL;
    dnnl_status_t status = dnnl_primitive_attr_create(&attributes);
    if (status == dnnl_success)
        status = dnnl_primitive_attr_set_scratchpad_mode(attributes, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && form != PLAIN)
        status = take_alpha_from_memory(attributes);
    if (status == dnnl_success && form == ADDED)
        status = set_sum(attributes);
    if (status == dnnl_success)
        status = matmul_describe(&matmul, engine, layouts, attributes);
    if (status == dnnl_success)
        status = dnnl_memory_create(
            &plan->scratch[form], dnnl_primitive_desc_query_md(matmul, dnnl_query_scratchpad_md, 0),
            engine, DNNL_MEMORY_ALLOCATE);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&plan->primitives[form], matmul);
    dnnl_primitive_desc_destroy(matmul);
    dnnl_primitive_attr_destroy(attributes);
    return status;
}

/* A row of op(A) or a column of C whose elements lie apart: oneDNN 3.7 to 3.10 with AVX-512 takes
 * it for dense. The matrices of a network have no gaps; so none is taken, whatever the version. */
static bool has_vector_apart(const struct gemm_problem *p)
{
    return (p->m == 1 && p->k > 1 && p->transpose_a && p->lda > 1) ||
           (p->n == 1 && p->m > 1 && p->ldc > 1);
}

static gemmlp_status prepare(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **out, gemmlp_error *error)
{
    const struct gemm_problem *p = problem;
    const dnnl_engine_t engine = ((const struct library *)provider->context)->engine;
    gemmlp_status checked = gm_gemm_check_sizes(p, INT64_MAX, error);
    if (checked != GEMMLP_OK)
        return checked;
    if (p->precision == GEMM_F64)
        return gm_fail(error, GEMMLP_UNSUPPORTED,
                       "oneDNN multiplies in f32 and bf16 only, found a product in f64");
    if (has_vector_apart(p))
        return gm_fail(
            error, GEMMLP_UNSUPPORTED,
            "oneDNN is given no vector whose elements lie apart, found m = %zu, n = %zu, "
            "lda = %zu, ldc = %zu",
            p->m, p->n, p->lda, p->ldc);
    const dnnl_data_type_t type = p->precision == GEMM_BF16 ? dnnl_bf16 : dnnl_f32;
    struct plan *plan = calloc(1, sizeof *plan);
    if (!plan)
        return gm_fail_memory(error, "a matrix product", sizeof *plan);
    dnnl_memory_desc_t layouts[3] = {0};
    dnnl_status_t status =
        matrix_create(engine, p->m, p->k, p->transpose_a, p->lda, type, &layouts[0], &plan->a);
    if (status == dnnl_success)
        status =
            matrix_create(engine, p->k, p->n, p->transpose_b, p->ldb, type, &layouts[1], &plan->b);
    if (status == dnnl_success)
        status = matrix_create(engine, p->m, p->n, false, p->ldc, dnnl_f32, &layouts[2], &plan->c);
    if (status == dnnl_success)
        status = alpha_create(engine, plan);
    for (enum form form = PLAIN; status == dnnl_success && form < FORMS; form++)
        status = form_create(engine, form, plan, layouts);
    for (size_t i = 0; i < 3; i++)
        layout_destroy(&layouts[i]);
    if (status != dnnl_success) {
        release(plan);
        return fail(error, "a matrix product", status);
    }
    *out = plan;
    return GEMMLP_OK;
}

/* ---- runs ------------------------------------------------------------------------------------ */

static void scale_tile(const void *context, const struct gemm_tile *tile)
{
    const float factor = *(const float *)context;
    for (size_t i = 0; i < tile->rows; i++) {
        float *c = (float *)tile->c + i * tile->ldc;
        for (size_t j = 0; j < tile->columns; j++)
            c[j] = factor != 0 ? factor * c[j] : 0; /* c may not be initialised */
    }
}

static void scale(const struct gemm_problem *problem, void *c, float factor)
{
    const struct gemm_epilogue epilogue = {.apply = scale_tile, .context = &factor};
    gm_gemm_sweep(problem, c, &epilogue);
}

/* oneDNN has one type for what it reads and what it writes. */
static void place(dnnl_memory_t memory, const void *data)
{
    dnnl_memory_set_data_handle(memory, (void *)(uintptr_t)data);
}

/* C = alpha A B + beta C, alpha not 0. */
static void multiply(const struct gemm *gemm, double alpha, const void *a, const void *b,
                     double beta, void *c)
{
    const struct library *library = gemm->provider->context;
    struct plan *plan = gemm->plan;
    const enum form form = beta != 0 ? ADDED : alpha != 1 ? SCALED : PLAIN;
    const dnnl_exec_arg_t arguments[] = {
        {DNNL_ARG_SRC, plan->a},       {DNNL_ARG_WEIGHTS, plan->b},
        {DNNL_ARG_DST, plan->c},       {DNNL_ARG_SCRATCHPAD, plan->scratch[form]},
        {ARGUMENT_ALPHA, plan->alpha},
    };
    const int count = sizeof arguments / sizeof *arguments - (form == PLAIN);
    if (form == ADDED && beta != 1)
        scale(&gemm->problem, c, (float)beta);
    plan->alpha_value = (float)alpha;
    place(plan->a, a);
    place(plan->b, b);
    place(plan->c, c);
    dnnl_status_t status =
        dnnl_primitive_execute(plan->primitives[form], library->stream, count, arguments);
    if (status == dnnl_success)
        status = dnnl_stream_wait(library->stream);
    if (status != dnnl_success)
        scale(&gemm->problem, c, NAN); /* a run cannot fail, but training can diverge */
}

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    if (alpha != 0)
        multiply(gemm, alpha, a, b, beta, c);
    else /* oneDNN 2.6.3 with AVX-512 leaves NaN where C had some */
        scale(&gemm->problem, c, (float)beta);
    if (epilogue)
        gm_gemm_sweep(&gemm->problem, c, epilogue);
}

const struct gemm_kind gm_gemm_onednn = {
    .name = "onednn",
    .description = "oneDNN: f32 and bf16, then one sweep for the epilogue",
    .f32_only = true,
    .open = open_library,
    .close = close_library,
    .bf16 = bf16,
    .notice = notice,
    .prepare = prepare,
    .run = run,
    .release = release,
};
