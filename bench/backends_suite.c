/* backends_suite.c: `bench backends` and `bench threads`: the cases of bench gemm or bench step, once
 * for each BLAS library, or once for each number of threads, each in a process of its own.
 *
 * Rounds go through all of them in turn, and every round begins with another one, so that a machine
 * that grows slower or faster in the meantime favours none. */
#define _XOPEN_SOURCE 700
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "child.h"
#include "cli/providers.h"
#include "cli/report.h"
#include "fields.h"
#include "linalg/blas_library.h"

enum { MAX_TARGETS = 64 };

/* What one kind of child runs with. */
struct target {
    char name[32];             /* of the provider */
    char path[BLAS_PATH_SIZE]; /* of its library; "": not known */
    int threads;
    bool failed;
};

struct children {
    struct bench *bench;
    const char *measure; /* "gemm" or "step" */
    struct target targets[MAX_TARGETS];
    size_t target_count;
    struct bench_case *cases; /* (case_count), of each target */
    size_t case_count;
    struct target *running;
    bool *done;   /* (case_count): by the child that runs */
    bool scaling; /* threads against threads: references are of no interest */
};

/* ---- which libraries there are ---- */

static bool add_target(struct children *children, const char *name, const char *path, int threads)
{
    for (size_t i = 0; i < children->target_count; i++) {
        const struct target *t = &children->targets[i];
        if (path[0] && strcmp(t->path, path) == 0 && t->threads == threads)
            return true;
    }
    if (children->target_count == MAX_TARGETS)
        return false;
    struct target *target = &children->targets[children->target_count++];
    *target = (struct target){.threads = threads};
    snprintf(target->name, sizeof target->name, "%s", name);
    snprintf(target->path, sizeof target->path, "%s", path);
    return true;
}

static void find_libraries(struct children *children, int threads)
{
    gemmlp_provider_info info;
    gemmlp_error error;
    struct blas_candidate candidate;
    for (size_t i = 0; i < gm_blas_rows(); i++) /* where the loader's names lead, loading tells */
        if (cli_provider_probe(gm_blas_row_at(i)->name, &info, &error) == GEMMLP_OK)
            add_target(children, info.name, info.path, threads);
    for (size_t i = 0; gm_blas_candidate_at(i, &candidate); i++) {
        char *real = candidate.path[0] == '/' ? realpath(candidate.path, NULL) : NULL;
        if (real)
            add_target(children, candidate.row->name, real, threads);
        free(real);
    }
}

/* A name, or a path, of one provider; what cannot be loaded stays as it was written, and its child
 * will say why. */
static void name_library(struct children *children, const char *word, int threads)
{
    gemmlp_provider_info info;
    gemmlp_error error;
    const bool is_path = strchr(word, '/') != NULL;
    if (cli_provider_probe(word, &info, &error) == GEMMLP_OK)
        add_target(children, info.name, info.path, threads);
    else
        add_target(children, is_path ? "cblas" : word, is_path ? word : "", threads);
}

/* --provider of backends: names and paths, separated by commas. */
static void name_libraries(struct children *children, const char *list, int threads)
{
    for (const char *start = list;; start += strcspn(start, ",") + 1) {
        char word[BLAS_PATH_SIZE];
        const size_t length = strcspn(start, ",");
        snprintf(word, sizeof word, "%.*s", length < sizeof word ? (int)length : 0, start);
        name_library(children, word, threads);
        if (start[length] == '\0')
            return;
    }
}

/* ---- one child ---- */

/* "--name=text" for the options that a child shall have too, of those that were given to us. */
static size_t forwarded(const struct bench *bench, char *options[], size_t room)
{
    static const char *const names[] = {"network",   "batch",      "m",         "n",        "k",
                                        "operation", "activation", "optimizer", "precision"};
    size_t count = 0;
    for (size_t i = 0; i < sizeof names / sizeof *names && count < room; i++) {
        const struct arg_slot *slot = cli_arg_find(bench->args, names[i]);
        const size_t size = slot->text ? strlen(names[i]) + strlen(slot->text) + 4 : 0;
        char *option = size ? malloc(size) : NULL;
        if (option) {
            snprintf(option, size, "--%s=%s", names[i], slot->text);
            options[count++] = option;
        }
    }
    return count;
}

