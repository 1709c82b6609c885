/* backends_suite.c: `bench backends` and `bench threads`: the cases of bench gemm or bench step,
 * once for each BLAS library, or once for each number of threads, each in a process of its own.
 *
 * Rounds go through all of them in turn, and every round begins with another one, so that a machine
 * that grows slower or faster in the meantime favours none. */
#define _XOPEN_SOURCE 700
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bench.h"
#include "child.h"
#include "cli/providers.h"
#include "cli/report.h"
#include "fields.h"
#include "linalg/blas_library.h"
#include "linalg/gemm.h"

/* A BLAS library, or a provider that is none. */
struct library {
    char word[BLAS_PATH_SIZE]; /* --provider of its children */
    char name[32];             /* these two as records have them; path "": not known */
    char path[BLAS_PATH_SIZE];
};

/* What one kind of child runs with. */
struct target {
    struct library *library;
    int threads;
    bool failed;
};

struct children {
    struct bench *bench;
    const char *measure; /* "gemm" or "step" */
    struct library *libraries;
    size_t library_count;
    struct target *targets; /* every library with every number of threads */
    size_t target_count;
    struct bench_case *cases; /* (case_count), of each target */
    size_t case_count;
    struct target *running;
    bool *done;   /* (case_count): by the child that runs */
    bool scaling; /* threads against threads: references are of no interest */
};

/* ---- which libraries there are ---- */

/* By a path only a CBLAS library can be asked for; its name may be that of none of the rows. */
static bool is_blas(const char *name)
{
    struct gemm_name row;
    for (size_t i = 0; (row = gm_gemm_name_at(i)).name; i++)
        if (strcmp(row.name, name) == 0)
            return row.kind == &gm_gemm_cblas;
    return true;
}

/* Each once; returns an exit code, as all of these. */
static int add_library(struct children *children, const char *name, const char *path)
{
    const char *word = path[0] && is_blas(name) ? path : name;
    for (size_t i = 0; i < children->library_count; i++)
        if (strcmp(children->libraries[i].word, word) == 0)
            return EXIT_CODE_DONE;
    struct library *grown =
        realloc(children->libraries, (children->library_count + 1) * sizeof *grown);
    if (!grown)
        return cli_failed_memory("the libraries");
    children->libraries = grown;
    struct library *library = &grown[children->library_count++];
    snprintf(library->word, sizeof library->word, "%s", word);
    snprintf(library->name, sizeof library->name, "%s", name);
    snprintf(library->path, sizeof library->path, "%s", path);
    return EXIT_CODE_DONE;
}

static int find_libraries(struct children *children)
{
    gemmlp_provider_info info;
    gemmlp_error error;
    struct blas_candidate candidate;
    int code = EXIT_CODE_DONE;
    for (size_t i = 0; !code && i < gm_blas_rows(); i++) /* where names lead, loading tells */
        if (cli_provider_probe(gm_blas_row_at(i)->name, &info, &error) == GEMMLP_OK)
            code = add_library(children, info.name, info.path);
    for (size_t i = 0; !code && gm_blas_candidate_at(i, &candidate); i++) {
        char *real = candidate.path[0] == '/' ? realpath(candidate.path, NULL) : NULL;
        if (real)
            code = add_library(children, candidate.row->name, real);
        free(real);
    }
    struct gemm_name name;
    for (size_t i = 0; !code && (name = gm_gemm_name_at(i)).name; i++)
        if (name.kind != &gm_gemm_cblas && name.kind != &gm_gemm_reference &&
            cli_provider_probe(name.name, &info, &error) == GEMMLP_OK)
            code = add_library(children, info.name, "");
    if (!code && children->library_count == 0) {
        cli_complain("no BLAS library was found; expected OpenBLAS (Debian: libopenblas0-openmp), "
                     "BLIS, MKL, ATLAS or netlib, or --provider PATH");
        code = EXIT_CODE_FAILED;
    }
    return code;
}

/* A name, or a path, of one provider. What cannot be loaded is kept as it was written, and its
 * child will say why; a name that there is not is refused. */
static int name_library(struct children *children, const char *word)
{
    gemmlp_provider_info info;
    gemmlp_error error;
    const bool is_path = strchr(word, '/') != NULL;
    if (strlen(word) >= BLAS_PATH_SIZE)
        return cli_usage(children->bench->command,
                         "--provider: expected at most %d bytes, found %zu in '%.40s…'",
                         BLAS_PATH_SIZE - 1, strlen(word), word);
    const gemmlp_status status = cli_provider_probe(word, &info, &error);
    if (status == GEMMLP_OK)
        return add_library(children, info.name, info.path);
    if (is_path)
        return add_library(children, "cblas", word);
    if (status == GEMMLP_INVALID_ARGUMENT)
        return cli_failed(children->bench->command, &error);
    return add_library(children, word, "");
}

