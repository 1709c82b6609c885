/* test_native_kernels.c: the inner loops of gemmlp's own products, those of every instruction set
 * that this processor has (a run uses the best only), against sums in double. All widths of tiles
 * and what is left beside them, k around whole vectors, beta = 0 on a C of NaN. The bound is that
 * of test_gemm.c. */
#include "support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "linalg/native_kernels.h"

enum { M_MOST = 31, N_MOST = 70, K_MOST = 100, GAP = 3, C_LD = N_MOST + GAP };

static const size_t heights[] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 29, M_MOST};
static const size_t widths[] = {1, 2, 3, 4, 5, 6, 8, 11, 16, 17, 32, 33, 64, N_MOST};
static const size_t depths[] = {1,  2,  3,  4,  5,  6,  7,  8,  9,     10,
                                11, 12, 13, 15, 16, 17, 31, 33, K_MOST};

static float number(struct native_block *block, size_t index)
{
    const uint32_t hash = (uint32_t)(index + block->m * 131 + block->k * 31) * 2654435761u;
    return (float)(hash >> 8) * 0x1p-24f - 0.5f;
}

/* C after `run` against op(A) op(B) summed in double; elements beside C keep what they had. */
static void check(const struct native_kernels *kernels, const char *kernel,
                  const struct native_block *block, const float *before, const float *c)
{
    for (size_t i = 0; i < block->m + 1; i++) {
        for (size_t j = 0; j < C_LD; j++) {
            const float found = c[i * C_LD + j], was = before[i * C_LD + j];
            if (i == block->m || j >= block->n) {
                assert_memory_equal(&found, &was, sizeof was);
                continue;
            }
            double sum = 0, size = 0;
            for (size_t p = 0; p < block->k; p++) {
                const double term = (double)block->a[i * block->a_row + p * block->a_step] *
                                    (double)block->b[p * block->b_step + j * block->b_column];
                sum += term;
                size += fabs(term);
            }
            sum *= (double)block->alpha;
            size *= fabs((double)block->alpha);
            if (block->beta != 0) {
                sum += (double)block->beta * (double)was;
                size += fabs((double)block->beta * (double)was);
            }
            char text[128];
            snprintf(text, sizeof text, "%s, %s, %zu x %zu x %zu: (%zu, %zu)", kernels->name,
                     kernel, block->m, block->n, block->k, i, j);
            assert_at_most(fabs((double)found - sum), (double)(block->k + 2) * 0x1p-24 * size,
                           text);
        }
    }
}

/* One block in all ways: as dot (NT), as outer of B as it lies and transposed, of A as it lies and
 * transposed, packed and not. */
enum way { DOT, NN, TN, NT, WAYS };

static void run_block(const struct native_kernels *kernels, enum way way, bool pack, size_t m,
                      size_t n, size_t k, float beta)
{
    static const char *const names[] = {"dot", "outer NN", "outer TN", "outer NT"};
    static float a[(M_MOST + GAP) * (K_MOST + GAP)], b[(N_MOST + GAP) * (K_MOST + GAP)];
    static float packed[2 * M_MOST * K_MOST], panel[2 * K_MOST * 32];
    static float before[(M_MOST + 1) * C_LD], c[(M_MOST + 1) * C_LD];
    const bool across = way == DOT || way == NT; /* B is stored (n x k) */
    struct native_block block = {.m = m,
                                 .n = n,
                                 .k = k,
                                 .a = a,
                                 .a_row = way == TN ? 1 : k + GAP,
                                 .a_step = way == TN ? m + GAP : 1,
                                 .b = b,
                                 .b_step = across ? 1 : n + GAP,
                                 .b_column = across ? k + GAP : 1,
                                 .panel = panel,
                                 .pack_panel = pack,
                                 .alpha = 0.75f,
                                 .beta = beta,
                                 .c = c,
                                 .ldc = C_LD};
    for (size_t i = 0; i < COUNT(a); i++)
        a[i] = number(&block, i);
    for (size_t i = 0; i < COUNT(b); i++)
        b[i] = number(&block, i + 70000);
    for (size_t i = 0; i < COUNT(c); i++)
        c[i] = before[i] = beta != 0 ? number(&block, i + 90000) : NAN;
    struct native_block given = block;
    given.keep_panel = !pack && k <= kernels->short_k;
    if (pack && way != DOT)
        kernels->pack_a(&given, packed);
    if (way == DOT)
        kernels->dot(&given);
    else
        kernels->outer(&given);
    check(kernels, names[way], &block, before, c);
}

static void test_kernels(void **state)
{
    (void)state;
    static const float betas[] = {0, 1, -0.5f};
    const struct native_kernels *kernels;
    size_t turn = 0;
    for (size_t index = 0; (kernels = gm_native_kernels_at(index)); index++)
        for (size_t i = 0; i < COUNT(heights) * COUNT(widths) * COUNT(depths); i++)
            for (enum way way = DOT; way < WAYS; way++, turn++)
                run_block(kernels, way, turn / 5 % 2, heights[i % COUNT(heights)],
                          widths[i / COUNT(heights) % COUNT(widths)],
                          depths[i / COUNT(heights) / COUNT(widths)], betas[turn / 7 % 3]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_kernels)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
