/* statistics.c: see statistics.h. */
#include "statistics.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fields.h"

static int compare_doubles(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

struct bench_statistics bench_statistics(const double *samples, size_t n)
{
    struct bench_statistics s = {NAN, NAN, NAN, NAN};
    double *sorted = n > 0 ? calloc(n, sizeof *sorted) : NULL;
    if (!sorted) {
        return s;
    }
    memcpy(sorted, samples, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, compare_doubles);
    s.min = sorted[0];
    s.median = n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
    free(sorted);

    double sum = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        sum += samples[i];
    }
    s.mean = sum / (double)n;
    for (size_t i = 0; i < n; i++) {
        squares += (samples[i] - s.mean) * (samples[i] - s.mean);
    }
    s.sd = n > 1 ? sqrt(squares / (double)(n - 1)) : NAN;
    return s;
}

bool bench_set_real(json_t *record, const char *key, double value)
{
    if (!isfinite(value)) {
        json_object_del(record, key);
        return true;
    }
    return json_object_set_new(record, key, json_real(value)) == 0;
}

bool bench_record_statistics(json_t *record, const double *samples, size_t n)
{
    const struct bench_statistics s = bench_statistics(samples, n);
    bool done = bench_set_real(record, "seconds_median", s.median) &&
                bench_set_real(record, "seconds_min", s.min) &&
                bench_set_real(record, "seconds_mean", s.mean) &&
                bench_set_real(record, "seconds_sd", s.sd);
    if (n == 0) {
        json_object_del(record, "repetitions");
        json_object_del(record, "samples");
        return done;
    }
    json_t *array = json_array();
    for (size_t i = 0; i < n; i++) {
        done = done && json_array_append_new(array, json_real(samples[i])) == 0;
    }
    done = json_object_set_new(record, "samples", array) == 0 && done;
    return done && !isnan(s.median) &&
           json_object_set_new(record, "repetitions", json_integer((json_int_t)n)) == 0;
}

bool bench_record_derive(json_t *record)
{
    const double seconds = bench_number(record, "seconds_median");
    const double gflops = bench_number(record, "flop") / seconds / 1e9;
    const double batch =
        strcmp(bench_text(record, "suite"), "step") == 0 ? bench_number(record, "batch") : NAN;
    return bench_set_real(record, "gflops", gflops) &&
           bench_set_real(record, "examples_per_second", batch / seconds) &&
           bench_set_real(record, "peak_fraction", gflops / bench_number(record, "peak_gflops")) &&
           bench_set_real(record, "roof_fraction", gflops / bench_number(record, "roof_gflops")) &&
           bench_set_real(record, "naive_speedup",
                          bench_number(record, "naive_seconds") / seconds) &&
           bench_set_real(record, "fair_speedup", bench_number(record, "fair_seconds") / seconds);
}

double bench_parts_sum(const json_t *record)
{
    const char *key;
    json_t *part;
    double sum = 0;
    json_object_foreach(json_object_get(record, "parts"), key, part)
    {
        sum += json_number_value(part);
    }
    return sum > 0 ? sum : (double)NAN;
}

/* ---- merging --------------------------------------------------------------------------------- */

/* Either number where only one exists, else the mean under these weights. */
static bool merge_mean(json_t *into, double into_weight, const json_t *from, double from_weight,
                       const char *key)
{
    const double a = bench_number(into, key), b = bench_number(from, key);
    const double mean = (into_weight * a + from_weight * b) / (into_weight + from_weight);
    return bench_set_real(into, key, isnan(a) ? b : isnan(b) ? a : mean);
}

static bool merge_larger(json_t *into, const json_t *from, const char *key)
{
    return bench_set_real(into, key, fmax(bench_number(into, key), bench_number(from, key)));
}

static bool merge_parts(json_t *into, double into_weight, const json_t *from, double from_weight)
{
    json_t *ours = json_object_get(into, "parts"), *theirs = json_object_get(from, "parts");
    if (theirs && !ours) {
        ours = json_object();
        if (json_object_set_new(into, "parts", ours) != 0) {
            return false;
        }
    }
    bool done = true;
    const char *key;
    json_t *value;
    json_object_foreach(theirs, key, value)
    {
        done = done && merge_mean(ours, into_weight, theirs, from_weight, key);
    }
    return done;
}

static bool merge_samples(json_t *into, const json_t *from)
{
    const json_t *arrays[] = {json_object_get(into, "samples"), json_object_get(from, "samples")};
    const size_t count = json_array_size(arrays[0]) + json_array_size(arrays[1]);
    double *samples = calloc(count + 1, sizeof *samples);
    if (!samples) {
        return false;
    }
    size_t n = 0;
    for (size_t a = 0; a < 2; a++) {
        for (size_t i = 0; i < json_array_size(arrays[a]); i++) {
            samples[n++] = json_number_value(json_array_get(arrays[a], i));
        }
    }
    bool done = bench_record_statistics(into, samples, count);
    free(samples);
    return done;
}

static bool copy(json_t *into, const json_t *from, const char *key)
{
    json_t *value = json_object_get(from, key);
    return !value || json_object_set(into, key, value) == 0;
}

/* One of the two is not ok: what it says of that, and no figures. */
static bool merge_failure(json_t *into, const json_t *from)
{
    static const char *const figures[] = {"threads_ran", "parts", "speedup", "efficiency"};
    bool done = !bench_is_ok(into) || (copy(into, from, "status") && copy(into, from, "message") &&
                                       copy(into, from, "verified"));
    for (size_t i = 0; i < sizeof figures / sizeof *figures; i++) {
        json_object_del(into, figures[i]);
    }
    return bench_record_statistics(into, NULL, 0) && bench_record_derive(into) && done;
}

bool bench_record_merge(json_t *into, const json_t *from)
{
    bool done = merge_larger(into, from, "residual") && merge_larger(into, from, "peak_gflops") &&
                merge_larger(into, from, "roof_gflops");
    if (!bench_is_ok(into) || !bench_is_ok(from)) {
        return merge_failure(into, from) && done;
    }
    const double a = fmax(bench_number(into, "repetitions"), 0);
    const double b = fmax(bench_number(from, "repetitions"), 0);
    static const char *const means[] = {"threads_ran", "naive_seconds", "fair_seconds"};
    for (size_t i = 0; i < sizeof means / sizeof *means; i++) {
        done = merge_mean(into, a, from, b, means[i]) && done;
    }
    if (json_is_false(json_object_get(from, "verified"))) {
        done = json_object_set_new(into, "verified", json_false()) == 0 && done;
    }
    json_object_del(into, "speedup");
    json_object_del(into, "efficiency");
    if (!json_object_get(into, "fair_build")) {
        done = copy(into, from, "fair_build") && done;
    }
    return merge_parts(into, a, from, b) && merge_samples(into, from) &&
           bench_record_derive(into) && done;
}
