/* planner.c: see planner.h. */
#define _GNU_SOURCE
#include "linalg/planner.h"

#include <math.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/arena.h"
#include "core/cpu.h"

enum { PROVIDERS = 4 };

struct planner {
    struct gemm_provider *providers[PROVIDERS];
    size_t count;
    struct plan plan;
    char path[4096];
};

/* A prepared product: the inner one, and the threads that it is to run on. */
struct planned {
    struct gemm inner;
    int threads; /* 0: all there are */
};

/* ---- timing ---- */

/* What is larger is timed smaller, so that a network is planned in a second and the planner takes
 * no memory to speak of; it is large enough to tell how a library copes with large ones. */
enum { MAX_SIDE = 1024, MAX_EXAMPLES = 256, REPEATS = 5 };
/* Short products repeat until a clock can tell them apart; long ones until this has passed. */
static const double SAMPLE_SECONDS = 2e-4, CANDIDATE_SECONDS = 1e-2;
/* One thread is tried below this: above it, two or more are faster everywhere. */
static const double ONE_THREAD_FLOP = 2e7;
/* Where several threads share a product, another than `native` must be this much faster: alone, a
 * product finds its operands in the caches where it wants them; in a step `native` finds more of
 * them there, for it gives each thread the same neurons in every product (native_cut.h). Cores that
 * have no cache in common take as long to call a matrix of weights back as to multiply by it. */
static const double MARGIN = 1.3;
/* Who is so many times behind is out: after the first round, which anything may have disturbed, and
 * after the others. */
static const double FAR_BEHIND_AT_FIRST = 2, FAR_BEHIND = 1.3;
/* Below this `native` has one thread as well. */
static const double SHARED_FLOP = 1e6;

static size_t at_most(size_t n, size_t limit)
{
    return n < limit ? n : limit;
}

/* The product that is timed in place of `problem`: rows as close together as can be. Examples are
 * the rows of op(A) and C, in a gradient (op(A) = A^T) what is summed over. */
static struct gemm_problem timed_problem(const struct gemm_problem *problem)
{
    struct gemm_problem p = *problem;
    p.m = at_most(p.m, p.transpose_a ? MAX_SIDE : MAX_EXAMPLES);
    p.n = at_most(p.n, MAX_SIDE);
    p.k = at_most(p.k, p.transpose_a ? MAX_EXAMPLES : MAX_SIDE);
    p.lda = p.transpose_a ? p.m : p.k;
    p.ldb = p.transpose_b ? p.k : p.n;
    p.ldc = p.n;
    p.copy_a = p.copy_b = 0;
    return p;
}

/* Zeros, which every precision has, but in pages of their own, as in training: of memory that was
 * never written all pages are one, and its reader finds everything in L1. */
struct operands {
    struct arena arena;
    void *a, *b, *c;
};

static void take_operands(const struct gemm_problem *p, struct operands *o)
{
    const size_t in = gm_gemm_input_bytes(p->precision), out = gm_gemm_output_bytes(p->precision);
    o->a = gm_arena_take(&o->arena, p->m * p->k, in);
    o->b = gm_arena_take(&o->arena, p->k * p->n, in);
    o->c = gm_arena_take(&o->arena, p->m * p->n, out);
}

static gemmlp_status make_operands(const struct gemm_problem *p, struct operands *o,
                                   gemmlp_error *error)
{
    *o = (struct operands){.a = NULL};
    take_operands(p, o);
    const gemmlp_status status = gm_arena_allocate(&o->arena, "the planner's operands", error);
    if (status == GEMMLP_OK)
        take_operands(p, o);
    return status;
}

/* Every product but the gradient of plain SGD has an epilogue: this one reads and writes C. */
static void touch_tile(const void *precision, const struct gemm_tile *tile)
{
    const bool f64 = *(const enum gemm_precision *)precision == GEMM_F64;
    for (size_t i = 0; i < tile->rows; i++)
        for (size_t j = 0; j < tile->columns; j++) {
            if (f64)
                ((double *)tile->c)[i * tile->ldc + j] += 1;
            else
                ((float *)tile->c)[i * tile->ldc + j] += 1;
        }
}

static double time_calls(const struct gemm *gemm, const struct operands *o, size_t calls)
{
    const struct gemm_epilogue touch = {.apply = touch_tile, .context = &gemm->problem.precision};
    const double start = gm_seconds();
    for (size_t i = 0; i < calls; i++)
        gm_gemm_run(gemm, 1, o->a, o->b, 0, o->c, &touch);
    return (gm_seconds() - start) / (double)calls;
}