static void take_roofs(struct bench *bench, const json_t *roofs)
{
    size_t i;
    json_t *object;
    json_array_foreach(roofs, i, object)
    {
        const struct bench_roof roof = {
            .threads = (int)json_integer_value(json_object_get(object, "threads")),
            .instruction_set = bench->machine->instruction_set,
            .peak = bench_number(object, "peak_gflops"),
            .bandwidth = bench_number(object, "bandwidth_gbytes")};
        bench_note_roof(bench, &roof);
    }
}

/* A line of the child's JSON: the head of its report, or a record. */
static void take_line(void *context, const char *line)
{
    struct children *children = context;
    json_t *object = json_loads(line, 0, NULL);
    const char *label = json_string_value(json_object_get(object, "case"));
    if (!label) {
        take_roofs(children->bench, json_object_get(object, "roofs"));
        json_decref(object);
        return;
    }
    snprintf(children->running->name, sizeof children->running->name, "%s",
             bench_text(object, "provider"));
    for (size_t i = 0; i < children->case_count; i++)
        children->done[i] |= strcmp(children->cases[i].label, label) == 0;
    bench_add_record(children->bench, object);
}

/* The case at which a child ended before its time gets a record that says so. */
static void record_end(struct children *children, struct target *target,
                       const struct bench_child *child)
{
    static const char *const status[] = {
        [CHILD_FAILED] = "failed", [CHILD_CRASHED] = "crashed", [CHILD_HUNG] = "hung"};
    for (size_t i = 0; i < children->case_count && child->end != CHILD_INTERRUPTED; i++) {
        if (children->done[i])
            continue;
        struct gemm_provider provider = {0};
        struct bench_case c = children->cases[i];
        snprintf(provider.name, sizeof provider.name, "%s", target->name);
        snprintf(provider.path, sizeof provider.path, "%s", target->path);
        c.threads = target->threads;
        struct record record =
            bench_record_begin(children->measure, &c, &provider, children->bench->precision);
        bench_record_failure(&record, child->end == CHILD_DONE ? "failed" : status[child->end],
                             child->message[0] ? child->message : "it ended without a word");
        bench_add_record(children->bench, cli_record_take(&record));
        target->failed = true;
        return;
    }
}

