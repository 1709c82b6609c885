/* bench.c: the subcommand `gemmlp bench`: options, the suite and its report. What becomes of that
 * is in publish.c. */
#define _POSIX_C_SOURCE 200809L /* stpcpy */
#include "bench.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "cli/gnuplot.h"
#include "cli/names.h"
#include "cli/report.h"
#include "doubts.h"
#include "machine.h"
#include "report.h"
#include "statistics.h"

const struct bench_suite bench_suites[] = {
    {"gemm", "the matrix products of a network, or of any m x n x k", bench_run_gemm},
    {"step", "whole training steps, where their time goes, beside plain loops", bench_run_step},
    {"backends", "gemm or step with every BLAS library that is installed", bench_run_backends},
    {"threads", "gemm or step with more and more threads", bench_run_threads},
    {"accuracy", "seconds of training to a test accuracy, over several seeds", bench_run_accuracy},
    {0},
};

#define AT(member) offsetof(struct bench_options, member)

static const struct arg case_rows[] = {
    {"network", 0, ARG_STRING, "LIST", AT(cases.network),
     .help = "SIZES[:BATCH[:ACTIVATION]],… such as 784-30-10:10:sigmoid,784-128-64-10:64; by "
             "default five from 784-30-10 to 4096-4096-4096-4096 for steps, 784-128-64-10:64 and "
             "784-1024-1024-10:256 for products"},
    {"batch", 0, ARG_RANGES, "LIST", AT(cases.batch), .lower = 1, .upper = 1 << 24,
     .help = "examples per step, instead of those in --network; as all lists of numbers it takes "
             "16,64 and 16-64+16 and 16-1024*2"},
    {"activation", 0, ARG_NAMES, "LIST", AT(cases.activation), .registry = GEMMLP_ACTIVATIONS,
     .help = "of the hidden layers, instead of those in --network"},
    {"optimizer", 0, ARG_NAMES, "LIST", AT(cases.optimizer), .registry = GEMMLP_OPTIMIZERS,
     .help = "of steps (default sgd)"},
    {"m", 0, ARG_RANGES, "LIST", AT(cases.m), .lower = 1, .upper = 1 << 24,
     .help = "rows of C: products m x n x k instead of those of networks"},
    {"n", 0, ARG_RANGES, "LIST", AT(cases.n), .lower = 1, .upper = 1 << 24, .help = "columns of C"},
    {"k", 0, ARG_RANGES, "LIST", AT(cases.k), .lower = 1, .upper = 1 << 24,
     .help = "columns of op(A), rows of op(B)"},
    {"operation", 0, ARG_STRING, "LIST", AT(cases.operation),
     .help = "NN, NT, TN, TT: which of A and B are stored transposed (default NN)"},
    {"precision", 0, ARG_CHOICE, "f32|f64|bf16", AT(precision),
     .help = "of products; steps are in f32 or bf16"},
    {"threads", 0, ARG_RANGES, "LIST", AT(threads), .lower = 1, .upper = 4096,
     .help = "by default all that this process may use; bench threads: 1, 2, 4 … all"},
    {"provider", 0, ARG_STRING, "NAME|PATH", AT(provider),
     .help = "of the matrix products: a name of 'gemmlp info --machine' or the path of a CBLAS "
             "library; bench backends takes a list"},
    {"measure", 0, ARG_CHOICE, "gemm|step", AT(measure),
     .help = "what bench backends (default gemm) and bench threads (default step) run"},
    {"data", 0, ARG_STRING, "PATH", AT(data), .help = "bench accuracy: what is trained on"},
    {"train", 0, ARG_STRING, "WORDS", AT(train),
     .help = "bench accuracy: options for gemmlp train in one word, such as '--hidden 256 --epochs "
             "3'; by default three settings for MNIST"},
    {"target", 0, ARG_REAL, "SHARE", AT(target), .range = RANGE_SHARE,
     .help = "bench accuracy: the test accuracy to be reached"},
    {"seeds", 0, ARG_RANGES, "LIST", AT(seeds), .lower = 0, .upper = 1000000,
     .help = "bench accuracy: one run for each"},
};

