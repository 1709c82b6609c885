/* explain.c: gemmlp explain: gathers the numbers of the chain rule for a few weights and one
 * example. The page that shows them is in explain_page.c. */
#include "cli/explain.h"

#include <stdlib.h>

#include "cli/data_options.h"
#include "cli/record.h"
#include "cli/report.h"

enum { LARGEST_LIMIT = 1000 };

struct explain_options {
    struct data_options data;
    struct common_options common;
    struct arg_list weight; /* L, J, K; empty: the largest */
    size_t example, largest, average;
    double nudge;
};

#define AT(member) offsetof(struct explain_options, member)

static const struct arg explain_rows[] = {
    {"example", 0, ARG_SIZE, "N", AT(example), .upper = ARG_SIZE_LIMIT,
     .help = "of the data, counted from 0"},
    {"weight", 0, ARG_SIZES, "L,J,K", AT(weight), .upper = ARG_SIZE_LIMIT,
     .help = "the weight of layer L to neuron J from neuron K, all counted from 0"},
    {"largest", 0, ARG_SIZE, "N", AT(largest), .lower = 1, .upper = LARGEST_LIMIT,
     .help = "the N weights of the whole network with the largest |dC0/dw|; unless given, the "
             "largest of each layer, from the last layer to the first"},
    {"nudge", 0, ARG_REAL, "X", AT(nudge), .range = RANGE_ANY,
     .help = "by how much each weight is changed, to see what the cost really does"},
    {"average", 0, ARG_SIZE, "N", AT(average), .upper = ARG_SIZE_LIMIT,
     .help = "C is averaged over the first N examples; 0: all"},
};

/* What was gathered; freed as a whole. */
struct gathered {
    float *values; /* (2 x outputs): targets, then outputs */
    gemmlp_weight_index *indices;
    gemmlp_explanation **weights; /* (count) */
    size_t count;
};

static void gathered_free(struct gathered *g)
{
    for (size_t i = 0; g->weights && i < g->count; i++) {
        gemmlp_explanation_free(g->weights[i]);
    }
    free(g->weights);
    free(g->indices);
    free(g->values);
}

static void record_paths(struct record *record, const gemmlp_explanation *w)
{
    json_t *paths = json_array();
    for (size_t i = 0; i < w->path_count; i++) {
        struct record path = cli_record_begin();
        cli_record_size(&path, "neuron", w->paths[i].neuron);
        cli_record_real(&path, "dz_da", w->paths[i].dz_da);
        cli_record_real(&path, "dC_dz", w->paths[i].dC_dz);
        cli_record_append(record, paths, cli_record_take(&path));
    }
    cli_record_json(record, "paths", paths);
}

static json_t *weight_object(const struct explain_page *page, const gemmlp_explanation *w)
{
    struct record record = cli_record_begin();
    cli_record_size(&record, "layer", w->layer);
    cli_record_size(&record, "j", w->j);
    cli_record_size(&record, "k", w->k);
    cli_record_real(&record, "weight", w->weight);
    cli_record_real(&record, "a_in", w->a_in);
    cli_record_real(&record, "z", w->z);
    cli_record_real(&record, "a", w->a);
    cli_record_real(&record, "dz_dw", w->dz_dw);
    if (!cli_explain_softmax(page, w)) {
        cli_record_real(&record, "da_dz", w->da_dz);
    }
    cli_record_real(&record, "dC_da", w->dC_da);
    cli_record_real(&record, "dC_dz", w->dC_dz);
    cli_record_real(&record, "dC_dw", w->dC_dw);
    cli_record_real(&record, "target", w->target);
    cli_record_real(&record, "nudge", w->nudge);
    cli_record_real(&record, "cost_nudged", w->cost_nudged);
    cli_record_size(&record, "average_examples", w->average_examples);
    cli_record_real(&record, "average_cost", w->average_cost);
    cli_record_real(&record, "average_dC_dw", w->average_dC_dw);
    cli_record_real(&record, "average_cost_nudged", w->average_cost_nudged);
    if (w->path_count > 0) {
        record_paths(&record, w);
    }
    return cli_record_take(&record);
}

static int print_json(const struct explain_page *page)
{
    struct record record = cli_record_begin();
    json_t *targets = json_array(), *outputs = json_array(), *weights = json_array();
    for (size_t i = 0; i < page->outputs; i++) {
        cli_record_append(&record, targets, json_real((double)page->y[i]));
        cli_record_append(&record, outputs, json_real((double)page->a[i]));
    }
    for (size_t i = 0; i < page->weight_count; i++) {
        cli_record_append(&record, weights, weight_object(page, page->weights[i]));
    }
    cli_record_text(&record, "data", page->path);
    cli_record_size(&record, "example", page->example);
    if (page->weight_count > 0) {
        cli_record_real(&record, "cost", page->weights[0]->cost);
    }
    cli_record_json(&record, "target", targets);
    cli_record_json(&record, "output", outputs);
    cli_record_json(&record, "weights", weights);
    return cli_record_print(&record);
}

