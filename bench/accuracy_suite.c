/* accuracy_suite.c: `bench accuracy`: seconds inside training until a test accuracy is reached: whole
 * runs of `gemmlp train`, each in a process of its own, seed after seed. */
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
    {0.95, "--hidden 64 --batch 128 --epochs 1 --lr 0.006 --label-smoothing 0"},
    {0.98, "--hidden 256 --batch 128 --epochs 3 --lr 0.008"},
    {0.985, "--hidden 512,256 --activation gelu --dropout 0.1 --batch 128 --epochs 5 --lr 0.004 "
            "--warmup 0.2"},
};

enum { MAX_WORDS = 128 };

/* One recipe and what its runs have shown, a number for each seed. */
struct recipe {
    double target;
    const char *train; /* words for `gemmlp train`, separated by blanks */
    double *seconds, *accuracy;
    size_t runs, reached;
    char message[512]; /* of a run that failed; "": none did */
    json_t *last;      /* the results of one run */
};

static void take_line(void *context, const char *line)
{
    json_t *object = json_loads(line, 0, NULL);
    if (object) {
        json_decref(*(json_t **)context);
        *(json_t **)context = object;
    }
}

/* The words after `gemmlp`, cut out of `copy`, a copy of the recipe's text; returns how many. */
static size_t make_words(const struct bench *bench, char *copy, const char *words[])
{
    size_t n = 0;
    words[n++] = "train";
    words[n++] = "--data";
    words[n++] = bench->options->data;
    for (char *word = strtok(copy, " "); word && n < MAX_WORDS - 8; word = strtok(NULL, " "))
        words[n++] = word;
    return n;
}

static void run_once(struct bench *bench, struct recipe *recipe, size_t seed, int threads)
{
    const char *words[MAX_WORDS] = {NULL};
    char number[2][24], *copy = strdup(recipe->train);
    if (!copy) {
        snprintf(recipe->message, sizeof recipe->message, "out of memory");
        return;
    }
    size_t n = make_words(bench, copy, words);
    snprintf(number[0], sizeof number[0], "%zu", seed);
    snprintf(number[1], sizeof number[1], "%d", threads);
    const char *const own[] = {"--seed", number[0], "--threads", number[1], "--json", "--quiet"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        words[n++] = own[i];
    json_t *results = NULL;
    struct bench_child child;
    bench_child_run(words, threads, bench->options->timeout, take_line, &results, &child);
    const double accuracy = bench_number(results, "test_accuracy");
    const double seconds = bench_number(results, "train_seconds");
    if (child.end == CHILD_DONE && accuracy >= 0 && seconds > 0) {
        recipe->seconds[recipe->runs] = seconds;
        recipe->accuracy[recipe->runs++] = accuracy;
        recipe->reached += accuracy >= recipe->target;
        json_decref(recipe->last);
        recipe->last = json_incref(results);
    } else if (child.end != CHILD_INTERRUPTED) {
        snprintf(recipe->message, sizeof recipe->message, "%s",
                 child.message[0] ? child.message
                                  : "no test accuracy: expected data with a test part, or --test");
    }
    json_decref(results);
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

static void add_record(struct bench *bench, struct recipe *recipe)
{
    struct record record = cli_record_begin();
    char label[64], arguments[1024];
    snprintf(label, sizeof label, "%g %% test accuracy", 100 * recipe->target);
    snprintf(arguments, sizeof arguments, "train --data %s %s", bench->options->data,
             recipe->train);
    cli_record_text(&record, "suite", "accuracy");
    cli_record_text(&record, "case", label);
    copy_identity(&record, recipe->last);
    cli_record_text(&record, "arguments", arguments);
    cli_record_real(&record, "target", recipe->target);
    if (recipe->message[0]) {
        bench_record_failure(&record, "failed", recipe->message);
    } else {
        const struct bench_statistics accuracy = bench_statistics(recipe->accuracy, recipe->runs);
        cli_record_text(&record, "status", "ok");
        cli_record_size(&record, "seeds", recipe->runs);
        cli_record_size(&record, "reached", recipe->reached);
        cli_record_real(&record, "test_accuracy_median", accuracy.median);
        cli_record_real(&record, "test_accuracy_min", accuracy.min);
        record.failed |= !bench_record_statistics(record.object, recipe->seconds, recipe->runs);
    }
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
            if (!recipes[i].message[0])
                run_once(bench, &recipes[i], options->seeds.items[s].size, threads);
        }
    }
    bench_progress(bench, "", 1, 1);
    for (size_t i = 0; i < count; i++) {
        if (recipes[i].runs > 0 || recipes[i].message[0])
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
    if (!options->train && options->target > 0)
        return cli_usage(bench->command, "--target: expected --train beside it");
    if (options->train)
        recipes[count++] = (struct recipe){.target = options->target > 0 ? options->target : 0.98,
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
