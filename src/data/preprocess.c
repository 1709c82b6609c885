/* preprocess.c: the table of pre-processings, and the statistics that they are fitted to.
 *
 * The training set is cut into chunks of rows whose number does not depend on the threads; each
 * chunk has its own sums, added up in order: the same bits for every thread count. */
#include "data/preprocess.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"

/* At most 65536, so that sums of squares of uint8 fit 32 bits (65536 * 255^2 < 2^32). */
enum { CHUNK_ROWS = 4096 };

static size_t chunk_count(const gemmlp_dataset *dataset)
{
    return (dataset->examples + CHUNK_ROWS - 1) / CHUNK_ROWS;
}

static size_t chunk_end(const gemmlp_dataset *dataset, size_t chunk)
{
    size_t end = (chunk + 1) * CHUNK_ROWS;
    return end < dataset->examples ? end : dataset->examples;
}

/* count * size bytes, zeroed; NULL and a message in *error. */
static void *allocate(size_t chunks, size_t features, size_t size, gemmlp_error *error)
{
    size_t count;
    void *memory = gm_mul(chunks, features, &count) ? calloc(count, size) : NULL;
    if (!memory)
        gm_fail_memory(error, "the statistics of the features",
                       count < SIZE_MAX / size ? count * size : SIZE_MAX);
    return memory;
}

/* ---- kernels: one row each ------------------------------------------------------------------ */

GM_KERNEL
static void add_u8(const uint8_t *restrict x, size_t features, uint32_t *restrict sum,
                   uint32_t *restrict squares)
{
    for (size_t k = 0; k < features; k++) {
        uint32_t value = x[k];
        sum[k] += value;
        squares[k] += value * value;
    }
}

GM_KERNEL
static void add_f32(const float *restrict x, const double *restrict about, size_t features,
                    double *restrict sum, double *restrict squares)
{
    for (size_t k = 0; k < features; k++) {
        double d = (double)x[k] - about[k];
        sum[k] += d;
        squares[k] += d * d;
    }
}

GM_KERNEL
static void range_u8(const uint8_t *restrict x, size_t features, float *lowest, float *highest)
{
    uint8_t low = x[0], high = x[0];
    for (size_t k = 0; k < features; k++) {
        low = x[k] < low ? x[k] : low;
        high = x[k] > high ? x[k] : high;
    }
    *lowest = low;
    *highest = high;
}

static void range_f32(const float *restrict x, size_t features, float *lowest, float *highest)
{
    float low = x[0], high = x[0];
    for (size_t k = 0; k < features; k++) {
        low = x[k] < low ? x[k] : low;
        high = x[k] > high ? x[k] : high;
    }
    *lowest = low;
    *highest = high;
}

GM_KERNEL
static bool all_finite(const float *x, size_t features)
{
    uint32_t found = 0;
    for (size_t k = 0; k < features; k++) {
        uint32_t bits;
        memcpy(&bits, &x[k], sizeof bits);
        found |= (bits & 0x7f800000u) == 0x7f800000u; /* the exponent of NaN and infinity */
    }
    return found == 0;
}

/* ---- statistics ---------------------------------------------------------------------------- */

static const uint8_t *u8_row(const gemmlp_dataset *dataset, size_t i)
{
    const gemmlp_arrays *arrays = &dataset->storage->arrays;
    return arrays->x_u8 + gm_dataset_row(dataset, i) * arrays->features;
}

static const float *f32_row(const gemmlp_dataset *dataset, size_t i)
{
    const gemmlp_arrays *arrays = &dataset->storage->arrays;
    return arrays->x_f32 + gm_dataset_row(dataset, i) * arrays->features;
}

/* One NaN would spoil every parameter, whatever the pre-processing: features must be finite. */
gemmlp_status gm_check_finite(const gemmlp_dataset *dataset, gemmlp_error *error)
{
    const size_t examples = dataset->examples;
    size_t bad = examples;
    if (dataset->storage->arrays.x_u8)
        return GEMMLP_OK;
#pragma omp parallel for schedule(static) reduction(min : bad)
    for (size_t i = 0; i < examples; i++)
        if (i < bad && !all_finite(f32_row(dataset, i), dataset->storage->arrays.features))
            bad = i;
    if (bad == examples)
        return GEMMLP_OK;
    const float *x = f32_row(dataset, bad);
    size_t k = 0;
    while (isfinite(x[k]))
        k++;
    return gm_fail(error, GEMMLP_BAD_DATA, "%s: feature %zu of example %zu is %s",
                   dataset->storage->path, k, bad, isnan(x[k]) ? "NaN" : "infinite");
}

