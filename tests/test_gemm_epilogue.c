/* test_gemm_epilogue.c [PROVIDER]: the epilogue of a product sees each element once, when its sum
 * is whole, and is told where it is; one that consumes C as well, wherever its tiles lie. */
#include "products.h"

#include <omp.h>

/* What the epilogue is told of C, and how often it saw each element. */
struct witness {
    const struct gemm_problem *problem;
    unsigned char *c;
    void *taken; /* as C: NULL, or where results go, because tiles may lie anywhere */
    int *seen;   /* (m x n) */
    int *strange;
};

/* c, or taken, <- 2 c + 1, seen and counted. */
static void witness_apply(const void *context, const struct gemm_tile *tile)
{
    const struct witness *w = context;
    const struct gemm_problem *p = w->problem;
    const size_t at = tile->row * p->ldc + tile->column;
    if (tile->rows == 0 || tile->columns == 0 || tile->row + tile->rows > p->m ||
        tile->column + tile->columns > p->n || tile->ldc < tile->columns ||
        (!w->taken && (tile->ldc != p->ldc ||
                       (unsigned char *)tile->c != w->c + at * element_size(p->precision)))) {
#pragma omp atomic
        *w->strange += 1;
        return;
    }
    for (size_t i = 0; i < tile->rows; i++) {
        for (size_t j = 0; j < tile->columns; j++) {
            int *seen = &w->seen[(tile->row + i) * p->n + tile->column + j];
#pragma omp atomic
            *seen += 1;
            const size_t index = i * tile->ldc + j;
            const double result = 2 * get(p->precision, tile->c, index) + 1;
            if (w->taken)
                set(p->precision, w->taken, at + i * p->ldc + j, result);
            else
                set(p->precision, tile->c, index, result);
        }
    }
}

static void check_epilogue(const struct gemm_provider *provider, const struct gemm_problem *p,
                           bool consumes)
{
    if (is_refused(provider, p))
        return;
    const enum gemm_precision precision = p->precision;
    const bool at = p->transpose_a, bt = p->transpose_b;
    void *a = matrix_create(precision, at ? p->k : p->m, at ? p->m : p->k, p->lda, 1, NAN);
    void *b = matrix_create(precision, bt ? p->n : p->k, bt ? p->k : p->n, p->ldb, 2, NAN);
    void *c = matrix_create(precision, p->m, 0, p->ldc, 3, PAD);
    void *plain = matrix_create(precision, p->m, 0, p->ldc, 4, PAD);
    int *seen = calloc(p->m * p->n, sizeof *seen), strange = 0;
    assert_non_null(seen);
    void *taken = matrix_create(precision, p->m, 0, p->ldc, 5, PAD);
    const struct witness witness = {p, c, consumes ? taken : NULL, seen, &strange};
    const struct gemm_epilogue epilogue = {
        .apply = witness_apply, .context = &witness, .consumes = consumes};
    run(provider, p, 1, a, b, 0, plain, NULL);
    run(provider, p, 1, a, b, 0, c, &epilogue);
    const char *what = describe(provider, p, 1, 0);
    if (strange != 0)
        fail_msg("%s: %d tiles are not where they say", what, strange);
    for (size_t i = 0; i < p->m; i++) {
        for (size_t j = 0; j < p->ldc; j++) {
            double before = get(precision, plain, i * p->ldc + j);
            double after = get(precision, consumes ? taken : c, i * p->ldc + j);
            if (j < p->n && seen[i * p->n + j] != 1)
                fail_msg("%s: (%zu, %zu) was seen %d times", what, i, j, seen[i * p->n + j]);
            double expected = j < p->n ? 2 * before + 1 : PAD;
            if (!(fabs(after - expected) <= 1e-6 * (1 + fabs(expected))))
                fail_msg("%s: (%zu, %zu) is %g, not %g", what, i, j, after, expected);
        }
    }
    free(a);
    free(b);
    free(c);
    free(taken);
    free(plain);
    free(seen);
}

/* Around the sizes at which the sweep cuts tiles (2048 columns, 4096 elements) and goes
 * parallel: from 8193 elements on, if the product was work for several threads, 2^18
 * multiplications, or C has more than 65536. */
static void test_epilogue(void **state)
{
    (void)state;
    static const size_t shapes[][2] = {
        {1, 1},     {1, 2},    {2, 1},    {3, 5},    {4095, 1}, {4096, 1},  {4097, 1},
        {20001, 1}, {1, 2047}, {1, 2048}, {1, 2049}, {1, 4096}, {1, 4097},  {1, 20001},
        {5, 2047},  {5, 2048}, {5, 2049}, {3, 6145}, {300, 10}, {256, 784}, {784, 30},
        {1025, 3},  {7, 1365}, {9, 1366}, {2048, 4}, {8191, 1}, {1, 8193},  {6, 4096},
    };
    static const size_t depths[] = {3, 65};
    const int threads = omp_get_max_threads();
    for (size_t i = 0; provider_at(i / 4); i++) {
        for (size_t at = 0; at < COUNT(shapes) * COUNT(depths); at++) {
            const size_t s = at / COUNT(depths), d = at % COUNT(depths), pad = s % 3 * 4;
            const struct gemm_problem problem = {.precision = i & 1 ? GEMM_F64 : GEMM_F32,
                                                 .transpose_b = true,
                                                 .m = shapes[s][0],
                                                 .n = shapes[s][1],
                                                 .k = depths[d],
                                                 .lda = depths[d] + pad,
                                                 .ldb = depths[d] + 1,
                                                 .ldc = shapes[s][1] + pad};
            omp_set_num_threads(i & 2 ? 2 : 1);
            if (has_precision(provider_at(i / 4), problem.precision))
                check_epilogue(provider_at(i / 4), &problem, s % 2);
        }
    }
    omp_set_num_threads(threads);
}

/* Products with work for several threads, in blocks of k: no element is seen before its sum is
 * whole, or twice. */
static void test_epilogue_of_large_products(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{256, 10, 600}, {10, 784, 300},  {203, 300, 520},
                                       {97, 1100, 40}, {1100, 33, 257}, {33, 2100, 16}};
    const int threads = omp_get_max_threads();
    for (size_t i = 0; i < COUNT(shapes) * 24; i++) {
        const size_t *shape = shapes[i / 24];
        struct gemm_problem p = {.precision = i & 1 ? GEMM_F64 : GEMM_F32,
                                 .transpose_a = i & 2,
                                 .transpose_b = i & 4,
                                 .m = shape[0],
                                 .n = shape[1],
                                 .k = shape[2],
                                 .ldc = shape[1] + i / 8 % 3};
        p.lda = p.transpose_a ? p.m : p.k;
        p.ldb = p.transpose_b ? p.k : p.n;
        omp_set_num_threads(1 + (int)(i / 8 % 3));
        if (has_precision(tested, p.precision))
            for (int consumes = 0; consumes < 2; consumes++)
                check_epilogue(tested, &p, consumes);
    }
    omp_set_num_threads(threads);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_epilogue),
        cmocka_unit_test(test_epilogue_of_large_products),
    };
    const enum opened opened = open_providers(argc, argv);
    if (opened != OPENED)
        return end_without_providers(opened);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_providers();
    return failed;
}