/* A provider on so many threads. */
struct candidate {
    const struct gemm_provider *provider;
    int threads;
    struct gemm gemm;
    bool out;       /* of the race: it cannot, or is far behind */
    double calls;   /* of a sample */
    double spent;   /* seconds */
    double seconds; /* of a call, the least of its samples */
    double margin;  /* by which they are multiplied before they are compared */
};

static double counted(const struct candidate *c)
{
    return c->margin * c->seconds;
}

static double margin_of(const struct candidate *c, int limit, double flop)
{
    const bool native = c->provider->kind == &gm_gemm_native && c->threads == limit;
    return native || limit == 1 || flop < SHARED_FLOP ? 1 : MARGIN;
}

static double sample(struct candidate *c, const struct operands *o, double calls)
{
    const int before = omp_get_max_threads();
    omp_set_num_threads(c->threads);
    const double seconds = time_calls(&c->gemm, o, (size_t)calls);
    omp_set_num_threads(before);
    c->spent += seconds * calls;
    return seconds;
}

/* One that cannot is out. Lack of memory is an error: else it would have a say in who computes. */
static gemmlp_status enter(struct candidate *c, const struct gemm_problem *p,
                           const struct operands *o, gemmlp_error *error)
{
    gemmlp_error why;
    const int before = omp_get_max_threads();
    c->seconds = INFINITY;
    omp_set_num_threads(c->threads);
    const gemmlp_status status = gm_gemm_prepare(&c->gemm, c->provider, p, &why);
    omp_set_num_threads(before);
    c->out = status != GEMMLP_OK;
    if (!c->out)
        c->calls = fmax(1, fmin(1000, SAMPLE_SECONDS / sample(c, o, 1)));
    return status == GEMMLP_OUT_OF_MEMORY ? gm_hand_on(error, &why) : GEMMLP_OK;
}

/* In turn, so that what disturbs the machine for some milliseconds does not decide; until one is
 * left, or those that are have had their time. */
static void race(struct candidate *candidates, size_t count, const struct operands *o)
{
    double best = INFINITY;
    for (size_t i = 0; i < count; i++)
        if (!candidates[i].out)
            best = fmin(best, candidates[i].spent);
    for (size_t i = 0; i < count; i++) /* by its first call */
        candidates[i].out |=
            candidates[i].spent > CANDIDATE_SECONDS / 4 && candidates[i].spent > 3 * best;
    best = INFINITY;
    for (size_t round = 0; round < REPEATS; round++) {
        for (size_t i = 0; i < count; i++) {
            struct candidate *c = &candidates[i];
            if (c->out || (round > 0 && c->spent > CANDIDATE_SECONDS))
                continue;
            c->seconds = fmin(c->seconds, sample(c, o, c->calls));
            best = fmin(best, counted(c));
        }
        const double most = (round == 0 ? FAR_BEHIND_AT_FIRST : FAR_BEHIND) * best;
        size_t running = 0;
        for (size_t i = 0; i < count; i++) {
            candidates[i].out |= counted(&candidates[i]) > most;
            running += !candidates[i].out;
        }
        if (running <= 1)
            return;
    }
}

static gemmlp_status choose(struct planner *planner, const struct gemm_problem *problem, int limit,
                            struct plan_choice *choice, gemmlp_error *error)
{
    const struct gemm_problem timed = timed_problem(problem);
    const double flop = 2.0 * (double)timed.m * (double)timed.n * (double)timed.k;
    struct operands o;
    *choice = (struct plan_choice){
        .problem = *problem, .limit = limit, .seconds = INFINITY, .used = true};
    choice->shrunk = timed.m != problem->m || timed.n != problem->n || timed.k != problem->k;
    gemmlp_status status = make_operands(&timed, &o, error);
    if (status != GEMMLP_OK)
        return status;
    const int threads[] = {limit, 1};
    const size_t tried = limit > 1 && flop < ONE_THREAD_FLOP ? 2 : 1;
    struct candidate candidates[2 * PROVIDERS] = {{.provider = NULL}};
    size_t count = 0;
    for (size_t i = 0; i < planner->count; i++)
        for (size_t t = 0; t < tried && status == GEMMLP_OK; t++) {
            candidates[count].provider = planner->providers[i];
            candidates[count].threads = threads[t];
            candidates[count].margin = margin_of(&candidates[count], limit, flop);
            status = enter(&candidates[count++], &timed, &o, error);
        }
    if (status == GEMMLP_OK)
        race(candidates, count, &o);
    double best = INFINITY; /* with the margin */
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &candidates[i];
        if (!c->out && counted(c) < best) {
            best = counted(c);
            choice->seconds = c->seconds;
            choice->threads = c->threads;
            snprintf(choice->provider, sizeof choice->provider, "%s", c->provider->name);
        }
        gm_gemm_release(&candidates[i].gemm);
    }
    gm_arena_free(&o.arena);
    if (status != GEMMLP_OK)
        return status;
    if (choice->threads > 0)
        return gm_plan_add(&planner->plan, choice, error);
    /* None can: the first says why. */
    struct gemm gemm;
    status = gm_gemm_prepare(&gemm, planner->providers[0], problem, error);
    gm_gemm_release(&gemm);
    return status;
}

