/* test_gemm.c [PROVIDER]: a provider (the automatic one unless named) against the reference one,
 * and the reference against products worked out by hand.
 *
 * The bound. Let u be the unit roundoff, 2^-24 or 2^-53. A sum of k products in any order, scaled
 * by alpha, plus beta C0, is met by at most k + 2 roundings per term, so (Higham, "Accuracy and
 * Stability of Numerical Algorithms", 2002, section 3.5), with row a_i of op(A) and column b_j of
 * op(B),
 *
 *     |computed - exact|_ij  <=  g (|alpha| |a_i| |b_j|  +  |beta| |C0_ij|),
 *     g = (k + 2) u / (1 - (k + 2) u)
 *
 * where sum_l |a_il| |b_lj| was replaced by |a_i| |b_j|, Euclidean norms (Cauchy and Schwarz).
 * alpha and beta are numbers that float holds. In double the reference errs as much itself: both
 * get the bound. */

#include "products.h"

#include <omp.h>

/* The Euclidean norm of n elements, `stride` apart. */
static double norm(enum gemm_precision precision, const void *matrix, size_t first, size_t stride,
                   size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        double x = get(precision, matrix, first + i * stride);
        sum += x * x;
    }
    return sqrt(sum);
}

/* ---- provider against reference -------------------------------------------------------------- */

/* The largest error relative to the bound above. */
static double residual(const struct gemm_problem *p, double alpha, const void *a, const void *b,
                       double beta, const void *c_before, const void *c, const void *expected)
{
    const enum gemm_precision precision = p->precision;
    const double u = precision == GEMM_F64 ? 0x1p-53 : 0x1p-24, roundings = (double)p->k + 2;
    const double g = roundings * u / (1 - roundings * u) * (precision == GEMM_F64 ? 2 : 1);
    double *a_norm = malloc(p->m * sizeof *a_norm), worst = 0;
    assert_non_null(a_norm);
    for (size_t i = 0; i < p->m; i++)
        a_norm[i] =
            norm(precision, a, p->transpose_a ? i : i * p->lda, p->transpose_a ? p->lda : 1, p->k);
    for (size_t j = 0; j < p->n; j++) {
        double b_norm =
            norm(precision, b, p->transpose_b ? j * p->ldb : j, p->transpose_b ? 1 : p->ldb, p->k);
        for (size_t i = 0; i < p->m; i++) {
            size_t at = i * p->ldc + j;
            double scale = fabs(alpha) * a_norm[i] * b_norm;
            scale += beta != 0 ? fabs(beta * get(precision, c_before, at)) : 0;
            double error = fabs(get(precision, c, at) - get(precision, expected, at));
            /* Not a ratio of zeros: alpha = beta = 0 must leave zero. NaN stays the worst. */
            double relative = scale > 0 ? error / (g * scale) : error == 0 ? 0 : INFINITY;
            worst = relative <= worst ? worst : isnan(relative) ? INFINITY : relative;
        }
    }
    free(a_norm);
    return worst;
}

static void compare(const struct gemm_provider *provider, const struct gemm_problem *p,
                    double alpha, double beta, uint64_t seed)
{
    if (is_refused(provider, p))
        return;
    const enum gemm_precision precision = p->precision;
    const size_t bytes = p->m * p->ldc * element_size(precision);
    /* NaN in what must not be read. */
    void *a = matrix_create(precision, p->transpose_a ? p->k : p->m, p->transpose_a ? p->m : p->k,
                            p->lda, seed, NAN);
    void *b = matrix_create(precision, p->transpose_b ? p->n : p->k, p->transpose_b ? p->k : p->n,
                            p->ldb, seed + 1, NAN);
    void *before = matrix_create(precision, p->m, p->n, p->ldc, seed + 2, PAD);
    for (size_t i = 0; beta == 0 && i < p->m; i++)
        for (size_t j = 0; j < p->n; j++)
            set(precision, before, i * p->ldc + j, NAN);
    void *c = malloc(bytes), *expected = malloc(bytes);
    assert_non_null(c);
    assert_non_null(expected);
    memcpy(c, before, bytes);
    memcpy(expected, before, bytes);
    run(provider, p, alpha, a, b, beta, c, NULL);
    run(reference, p, alpha, a, b, beta, expected, NULL);
    const char *what = describe(provider, p, alpha, beta);
    assert_at_most(residual(p, alpha, a, b, beta, before, c, expected), 1, what);
    for (size_t i = 0; i < p->m; i++)
        for (size_t j = p->n; j < p->ldc; j++)
            if (get(precision, c, i * p->ldc + j) != PAD)
                fail_msg("%s: column %zu of C was written", what, j);
    free(a);
    free(b);
    free(before);
    free(c);
    free(expected);
}

