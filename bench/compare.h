/* compare.h: a report beside one that was written earlier: what has become faster, what slower, and
 * what is noise. */
#ifndef BENCH_COMPARE_H
#define BENCH_COMPARE_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

/* Records belong together when suite, case, provider, precision and threads are the same, and the
 * provider's path too where that alone leaves several.
 *
 * Each record of `report` that has such a partner gets baseline_seconds_median, ratio (new speed
 * over old speed), noise (the ratio or its inverse must exceed 1 + noise) and verdict: "faster",
 * "slower", "same (within noise)", "not comparable (peaks differ)", "unknown (too few samples)",
 * "broken" (it is not ok), "mended" (the partner was not); the others get the verdict "new". The
 * table goes to `out`, which may be NULL. False when memory was short. */
bool bench_compare(json_t *report, const json_t *baseline, FILE *out);

#endif