static const struct arg measurement_rows[] = {
    {"repetitions", 'r', ARG_SIZE, "N", AT(repetitions), .lower = 1, .upper = 100000,
     .help = "samples of each case; each lasts 2 ms or more"},
    {"rounds", 0, ARG_SIZE, "N", AT(rounds), .lower = 1, .upper = 1000,
     .help = "the repetitions are taken in so many rounds through all cases, so that a machine "
             "that changes its speed is seen in the spread"},
    {"seconds", 0, ARG_SIZE, "N", AT(seconds), .lower = 1, .upper = 86400,
     .help = "at most this long for the samples of one case, but one sample in each round"},
    {"timeout", 0, ARG_SIZE, "N", AT(timeout), .lower = 1, .upper = 86400,
     .help = "seconds after which a child process that is silent has hung; one that works says so "
             "every 10 s"},
    {"no-reference", 0, ARG_FLAG, NULL, AT(no_reference),
     .help = "bench step: verify, but do not time the plain loops"},
    {"list", 0, ARG_FLAG, NULL, AT(list), .help = "print the cases and measure nothing"},
};

static const struct arg output_rows[] = {
    {"format", 0, ARG_CHOICE, "md|csv|json|jsonl", AT(format), .help = "of what is printed"},
    {"save", 0, ARG_STRING, "FILE.json", AT(save), .help = "also write the report there, as JSON"},
    {"compare", 0, ARG_STRING, "OLD.json", AT(compare),
     .help = "also print how much faster or slower each case is than in a saved report, and what "
             "of that is beyond the noise"},
    {"plot", 0, ARG_STRING, "FILE.svg|png", AT(plot),
     .help = "also draw a picture, by gnuplot; its data and script are kept beside it"},
};

static const char *suite_name_at(const void *list, size_t index)
{
    (void)list;
    return bench_suites[index].name;
}

static void print_suites(void)
{
    printf("\nsuites\n");
    for (const struct bench_suite *suite = bench_suites; suite->name; suite++)
        printf("  %-28s%s\n", suite->name, suite->summary);
}

static void on_signal(int number)
{
    (void)number;
    if (bench_interrupted)
        _Exit(EXIT_CODE_FAILED); /* twice: now */
    bench_interrupted = 1;
}

static void catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal};
    sigemptyset(&action.sa_mask);
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
}

/* ---- options and suites ---- */

/* The suites that an option is for, and, of those whose children measure, what these must measure;
 * options that are not here are for all of them. */
static const struct {
    const char *option, *suites, *measures;
} uses[] = {
    {"network", "gemm step backends threads", "gemm step"},
    {"batch", "gemm step backends threads", "gemm step"},
    {"activation", "step backends threads", "step"},
    {"optimizer", "step backends threads", "step"},
    {"m", "gemm backends threads", "gemm"},
    {"n", "gemm backends threads", "gemm"},
    {"k", "gemm backends threads", "gemm"},
    {"operation", "gemm backends threads", "gemm"},
    {"precision", "gemm step backends threads", "gemm step"},
    {"measure", "backends threads", "gemm step"},
    {"data", "accuracy", ""},
    {"train", "accuracy", ""},
    {"target", "accuracy", ""},
    {"seeds", "accuracy", ""},
    {"repetitions", "gemm step backends threads", "gemm step"},
    {"rounds", "gemm step backends threads", "gemm step"},
    {"seconds", "gemm step backends threads", "gemm step"},
    {"timeout", "backends threads accuracy", "gemm step"},
    {"no-reference", "step backends", "step"},
};

