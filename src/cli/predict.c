/* predict.c: gemmlp predict: what a model says of each example, as CSV (RFC 4180, but with the line
 * ends of Unix).
 *
 *   classify     example,prediction                  and, with --proba, one column for each class
 *   multilabel   example,0,1,2 …                     0 or 1 each; likewise
 *   regress      example,prediction                  or one column for each output
 */
#include <errno.h>
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/data_options.h"
#include "cli/files.h"
#include "cli/record.h"
#include "cli/report.h"
#include "io/atomic_file.h"

struct predict_options {
    struct data_options data;
    struct compute_options compute;
    struct common_options common;
    const char *output;
    bool proba;
};

#define AT(member) offsetof(struct predict_options, member)

static const struct arg predict_rows[] = {
    {"proba", 0, ARG_FLAG, NULL, AT(proba), .help = "also the outputs, one column for each class"},
    {"output", 'o', ARG_STRING, "FILE.csv", AT(output),
     .help = "written whole or not at all; stdout unless given"},
};

enum { CHUNK = 4096 }; /* examples whose outputs are in memory at a time */

struct prediction {
    const struct command *command;
    const struct predict_options *options;
    const gemmlp_model *model;
    const gemmlp_dataset *dataset;
    const char *model_path;
    gemmlp_task task;
    size_t outputs;
    FILE *stream;
    int write_error; /* errno of the first write that failed */
};

static void write_field(FILE *stream, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        fputs(text, stream);
        return;
    }
    putc('"', stream);
    for (; *text; text++) {
        if (*text == '"') {
            putc('"', stream);
        }
        putc(*text, stream);
    }
    putc('"', stream);
}

/* PREFIX and the name of an output, as a header field. */
static void write_header_field(const struct prediction *p, const char *prefix, size_t output)
{
    char number[24], field[1024];
    const char *name = gemmlp_model_class_name(p->model, output);
    if (!name) {
        snprintf(number, sizeof number, "%zu", output);
        name = number;
    }
    snprintf(field, sizeof field, "%s%s", prefix, name);
    putc(',', p->stream);
    write_field(p->stream, field);
}

static void write_header(const struct prediction *p)
{
    bool one_column = p->task == GEMMLP_CLASSIFY || p->outputs == 1;
    fputs(one_column ? "example,prediction" : "example", p->stream);
    for (size_t i = 0; !one_column && i < p->outputs; i++) {
        write_header_field(p, "prediction_", i);
    }
    for (size_t i = 0; p->options->proba && i < p->outputs; i++) {
        write_header_field(p, "probability_", i);
    }
    putc('\n', p->stream);
}

static void write_class(const struct prediction *p, const float *a)
{
    size_t best = 0;
    for (size_t i = 1; i < p->outputs; i++) {
        best = a[i] > a[best] ? i : best;
    }
    const char *name = gemmlp_model_class_name(p->model, best);
    putc(',', p->stream);
    if (name) {
        write_field(p->stream, name);
    } else {
        fprintf(p->stream, "%zu", best);
    }
}

/* %.9g gives back the same float. */
static bool write_example(const struct prediction *p, size_t example, const float *a, int *code)
{
    for (size_t i = 0; i < p->outputs; i++) {
        if (!isfinite(a[i])) {
            cli_complain("%s: output %zu of example %zu is not a finite number", p->model_path, i,
                         example);
            *code = EXIT_CODE_INPUT;
            return false;
        }
    }
    fprintf(p->stream, "%zu", example);
    if (p->task == GEMMLP_CLASSIFY) {
        write_class(p, a);
    }
    for (size_t i = 0; p->task == GEMMLP_MULTILABEL && i < p->outputs; i++) {
        fputs(a[i] > 0.5f ? ",1" : ",0", p->stream);
    }
    for (size_t i = 0; (p->task == GEMMLP_REGRESS || p->options->proba) && i < p->outputs; i++) {
        fprintf(p->stream, ",%.9g", (double)a[i]);
    }
    putc('\n', p->stream);
    return true;
}

