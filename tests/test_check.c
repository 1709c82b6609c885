/* test_check.c: the benchmark's check of a product: right ones pass, and one wrong element, one
 * that was not written and one of NaN do not. */
#include <math.h>
#include <stdlib.h>

#include "check.h"
#include "core/rng.h"
#include "support.h"

/* A product of random operands, by the plain loop; both in the precision of the problem. */
struct product {
    struct gemm_problem problem;
    void *a, *b, *c;
};

static double get(const struct product *p, const void *x, size_t i)
{
    return p->problem.precision == GEMM_F64 ? ((const double *)x)[i]
                                            : (double)((const float *)x)[i];
}

static void set(const struct product *p, void *x, size_t i, double value)
{
    if (p->problem.precision == GEMM_F64)
        ((double *)x)[i] = value;
    else
        ((float *)x)[i] = (float)value;
}

static void *random_matrix(const struct product *p, size_t count, uint32_t lane)
{
    void *x = calloc(count, sizeof(double));
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        set(p, x, i, 2 * gm_uniform(gm_rng(3, RNG_EXAMPLES, lane, 0, i).u[0]) - 1);
    return x;
}

static struct product make(enum gemm_precision precision, bool ta, bool tb, size_t m, size_t n,
                           size_t k)
{
    struct product p = {.problem = {precision, ta, tb, m, n, k, ta ? m : k, tb ? k : n, n, 0, 0}};
    p.a = random_matrix(&p, m * k, 0);
    p.b = random_matrix(&p, k * n, 1);
    p.c = calloc(m * n, sizeof(double));
    assert_non_null(p.c);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t l = 0; l < k; l++)
                sum += get(&p, p.a, ta ? l * m + i : i * k + l) *
                       get(&p, p.b, tb ? j * k + l : l * n + j);
            set(&p, p.c, i * n + j, sum);
        }
    return p;
}

static double residual_of(const struct product *p)
{
    double residual;
    assert_true(bench_check_product(&p->problem, p->a, p->b, p->c, &residual));
    return residual;
}

static void discard(struct product *p)
{
    free(p->a);
    free(p->b);
    free(p->c);
}

static void test_right_products(void **state)
{
    (void)state;
    static const size_t sizes[][3] = {
        {1, 1, 1}, {3, 5, 7}, {10, 30, 784}, {64, 1, 300}, {1, 90, 2}};
    for (size_t i = 0; i < 8 * sizeof sizes / sizeof *sizes; i++) {
        const size_t *s = sizes[i / 8];
        const enum gemm_precision precision = i & 1 ? GEMM_F64 : GEMM_F32;
        struct product p = make(precision, i & 2, i & 4, s[0], s[1], s[2]);
        assert_true(residual_of(&p) <= bench_tolerance(&p.problem));
        discard(&p);
    }
}

/* Every single element counts, also when it is wrong by a tenth only. */
static void test_one_wrong_element(void **state)
{
    (void)state;
    struct product p = make(GEMM_F32, false, true, 33, 47, 100);
    for (size_t i = 0; i < 33 * 47; i++) {
        const double right = get(&p, p.c, i);
        set(&p, p.c, i, right + 0.1 * sqrt(100.0 / 9)); /* its typical size is sqrt(k) / 3 */
        assert_true(residual_of(&p) > 100 * bench_tolerance(&p.problem));
        set(&p, p.c, i, right);
    }
    assert_true(residual_of(&p) <= bench_tolerance(&p.problem));
    discard(&p);
}

/* Term after term in single precision, as netlib sums, with operands of one sign: the right result
 * of a slow library; and the same with one element that is wrong by a tenth. */
static void test_plain_sums(void **state)
{
    (void)state;
    static const size_t depths[] = {100, 4096, 65536};
    for (size_t d = 0; d < sizeof depths / sizeof *depths; d++) {
        const size_t m = 8, n = 32, k = depths[d];
        struct product p = make(GEMM_F32, false, false, m, n, k);
        float *a = p.a, *b = p.b, *c = p.c;
        for (size_t i = 0; i < m * k; i++)
            a[i] = 1 + a[i];
        for (size_t i = 0; i < k * n; i++)
            b[i] = 1 + b[i];
        for (size_t i = 0; i < m * n; i++) {
            c[i] = 0;
            for (size_t l = 0; l < k; l++)
                c[i] += a[i / n * k + l] * b[l * n + i % n];
        }
        assert_true(residual_of(&p) <= bench_tolerance(&p.problem));
        c[0] *= 1.1F;
        assert_true(residual_of(&p) > 2 * bench_tolerance(&p.problem));
        discard(&p);
    }
}

static void test_nan_and_infinity(void **state)
{
    (void)state;
    struct product p = make(GEMM_F32, true, false, 4, 5, 6);
    const double values[] = {NAN, INFINITY, -INFINITY};
    for (size_t v = 0; v < 3; v++)
        for (size_t i = 0; i < 20; i++) {
            const double right = get(&p, p.c, i);
            set(&p, p.c, i, values[v]);
            assert_true(isinf(residual_of(&p)));
            set(&p, p.c, i, right);
        }
    discard(&p);
}

/* What a swapped pair, a missing last term of the sum or a transposed operand would leave. */
static void test_wrong_products(void **state)
{
    (void)state;
    struct product p = make(GEMM_F64, false, false, 20, 20, 20);
    p.problem.transpose_b = true;
    assert_true(residual_of(&p) > 1e3 * bench_tolerance(&p.problem));
    p.problem.transpose_b = false;
    p.problem.k = 19;
    assert_true(residual_of(&p) > 1e3 * bench_tolerance(&p.problem));
    p.problem.k = 20;
    const double first = get(&p, p.c, 7), second = get(&p, p.c, 8);
    set(&p, p.c, 7, second);
    set(&p, p.c, 8, first);
    assert_true(residual_of(&p) > 1e3 * bench_tolerance(&p.problem));
    discard(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_products), cmocka_unit_test(test_one_wrong_element),
        cmocka_unit_test(test_plain_sums),     cmocka_unit_test(test_nan_and_infinity),
        cmocka_unit_test(test_wrong_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