static bool check_options(const struct bench *bench, const char *suite, int *code)
{
    const char *measure = bench_measure(bench->options, suite);
    for (size_t i = 0; i < sizeof uses / sizeof *uses; i++) {
        if (!cli_arg_find(bench->args, uses[i].option)->text)
            continue;
        if (!strstr(uses[i].suites, suite))
            *code =
                cli_usage(bench->command, "--%s: bench %s has no use for it, expected one of: %s",
                          uses[i].option, suite, uses[i].suites);
        else if (measure && !strstr(uses[i].measures, measure))
            *code = cli_usage(bench->command,
                              "--%s: bench %s that measures %ss has no use for it, expected "
                              "--measure %s beside it",
                              uses[i].option, suite, measure, uses[i].measures);
        else
            continue;
        return false;
    }
    if (!bench->options->common.json || !cli_arg_find(bench->args, "format")->text ||
        strcmp(bench->options->format, "json") == 0)
        return true;
    *code = cli_usage(bench->command, "--json: expected no --format %s beside it",
                      bench->options->format);
    return false;
}

/* ---- the report ---- */

/* Appends a word so that a shell gives it back: in quotes unless it is plain. */
static char *append_word(char *end, const char *word)
{
    static const char plain[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
                                "_./:,=+-";
    *end++ = ' ';
    if (word[0] && word[strspn(word, plain)] == '\0')
        return stpcpy(end, word);
    *end++ = '\'';
    for (; *word; word++) {
        if (*word == '\'')
            end = stpcpy(end, "'\\''");
        else
            *end++ = *word;
    }
    *end++ = '\'';
    return end;
}

/* "gemmlp bench step --network 784-30-10": the words as they were typed. */
static char *command_line(int argc, char **argv)
{
    size_t size = sizeof "gemmlp";
    for (int i = 0; i < argc; i++)
        size += 4 * strlen(argv[i]) + 3;
    char *line = malloc(size), *end = line;
    if (!line)
        return NULL;
    end = stpcpy(end, "gemmlp");
    for (int i = 0; i < argc; i++)
        end = append_word(end, argv[i]);
    *end = '\0';
    return line;
}

static json_t *begin_report(const char *suite, const struct bench_machine *machine,
                            const char *command)
{
    struct record report = cli_record_begin(), caches = cli_record_begin();
    cli_record_text(&report, "suite", suite);
    cli_record_text(&report, "command", command);
    cli_record_text(&report, "date", machine->date);
    cli_record_text(&report, "version", GEMMLP_VERSION);
    cli_record_text(&report, "compiler", machine->compiler);
    cli_record_text(&report, "cpu", machine->cpu);
    cli_record_text(&report, "instruction_set", machine->instruction_set);
    cli_record_text(&report, "os", machine->os);
    cli_record_size(&report, "cpus", (size_t)machine->cpus);
    cli_record_size(&report, "memory_bytes", machine->memory_bytes);
    cli_record_size(&caches, "L1d", machine->l1d);
    cli_record_size(&caches, "L2", machine->l2);
    cli_record_size(&caches, "L3", machine->l3);
    cli_record_json(&report, "caches", cli_record_take(&caches));
    cli_record_text(&report, "governor", machine->governor[0] ? machine->governor : NULL);
    cli_record_real(&report, "load", machine->load >= 0 ? machine->load : (double)NAN);
    cli_record_json(&report, "roofs", json_array());
    cli_record_json(&report, "records", json_array());
    return cli_record_take(&report);
}

/* Everything that follows from the whole run. False: out of memory. */
static bool complete(struct bench *bench, const struct bench_activity_mark *begin)
{
    const struct bench_activity activity = bench_activity_end(begin);
    json_t *report = bench->report;
    const bool known = activity.other_cpus >= 0;
    return bench_apply_roofs(bench) &&
           (!known || (bench_set_real(report, "other_cpus", activity.other_cpus) &&
                       bench_set_real(report, "steal", activity.steal))) &&
           (!bench_interrupted || json_object_set_new(report, "interrupted", json_true()) == 0) &&
           bench_doubt(report, bench->machine, &activity);
}

static int run_suite(struct bench *bench, const struct bench_suite *suite, const char *command_line)
{
    const struct bench_options *options = bench->options;
    struct bench_machine machine;
    json_t *baseline = NULL;
    gemmlp_error error;
    const char *format = options->common.json ? "json" : options->format;
    int code = EXIT_CODE_DONE;
    if (!check_options(bench, suite->name, &code) || !bench_check_outputs(bench, &code))
        return code;
    if (options->plot && !cli_gnuplot_installed() && !options->list)
        cli_complain("warning: --plot: there is no program gnuplot (Debian, Ubuntu: package "
                     "gnuplot-nox): data and script will be written, but no picture");
    if (options->compare && bench_report_read(options->compare, &baseline, &error) != GEMMLP_OK)
        return cli_failed_input(bench->command, &error);
    bench_machine_get(&machine);
    bench->machine = &machine;
    /* Threads are compared when all are there. */
    bench->stream = options->rounds == 1 && !options->compare && strcmp(format, "jsonl") == 0 &&
                    strcmp(suite->name, "threads") != 0;
    bench->report = begin_report(suite->name, &machine, command_line);
    bench->records = json_object_get(bench->report, "records");
    if (!bench->report) {
        code = cli_failed_memory("the report");
    } else {
        catch_signals();
        const struct bench_activity_mark begin = bench_activity_begin();
        code = suite->run(bench);
        if (code == EXIT_CODE_DONE && !options->list) {
            code = complete(bench, &begin) ? bench_publish(bench, baseline, format)
                                           : cli_failed_memory("the report");
            if (!options->common.quiet)
                bench_warn(bench);
        }
    }
    json_decref(baseline);
    json_decref(bench->report);
    return code;
}

static const struct bench_suite *find_suite(const struct args *args, int *code)
{
    char message[1024];
    for (const struct bench_suite *suite = bench_suites; suite->name; suite++)
        if (strcmp(suite->name, args->operand) == 0)
            return suite;
    cli_unknown_name("suite", args->operand, "", suite_name_at, NULL, message, sizeof message);
    *code = cli_usage(args->command, "%s", message);
    return NULL;
}

int cli_run_bench(const struct command *command, int argc, char **argv)
{
    struct bench_options options = {.precision = "f32",
                                    .repetitions = 30,
                                    .rounds = 3,
                                    .seconds = 15,
                                    .timeout = 300,
                                    .target = -1,
                                    .seeds = {.count = 5},
                                    .format = "md"};
    for (size_t i = 0; i < options.seeds.count; i++)
        options.seeds.items[i].size = i + 1;
    const struct arg_group groups[] = {
        ARG_GROUP("what is measured", case_rows, &options),
        ARG_GROUP("how it is measured", measurement_rows, &options),
        ARG_GROUP("results", output_rows, &options),
        ARG_GROUP("general", cli_common_rows, &options.common),
    };
    struct args args = {.command = command,
                        .groups = groups,
                        .group_count = sizeof groups / sizeof *groups,
                        .operand_name = "SUITE",
                        .operand_required = true,
                        .help_of_operand = print_suites};
    struct bench bench = {.command = command, .options = &options, .args = &args};
    int code = EXIT_CODE_DONE;
    const struct bench_suite *suite;
    char *words = command_line(argc, argv); /* getopt_long changes their order */
    if (cli_args_parse(&args, argc, argv, &code) && (suite = find_suite(&args, &code))) {
        while (strcmp(gm_gemm_precisions[bench.precision], options.precision) != 0)
            bench.precision++;
        if (options.rounds > options.repetitions)
            options.rounds = options.repetitions;
        code = run_suite(&bench, suite, words);
    }
    cli_args_free(&args);
    free(words);
    return code;
}