/* The largest gradient of each layer: at the output the loss is seen, before it the paths. */
static gemmlp_status choose_by_layer(const struct explain_options *options,
                                     const gemmlp_model *model, const gemmlp_dataset *dataset,
                                     struct gathered *g, gemmlp_error *error)
{
    gemmlp_status status = GEMMLP_OK;
    for (size_t layer = gemmlp_model_network(model)->layer_count;
         status == GEMMLP_OK && layer-- > 0;) {
        size_t found;
        status = gemmlp_largest_gradients(model, dataset, options->example, layer, 1,
                                          g->indices + g->count, &found, error);
        g->count += found;
    }
    return status;
}

/* Which weights: the one that was asked for, or those with the largest gradients. */
static gemmlp_status choose(const struct explain_options *options, const gemmlp_model *model,
                            const gemmlp_dataset *dataset, struct gathered *g, gemmlp_error *error)
{
    if (options->weight.count == 3) {
        g->indices[0] = (gemmlp_weight_index){.layer = options->weight.items[0].size,
                                              .j = options->weight.items[1].size,
                                              .k = options->weight.items[2].size};
        g->count = 1;
        return GEMMLP_OK;
    }
    if (options->largest == 0) {
        return choose_by_layer(options, model, dataset, g, error);
    }
    return gemmlp_largest_gradients(model, dataset, options->example, GEMMLP_ALL_LAYERS,
                                    options->largest, g->indices, &g->count, error);
}

static gemmlp_status gather(const struct explain_options *options, const gemmlp_model *model,
                            const gemmlp_dataset *dataset, struct gathered *g, gemmlp_error *error)
{
    size_t outputs = cli_model_outputs(model);
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(dataset, &info);
    size_t average = options->average < info.examples ? options->average : info.examples;
    gemmlp_status status =
        gemmlp_model_predict(model, dataset, options->example, 1, NULL, g->values + outputs, error);
    if (status == GEMMLP_OK) {
        status = gemmlp_dataset_example(dataset, options->example, NULL, g->values, error);
    }
    if (status == GEMMLP_OK) {
        status = choose(options, model, dataset, g, error);
    }
    for (size_t i = 0; status == GEMMLP_OK && i < g->count; i++) {
        const gemmlp_weight_index *at = &g->indices[i];
        status = gemmlp_explain(model, dataset, options->example, at->layer, at->j, at->k,
                                options->nudge, average, &g->weights[i], error);
    }
    return status;
}

static int explain(const struct command *command, const struct explain_options *options,
                   const gemmlp_model *model, const gemmlp_dataset *dataset)
{
    gemmlp_dataset_info info;
    gemmlp_error error;
    gemmlp_dataset_info_get(dataset, &info);
    if (options->example >= info.examples) {
        return cli_usage(command, "--example: %s has examples 0 to %zu, found %zu", info.path,
                         info.examples - 1, options->example);
    }
    size_t outputs = cli_model_outputs(model);
    size_t layers = gemmlp_model_network(model)->layer_count;
    size_t capacity = layers > LARGEST_LIMIT ? layers : LARGEST_LIMIT;
    struct gathered g = {
        .values = calloc(2 * outputs, sizeof *g.values),
        .indices = calloc(capacity, sizeof *g.indices),
        .weights = calloc(capacity, sizeof *g.weights),
    };
    int code;
    if (!g.values || !g.indices || !g.weights) {
        code = cli_failed_memory("the explanation");
    } else if (gather(options, model, dataset, &g, &error) != GEMMLP_OK) {
        code = cli_failed_input(command, &error);
    } else {
        struct explain_page page = {.model = model,
                                    .path = info.path,
                                    .example = options->example,
                                    .outputs = outputs,
                                    .height = info.height,
                                    .width = info.width,
                                    .y = g.values,
                                    .a = g.values + outputs,
                                    .weights = g.weights,
                                    .weight_count = g.count};
        code = EXIT_CODE_DONE;
        if (options->common.json) {
            code = print_json(&page);
        } else {
            cli_explain_print(&page);
        }
    }
    gathered_free(&g);
    return code;
}

static bool check(const struct args *args, const struct explain_options *options, int *code)
{
    if (cli_arg_given(args, "weight") && options->weight.count != 3) {
        *code = cli_usage(args->command, "--weight: expected three numbers L,J,K, found %zu",
                          options->weight.count);
    } else if (cli_arg_given(args, "weight") && cli_arg_given(args, "largest")) {
        *code = cli_usage(args->command, "--largest: --weight says already which weight");
    } else if (options->nudge == 0) {
        *code = cli_usage(args->command, "--nudge: expected a number other than 0");
    } else {
        return true;
    }
    return false;
}

int cli_run_explain(const struct command *command, int argc, char **argv)
{
    int code = EXIT_CODE_DONE;
    struct explain_options options = {.average = 1000, .nudge = 1e-3};
    const struct arg_group groups[] = {
        ARG_GROUP("data", cli_model_data_rows, &options.data),
        ARG_GROUP("what is explained", explain_rows, &options),
        ARG_GROUP("general", cli_common_rows, &options.common),
    };
    struct args args = {.command = command,
                        .groups = groups,
                        .group_count = sizeof groups / sizeof *groups,
                        .operand_name = "MODEL",
                        .operand_required = true};
    struct subject subject = {0};
    if (cli_args_parse(&args, argc, argv, &code) && check(&args, &options, &code) &&
        cli_subject_open(&args, &options.data, false, &subject, &code)) {
        code = explain(command, &options, subject.model, subject.dataset);
    }
    cli_subject_free(&subject);
    cli_args_free(&args);
    return code;
}