/* ---- the provider ---- */

static const struct gemm_provider *provider_named(const struct planner *planner, const char *name)
{
    for (size_t i = 0; i < planner->count; i++)
        if (strcmp(planner->providers[i]->name, name) == 0)
            return planner->providers[i];
    return NULL;
}

static gemmlp_status prepare(const struct gemm_provider *provider,
                             const struct gemm_problem *problem, void **plan, gemmlp_error *error)
{
    struct planner *planner = provider->context;
    const int limit = omp_get_max_threads();
    const struct plan_choice *known = gm_plan_find_near(&planner->plan, problem, limit);
    const struct gemm_provider *best = known ? provider_named(planner, known->provider) : NULL;
    struct plan_choice choice;
    if (best) {
        choice = *known;
        planner->plan.choices[known - planner->plan.choices].used = true;
    } else if (planner->count == 1 && limit == 1)
        choice = (struct plan_choice){.threads = 1};
    else {
        const gemmlp_status status = choose(planner, problem, limit, &choice, error);
        if (status != GEMMLP_OK)
            return status;
    }
    struct planned *planned = calloc(1, sizeof *planned);
    if (!planned)
        return gm_fail_memory(error, "a planned product", sizeof *planned);
    *plan = planned;
    planned->threads = choice.threads < limit ? choice.threads : 0;
    if (!best)
        best =
            choice.provider[0] ? provider_named(planner, choice.provider) : planner->providers[0];
    if (planned->threads)
        omp_set_num_threads(planned->threads);
    const gemmlp_status status = gm_gemm_prepare(&planned->inner, best, problem, error);
    omp_set_num_threads(limit);
    return status;
}

static void run(const struct gemm *gemm, double alpha, const void *a, const void *b, double beta,
                void *c, const struct gemm_epilogue *epilogue)
{
    const struct planned *planned = gemm->plan;
    if (!planned->threads) {
        gm_gemm_run(&planned->inner, alpha, a, b, beta, c, epilogue);
        return;
    }
    const int before = omp_get_max_threads();
    omp_set_num_threads(planned->threads);
    gm_gemm_run(&planned->inner, alpha, a, b, beta, c, epilogue);
    omp_set_num_threads(before);
}

static bool reads_copies(const struct gemm *gemm)
{
    return gm_gemm_reads_copies(&((const struct planned *)gemm->plan)->inner);
}

static void release(void *plan)
{
    struct planned *planned = plan;
    if (planned)
        gm_gemm_release(&planned->inner);
    free(planned);
}

static const char *notice(const struct gemm_provider *provider, int threads)
{
    const struct planner *planner = provider->context;
    const struct gemm_provider *first = planner->providers[0];
    return first->kind->notice ? first->kind->notice(first, threads) : NULL;
}

static void close_planner(struct gemm_provider *provider)
{
    struct planner *planner = provider->context;
    for (size_t i = 0; planner && i < planner->count; i++)
        gm_gemm_close(planner->providers[i]);
    if (planner)
        gm_plan_free(&planner->plan);
    free(planner);
}

/* Those of its providers that cannot are out of the race for such a product. */
static gemmlp_status bf16(const struct gemm_provider *provider, gemmlp_error *error)
{
    const struct planner *planner = provider->context;
    gemmlp_error why;
    gemmlp_status status = GEMMLP_UNSUPPORTED;
    for (size_t i = planner->count; status == GEMMLP_UNSUPPORTED && i-- > 0;)
        status = gm_gemm_check_bf16(planner->providers[i], &why);
    return status == GEMMLP_OK ? status : gm_hand_on(error, &why);
}

