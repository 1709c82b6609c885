/* bench.h: what the suites of `gemmlp bench` share: the options, the state of a run, and the table
 * of suites.
 *
 *   options -> cases -> for each round, for each case: verify, warm up, sample -> record -> report
 *
 * A report is one JSON object: the facts of the machine and `records`, one for each case. The
 * tables, --compare and --plot read that object, and a child process hands its records to its
 * parent as lines of it. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

#include <signal.h>

#include "cases.h"
#include "cli/args.h"
#include "cli/record.h"
#include "core/error.h"
#include "linalg/gemm.h"
#include "machine.h"
#include "sampling.h"

struct bench_options {
    struct bench_case_options cases;
    struct arg_list threads; /* empty: the default number */
    const char *provider; /* one, or for `backends` a comma list; NULL: the default, all of them */
    const char *precision;
    const char *measure;      /* of `backends` and `threads`: the suite that each child runs */
    const char *data, *train; /* of `accuracy`: --data, and more words for `gemmlp train` */
    double target;
    struct arg_list seeds;
    size_t repetitions, rounds, seconds, timeout;
    bool no_reference, list;
    const char *format, *save, *compare, *plot;
    struct common_options common;
};

/* The roof over one number of threads: the best that any round has seen, for a machine that others
 * slow down has not become another one. */
struct bench_roof {
    int threads;
    char instruction_set[32];
    double peak;                        /* GFLOP/s of fused multiply-adds on registers */
    double bandwidth;                   /* GB/s of a STREAM triad */
    double least_peak, least_bandwidth; /* of all rounds */
};

enum { BENCH_ROOFS = 64 };

struct bench {
    const struct command *command;
    const struct bench_options *options;
    const char *suite;
    const struct args *args; /* the options as they were given, for children */
    const struct bench_machine *machine;
    enum gemm_precision precision;
    bool stream;     /* records go to stdout as lines of JSON, each when it is there */
    size_t round;    /* the one at hand, of options->rounds */
    json_t *report;  /* the whole object */
    json_t *records; /* its array of records, borrowed */
    struct bench_roof roofs[BENCH_ROOFS];
    size_t roof_count;
    bool failed; /* a record is missing, or is not "ok" */
};

/* A suite makes the records; returns an exit code, after a message when that is not 0. */
struct bench_suite {
    const char *name, *summary;
    int (*run)(struct bench *bench);
};
extern const struct bench_suite bench_suites[]; /* ends with a name of NULL */

/* Set by SIGINT and SIGTERM: suites return what they have. */
extern volatile sig_atomic_t bench_interrupted;

/* "gemm" or "step": what the children of `backends` or `threads` measure; NULL for other suites. */
const char *bench_measure(const struct bench_options *options, const char *suite);

/* Every suite returns at once with --list, after it has printed its cases. */
int bench_run_gemm(struct bench *bench);
int bench_run_step(struct bench *bench);
int bench_run_backends(struct bench *bench);
int bench_run_threads(struct bench *bench);
int bench_run_accuracy(struct bench *bench);

/* ---- run.c: cases, rounds and records ---- */

typedef int bench_make_cases(const struct command *command,
                             const struct bench_case_options *options,
                             const struct arg_list *threads, struct bench_case **out,
                             size_t *count);
typedef void bench_run_case(struct bench *bench, const struct bench_case *c,
                            const struct gemm_provider *provider);
/* Makes the cases, opens the provider, runs every case in every round. */
int bench_each_case(struct bench *bench, bench_make_cases *make, bench_run_case *run);

/* progress.c: what is being measured, and to be called between calls that may take seconds. */
void bench_progress(const struct bench *bench, const char *label, size_t index, size_t count);
void bench_tick(void);
void bench_progress_end(void);

/* Samples and seconds that one case may take in one round. */
size_t bench_repetitions(const struct bench *bench);
double bench_seconds(const struct bench *bench);

/* A record with everything that identifies the case. */
struct record bench_record_begin(const char *suite, const struct bench_case *c,
                                 const struct gemm_provider *provider,
                                 enum gemm_precision precision);
/* residual, tolerance, and "ok" or "wrong"; true: it may be timed. */
bool bench_record_verdict(struct record *record, const char *what, double residual,
                          double tolerance);
/* status "failed", "crashed", "hung", and why. */
void bench_record_failure(struct record *record, const char *status, const char *message);
/* Seconds and speed. flop of one call; bytes that must move between memory and processor at least
 * once in it. */
void bench_record_samples(struct record *record, const struct bench_samples *samples, double flop,
                          double bytes);
/* Adds the record to the report, or merges it into the one of an earlier round. Takes it over; NULL
 * is out of memory. */
void bench_add_record(struct bench *bench, json_t *record);
/* A roof that was measured here or by a child; of two for the same threads the best and the least
 * stay. */
void bench_note_roof(struct bench *bench, const struct bench_roof *roof);
/* Sets every record against the best roof there is; false: out of memory. */
bool bench_apply_roofs(struct bench *bench);

/* ---- publish.c: what becomes of the report ---- */

/* What would be regretted after an hour of measuring. False: *code is the exit code, and a message
 * has been printed. */
bool bench_check_outputs(const struct bench *bench, int *code);
/* Everything that was asked for is tried, whatever fails on the way; files first, for a reader of
 * stdout may go away. baseline: NULL without --compare. Returns an exit code. */
int bench_publish(struct bench *bench, const json_t *baseline, const char *format);
/* What the report has to say against itself, for whoever does not read it. */
void bench_warn(const struct bench *bench);

#endif
