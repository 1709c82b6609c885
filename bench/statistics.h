/* statistics.h: from the samples of a measurement to its record.
 *
 * Samples are the seconds of each repetition. In: samples, and the record's facts that they are set
 * against (flop, batch, peak, reference). Out: everything in the record that follows from them.
 * A function that returns bool returns false when memory was short. */
#ifndef BENCH_STATISTICS_H
#define BENCH_STATISTICS_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

struct bench_statistics {
    double median, min, mean;
    double sd; /* of the samples, with n - 1: NaN for a single one */
};

/* Of n finite samples; all NaN when there are none, or no memory to sort them. */
struct bench_statistics bench_statistics(const double *samples, size_t n);

/* Sets a figure; one that is not finite is removed, for JSON has no NaN. */
bool bench_set_real(json_t *record, const char *key, double value);

/* Sets seconds_median, seconds_min, seconds_mean, seconds_sd, repetitions and samples; those that
 * do not exist are removed. */
bool bench_record_statistics(json_t *record, const double *samples, size_t n);

/* Sets what follows from seconds_median and the record's own flop, batch, peak_gflops, roof_gflops,
 * naive_seconds and fair_seconds: gflops, examples_per_second (of a step), peak_fraction,
 * roof_fraction, naive_speedup, fair_speedup; what no longer follows is removed. */
bool bench_record_derive(json_t *record);

/* Seconds of all parts of a step together; NaN without parts. */
double bench_parts_sum(const json_t *record);

/* Adds another round of the same measurement: samples are put together, and what follows from them
 * is computed anew (bench_record_derive). threads_ran, parts, naive_seconds and fair_seconds become
 * means weighted by repetitions; of peak_gflops and roof_gflops the higher, of residual the worse
 * is kept. A status that is not ok wins, and takes the figures away. speedup and efficiency compare
 * several records: they are removed, to be set when all rounds are in. */
bool bench_record_merge(json_t *into, const json_t *from);

#endif