static const struct {
    double alpha, beta;
} factors[] = {{1, 0}, {-0.0078125, 1}, {0.5, -1.75}, {1, 1}, {0, 1}, {0, 0}, {-2, 0.25}};

/* Every size with every other, NN, NT, TN and TT, float and double; factors, pads and one or two
 * threads in turn, so that each meets all of the others. */
static void test_products(void **state)
{
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 17, 31, 64, 65, 129};
    const size_t s = COUNT(sizes);
    const int threads = omp_get_max_threads();
    for (size_t p = 0; provider_at(p); p++) {
        if (provider_at(p) == reference)
            continue;
        size_t turn = 0;
        for (size_t i = 0; i < s * s * s; i++) {
            for (size_t kind = 0; kind < 8; kind++, turn++) {
                struct gemm_problem problem = {
                    .precision = kind & 1 ? GEMM_F64 : GEMM_F32,
                    .transpose_a = kind & 2,
                    .transpose_b = kind & 4,
                    .m = sizes[i % s],
                    .n = sizes[i / s % s],
                    .k = sizes[i / s / s],
                };
                problem.lda = (problem.transpose_a ? problem.m : problem.k) + turn % 3;
                problem.ldb = (problem.transpose_b ? problem.k : problem.n) + turn % 5;
                problem.ldc = problem.n + turn % 11 / 2;
                const size_t f = (turn + i) % COUNT(factors);
                omp_set_num_threads(1 + turn / 8 % 2);
                if (has_precision(provider_at(p), problem.precision))
                    compare(provider_at(p), &problem, factors[f].alpha, factors[f].beta, turn);
            }
        }
    }
    omp_set_num_threads(threads);
}

/* The shapes of networks: large and thin, sums that are long. */
static void test_network_shapes(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {
        {256, 128, 784},  {256, 10, 300},  {1, 300, 784},   {10, 30, 784}, {784, 1, 64},
        {3, 2, 20000},    {1, 5000, 3},    {5000, 1, 3},    {1, 1, 4097},  {250, 251, 253},
        {100, 200, 1024}, {1100, 40, 260}, {203, 300, 520}, {61, 620, 400}};
    for (size_t p = 0; provider_at(p); p++) {
        for (size_t i = 0; i < COUNT(shapes) * 8; i++) {
            const size_t *shape = shapes[i / 8];
            struct gemm_problem problem = {.precision = i & 1 ? GEMM_F64 : GEMM_F32,
                                           .transpose_a = i & 2,
                                           .transpose_b = i & 4,
                                           .m = shape[0],
                                           .n = shape[1],
                                           .k = shape[2],
                                           .ldc = shape[1]};
            problem.lda = problem.transpose_a ? problem.m : problem.k;
            problem.ldb = problem.transpose_b ? problem.k : problem.n;
            if (provider_at(p) != reference && has_precision(provider_at(p), problem.precision))
                compare(provider_at(p), &problem, 1, i & 8 ? 0 : -0.5, i);
        }
    }
}

/* One plan, run again and again: with other factors, on other operands, by fewer threads than it
 * was prepared for and by more. */
