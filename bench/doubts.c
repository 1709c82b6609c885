/* doubts.c: see doubts.h. */
#include "doubts.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "core/portability.h"
#include "fields.h"
#include "statistics.h"

/* Of the median: then the median of a second run may well differ by half of that. */
static const double WIDE_SPREAD = 0.25;
/* The best of all rounds is the roof; a round that saw less than this share of it saw another
 * machine. */
static const double STEADY_ROOF = 0.8;
static const double ABOVE_PEAK = 1.02, ABOVE_THREADS = 1.1, PARTS_APART = 0.3, FAIR_SLOWER = 1.2;
/* Below this many FLOP a library may well be right to take one thread. */
static const double WORTH_SHARING = 1e7, THREADS_SHARE = 0.75;

static bool append(json_t *list, const char *format, ...) GM_PRINTF(2, 3);

static bool append(json_t *list, const char *format, ...)
{
    char text[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    return json_array_append_new(list, json_string(text)) == 0;
}

/* Takes the list over. */
static bool set_list(json_t *object, const char *key, json_t *list)
{
    if (json_array_size(list) > 0)
        return json_object_set_new(object, key, list) == 0;
    json_decref(list);
    json_object_del(object, key);
    return true;
}

/* ---- records ---- */

static bool doubt_record(json_t *record)
{
    const double median = bench_number(record, "seconds_median");
    const double spread = bench_number(record, "seconds_sd") / median;
    const double threads = bench_number(record, "threads");
    const double ran = bench_number(record, "threads_ran");
    const double parts = bench_parts_sum(record) / median;
    json_t *doubts = json_array();
    bool done = doubts != NULL;
    if (spread > WIDE_SPREAD)
        done =
            done && append(doubts, "its samples spread by %.0f %% of their median", 100 * spread);
    if (bench_number(record, "peak_fraction") > ABOVE_PEAK)
        done = done && append(doubts, "it is faster than the measured peak, which others must have "
                                      "disturbed");
    if (bench_number(record, "flop") > WORTH_SHARING && ran < THREADS_SHARE * threads)
        done = done && append(doubts, "of %.0f threads only %.2f ran on average", threads, ran);
    if (bench_number(record, "efficiency") > ABOVE_THREADS)
        done = done && append(doubts, "it gains more than its threads are: those with fewer must "
                                      "have been disturbed");
    if (fabs(parts - 1) > PARTS_APART)
        done = done && append(doubts, "its parts add up to %.0f %% of the whole step", 100 * parts);
    if (bench_number(record, "fair_seconds") > FAIR_SLOWER * bench_number(record, "naive_seconds"))
        done = done && append(doubts, "the parallel loops took longer than those on one thread");
    return done && set_list(record, "doubts", doubts);
}

/* ---- the report ---- */

static bool doubt_roof(json_t *warnings, const json_t *roof, const char *key, const char *least_key,
                       const char *what)
{
    const double best = bench_number(roof, key), least = bench_number(roof, least_key);
    return !(least < STEADY_ROOF * best) ||
           append(warnings,
                  "the measured %s on %.0f thread(s) went down to %.0f %% of its best in a round: "
                  "the machine changed its speed",
                  what, bench_number(roof, "threads"), 100 * least / best);
}

static bool doubt_roofs(json_t *warnings, const json_t *roofs)
{
    bool done = true;
    for (size_t i = 0; i < json_array_size(roofs); i++) {
        const json_t *roof = json_array_get(roofs, i);
        const double peak = bench_number(roof, "peak_gflops"), n = bench_number(roof, "threads");
        done = done && doubt_roof(warnings, roof, "peak_gflops", "peak_gflops_min", "peak") &&
               doubt_roof(warnings, roof, "bandwidth_gbytes", "bandwidth_gbytes_min", "bandwidth");
        for (size_t j = 0; j < json_array_size(roofs); j++) {
            const json_t *other = json_array_get(roofs, j);
            const double fewer = bench_number(other, "threads");
            if (fewer < n && bench_number(other, "peak_gflops") > peak)
                done = done && append(warnings,
                                      "the measured peak on %.0f threads is below that on %.0f: "
                                      "others had a CPU, and shares of the peak are too high",
                                      n, fewer);
        }
    }
    return done;
}

static double most_threads(const json_t *records)
{
    double threads = 1;
    for (size_t i = 0; i < json_array_size(records); i++)
        threads = fmax(threads, bench_number(json_array_get(records, i), "threads"));
    return threads;
}

bool bench_doubt(json_t *report, const struct bench_machine *machine,
                 const struct bench_activity *activity)
{
    const json_t *records = json_object_get(report, "records");
    char texts[BENCH_WARNINGS][BENCH_WARNING_SIZE];
    const size_t count =
        bench_machine_warnings(machine, activity, (int)most_threads(records), -1, texts);
    json_t *warnings = json_array();
    bool done = warnings != NULL;
    for (size_t i = 0; done && i < count; i++)
        done = append(warnings, "%s", texts[i]);
    done = done && doubt_roofs(warnings, json_object_get(report, "roofs"));
    done = set_list(report, "warnings", warnings) && done;
    for (size_t i = 0; i < json_array_size(records); i++)
        done = done && doubt_record(json_array_get(records, i));
    return done;
}