/* --provider of backends: names and paths, separated by commas; or one path that has some. */
static int name_libraries(struct children *children, const char *list)
{
    if (strchr(list, '/') && access(list, F_OK) == 0)
        return name_library(children, list);
    int code = EXIT_CODE_DONE;
    for (const char *start = list, *end; !code && start; start = *end ? end + 1 : NULL) {
        end = start + strcspn(start, ",");
        char *word = strndup(start, (size_t)(end - start));
        code = word ? name_library(children, word) : cli_failed_memory("the libraries");
        free(word);
    }
    return code;
}

static int make_targets(struct children *children, const struct arg_list *counts)
{
    children->targets = calloc(counts->count * children->library_count, sizeof *children->targets);
    if (!children->targets)
        return cli_failed_memory("the libraries");
    for (size_t c = 0; c < counts->count; c++)
        for (size_t l = 0; l < children->library_count; l++)
            children->targets[children->target_count++] = (struct target){
                .library = &children->libraries[l], .threads = (int)counts->items[c].size};
    return EXIT_CODE_DONE;
}

/* ---- one child ---- */

static void take_roofs(struct bench *bench, const json_t *roofs)
{
    size_t i;
    json_t *object;
    json_array_foreach(roofs, i, object)
    {
        struct bench_roof roof = {.threads =
                                      (int)json_integer_value(json_object_get(object, "threads")),
                                  .peak = bench_number(object, "peak_gflops"),
                                  .bandwidth = bench_number(object, "bandwidth_gbytes"),
                                  .least_peak = bench_number(object, "peak_gflops_min"),
                                  .least_bandwidth = bench_number(object, "bandwidth_gbytes_min")};
        snprintf(roof.instruction_set, sizeof roof.instruction_set, "%s",
                 bench_text(object, "instruction_set"));
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
    struct library *library = children->running->library;
    snprintf(library->name, sizeof library->name, "%s", bench_text(object, "provider"));
    snprintf(library->path, sizeof library->path, "%s", bench_text(object, "provider_path"));
    for (size_t i = 0; i < children->case_count; i++)
        children->done[i] |= strcmp(children->cases[i].label, label) == 0;
    bench_add_record(children->bench, object);
}

/* A record without figures; where there is one with figures, they are lost. */
static void add_failure(struct children *children, const struct target *target,
                        const struct bench_case *of, const char *status, const char *message)
{
    struct gemm_provider provider = {0};
    struct bench_case c = *of;
    c.threads = target->threads;
    snprintf(provider.name, sizeof provider.name, "%s", target->library->name);
    snprintf(provider.path, sizeof provider.path, "%s", target->library->path);
    struct record record =
        bench_record_begin(children->measure, &c, &provider, children->bench->precision);
    bench_record_failure(&record, status, message);
    bench_add_record(children->bench, cli_record_take(&record));
}

/* The case at which a child ended before its time says so: the first without a record, or the last
 * when it crashed or hung after that. The cases behind keep what an earlier round has shown. */
static void record_end(struct children *children, struct target *target,
                       const struct bench_child *child)
{
    static const char *const status[] = {[CHILD_DONE] = "failed",
                                         [CHILD_FAILED] = "failed",
                                         [CHILD_CRASHED] = "crashed",
                                         [CHILD_HUNG] = "hung"};
    char message[sizeof child->message + 32];
    size_t at = 0;
    while (at + 1 < children->case_count && children->done[at])
        at++;
    const bool all = children->done[at];
    if (child->end == CHILD_INTERRUPTED ||
        (all && (child->end == CHILD_DONE || child->end == CHILD_FAILED)))
        return;
    snprintf(message, sizeof message, "%s%s",
             child->message[0] ? child->message : "it ended without a word",
             all ? ", after its measurement" : "");
    add_failure(children, target, &children->cases[at], status[child->end], message);
    for (size_t i = at + 1; i < children->case_count && children->bench->round == 0; i++)
        add_failure(children, target, &children->cases[i], "failed",
                    "not measured: its process had ended before");
    target->failed = true;
}

/* The options that a child shall have too, where they were given to us. */
static const char *const forwarded[] = {"--network",    "--batch",     "--m",
                                        "--n",          "--k",         "--operation",
                                        "--activation", "--optimizer", "--precision"};
enum { FORWARDED = sizeof forwarded / sizeof *forwarded };

static void run_child(struct children *children, struct target *target)
{
    struct bench *bench = children->bench;
    char repetitions[24], seconds[24], threads[24];
    snprintf(repetitions, sizeof repetitions, "%zu", bench_repetitions(bench));
    snprintf(seconds, sizeof seconds, "%.0f", ceil(bench_seconds(bench)));
    snprintf(threads, sizeof threads, "%d", target->threads);
    const char *words[32 + 2 * FORWARDED] = {
        "gemmlp",    "bench",     children->measure, "--provider", target->library->word,
        "--threads", threads,     "--repetitions",   repetitions,  "--rounds",
        "1",         "--seconds", seconds,           "--format",   "jsonl"};
    size_t n = 0;
    while (words[n])
        n++;
    const bool step = strcmp(children->measure, "step") == 0;
    if (step && (bench->options->no_reference || bench->round > 0 || children->scaling))
        words[n++] = "--no-reference";
    for (size_t i = 0; i < FORWARDED; i++) {
        const char *text = cli_arg_find(bench->args, forwarded[i] + strlen("--"))->text;
        if (text) {
            words[n++] = forwarded[i];
            words[n++] = text;
        }
    }
    struct bench_child child;
    memset(children->done, 0, children->case_count * sizeof *children->done);
    children->running = target;
    bench_child_run(words, target->threads, bench->options->timeout, take_line, children, &child);
    record_end(children, target, &child);
}

/* ---- all of them ---- */

static void run_rounds(struct children *children)
{
    struct bench *bench = children->bench;
    for (bench->round = 0; bench->round < bench->options->rounds; bench->round++) {
        for (size_t i = 0; i < children->target_count && !bench_interrupted; i++) {
            struct target *target = &children->targets[(i + bench->round) % children->target_count];
            bench_progress(bench, target->library->word, i, children->target_count);
            if (!target->failed)
                run_child(children, target);
        }
    }
    bench_progress_end();
}

static void print_targets(const struct children *children)
{
    for (size_t i = 0; i < children->target_count; i++) {
        const struct target *t = &children->targets[i];
        printf("%-10s %s, %d thread%s\n", t->library->name, t->library->path, t->threads,
               t->threads == 1 ? "" : "s");
    }
    for (size_t i = 0; i < children->case_count; i++)
        printf("%s\n", children->cases[i].label);
}

/* Makes the cases, and runs them with every library and every number of threads. */
static int run(struct children *children, const struct arg_list *counts)
{
    struct bench *bench = children->bench;
    const struct arg_list one = {.count = 1, .items[0].size = 1};
    const bool step = strcmp(children->measure, "step") == 0;
    int code = make_targets(children, counts);
    if (code == EXIT_CODE_DONE)
        code = (step ? bench_step_cases : bench_product_cases)(
            bench->command, &bench->options->cases, &one, &children->cases, &children->case_count);
    children->done = calloc(children->case_count + 1, sizeof *children->done);
    if (code == EXIT_CODE_DONE && !children->done)
        code = cli_failed_memory("the cases");
    bench->stream = false; /* what comes later, a crash or a comparison, changes a record */
    if (code == EXIT_CODE_DONE && bench->options->list)
        print_targets(children);
    else if (code == EXIT_CODE_DONE)
        run_rounds(children);
    free(children->done);
    free(children->cases);
    free(children->targets);
    return code;
}

const char *bench_measure(const struct bench_options *options, const char *suite)
{
    const char *usual = strcmp(suite, "backends") == 0  ? "gemm"
                        : strcmp(suite, "threads") == 0 ? "step"
                                                        : NULL;
    return usual && options->measure ? options->measure : usual;
}

int bench_run_backends(struct bench *bench)
{
    const struct bench_options *options = bench->options;
    struct children children = {.bench = bench, .measure = bench_measure(options, "backends")};
    struct arg_list counts = options->threads;
    if (counts.count == 0)
        counts.items[counts.count++].size = (size_t)gemmlp_default_threads();
    int code = options->provider ? name_libraries(&children, options->provider)
                                 : find_libraries(&children);
    if (code == EXIT_CODE_DONE)
        code = run(&children, &counts);
    free(children.libraries);
    return code;
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
    const struct bench_options *options = bench->options;
    struct children children = {
        .bench = bench, .measure = bench_measure(options, "threads"), .scaling = true};
    struct arg_list counts = options->threads;
    size_t fewest = SIZE_MAX;
    if (counts.count == 0)
        default_counts(&counts);
    for (size_t i = 0; i < counts.count; i++)
        fewest = counts.items[i].size < fewest ? counts.items[i].size : fewest;
    int code = options->provider ? name_library(&children, options->provider)
                                 : add_library(&children, "auto", ""); /* its plan for each count */
    if (code == EXIT_CODE_DONE)
        code = run(&children, &counts);
    compare_counts(bench, fewest);
    free(children.libraries);
    return code;
}
