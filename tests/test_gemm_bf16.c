/* test_gemm_bf16.c: products in bf16 by each provider that has them, against sums in double of the
 * same operands; that the epilogue sees each element once; the same bits by any number of threads;
 * and what those say that have none.
 *
 * Operands in bf16 are exact, products of two as well: what rounds is the sum, in float. The bound
 * is that of test_gemm.c, doubled, for the instruction rounds the two products of a pair apart and
 * subnormal ones to zero. */
#include "support.h"

#include <omp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/cpu.h"
#include "linalg/gemm.h"
#include "linalg/planner.h"

struct operands {
    struct gemm_problem p;
    gm_bf16 *a, *b;
    float *c, *before;
    double *exact, *magnitude; /* (m x n): sums of products and of their magnitudes */
};

/* Rows may be a little longer than they need be; what lies between is NaN. */
static gm_bf16 *random_matrix(size_t rows, size_t columns, size_t ld, uint64_t seed)
{
    gm_bf16 *x = malloc(rows * ld * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < rows * ld; i++)
        x[i] = i % ld < columns ? gm_bf16_round((float)(2 * random_uniform(&seed) - 1)) : 0x7fc0;
    return x;
}

static struct operands make(bool gaps, bool ta, bool tb, size_t m, size_t n, size_t k)
{
    struct operands o = {.p = {GEMM_BF16, ta, tb, m, n, k, (ta ? m : k) + (gaps ? 3 : 0),
                               (tb ? k : n) + (gaps ? 1 : 0), n + (gaps ? 5 : 0), 0, 0}};
    const struct gemm_problem *p = &o.p;
    o.a = random_matrix(ta ? k : m, ta ? m : k, p->lda, 1 + m);
    o.b = random_matrix(tb ? n : k, tb ? k : n, p->ldb, 2 + n);
    o.c = malloc(m * p->ldc * sizeof *o.c);
    o.before = malloc(m * p->ldc * sizeof *o.before);
    o.exact = calloc(m * n, sizeof *o.exact);
    o.magnitude = calloc(m * n, sizeof *o.magnitude);
    assert_true(o.c && o.before && o.exact && o.magnitude);
    fill_f32(o.before, m * p->ldc, 3 + k, -1, 1);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++)
            for (size_t l = 0; l < k; l++) {
                const double x = (double)gm_bf16_value(o.a[ta ? l * p->lda + i : i * p->lda + l]);
                const double y = (double)gm_bf16_value(o.b[tb ? j * p->ldb + l : l * p->ldb + j]);
                o.exact[i * n + j] += x * y;
                o.magnitude[i * n + j] += fabs(x * y);
            }
    return o;
}

static void release(struct operands *o)
{
    free(o->a);
    free(o->b);
    free(o->c);
    free(o->before);
    free(o->exact);
    free(o->magnitude);
}

/* Adds 1000, so that an element that is seen twice or not at all is seen. */
static void add_thousand(const void *context, const struct gemm_tile *tile)
{
    const struct operands *o = context;
    for (size_t i = 0; i < tile->rows; i++)
        for (size_t j = 0; j < tile->columns; j++) {
            float *c = (float *)tile->c + i * tile->ldc + j;
            assert_ptr_equal(c, o->c + (tile->row + i) * o->p.ldc + tile->column + j);
            *c += 1000;
        }
}

/* The same into C from wherever the tile lies. */
static void take_with_thousand(const void *context, const struct gemm_tile *tile)
{
    const struct operands *o = context;
    for (size_t i = 0; i < tile->rows; i++)
        for (size_t j = 0; j < tile->columns; j++)
            o->c[(tile->row + i) * o->p.ldc + tile->column + j] =
                ((const float *)tile->c)[i * tile->ldc + j] + 1000;
}

enum epilogue { NONE, KEEPS, CONSUMES };

static void check(const struct gemm_provider *provider, struct operands *o, double alpha,
                  double beta, enum epilogue kind)
{
    const struct gemm_problem *p = &o->p;
    const struct gemm_epilogue epilogue = {.apply =
                                               kind == KEEPS ? add_thousand : take_with_thousand,
                                           .context = o,
                                           .consumes = kind == CONSUMES};
    struct gemm gemm;
    memcpy(o->c, o->before, p->m * p->ldc * sizeof *o->c);
    for (size_t i = 0; beta == 0 && i < p->m; i++) /* not to be read */
        for (size_t j = 0; j < p->n; j++)
            o->c[i * p->ldc + j] = NAN;
    assert_int_equal(gm_gemm_prepare(&gemm, provider, p, NULL), GEMMLP_OK);
    gm_gemm_run(&gemm, alpha, o->a, o->b, beta, o->c, kind == NONE ? NULL : &epilogue);
    gm_gemm_release(&gemm);
    const double unit = ldexp(1, -24) * ((double)p->k + 3);
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = 0; j < p->ldc; j++) {
            const size_t at = i * p->ldc + j, of = i * p->n + j;
            const double before = (double)o->before[at];
            if (j >= p->n) { /* between the rows */
                assert_true(o->c[at] == o->before[at]);
                continue;
            }
            const double shift = kind == NONE ? 0 : 1000;
            const double expected = alpha * o->exact[of] + beta * before + shift;
            const double bound =
                2 * unit * (fabs(alpha) * o->magnitude[of] + fabs(beta * before)) + shift * 1e-7;
            if (!(fabs((double)o->c[at] - expected) <= bound))
                fail_msg("%s, %c%c %zu x %zu x %zu, alpha %g, beta %g: element (%zu, %zu) is %.9g, "
                         "expected %.9g within %.2g",
                         provider->name, "NT"[p->transpose_a], "NT"[p->transpose_b], p -> m, p -> n,
                         p -> k, alpha, beta, i, j, (double)o -> c[at], expected, bound);
        }
}

