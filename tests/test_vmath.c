/* test_vmath.c: the float functions of nn/vmath.h against libm in double, over all floats.
 *
 * Each is compiled as the library does, once for each instruction set (GM_KERNEL; with fused
 * multiply-adds where there are some) and once for the least one. A unit in the last place (ulp) is
 * that of the exact result as a float; infinity counts as the 2^128 that overflows to it. */
#include "support.h"

#include <float.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "nn/vmath.h"

#define LOOPS(name)                                                                                \
    GM_KERNEL static void name##_best(size_t n, const float *x, float *out)                        \
    {                                                                                              \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) out[i] = vm_##name(x[i]);               \
    }                                                                                              \
    static void name##_least(size_t n, const float *x, float *out)                                 \
    {                                                                                              \
        _Pragma("omp simd") for (size_t i = 0; i < n; i++) out[i] = vm_##name(x[i]);               \
    }

LOOPS(exp)
LOOPS(tanh)
LOOPS(log1p_unit)
LOOPS(erfc_positive)

/* The limits are those of vmath.h, over the arguments for which it promises them. */
static const struct function {
    const char *name;
    void (*best)(size_t n, const float *x, float *out);
    void (*least)(size_t n, const float *x, float *out);
    double (*exact)(double);
    float low, high;
    double ulp;
} functions[] = {
    {"exp", exp_best, exp_least, exp, -INFINITY, INFINITY, 3},
    {"tanh", tanh_best, tanh_least, tanh, -INFINITY, INFINITY, 3},
    {"log1p_unit", log1p_unit_best, log1p_unit_least, log1p, 0, 1, 3},
    {"erfc_positive", erfc_positive_best, erfc_positive_least, erfc, 0, INFINITY, 11},
};

/* Numbers beyond the range of float stand for infinity. */
static double limited(double x)
{
    return x > 0x1p128 ? 0x1p128 : x < -0x1p128 ? -0x1p128 : x;
}

/* Subnormal results have the ulp of the smallest normal ones. */
static double error_in_ulp(float found, double exact)
{
    if (isnan(found) || isnan(exact))
        return isnan(found) && isnan(exact) ? 0 : INFINITY;
    double magnitude = fabs(limited(exact));
    int exponent = magnitude < (double)FLT_MIN ? FLT_MIN_EXP - 1 : ilogb(magnitude);
    return fabs(limited((double)found) - limited(exact)) / ldexp(1, exponent - (FLT_MANT_DIG - 1));
}

struct worst {
    double ulp;
    float x, found;
};

static void note_worst(struct worst *worst, size_t n, const float *x, const float *found,
                       const double *exact)
{
    for (size_t i = 0; i < n; i++) {
        double ulp = error_in_ulp(found[i], exact[i]);
        if (ulp > worst->ulp)
            *worst = (struct worst){ulp, x[i], found[i]};
    }
}

static void check_worst(const struct function *f, const char *which, const struct worst *worst)
{
    char text[160];
    snprintf(text, sizeof text, "%s, %s: error in ulp, at %a (%.9g), where it is %.9g", f->name,
             which, (double)worst->x, (double)worst->x, (double)worst->found);
    assert_at_most(worst->ulp, f->ulp, text);
}

enum { BLOCK = 1000 };

struct sweep {
    const struct function *f;
    struct worst best, least;
    size_t n, tested;
    float x[BLOCK];
};

static void flush(struct sweep *sweep)
{
    float found[BLOCK];
    double exact[BLOCK];
    for (size_t i = 0; i < sweep->n; i++)
        exact[i] = sweep->f->exact((double)sweep->x[i]);
    sweep->f->best(sweep->n, sweep->x, found);
    note_worst(&sweep->best, sweep->n, sweep->x, found, exact);
    sweep->f->least(sweep->n, sweep->x, found);
    note_worst(&sweep->least, sweep->n, sweep->x, found, exact);
    sweep->tested += sweep->n;
    sweep->n = 0;
}

/* x, if the function is promised for it. */
static void add(struct sweep *sweep, float x)
{
    if (!isnan(x) && !(x >= sweep->f->low && x <= sweep->f->high))
        return;
    sweep->x[sweep->n++] = x;
    if (sweep->n == BLOCK)
        flush(sweep);
}

/* All 2^32 bit patterns in steps of a prime: each sign, exponent and NaN is met thousands of
 * times. */
static void test_all_floats(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT(functions); i++) {
        struct sweep sweep = {.f = &functions[i]};
        for (uint64_t bits = 0; bits <= UINT32_MAX; bits += 1361)
            add(&sweep, vm_float((uint32_t)bits));
        flush(&sweep);
        assert_true(sweep.tested > 700000);
        check_worst(&functions[i], "best instruction set", &sweep.best);
        check_worst(&functions[i], "least instruction set", &sweep.least);
    }
}

