/* eval.c: gemmlp eval: how good a model is on a data set. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/data_options.h"
#include "cli/record.h"
#include "cli/report.h"
#include "cli/terminal.h"

struct eval_options {
    struct data_options data;
    struct compute_options compute;
    struct common_options common;
    bool confusion;
};

#define AT(member) offsetof(struct eval_options, member)

static const struct arg eval_rows[] = {
    {"confusion", 0, ARG_FLAG, NULL, AT(confusion),
     .help = "also how often each class was taken for each other"},
};

static int print_json(const gemmlp_model *model, const gemmlp_metrics *metrics,
                      const size_t *confusion)
{
    struct record record = cli_record_begin();
    size_t classes = cli_model_outputs(model);
    cli_record_size(&record, "examples", metrics->examples);
    cli_record_metrics(&record, "", metrics);
    if (confusion) {
        json_t *matrix = json_array();
        for (size_t label = 0; label < classes; label++) {
            json_t *row = json_array();
            for (size_t said = 0; said < classes; said++) {
                json_int_t count = (json_int_t)confusion[label * classes + said];
                cli_record_append(&record, row, json_integer(count));
            }
            cli_record_append(&record, matrix, row);
        }
        cli_record_classes(&record, model, classes);
        cli_record_json(&record, "confusion", matrix);
    }
    return cli_record_print(&record);
}

enum { NAME_SIZE = 128 };

static const char *class_name(const gemmlp_model *model, size_t index, char *out)
{
    return cli_printable(gemmlp_model_class_name(model, index), out, NAME_SIZE);
}

/* Digits of the widest number and name, so that columns stay apart. */
static int column_width(const gemmlp_model *model, const size_t *confusion, size_t classes)
{
    size_t largest = 0, width = 0;
    char digits[24], name[NAME_SIZE];
    for (size_t i = 0; i < classes * classes; i++) {
        largest = confusion[i] > largest ? confusion[i] : largest;
    }
    snprintf(digits, sizeof digits, "%zu", largest);
    width = strlen(digits);
    for (size_t i = 0; i < classes; i++) {
        size_t length = strlen(class_name(model, i, name));
        width = length > width ? length : width;
    }
    return width < 24 ? (int)width : 24;
}

static void print_confusion(const gemmlp_model *model, const size_t *confusion)
{
    char name[NAME_SIZE];
    size_t classes = cli_model_outputs(model);
    int width = column_width(model, confusion, classes);
    printf("\nrow: label; column: prediction\n%*s", width, "");
    for (size_t said = 0; said < classes; said++) {
        printf("  %*.*s", width, width, class_name(model, said, name));
    }
    putchar('\n');
    for (size_t label = 0; label < classes; label++) {
        printf("%*.*s", width, width, class_name(model, label, name));
        for (size_t said = 0; said < classes; said++) {
            printf("  %*zu", width, confusion[label * classes + said]);
        }
        putchar('\n');
    }
}

static int evaluate(const struct command *command, const struct eval_options *options,
                    const gemmlp_model *model, const gemmlp_dataset *dataset)
{
    gemmlp_metrics metrics;
    gemmlp_error error;
    gemmlp_compute compute = cli_compute(&options->compute);
    size_t classes = cli_model_outputs(model), *confusion = NULL;
    if (options->confusion) {
        if (gemmlp_model_network(model)->task != GEMMLP_CLASSIFY) {
            return cli_usage(command, "--confusion: the model's task is %s, which has no classes",
                             cli_task_name(gemmlp_model_network(model)->task));
        }
        confusion =
            classes <= SIZE_MAX / classes ? calloc(classes * classes, sizeof *confusion) : NULL;
        if (!confusion) {
            return cli_failed_memory("the confusion matrix");
        }
    }
    int code = EXIT_CODE_DONE;
    if (gemmlp_model_evaluate(model, dataset, &compute, &metrics, confusion, &error) != GEMMLP_OK) {
        code = cli_failed_input(command, &error);
    } else if (options->common.json) {
        code = print_json(model, &metrics, confusion);
    } else {
        printf("examples        %zu\n", metrics.examples);
        cli_print_metrics("", &metrics);
        if (confusion) {
            print_confusion(model, confusion);
        }
    }
    free(confusion);
    return code;
}

int cli_run_eval(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct eval_options options = {0};
    const struct arg_group groups[] = {
        ARG_GROUP("data", cli_model_data_rows, &options.data),
        ARG_GROUP("what is measured", eval_rows, &options),
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
        cli_subject_open(&args, &options.data, false, &subject, &code) &&
        cli_compute_open(command, &options.compute, &provider, &code)) {
        if (!options.common.quiet) {
            cli_compute_remark(&options.compute, &provider);
        }
        code = evaluate(command, &options, subject.model, subject.dataset);
    }
    cli_subject_free(&subject);
    cli_args_free(&args);
    return code;
}