/* The provider, or NULL after it has said why it has no bf16. */
static struct gemm_provider *open(const char *name)
{
    struct gemm_provider *provider;
    gemmlp_error error = {0};
    if (gm_gemm_open_bf16(name, &provider, &error) == GEMMLP_OK)
        return provider;
    assert_null(provider);
    assert_int_equal(error.status, GEMMLP_UNSUPPORTED);
    assert_true(strlen(error.message) > 20);
    print_message("%s is not tested: %s\n", name, error.message);
    return NULL;
}

static const char *const names[] = {"reference", "native", "onednn"};

static void test_products(void **state)
{
    (void)state;
    /* Edges of tiles, panels, strips, blocks of k and of rows. */
    static const size_t sizes[][3] = {{1, 1, 1},     {2, 3, 2},      {14, 32, 2},     {15, 33, 3},
                                      {13, 31, 31},  {28, 64, 32},   {29, 17, 33},    {5, 129, 65},
                                      {100, 10, 64}, {33, 257, 513}, {10, 128, 1025}, {505, 40, 37},
                                      {1, 300, 70},  {300, 1, 70},   {64, 128, 256}};
    static const double factors[][2] = {{1, 0}, {-0.25, 0}, {1, 1}, {-0.125, 0.75}};
    for (size_t i = 0; i < COUNT(names); i++) {
        struct gemm_provider *provider = open(names[i]);
        for (size_t s = 0; provider && s < COUNT(sizes); s++)
            for (int op = 0; op < 4; op++) {
                const size_t m = sizes[s][0], n = sizes[s][1];
                /* oneDNN wants the elements of a vector side by side. */
                const bool gaps = strcmp(names[i], "onednn") != 0 || (m > 1 && n > 1);
                struct operands o = make(gaps, op & 2, op & 1, m, n, sizes[s][2]);
                for (size_t f = 0; f < COUNT(factors); f++)
                    for (int kind = NONE; kind <= (factors[f][1] == 0 ? CONSUMES : KEEPS); kind++)
                        check(provider, &o, factors[f][0], factors[f][1], (enum epilogue)kind);
                release(&o);
            }
        gm_gemm_close(provider);
    }
}

static void test_any_number_of_threads(void **state)
{
    (void)state;
    struct gemm_provider *provider = open("native");
    const int before = omp_get_max_threads();
    for (int op = 0; provider && op < 4; op++) {
        struct operands o = make(true, op & 2, op & 1, 130, 300, 600);
        const size_t bytes = o.p.m * o.p.ldc * sizeof *o.c;
        float *first = malloc(bytes);
        assert_non_null(first);
        for (int threads = 1; threads <= 5; threads++) {
            omp_set_num_threads(threads);
            check(provider, &o, 1, 1, NONE);
            if (threads == 1)
                memcpy(first, o.c, bytes);
            assert_memory_equal(first, o.c, bytes);
        }
        free(first);
        release(&o);
    }
    omp_set_num_threads(before);
    gm_gemm_close(provider);
}

/* A plan of all providers takes those that can, and remembers under the precision. */
static void test_planner(void **state)
{
    (void)state;
    struct gemm_provider *provider;
    struct gemm gemm;
    gemmlp_error error = {0};
    assert_int_equal(gm_planner_open("", &provider, &error), GEMMLP_OK);
    assert_string_equal(error.message, ""); /* whatever this build is without */
    if (gm_gemm_check_bf16(provider, &error) == GEMMLP_OK) {
        const struct gemm_problem other = {GEMM_BF16, false, true, 4, 5, 6, 6, 6, 5, 0, 0};
        assert_int_equal(gm_gemm_prepare(&gemm, provider, &other, &error), GEMMLP_OK);
        gm_gemm_release(&gemm);
        assert_string_equal(error.message, ""); /* whoever among them has no bf16 */
        struct operands o = make(true, false, true, 40, 50, 60);
        check(provider, &o, 1, 0, true);
        release(&o);
        const struct plan *plan = gm_planner_plan(provider);
        assert_true(plan->count == 2 && plan->choices[1].problem.precision == GEMM_BF16);
        const struct gemm_problem f32 = {GEMM_F32, false, true, 40, 50, 60, 60, 60, 50, 0, 0};
        assert_int_equal(gm_gemm_prepare(&gemm, provider, &f32, NULL), GEMMLP_OK);
        gm_gemm_release(&gemm);
        assert_int_equal(plan->count, 3);
    }
    gm_gemm_close(provider);
}

static void test_refused(void **state)
{
    (void)state;
    static const char *const without[] = {"xsmm", NULL};
    const struct gemm_problem problem = {GEMM_BF16, false, false, 2, 2, 2, 2, 2, 2, 0, 0};
    for (size_t i = 0; i < COUNT(without); i++) {
        struct gemm_provider *provider;
        struct gemm gemm;
        gemmlp_error error;
        if (gm_gemm_open(without[i], &provider, NULL) != GEMMLP_OK)
            continue; /* a build without it */
        if (provider->kind->bf16) {
            gm_gemm_close(provider);
            continue; /* no CBLAS: the first that is there is another one */
        }
        assert_int_equal(gm_gemm_prepare(&gemm, provider, &problem, &error), GEMMLP_UNSUPPORTED);
        assert_non_null(strstr(error.message, provider->name));
        assert_non_null(strstr(error.message, "bf16"));
        gm_gemm_release(&gemm);
        gm_gemm_close(provider);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_products),
        cmocka_unit_test(test_any_number_of_threads),
        cmocka_unit_test(test_planner),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