static void test_run_again(void **state)
{
    (void)state;
    enum { M = 67, N = 130, K = 71, RUNS = 4 * COUNT(factors) };
    const struct gemm_problem p = {GEMM_F32, true, false, M, N, K, M + 1, N + 2, N + 3, 0, 0};
    const int threads = omp_get_max_threads();
    for (int prepared = 1; prepared <= 2; prepared++) {
        struct gemm gemm;
        omp_set_num_threads(prepared);
        assert_int_equal(gm_gemm_prepare(&gemm, tested, &p, NULL), GEMMLP_OK);
        for (size_t i = 0; i < RUNS; i++) {
            const double alpha = factors[i % COUNT(factors)].alpha;
            const double beta = factors[i % COUNT(factors)].beta;
            float *a = matrix_create(GEMM_F32, K, M, p.lda, i, NAN);
            float *b = matrix_create(GEMM_F32, K, N, p.ldb, i + 100, NAN);
            float *before = matrix_create(GEMM_F32, M, N, p.ldc, i + 200, PAD);
            float *c = matrix_create(GEMM_F32, M, N, p.ldc, i + 200, PAD);
            float *expected = matrix_create(GEMM_F32, M, N, p.ldc, i + 200, PAD);
            omp_set_num_threads(1 + (int)i / 2 % 2);
            gm_gemm_run(&gemm, alpha, a, b, beta, c, NULL);
            run(reference, &p, alpha, a, b, beta, expected, NULL);
            assert_at_most(residual(&p, alpha, a, b, beta, before, c, expected), 1,
                           describe(tested, &p, alpha, beta));
            free(a);
            free(b);
            free(before);
            free(c);
            free(expected);
        }
        gm_gemm_release(&gemm);
    }
    omp_set_num_threads(threads);
}

/* Around the edges of tiles: widths of vectors and registers, short sums and sums in blocks, rows
 * of odd lengths, as products of C for the first time and with the factors of training: alpha =
 * -eta / B and beta = 1 - eta lambda, which are rounded to float here. */
static void test_tile_edges(void **state)
{
    (void)state;
    static const size_t rows[] = {1, 5, 23, 47, 48, 49, 97, 193};
    static const size_t columns[] = {7,  8,  9,  15, 16, 23, 24,  25, 32,
                                     33, 40, 47, 56, 63, 96, 100, 264};
    static const size_t depths[] = {1, 7, 8, 10, 63, 64, 255, 257, 1025};
    const double alpha[] = {1, 1, (double)(float)(-0.1 / 60), (double)(float)(-0.1 / 60)};
    const double beta[] = {0, 1, 1, (double)(float)(1 - 0.1 * 1e-3)};
    const int threads = omp_get_max_threads();
    uint64_t turn = 0;
    for (size_t i = 0; i < COUNT(rows) * COUNT(columns) * COUNT(depths); i++, turn++) {
        struct gemm_problem p = {.precision = turn % 5 == 0 ? GEMM_F64 : GEMM_F32,
                                 .transpose_a = turn % 3 == 1,
                                 .transpose_b = turn % 3 == 2,
                                 .m = rows[i % COUNT(rows)],
                                 .n = columns[i / COUNT(rows) % COUNT(columns)],
                                 .k = depths[i / COUNT(rows) / COUNT(columns)]};
        p.lda = (p.transpose_a ? p.m : p.k) + turn / 2 % 4 * 3;
        p.ldb = (p.transpose_b ? p.k : p.n) + turn / 3 % 4 * 5;
        p.ldc = p.n + turn / 5 % 4 * 7;
        const size_t f = turn / 7 % COUNT(alpha);
        omp_set_num_threads(1 + (int)(turn % 3));
        if (has_precision(tested, p.precision))
            compare(tested, &p, alpha[f], beta[f], turn);
    }
    omp_set_num_threads(threads);
}

/* The bits of one product are the same for every number of threads, more than it has scratch for
 * included. */
static void check_same_bits(const struct gemm_problem *p, double alpha, double beta)
{
    float *a = matrix_create(GEMM_F32, p->m, p->k, p->k, 1, 0),
          *b = matrix_create(GEMM_F32, p->k, p->n, p->n, 2, 0);
    const size_t bytes = sizeof(float) * p->m * p->n;
    float *one = matrix_create(GEMM_F32, p->m, p->n, p->n, 3, 0), *many = malloc(bytes);
    float *before = malloc(bytes);
    assert_non_null(many);
    assert_non_null(before);
    memcpy(before, one, bytes);
    omp_set_num_threads(1);
    run(tested, p, alpha, a, b, beta, one, NULL);
    for (int t = 2; t < 40; t += t < 8 ? 1 : 11) {
        memcpy(many, before, bytes);
        omp_set_num_threads(t);
        run(tested, p, alpha, a, b, beta, many, NULL);
        if (memcmp(many, one, bytes) != 0)
            fail_msg("%s: other bits on %d threads", describe(tested, p, alpha, beta), t);
    }
    free(a);
    free(b);
    free(one);
    free(many);
    free(before);
}