static const struct gemm_kind kind = {
    .name = "auto",
    .description = "each product by the fastest of the others, found by timing",
    .close = close_planner,
    .bf16 = bf16,
    .notice = notice,
    .prepare = prepare,
    .run = run,
    .release = release,
    .reads_copies = reads_copies,
};

/* A CBLAS library, and whatever kinds there are beside it but the reference, which is there for
 * those who have nothing else. */
static gemmlp_status open_providers(struct planner *planner, gemmlp_error *error)
{
    gemmlp_status status = gm_gemm_open(NULL, &planner->providers[0], error);
    if (status != GEMMLP_OK)
        return status;
    planner->count = 1;
    gemmlp_error why;
    struct gemm_name name;
    for (size_t i = 0; (name = gm_gemm_name_at(i)).name && planner->count < PROVIDERS; i++) {
        struct gemm_provider **next = &planner->providers[planner->count];
        if (name.kind == &gm_gemm_cblas || name.kind == &gm_gemm_reference ||
            provider_named(planner, name.name))
            continue;
        status = gm_gemm_open(name.name, next, &why);
        planner->count += status == GEMMLP_OK;
        if (status != GEMMLP_OK && status != GEMMLP_UNSUPPORTED)
            return gm_hand_on(error, &why);
    }
    return GEMMLP_OK;
}

/* What it is made of: by its one provider, or "auto" and all of them. */
static void describe(struct gemm_provider *provider, const struct planner *planner)
{
    const struct gemm_provider *first = planner->providers[0];
    snprintf(provider->name, sizeof provider->name, "%s",
             planner->count > 1 ? kind.name : first->name);
    snprintf(provider->kernel, sizeof provider->kernel, "%s", first->kernel);
    snprintf(provider->path, sizeof provider->path, "%s", first->path);
    size_t length = 0;
    for (size_t i = 0; i < planner->count && length < sizeof provider->version; i++)
        length += (size_t)snprintf(provider->version + length, sizeof provider->version - length,
                                   "%s%s", i ? " + " : "", planner->providers[i]->version);
}

gemmlp_status gm_planner_open(const char *path, struct gemm_provider **out, gemmlp_error *error)
{
    *out = NULL;
    struct gemm_provider *provider = calloc(1, sizeof *provider);
    struct planner *planner = calloc(1, sizeof *planner);
    if (!provider || !planner) {
        free(provider);
        free(planner);
        return gm_fail_memory(error, "a planner", sizeof *provider + sizeof *planner);
    }
    *provider = (struct gemm_provider){.kind = &kind, .context = planner};
    gemmlp_status status = GEMMLP_OK;
    if (strlen(path) >= sizeof planner->path)
        status = gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                         "the plan's path has %zu bytes, expected at most %zu", strlen(path),
                         sizeof planner->path - 1);
    if (status == GEMMLP_OK) {
        snprintf(planner->path, sizeof planner->path, "%s", path);
        status = open_providers(planner, error);
    }
    if (status == GEMMLP_OK) {
        describe(provider, planner);
        gm_plan_machine(&planner->plan, provider);
        status = path[0] ? gm_plan_read(&planner->plan, path, error) : GEMMLP_OK;
    }
    if (status != GEMMLP_OK) {
        gm_gemm_close(provider);
        return status;
    }
    *out = provider;
    return GEMMLP_OK;
}

gemmlp_status gm_planner_save(const struct gemm_provider *provider, gemmlp_error *error)
{
    if (provider->kind != &kind)
        return GEMMLP_OK;
    struct planner *planner = provider->context;
    return planner->plan.changed && planner->path[0]
               ? gm_plan_write(&planner->plan, planner->path, error)
               : GEMMLP_OK;
}

gemmlp_status gm_planner_recall(struct gemm_provider *provider, const char *text, const char *where,
                                gemmlp_error *error)
{
    struct plan recalled = {.count = 0};
    if (provider->kind != &kind)
        return GEMMLP_OK;
    struct planner *planner = provider->context;
    snprintf(recalled.machine, sizeof recalled.machine, "%s", planner->plan.machine);
    gemmlp_status status = gm_plan_parse(&recalled, text, where, error);
    if (status != GEMMLP_OK || recalled.count == 0) {
        gm_plan_free(&recalled);
        return status;
    }
    gm_plan_free(&planner->plan);
    planner->plan = recalled;
    planner->path[0] = '\0';
    return GEMMLP_OK;
}

const struct plan *gm_planner_plan(const struct gemm_provider *provider)
{
    return provider->kind == &kind ? &((const struct planner *)provider->context)->plan : NULL;
}
