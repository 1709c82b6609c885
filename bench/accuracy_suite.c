/* accuracy_suite.c: `bench accuracy`: seconds inside training until a test accuracy is reached:
 * whole runs of `gemmlp train`, each in a process of its own, seed after seed. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "child.h"
#include "cli/report.h"
#include "fields.h"
#include "statistics.h"

/* MNIST; settings chosen on a validation split of the training set. */
static const struct {
    double target;
    const char *train;
} standard[] = {
    {0.95,
     "--hidden 32 --batch 96 --epochs 1 --lr 0.02 --beta2 0.98 --warmup 0.2 --label-smoothing 0"},
    {0.98,
     "--hidden 160 --activation silu --batch 96 --epochs 2 --lr 0.009 --beta2 0.98 --warmup 0.2"},
    {0.985,
     "--hidden 384 --activation silu --batch 96 --epochs 3 --lr 0.007 --beta2 0.98 --warmup 0.2"},
};

/* One recipe and what its runs have shown, a number for each seed. */
struct recipe {
    double target;
    const char *train; /* words for `gemmlp train`, separated by blanks */
    double *seconds, *accuracy;
    size_t runs, reached;
    const char *status; /* of a run that failed, and ended the recipe; NULL: none did */
    char message[640];  /* why */
    json_t *last;       /* the results of one run */
};

static void take_line(void *context, const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    if (object) {
        json_decref(*(json_t **)context);
        *(json_t **)context = object;
    }
}

static void fail(struct recipe *recipe, const char *status, size_t seed, const char *message)
{
    recipe->status = status;
    snprintf(recipe->message, sizeof recipe->message, "seed %zu: %s", seed, message);
}

/* What a child has left behind. */
static void take_results(struct recipe *recipe, size_t seed, const struct bench_child *child,
                         json_t *results)
{
    static const char *const status[] = {
        [CHILD_FAILED] = "failed", [CHILD_CRASHED] = "crashed", [CHILD_HUNG] = "hung"};
    const double accuracy = bench_number(results, "test_accuracy");
    const double seconds = bench_number(results, "train_seconds");
    if (child->end == CHILD_INTERRUPTED)
        return;
    if (child->end != CHILD_DONE) {
        fail(recipe, status[child->end], seed,
             child->message[0] ? child->message : "it ended without a word");
    } else if (!(accuracy >= 0 && seconds > 0)) {
        fail(recipe, "failed", seed, "no test accuracy: expected data with a test part, or --test");
    } else {
        recipe->seconds[recipe->runs] = seconds;
        recipe->accuracy[recipe->runs++] = accuracy;
        recipe->reached += accuracy >= recipe->target;
        json_decref(recipe->last);
        recipe->last = json_incref(results);
    }
}

static void run_once(struct bench *bench, struct recipe *recipe, size_t seed, int threads)
{
    const char *const begin[] = {"gemmlp", "train", "--data", bench->options->data};
    char seed_text[24], threads_text[24], *copy = strdup(recipe->train), *rest;
    const char *const end[] = {"--seed", seed_text, "--threads", threads_text, "--json", NULL};
    enum { BEGIN = sizeof begin / sizeof *begin, END = sizeof end / sizeof *end };
    const char **words = calloc(BEGIN + strlen(recipe->train) / 2 + 1 + END, sizeof *words);
    if (!copy || !words) {
        fail(recipe, "failed", seed, "out of memory");
    } else {
        size_t n = BEGIN;
        json_t *results = NULL;
        struct bench_child child;
        snprintf(seed_text, sizeof seed_text, "%zu", seed);
        snprintf(threads_text, sizeof threads_text, "%d", threads);
        memcpy(words, begin, sizeof begin);
        for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest))
            words[n++] = word;
        memcpy(words + n, end, sizeof end);
        bench_child_run(words, threads, bench->options->timeout, take_line, &results, &child);
        take_results(recipe, seed, &child, results);
        json_decref(results);
    }
    free(words);
    free(copy);
}

/* What ran, as the runs themselves told it. */
static void copy_identity(struct record *record, const json_t *results)
{
    static const char *const keys[] = {
        "provider", "provider_path", "provider_version", "kernel", "precision",
        "threads",  "parameters",    "epochs",           "gflops", "examples_per_second"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        const json_t *value = json_object_get(results, keys[i]);
        if (value)
            cli_record_json(record, keys[i], json_deep_copy(value));
    }
}