/* What native promises beyond the contract. Tiles of all heights and widths, short sums and those
 * whose last block is short; factors that round. (xsmm rounds beta C in one tile and not in
 * another: it promises no more than products without it, by a factor that does not round.) */
static void test_same_bits(void **state)
{
    (void)state;
    static const size_t shapes[][3] = {{203, 300, 520}, {64, 520, 100},  {61, 784, 10},
                                       {30, 100, 784},  {40, 300, 9217}, {250, 100, 30}};
    static const double betas[] = {0, 1, 0.9};
    const int threads = omp_get_max_threads();
    const bool native = strcmp(tested->name, "native") == 0;
    if (!native && strcmp(tested->name, "xsmm") != 0)
        return;
    for (size_t i = 0; i < COUNT(shapes) * 4 * COUNT(betas); i++) {
        const size_t *shape = shapes[i / 4 / COUNT(betas)];
        struct gemm_problem p = {.precision = GEMM_F32,
                                 .transpose_a = i & 1,
                                 .transpose_b = i & 2,
                                 .m = shape[0],
                                 .n = shape[1],
                                 .k = shape[2],
                                 .ldc = shape[1]};
        p.lda = p.transpose_a ? p.m : p.k;
        p.ldb = p.transpose_b ? p.k : p.n;
        if (native)
            check_same_bits(&p, (double)-0.3f, (double)(float)betas[i / 4 % COUNT(betas)]);
        else
            check_same_bits(&p, -0.25, 0);
    }
    omp_set_num_threads(threads);
}

/* A (forward) or B (gradient) with a copy for each thread: NaN in all but the first unless the
 * provider says that it reads them, and between them. */
static void check_copies(bool gradient, size_t m, size_t n, size_t k, int threads)
{
    enum { PADDING = 48 };
    const struct gemm_problem plain = {GEMM_F32,         gradient,         !gradient, m, n, k,
                                       gradient ? m : k, gradient ? n : k, n,         0, 0};
    const size_t inputs = gradient ? k * n : m * k, stride = inputs + PADDING;
    float *copies = malloc((size_t)threads * stride * sizeof *copies);
    float *x = matrix_create(GEMM_F32, 1, inputs, inputs, 1, 0);
    float *other =
        gradient ? matrix_create(GEMM_F32, k, m, m, 2, 0) : matrix_create(GEMM_F32, n, k, k, 2, 0);
    float *expected = malloc(m * n * sizeof *expected), *c = malloc(m * n * sizeof *c);
    assert_true(copies && expected && c);
    omp_set_num_threads(threads);
    run(tested, &plain, 1, gradient ? other : x, gradient ? x : other, 0, expected, NULL);
    struct gemm_problem problem = plain;
    problem.copy_a = gradient ? 0 : stride;
    problem.copy_b = gradient ? stride : 0;
    struct gemm gemm;
    assert_int_equal(gm_gemm_prepare(&gemm, tested, &problem, NULL), GEMMLP_OK);
    const bool read = gm_gemm_reads_copies(&gemm);
    for (size_t i = 0; i < (size_t)threads * stride; i++) {
        const bool filled = i % stride < inputs && (i < stride || read);
        copies[i] = filled ? x[i % stride] : NAN;
    }
    if (strcmp(tested->name, "native") == 0)
        assert_int_equal(read, threads > 1 && m * n * k > 1000 * 1000);
    gm_gemm_run(&gemm, 1, gradient ? other : copies, gradient ? copies : other, 0, c, NULL);
    assert_memory_equal(c, expected, m * n * sizeof *c);
    gm_gemm_release(&gemm);
    free(copies), free(x), free(other), free(expected), free(c);
}

