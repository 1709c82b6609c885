/* support.h: what the tests share: cmocka and the headers that it needs, numbers that are random
 * but the same on every machine, and comparisons that NaN and infinity cannot pass. */
#ifndef GM_TEST_SUPPORT_H
#define GM_TEST_SUPPORT_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

/* In [0, 1), a multiple of 2^-24; SplitMix64 (Steele, Lea, Flood 2014). Any seed will do. */
static inline double random_uniform(uint64_t *state)
{
    uint64_t bits = *state += 0x9E3779B97F4A7C15u;
    bits = (bits ^ bits >> 30) * 0xBF58476D1CE4E5B9u;
    bits = (bits ^ bits >> 27) * 0x94D049BB133111EBu;
    bits ^= bits >> 31;
    return (double)(bits >> 40) / 16777216.0;
}

/* n random numbers in [low, high]. For one seed both functions write the same numbers, for those in
 * double are rounded to float. */
static inline void fill_f32(float *out, size_t n, uint64_t seed, double low, double high)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (float)(low + (high - low) * random_uniform(&seed));
    }
}

static inline void fill_f64(double *out, size_t n, uint64_t seed, double low, double high)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (double)(float)(low + (high - low) * random_uniform(&seed));
    }
}

/* |a - b| / max(|a|, |b|), 0 for 0 and 0; infinite when a or b is NaN or infinite. */
static inline double relative_difference(double a, double b)
{
    if (!isfinite(a) || !isfinite(b)) {
        return INFINITY;
    }
    return a == b ? 0 : fabs(a - b) / fmax(fabs(a), fabs(b));
}

/* How far arrays, of whatever type, are apart: `struct difference d = {0};`, difference_add for
 * each pair, then difference_relative. */
struct difference {
    double gap;   /* the largest |a - b|; infinite after NaN or infinity */
    double value; /* the largest |a| or |b| */
};

static inline void difference_add(struct difference *difference, double a, double b)
{
    double gap = isfinite(a) && isfinite(b) ? fabs(a - b) : INFINITY;
    double value = fmax(fabs(a), fabs(b));
    /* Not by fmax: gcc 12 for AArch64 breaks off at a loop over floats that become double. */
    difference->gap = gap > difference->gap ? gap : difference->gap;
    difference->value = value > difference->value ? value : difference->value;
}

/* The largest |a - b| relative to the largest value. Infinite when nothing but zeros was added:
 * their being equal proves nothing. */
static inline double difference_relative(const struct difference *difference)
{
    if (!isfinite(difference->gap) || !(difference->value > 0)) {
        return INFINITY;
    }
    return difference->gap / difference->value;
}

/* difference_relative of two arrays of n numbers. */
static inline double array_difference_f32(const float *a, const float *b, size_t n)
{
    struct difference difference = {0};
    for (size_t i = 0; i < n; i++) {
        difference_add(&difference, (double)a[i], (double)b[i]);
    }
    return difference_relative(&difference);
}

static inline double array_difference_f64(const double *a, const double *b, size_t n)
{
    struct difference difference = {0};
    for (size_t i = 0; i < n; i++) {
        difference_add(&difference, a[i], b[i]);
    }
    return difference_relative(&difference);
}

/* Fails, naming both numbers and `what` (a string), unless |actual - expected| is at most tolerance
 * times the larger of |expected| and 1. NaN and infinity fail. */
#define assert_close(actual, expected, tolerance, what)                                            \
    check_close((actual), (expected), (tolerance), (what), __FILE__, __LINE__)

static inline void check_close(double actual, double expected, double tolerance, const char *what,
                               const char *file, int line)
{
    double scale = fmax(fabs(expected), 1);
    if (!isfinite(actual) || !(fabs(actual - expected) <= tolerance * scale)) {
        print_error("%s: %.17g instead of %.17g within %g\n", what, actual, expected, tolerance);
        _fail(file, line);
    }
}

/* Fails, naming the number and `what`, unless value is at most limit; NaN fails. */
#define assert_at_most(value, limit, what)                                                         \
    check_at_most((value), (limit), (what), __FILE__, __LINE__)

static inline void check_at_most(double value, double limit, const char *what, const char *file,
                                 int line)
{
    if (!(value <= limit)) {
        print_error("%s: %.3g is more than %.3g\n", what, value, limit);
        _fail(file, line);
    }
}

/* Exception flags that arithmetic has raised are not part of the state. */
#if defined(__x86_64__)
#define CONTROL_BITS(control) ((control) & ~0x3fu)
#else
#define CONTROL_BITS(control) (control)
#endif

#endif