static void record_verdict(struct record *record, const struct recipe *recipe)
{
    char message[96];
    if (recipe->status) {
        bench_record_failure(record, recipe->status, recipe->message);
    } else if (recipe->reached < recipe->runs) {
        snprintf(message, sizeof message, "%zu of %zu seeds reached it", recipe->reached,
                 recipe->runs);
        cli_record_text(record, "status", "missed");
        cli_record_text(record, "message", message);
    } else {
        cli_record_text(record, "status", "ok");
        cli_record_bool(record, "verified", true);
    }
}

/* Seconds are those of the recipe: they stand also where some runs missed the target, or one failed
 * after others had not. */
static void add_record(struct bench *bench, struct recipe *recipe)
{
    static const char format[] = "train --data %s %s";
    struct record record = cli_record_begin();
    char label[64];
    const size_t size = sizeof format + strlen(bench->options->data) + strlen(recipe->train);
    char *arguments = malloc(size);
    if (arguments)
        snprintf(arguments, size, format, bench->options->data, recipe->train);
    snprintf(label, sizeof label, "%g %% test accuracy", 100 * recipe->target);
    cli_record_text(&record, "suite", "accuracy");
    cli_record_text(&record, "case", label);
    copy_identity(&record, recipe->last);
    cli_record_text(&record, "arguments", arguments);
    cli_record_real(&record, "target", recipe->target);
    record_verdict(&record, recipe);
    if (recipe->runs > 0) {
        const struct bench_statistics accuracy = bench_statistics(recipe->accuracy, recipe->runs);
        cli_record_size(&record, "seeds", recipe->runs);
        cli_record_size(&record, "reached", recipe->reached);
        cli_record_real(&record, "test_accuracy_median", accuracy.median);
        cli_record_real(&record, "test_accuracy_min", accuracy.min);
        record.failed |= !bench_record_statistics(record.object, recipe->seconds, recipe->runs);
    }
    record.failed |= !arguments;
    free(arguments);
    bench_add_record(bench, cli_record_take(&record));
}

static int run(struct bench *bench, struct recipe *recipes, size_t count)
{
    const struct bench_options *options = bench->options;
    const int threads =
        options->threads.count ? (int)options->threads.items[0].size : gemmlp_default_threads();
    double *results = calloc(2 * count * options->seeds.count, sizeof *results);
    if (!results)
        return cli_failed_memory("the results");
    for (size_t i = 0; i < count; i++) {
        recipes[i].seconds = results + 2 * i * options->seeds.count;
        recipes[i].accuracy = recipes[i].seconds + options->seeds.count;
    }
    for (size_t s = 0; s < options->seeds.count; s++) {
        for (size_t i = 0; i < count && !bench_interrupted; i++) {
            bench_progress(bench, recipes[i].train, s * count + i, count * options->seeds.count);
            if (!recipes[i].status)
                run_once(bench, &recipes[i], options->seeds.items[s].size, threads);
        }
    }
    bench_progress_end();
    for (size_t i = 0; i < count; i++) {
        if (recipes[i].runs > 0 || recipes[i].status)
            add_record(bench, &recipes[i]);
        json_decref(recipes[i].last);
    }
    free(results);
    return EXIT_CODE_DONE;
}

int bench_run_accuracy(struct bench *bench)
{
    enum { STANDARD = sizeof standard / sizeof *standard };
    const struct bench_options *options = bench->options;
    struct recipe recipes[STANDARD] = {{0}};
    size_t count = 0;
    if (options->threads.count > 1 || options->provider)
        return cli_usage(bench->command, "bench accuracy: expected one number for --threads, and "
                                         "--provider among the words of --train");
    if (!options->data)
        return cli_usage(bench->command, "bench accuracy: --data is missing");
    if (!options->train && options->target >= 0)
        return cli_usage(bench->command, "--target: expected --train beside it");
    if (options->train)
        recipes[count++] = (struct recipe){.target = options->target >= 0 ? options->target : 0.98,
                                           .train = options->train};
    for (size_t i = 0; !options->train && i < STANDARD; i++)
        recipes[count++] =
            (struct recipe){.target = standard[i].target, .train = standard[i].train};
    if (!options->list)
        return run(bench, recipes, count);
    for (size_t i = 0; i < count; i++)
        printf("%g %%: gemmlp train --data %s %s\n", 100 * recipes[i].target, options->data,
               recipes[i].train);
    return EXIT_CODE_DONE;
}