static void test_copies(void **state)
{
    (void)state;
    const int threads = omp_get_max_threads();
    for (int t = 1; t <= 3; t++) {
        check_copies(false, 64, 192, 100, t);
        check_copies(true, 192, 100, 64, t);
        check_copies(false, 8, 10, 30, t); /* for one thread */
        check_copies(true, 10, 30, 8, t);
    }
    omp_set_num_threads(threads);
}

/* [1 2 3; 4 5 6] [7 8; 9 10; 11 12] = [58 64; 139 154], in each way to store the factors, in rows
 * that are longer than the matrix. */
static void test_by_hand(void **state)
{
    (void)state;
    static const double a_rows[] = {1, 2, 3, 0, 4, 5, 6, 0}, a_columns[] = {1, 4, 2, 5, 3, 6};
    static const double b_rows[] = {7, 8, 0, 9, 10, 0, 11, 12, 0};
    static const double b_columns[] = {7, 9, 11, 0, 0, 8, 10, 12, 0, 0};
    static const double product[] = {58, 64, 139, 154}, c_before[] = {1, -2, -3, 4};
    for (size_t i = 0; provider_at(i / 8); i++) {
        const enum gemm_precision precision = i & 1 ? GEMM_F64 : GEMM_F32;
        const struct gemm_problem problem = {.precision = precision,
                                             .transpose_a = i & 2,
                                             .transpose_b = i & 4,
                                             .m = 2,
                                             .n = 2,
                                             .k = 3,
                                             .lda = i & 2 ? 2 : 4,
                                             .ldb = i & 4 ? 5 : 3,
                                             .ldc = 4};
        double a[8], b[10], c[8];
        if (!has_precision(provider_at(i / 8), precision))
            continue;
        for (size_t j = 0; j < (i & 2 ? 6 : 8); j++)
            set(precision, a, j, i & 2 ? a_columns[j] : a_rows[j]);
        for (size_t j = 0; j < (i & 4 ? 10 : 9); j++)
            set(precision, b, j, i & 4 ? b_columns[j] : b_rows[j]);
        for (size_t j = 0; j < 8; j++)
            set(precision, c, j, j % 4 < 2 ? c_before[j / 4 * 2 + j % 4] : PAD);
        run(provider_at(i / 8), &problem, 2, a, b, -10, c, NULL);
        for (size_t j = 0; j < 8; j++) {
            size_t at = j / 4 * 2 + j % 4;
            double expected = j % 4 < 2 ? 2 * product[at] - 10 * c_before[at] : PAD;
            assert_true(get(precision, c, j) == expected);
        }
    }
}

/* NaN or infinity in A or B reaches each element that it belongs to, also past zeros: divergence
 * must not go unseen. */
static void test_nan_spreads(void **state)
{
    (void)state;
    enum { N = 40 };
    static float a[N * N], b[N * N], c[N * N];
    for (size_t p = 0; provider_at(p); p++) {
        const struct gemm_problem problem = {GEMM_F32, false, false, N, N, N, N, N, N, 0, 0};
        memset(a, 0, sizeof a);
        fill_f32(b, COUNT(b), 1, -1, 1);
        a[7 * N + 9] = NAN;
        a[8 * N + 3] = INFINITY;
        run(provider_at(p), &problem, 1, a, b, 0, c, NULL);
        for (size_t j = 0; j < N; j++) {
            assert_true(isnan(c[7 * N + j]));
            assert_false(isfinite(c[8 * N + j]));
            assert_true(c[9 * N + j] == 0);
        }
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand),        cmocka_unit_test(test_products),
        cmocka_unit_test(test_network_shapes), cmocka_unit_test(test_tile_edges),
        cmocka_unit_test(test_same_bits),      cmocka_unit_test(test_nan_spreads),
        cmocka_unit_test(test_run_again),      cmocka_unit_test(test_copies),
    };
    const enum opened opened = open_providers(argc, argv);
    if (opened != OPENED)
        return end_without_providers(opened);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_providers();
    return failed;
}
