/* predict.c: gemmlp predict: what a model says of each example, as CSV (RFC 4180, but with the line
 * ends of Unix).
 *
 *   classify     example,prediction                  and, with --proba, one column for each class
 *   multilabel   example,0,1,2 …                     0 or 1 each; likewise
 *   regress      example,prediction                  or one column for each output
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/data_options.h"
#include "cli/output.h"
#include "cli/record.h"
#include "cli/report.h"

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

static bool write_all(const struct prediction *p, int *code)
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
        for (size_t i = 0; good && i < count; i++) {
            good = write_example(p, first + i, a + i * p->outputs, code);
        }
        if (ferror(p->stream)) {
            break; /* told when the output is committed, or by main */
        }
    }
    free(a);
    return good;
}

static int predict(struct prediction *p)
{
    int code = EXIT_CODE_DONE;
    struct output_file output;
    const struct predict_options *options = p->options;
    if (options->proba && p->task == GEMMLP_REGRESS) {
        return cli_usage(p->command, "--proba: the model's task is regress, which has no classes");
    }
    if (!cli_output_open(&output, options->output)) {
        return EXIT_CODE_FAILED;
    }
    p->stream = output.stream;
    if (!write_all(p, &code)) {
        cli_output_abandon(&output);
        return code;
    }
    if (!cli_output_commit(&output)) {
        return EXIT_CODE_FAILED;
    }
    if (!options->common.json) {
        return EXIT_CODE_DONE;
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
    if (cli_args_parse(&args, argc, argv, &code)) {
        if (options.common.json && !options.output) {
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