/* sum[k] and squares[k] over the examples of x_k - about_k and its square. */
static gemmlp_status sums_f32(const gemmlp_dataset *dataset, const double *about, double *sum,
                              double *squares, gemmlp_error *error)
{
    const size_t features = dataset->storage->arrays.features, chunks = chunk_count(dataset);
    double *partial =
        allocate(chunks, features, 2 * sizeof *partial, error); /* (chunks x 2 features) */
    if (!partial)
        return GEMMLP_OUT_OF_MEMORY;
#pragma omp parallel for schedule(dynamic)
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        double *own = partial + chunk * 2 * features;
        for (size_t i = chunk * CHUNK_ROWS; i < chunk_end(dataset, chunk); i++)
            add_f32(f32_row(dataset, i), about, features, own, own + features);
    }
    for (size_t k = 0; k < features; k++)
        sum[k] = squares[k] = 0;
    for (size_t chunk = 0; chunk < chunks; chunk++)
        for (size_t k = 0; k < features; k++) {
            sum[k] += partial[chunk * 2 * features + k];
            squares[k] += partial[chunk * 2 * features + features + k];
        }
    free(partial);
    return GEMMLP_OK;
}

/* The same of x itself, exact. */
static gemmlp_status sums_u8(const gemmlp_dataset *dataset, uint64_t *sum, uint64_t *squares,
                             gemmlp_error *error)
{
    const size_t features = dataset->storage->arrays.features, chunks = chunk_count(dataset);
    uint32_t *partial =
        allocate(chunks, features, 2 * sizeof *partial, error); /* (chunks x 2 features) */
    if (!partial)
        return GEMMLP_OUT_OF_MEMORY;
#pragma omp parallel for schedule(dynamic)
    for (size_t chunk = 0; chunk < chunks; chunk++) {
        uint32_t *own = partial + chunk * 2 * features;
        for (size_t i = chunk * CHUNK_ROWS; i < chunk_end(dataset, chunk); i++)
            add_u8(u8_row(dataset, i), features, own, own + features);
    }
    for (size_t chunk = 0; chunk < chunks; chunk++)
        for (size_t k = 0; k < features; k++) {
            sum[k] += partial[chunk * 2 * features + k];
            squares[k] += partial[chunk * 2 * features + features + k];
        }
    free(partial);
    return GEMMLP_OK;
}

/* Mean and variance of n integers in 0 .. 255 from their sums. Moved by m = floor(mean), the sums
 * are still exact and the mean is below 1, so that the difference of squares does not cancel. */
static void moments_u8(uint64_t sum, uint64_t squares, uint64_t n, double *mean, double *variance)
{
    uint64_t m = sum / n;
    double d = (double)(sum - m * n) / (double)n;
    uint64_t moved =
        squares + m * m * n - 2 * m * sum; /* sum (x - m)^2; wraps back where it wraps */
    *mean = (double)m + d;
    *variance = (double)moved / (double)n - d * d;
}

static gemmlp_status measure_u8(const gemmlp_dataset *dataset, bool together, double *mean,
                                double *variance, gemmlp_error *error)
{
    const size_t features = dataset->storage->arrays.features, n = dataset->examples;
    uint64_t *sum = allocate(2, features, sizeof *sum, error);
    if (!sum)
        return GEMMLP_OUT_OF_MEMORY;
    uint64_t *squares = sum + features;
    gemmlp_status status = sums_u8(dataset, sum, squares, error);
    for (size_t k = 1; k < features && together; k++) {
        sum[0] += sum[k];
        squares[0] += squares[k];
    }
    for (size_t k = 0; k < features; k++)
        moments_u8(sum[together ? 0 : k], squares[together ? 0 : k], together ? n * features : n,
                   &mean[k], &variance[k]);
    free(sum);
    return status;
}

static double total(const double *values, size_t count)
{
    double sum = 0;
    for (size_t k = 0; k < count; k++)
        sum += values[k];
    return sum;
}

/* Two passes (Chan, Golub, LeVeque, "Algorithms for computing the sample variance", 1983): the
 * mean, from distances to the first example so that a constant has deviations of exactly 0; then
 * squares about it, corrected by what rounding left in their sum. */
static gemmlp_status measure_f32(const gemmlp_dataset *dataset, bool together, double *mean,
                                 double *variance, gemmlp_error *error)
{
    const size_t features = dataset->storage->arrays.features;
    const double n = (double)dataset->examples * (together ? (double)features : 1);
    const float *first = f32_row(dataset, 0);
    double *sum = allocate(1, features, sizeof *sum, error);
    if (!sum)
        return GEMMLP_OUT_OF_MEMORY;
    for (size_t k = 0; k < features; k++)
        mean[k] = first[together ? 0 : k];
    gemmlp_status status = GEMMLP_OK;
    for (int pass = 0; pass < 2 && status == GEMMLP_OK; pass++) {
        status = sums_f32(dataset, mean, sum, variance, error);
        double all = together ? total(sum, features) : 0,
               all_squares = together ? total(variance, features) : 0;
        for (size_t k = 0; k < features; k++) {
            double d = (together ? all : sum[k]) / n;
            mean[k] += d;
            variance[k] = (together ? all_squares : variance[k]) / n - d * d;
        }
    }
    free(sum);
    return status;
}