/* Finer where the formulas change: bounds of the result, of polynomials, of halves and of
 * exponents. */
static void test_seams(void **state)
{
    (void)state;
    static const float seams[] = {0.0f,       0x1p-126f,  0x1p-64f,   0x1p-24f,    0.34657359f,
                                  0.625f,     1.0f,       2.0f,       0.41421356f, 10.5f,
                                  9.0f,       10.054f,    88.722839f, 89.0f,       87.336548f,
                                  103.27893f, 103.97208f, 104.0f,     FLT_MAX};
    enum { AROUND = 20000 };
    for (size_t i = 0; i < COUNT(functions); i++) {
        struct sweep sweep = {.f = &functions[i]};
        for (size_t s = 0; s < COUNT(seams); s++) {
            for (uint32_t step = 0; step <= 2 * AROUND; step++) {
                uint32_t middle = vm_bits(seams[s]);
                if (middle + step < AROUND)
                    continue;
                float x = vm_float(middle + step - AROUND);
                add(&sweep, x);
                add(&sweep, -x);
            }
        }
        flush(&sweep);
        check_worst(&functions[i], "best instruction set", &sweep.best);
        check_worst(&functions[i], "least instruction set", &sweep.least);
    }
}

/* What has no rounding: both kernels, in each lane of a vector and in the rest of a loop. */
static void test_special_values(void **state)
{
    (void)state;
    static const struct {
        size_t function;
        float x, expected;
    } cases[] = {
        {0, 0.0f, 1},
        {0, -0.0f, 1},
        {0, INFINITY, INFINITY},
        {0, -INFINITY, 0},
        {0, FLT_MAX, INFINITY},
        {0, -FLT_MAX, 0},
        {0, FLT_TRUE_MIN, 1},
        {0, NAN, NAN},
        {0, 89.0f, INFINITY},
        {0, -104.0f, 0},
        {0, -NAN, NAN},
        {1, 0.0f, 0},
        {1, -0.0f, 0},
        {1, INFINITY, 1},
        {1, -INFINITY, -1},
        {1, FLT_MAX, 1},
        {1, -FLT_MAX, -1},
        {1, FLT_TRUE_MIN, FLT_TRUE_MIN},
        {1, -FLT_TRUE_MIN, -FLT_TRUE_MIN},
        {1, FLT_MIN, FLT_MIN},
        {1, NAN, NAN},
        {2, 0.0f, 0},
        {2, -0.0f, 0},
        {2, FLT_TRUE_MIN, FLT_TRUE_MIN},
        {2, FLT_MIN, FLT_MIN},
        {2, NAN, NAN},
        {3, 0.0f, 1},
        {3, -0.0f, 1},
        {3, INFINITY, 0},
        {3, FLT_MAX, 0},
        {3, FLT_TRUE_MIN, 1},
        {3, 10.5f, 0},
        {3, NAN, NAN},
    };
    enum { N = 35 };
    for (size_t c = 0; c < COUNT(cases); c++) {
        const struct function *f = &functions[cases[c].function];
        for (size_t at = 0; at < N; at++) {
            float x[N], best[N], least[N];
            for (size_t i = 0; i < N; i++)
                x[i] = 0.5f;
            x[at] = cases[c].x;
            f->best(N, x, best);
            f->least(N, x, least);
            if (isnan(cases[c].expected)) {
                assert_true(isnan(best[at]) && isnan(least[at]));
            } else if (best[at] != cases[c].expected || least[at] != cases[c].expected) {
                fail_msg("%s(%a) is %a and %a, not %a", f->name, (double)cases[c].x,
                         (double)best[at], (double)least[at], (double)cases[c].expected);
            }
            size_t other = (at + 1) % N;
            assert_true(error_in_ulp(best[other], f->exact(0.5)) <= f->ulp);
            assert_true(error_in_ulp(least[other], f->exact(0.5)) <= f->ulp);
        }
    }
}

/* The measure itself: neighbours are one ulp apart, at any magnitude. */
static void test_measure(void **state)
{
    (void)state;
    assert_true(error_in_ulp(1.0f, 1) == 0);
    assert_true(error_in_ulp(1.0f + FLT_EPSILON, 1) == 1);
    assert_true(error_in_ulp(3 * FLT_TRUE_MIN, 0) == 3);
    assert_true(error_in_ulp(INFINITY, (double)FLT_MAX) == 1);
    assert_true(error_in_ulp(FLT_MAX, 1e300) >= 0.5);
    assert_true(error_in_ulp(INFINITY, 1e300) == 0);
    assert_true(error_in_ulp(NAN, 1) == INFINITY);
    assert_true(error_in_ulp(1, NAN) == INFINITY);
    assert_true(error_in_ulp(-INFINITY, INFINITY) > 1e6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_measure),
        cmocka_unit_test(test_all_floats),
        cmocka_unit_test(test_seams),
        cmocka_unit_test(test_special_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