static bool write_all(struct prediction *p, int *code)
{
    gemmlp_dataset_info info;
    gemmlp_error error;
    gemmlp_compute compute = cli_compute(&p->options->compute);
    gemmlp_dataset_info_get(p->dataset, &info);
    size_t chunk = info.examples < CHUNK ? info.examples : CHUNK;
    float *a = p->outputs <= SIZE_MAX / sizeof *a / CHUNK
                   ? malloc(chunk * p->outputs * sizeof *a) /* (chunk x outputs) */
                   : NULL;
    if (!a) {
        *code = cli_failed_memory("the predictions");
        return false;
    }
    bool good = true;
    for (size_t first = 0; good && first < info.examples; first += chunk) {
        size_t count = info.examples - first < chunk ? info.examples - first : chunk;
        if (gemmlp_model_predict(p->model, p->dataset, first, count, &compute, a, &error) !=
            GEMMLP_OK) {
            *code = cli_failed_input(p->command, &error);
            good = false;
        }
        if (first == 0 && good) {
            write_header(p);
        }
        for (size_t i = 0; good && i < count && !ferror(p->stream); i++) {
            errno = 0;
            good = write_example(p, first + i, a + i * p->outputs, code);
        }
        if (ferror(p->stream)) {
            p->write_error = errno;
            break; /* told when the output is committed, or by main */
        }
    }
    free(a);
    return good;
}

/* The file is there whole, or as it was before. */
static int write_file(struct prediction *p, const char *path)
{
    int code = EXIT_CODE_DONE;
    struct atomic_file file;
    gemmlp_error error;
    if (gm_atomic_open(&file, path, &error) != GEMMLP_OK) {
        return cli_failed(p->command, &error);
    }
    p->stream = file.stream;
    if (!write_all(p, &code)) {
        gm_atomic_abort(&file);
        return code;
    }
    errno = p->write_error; /* what commit says of a stream that has failed before */
    return gm_atomic_commit(&file, &error) == GEMMLP_OK ? code : cli_failed(p->command, &error);
}

static bool output_apart(const struct prediction *p, int *code)
{
    struct named_file files[2 + CLI_DATA_FILES] = {{"--output", p->options->output, true},
                                                   {"MODEL", p->model_path, false}};
    size_t count = 2;
    char *text = cli_files_of_data("--data", p->dataset, files, &count);
    bool apart = cli_files_apart(p->command, files, count, code);
    free(text);
    return apart;
}

static int predict(struct prediction *p)
{
    int code = EXIT_CODE_DONE;
    const struct predict_options *options = p->options;
    bool to_stdout = !options->output || cli_path_is_stdout(options->output);
    if (options->proba && p->task == GEMMLP_REGRESS) {
        return cli_usage(p->command, "--proba: the model's task is regress, which has no classes");
    }
    if (!output_apart(p, &code)) {
        return code;
    }
    if (!to_stdout) {
        code = write_file(p, options->output);
    } else {
        p->stream = stdout;
        write_all(p, &code);
    }
    if (code != EXIT_CODE_DONE || !options->common.json) {
        return code;
    }
    gemmlp_dataset_info info;
    struct record record = cli_record_begin();
    gemmlp_dataset_info_get(p->dataset, &info);
    cli_record_size(&record, "examples", info.examples);
    cli_record_text(&record, "output", options->output);
    return cli_record_print(&record);
}

int cli_run_predict(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct predict_options options = {0};
    const struct arg_group groups[] = {
        ARG_GROUP("data", cli_model_data_rows, &options.data),
        ARG_GROUP("what is written", predict_rows, &options),
        ARG_GROUP("machine", cli_compute_rows, &options.compute),
        ARG_GROUP("general", cli_common_rows, &options.common),
    };
    struct args args = {.command = command,
                        .groups = groups,
                        .group_count = sizeof groups / sizeof *groups,
                        .operand_name = "MODEL",
                        .operand_required = true};
    struct subject subject = {0};
    gemmlp_provider_info provider;
    if (cli_args_parse(&args, argc, argv, &code) &&
        cli_compute_open(command, &options.compute, &provider, &code)) {
        if (!options.common.quiet) {
            cli_compute_remark(&options.compute, &provider);
        }
        if (options.common.json && (!options.output || cli_path_is_stdout(options.output))) {
            code = cli_usage(command, "--json: needs --output, for the predictions go to stdout");
        } else if (cli_subject_open(&args, &options.data, true, &subject, &code)) {
            code = predict(&(struct prediction){.command = command,
                                                .options = &options,
                                                .model = subject.model,
                                                .dataset = subject.dataset,
                                                .model_path = args.operand,
                                                .task = gemmlp_model_network(subject.model)->task,
                                                .outputs = cli_model_outputs(subject.model)});
        }
    }
    cli_subject_free(&subject);
    cli_args_free(&args);
    return code;
}