/* ---- the table ----------------------------------------------------------------------------- */

static gemmlp_status fit_none(const gemmlp_dataset *dataset, float *factor, float *offset,
                              gemmlp_error *error)
{
    (void)error;
    for (size_t k = 0; k < dataset->storage->arrays.features; k++) {
        factor[k] = 1;
        offset[k] = 0;
    }
    return GEMMLP_OK;
}

/* x' = (x - shift) / scale. Where `scale` has no finite inverse x is only shifted. The offset is
 * made of the rounded factor, lest their roundings differ by much more than x' where shift >>
 * scale. */
static void set(double shift, double scale, float *factor, float *offset)
{
    *factor = scale > 0 && 1 / scale <= (double)FLT_MAX ? (float)(1 / scale) : 1;
    *offset = (float)(-shift * (double)*factor);
}

static gemmlp_status fit_scale(const gemmlp_dataset *dataset, float *factor, float *offset,
                               gemmlp_error *error)
{
    const size_t features = dataset->storage->arrays.features, examples = dataset->examples;
    const bool bytes = dataset->storage->arrays.x_u8 != NULL;
    float lowest = INFINITY, highest = -INFINITY;
    (void)error;
#pragma omp parallel for schedule(static) reduction(min : lowest) reduction(max : highest)
    for (size_t i = 0; i < examples; i++) {
        float low, high;
        if (bytes)
            range_u8(u8_row(dataset, i), features, &low, &high);
        else
            range_f32(f32_row(dataset, i), features, &low, &high);
        lowest = low < lowest ? low : lowest;
        highest = high > highest ? high : highest;
    }
    for (size_t k = 0; k < features; k++)
        set(lowest, (double)highest - (double)lowest, &factor[k], &offset[k]);
    return GEMMLP_OK;
}

static gemmlp_status fit_moments(const gemmlp_dataset *dataset, bool together, float *factor,
                                 float *offset, gemmlp_error *error)
{
    const size_t features = dataset->storage->arrays.features;
    double *mean = allocate(2, features, sizeof *mean, error);
    if (!mean)
        return GEMMLP_OUT_OF_MEMORY;
    double *variance = mean + features;
    gemmlp_status status = dataset->storage->arrays.x_u8
                               ? measure_u8(dataset, together, mean, variance, error)
                               : measure_f32(dataset, together, mean, variance, error);
    for (size_t k = 0; k < features && status == GEMMLP_OK; k++)
        set(mean[k], variance[k] > 0 ? sqrt(variance[k]) : 0, &factor[k], &offset[k]);
    free(mean);
    return status;
}

static gemmlp_status fit_standardize(const gemmlp_dataset *dataset, float *factor, float *offset,
                                     gemmlp_error *error)
{
    return fit_moments(dataset, false, factor, offset, error);
}

static gemmlp_status fit_standardize_all(const gemmlp_dataset *dataset, float *factor,
                                         float *offset, gemmlp_error *error)
{
    return fit_moments(dataset, true, factor, offset, error);
}

static const struct preprocessor preprocessors[] = {
    {"none", "features as they are", fit_none},
    {"scale", "all features to 0 .. 1 by the smallest and largest value of the training set",
     fit_scale},
    {"standardize", "each feature to mean 0 and standard deviation 1; a constant one to 0",
     fit_standardize},
    {"standardize_all", "all features by one mean and one standard deviation, as for images",
     fit_standardize_all},
};

const struct preprocessor *gm_preprocessor_at(size_t index)
{
    return index < sizeof preprocessors / sizeof *preprocessors ? &preprocessors[index] : NULL;
}

const char *gm_preprocessor_name(size_t index)
{
    const struct preprocessor *preprocessor = gm_preprocessor_at(index);
    return preprocessor ? preprocessor->name : NULL;
}

gemmlp_status gm_preprocess_fit(const char *name, const gemmlp_dataset *dataset, float *factor,
                                float *offset, const struct preprocessor **chosen,
                                gemmlp_error *error)
{
    if (!name)
        name = dataset->storage->arrays.x_u8 ? "scale" : "standardize";
    size_t index;
    gemmlp_status status =
        gm_find_name("pre-processing", name, gm_preprocessor_name, &index, error);
    if (status != GEMMLP_OK)
        return status;
    *chosen = &preprocessors[index];
    status = gm_check_finite(dataset, error);
    if (status != GEMMLP_OK)
        return status;
    return (*chosen)->fit(dataset, factor, offset, error);
}