static void run_child(struct children *children, struct target *target)
{
    struct bench *bench = children->bench;
    char *options[16], repetitions[24], seconds[24], threads[24];
    const char *words[40] = {"bench", children->measure};
    size_t n = 2;
    const size_t count = forwarded(bench, options, sizeof options / sizeof *options);
    for (size_t i = 0; i < count; i++)
        words[n++] = options[i];
    snprintf(repetitions, sizeof repetitions, "%zu", bench_repetitions(bench));
    snprintf(seconds, sizeof seconds, "%.0f", bench_seconds(bench) + 0.5);
    snprintf(threads, sizeof threads, "%d", target->threads);
    const char *const own[] = {"--provider",    target->path[0] ? target->path : target->name,
                               "--threads",     threads,
                               "--repetitions", repetitions,
                               "--seconds",     seconds,
                               "--rounds",      "1",
                               "--format",      "jsonl",
                               "--quiet"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        words[n++] = own[i];
    if (bench->options->no_reference || bench->round > 0 || children->scaling)
        words[n++] = "--no-reference";
    struct bench_child child;
    memset(children->done, 0, children->case_count * sizeof *children->done);
    children->running = target;
    bench_child_run(words, target->threads, bench->options->timeout, take_line, children, &child);
    record_end(children, target, &child);
    for (size_t i = 0; i < count; i++)
        free(options[i]);
}

/* ---- all of them ---- */

static void run_rounds(struct children *children)
{
    struct bench *bench = children->bench;
    for (bench->round = 0; bench->round < bench->options->rounds; bench->round++) {
        for (size_t i = 0; i < children->target_count && !bench_interrupted; i++) {
            struct target *target = &children->targets[(i + bench->round) % children->target_count];
            bench_progress(bench, target->path[0] ? target->path : target->name, i,
                           children->target_count);
            if (!target->failed)
                run_child(children, target);
        }
    }
    bench_progress(bench, "", children->target_count, children->target_count);
}

static void print_targets(const struct children *children)
{
    for (size_t i = 0; i < children->target_count; i++) {
        const struct target *t = &children->targets[i];
        printf("%-10s %s, %d thread%s\n", t->name, t->path, t->threads, t->threads == 1 ? "" : "s");
    }
    for (size_t i = 0; i < children->case_count; i++)
        printf("%s\n", children->cases[i].label);
}

static int run(struct children *children)
{
    struct bench *bench = children->bench;
    const struct arg_list one = {.count = 1, .items[0].size = 1};
    const bool step = strcmp(children->measure, "step") == 0;
    int code = (step ? bench_step_cases : bench_product_cases)(
        bench->command, &bench->options->cases, &one, &children->cases, &children->case_count);
    children->done = calloc(children->case_count + 1, sizeof *children->done);
    if (code == EXIT_CODE_DONE && !children->done)
        code = cli_failed_memory("the cases");
    if (code == EXIT_CODE_DONE && bench->options->list)
        print_targets(children);
    else if (code == EXIT_CODE_DONE)
        run_rounds(children);
    free(children->done);
    free(children->cases);
    return code;
}

int bench_run_backends(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct children children = {.bench = bench,
                                .measure = options->measure ? options->measure : "gemm"};
    const size_t counts = options->threads.count ? options->threads.count : 1;
    for (size_t i = 0; i < counts; i++) {
        const int threads =
            options->threads.count ? (int)options->threads.items[i].size : gemmlp_default_threads();
        if (options->provider)
            name_libraries(&children, options->provider, threads);
        else
            find_libraries(&children, threads);
    }
    if (children.target_count == 0) {
        cli_complain("no BLAS library was found; expected OpenBLAS (Debian: libopenblas0-openmp), "
                     "BLIS, MKL, ATLAS or netlib, or --provider PATH");
        return EXIT_CODE_FAILED;
    }
    return run(&children);
}

/* 1, 2, 4, … and all there are. */
static void default_counts(struct arg_list *counts)
{
    const size_t all = (size_t)gemmlp_default_threads();
    for (size_t n = 1; n < all; n *= 2)
        counts->items[counts->count++].size = n;
    counts->items[counts->count++].size = all;
}

/* How much faster than with the fewest threads, and which share of what one could hope for. */
static void compare_counts(const struct bench *bench, size_t fewest)
{
    size_t i, j;
    json_t *record, *base;
    json_array_foreach(bench->records, i, record)
    {
        json_array_foreach(bench->records, j, base)
        {
            const double threads = bench_number(record, "threads");
            const double speedup =
                bench_number(base, "seconds_median") / bench_number(record, "seconds_median");
            if (bench_number(base, "threads") != (double)fewest || !(speedup > 0) ||
                !json_equal(json_object_get(base, "case"), json_object_get(record, "case")))
                continue;
            json_object_set_new(record, "speedup", json_real(speedup));
            json_object_set_new(record, "efficiency",
                                json_real(speedup * (double)fewest / threads));
        }
    }
}

int bench_run_threads(struct bench *bench)
{
    struct children children = {.bench = bench,
                                .measure =
                                    bench->options->measure ? bench->options->measure : "step",
                                .scaling = true};
    struct arg_list counts = bench->options->threads;
    size_t fewest = SIZE_MAX;
    if (counts.count == 0)
        default_counts(&counts);
    for (size_t i = 0; i < counts.count; i++) {
        const size_t threads = counts.items[i].size;
        fewest = threads < fewest ? threads : fewest;
        add_target(&children, bench->options->provider ? bench->options->provider : "auto", "",
                   (int)threads);
    }
    const int code = run(&children);
    compare_counts(bench, fewest);
    return code;
}
