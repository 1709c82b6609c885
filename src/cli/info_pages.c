/* info_pages.c: see info.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/data_options.h"
#include "cli/info.h"
#include "cli/names.h"
#include "cli/network_options.h"
#include "cli/numbers.h"
#include "cli/providers.h"
#include "cli/record.h"
#include "cli/report.h"
#include "cli/terminal.h"

static void print_bytes(const char *label, double bytes)
{
    char text[32];
    cli_format_bytes(bytes, text, sizeof text);
    printf("%-16s%s\n", label, text);
}

/* "1.22 MFLOP" */
static void format_flop(double flop, char *out, size_t size)
{
    static const char *const units[] = {"", "k", "M", "G", "T", "P"};
    size_t unit = 0;
    while (flop >= 999.5 && unit + 1 < sizeof units / sizeof *units) {
        flop /= 1000;
        unit++;
    }
    snprintf(out, size, "%.3g %sFLOP", flop, units[unit]);
}

static size_t inputs_of(const gemmlp_network *network, size_t layer)
{
    return layer ? network->layers[layer - 1].n_out : network->n_in;
}

static void print_layers(const gemmlp_network *network)
{
    printf("\nlayer    inputs   neurons  %-12s%-16sdropout  parameters\n", "activation", "init");
    for (size_t i = 0; i < network->layer_count; i++) {
        const gemmlp_layer *layer = &network->layers[i];
        printf("%5zu  %8zu  %8zu  %-12s%-16s%7g  %10zu\n", i, inputs_of(network, i), layer->n_out,
               layer->activation, layer->init ? layer->init : "-", layer->dropout,
               layer->n_out * (inputs_of(network, i) + 1));
    }
    putchar('\n');
}

static void print_classes(const gemmlp_model *model)
{
    enum { SHOWN = 20 };
    char name[128];
    size_t classes = cli_model_outputs(model);
    printf("%-16s%zu: ", "classes", classes);
    for (size_t i = 0; i < classes && i < SHOWN; i++) {
        printf("%s%s", i ? ", " : "",
               cli_printable(gemmlp_model_class_name(model, i), name, sizeof name));
    }
    printf("%s\n", classes > SHOWN ? ", ..." : "");
}

static void print_network(const gemmlp_network *network, const gemmlp_model *model,
                          const char *path, const struct cost_options *options,
                          const gemmlp_cost_model *cost)
{
    char shape[1024], flop[32];
    cli_network_shape(network, shape, sizeof shape);
    if (path) {
        printf("%-16s%s\n", "model", path);
    }
    printf("%-16s%s\n", "network", shape);
    printf("%-16s%s\n", "task", cli_task_name(network->task));
    if (model && network->task == GEMMLP_CLASSIFY) {
        print_classes(model);
    }
    printf("%-16s%s", "loss", network->loss);
    if (network->label_smoothing > 0) {
        printf(", label smoothing %g", network->label_smoothing);
    }
    putchar('\n');
    if (network->preprocess) {
        printf("%-16s%s\n", "preprocess", network->preprocess);
    }
    print_layers(network);
    printf("%-16s%zu, of which %zu weights\n", "parameters", cost->parameters, cost->weights);
    format_flop(cost->flop_predict, flop, sizeof flop);
    printf("%-16s%s an example\n", "predict", flop);
    format_flop(cost->flop_train, flop, sizeof flop);
    printf("%-16s%s an example", "train", flop);
    format_flop(cost->flop_train * (double)options->batch, flop, sizeof flop);
    printf(", %s a step of %zu\n", flop, options->batch);
    printf("\nmemory, %s with batches of %zu in %s, without the data\n", options->optimizer,
           options->batch, options->precision);
    print_bytes("parameters", (double)cost->bytes_parameters);
    if (cost->bytes_half > 0) {
        print_bytes("weights in bf16", (double)cost->bytes_half);
    }
    print_bytes("workspace", (double)cost->bytes_workspace);
    print_bytes("all of training", (double)cost->bytes_training);
}

static void record_layers(struct record *whole, const gemmlp_network *network)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < network->layer_count; i++) {
        const gemmlp_layer *layer = &network->layers[i];
        struct record record = cli_record_begin();
        cli_record_size(&record, "n_in", inputs_of(network, i));
        cli_record_size(&record, "n_out", layer->n_out);
        cli_record_text(&record, "activation", layer->activation);
        cli_record_text(&record, "init", layer->init);
        cli_record_real(&record, "dropout", layer->dropout);
        cli_record_size(&record, "parameters", layer->n_out * (inputs_of(network, i) + 1));
        cli_record_append(whole, layers, cli_record_take(&record));
    }
    cli_record_json(whole, "layers", layers);
}

static int print_network_json(const gemmlp_network *network, const gemmlp_model *model,
                              const char *path, const struct cost_options *options,
                              const gemmlp_cost_model *cost)
{
    struct record record = cli_record_begin();
    cli_record_text(&record, "model", path);
    cli_record_text(&record, "task", cli_task_name(network->task));
    cli_record_text(&record, "loss", network->loss);
    cli_record_real(&record, "label_smoothing", network->label_smoothing);
    cli_record_text(&record, "preprocess", network->preprocess);
    cli_record_size(&record, "features", network->n_in);
    cli_record_size(&record, "outputs", network->layers[network->layer_count - 1].n_out);
    record_layers(&record, network);
    if (model && network->task == GEMMLP_CLASSIFY) {
        cli_record_classes(&record, model, cli_model_outputs(model));
    }
    cli_record_size(&record, "parameters", cost->parameters);
    cli_record_size(&record, "weights", cost->weights);
    cli_record_real(&record, "flop_predict", cost->flop_predict);
    cli_record_real(&record, "flop_train", cost->flop_train);
    cli_record_size(&record, "batch", options->batch);
    cli_record_text(&record, "optimizer", options->optimizer);
    cli_record_real(&record, "flop_step", cost->flop_train * (double)options->batch);
    cli_record_size(&record, "bytes_parameters", cost->bytes_parameters);
    cli_record_text(&record, "precision", options->precision);
    if (cost->bytes_half > 0) {
        cli_record_size(&record, "bytes_half", cost->bytes_half);
    }
    cli_record_size(&record, "bytes_workspace", cost->bytes_workspace);
    cli_record_size(&record, "bytes_training", cost->bytes_training);
    return cli_record_print(&record);
}

int cli_info_network(const struct command *command, const gemmlp_network *network,
                     const gemmlp_model *model, const char *path,
                     const struct cost_options *options, bool json)
{
    gemmlp_cost_model cost;
    gemmlp_error error;
    gemmlp_training training = gemmlp_training_default();
    training.batch = options->batch;
    training.optimizer = options->optimizer;
    training.compute.precision = options->precision;
    if (gemmlp_network_cost(network, &training, &cost, &error) != GEMMLP_OK) {
        return cli_failed(command, &error);
    }
    if (json) {
        return print_network_json(network, model, path, options, &cost);
    }
    print_network(network, model, path, options, &cost);
    return EXIT_CODE_DONE;
}

/* Examples of each class, allocated; NULL where there are no classes, or *failed was set. */
static size_t *class_counts(const struct command *command, const gemmlp_dataset *dataset,
                            const gemmlp_dataset_info *info, int *code)
{
    gemmlp_error error;
    if (!info->has_targets || info->task != GEMMLP_CLASSIFY) {
        return NULL;
    }
    size_t *counts = calloc(info->outputs, sizeof *counts);
    if (!counts) {
        *code = cli_failed_memory("the class counts");
    } else if (gemmlp_dataset_class_counts(dataset, counts, &error) != GEMMLP_OK) {
        *code = cli_failed_input(command, &error);
        free(counts);
        counts = NULL;
    }
    return counts;
}

static void print_data(const char *part, const gemmlp_dataset_info *info, const size_t *counts)
{
    printf("%-16s%s (%s, %s)\n", part, info->path, info->format, info->element_type);
    printf("%-16s%zu\n", "  examples", info->examples);
    printf("%-16s%zu", "  features", info->features);
    if (info->height > 0) {
        printf(", %zu x %zu", info->height, info->width);
    }
    if (info->has_targets) {
        printf("\n%-16s%zu, to %s\n", "  outputs", info->outputs, cli_task_name(info->task));
    } else {
        printf("\n%-16snone\n", "  targets");
    }
    for (size_t i = 0; counts && i < info->outputs; i++) {
        char label[32];
        snprintf(label, sizeof label, "    class %zu", i);
        printf("%-16s%zu (%.2f %%)\n", label, counts[i],
               100 * (double)counts[i] / (double)info->examples);
    }
    print_bytes("  memory", (double)info->bytes);
}

static json_t *data_object(const gemmlp_dataset_info *info, const size_t *counts)
{
    struct record record = cli_record_begin();
    cli_record_text(&record, "path", info->path);
    cli_record_text(&record, "format", info->format);
    cli_record_text(&record, "element_type", info->element_type);
    cli_record_text(&record, "task", info->has_targets ? cli_task_name(info->task) : NULL);
    cli_record_size(&record, "examples", info->examples);
    cli_record_size(&record, "features", info->features);
    if (info->height > 0) {
        cli_record_size(&record, "height", info->height);
        cli_record_size(&record, "width", info->width);
    }
    if (info->has_targets) {
        cli_record_size(&record, "outputs", info->outputs);
    }
    cli_record_size(&record, "bytes", info->bytes);
    if (counts) {
        json_t *array = json_array();
        for (size_t i = 0; i < info->outputs; i++) {
            cli_record_append(&record, array, json_integer((json_int_t)counts[i]));
        }
        cli_record_json(&record, "class_counts", array);
    }
    return cli_record_take(&record);
}

int cli_info_data(const struct command *command, const gemmlp_dataset *train,
                  const gemmlp_dataset *test, bool json)
{
    const gemmlp_dataset *const parts[] = {train, test};
    static const char *const names[] = {"train", "test"};
    struct record record = cli_record_begin();
    int code = EXIT_CODE_DONE;
    for (size_t i = 0; i < 2 && parts[i] && code == EXIT_CODE_DONE; i++) {
        gemmlp_dataset_info info;
        gemmlp_dataset_info_get(parts[i], &info);
        size_t *counts = class_counts(command, parts[i], &info, &code);
        if (json) {
            cli_record_json(&record, names[i], data_object(&info, counts));
        } else if (code == EXIT_CODE_DONE) {
            print_data(test ? names[i] : "data", &info, counts);
        }
        free(counts);
    }
    if (json && code == EXIT_CODE_DONE) {
        return cli_record_print(&record);
    }
    json_decref(cli_record_take(&record));
    return code;
}

static void print_limit(const char *label, int threads)
{
    if (threads > 0) {
        printf("  %-22s%d\n", label, threads);
    } else {
        printf("  %-22snone\n", label);
    }
}

int cli_info_machine(bool json)
{
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    if (json) {
        struct record record = cli_record_begin();
        cli_record_text(&record, "cpu", machine.cpu);
        cli_record_size(&record, "threads", (size_t)machine.threads);
        cli_record_size(&record, "threads_affinity", (size_t)machine.threads_affinity);
        cli_record_size(&record, "threads_cgroup", (size_t)machine.threads_cgroup);
        cli_record_size(&record, "threads_slurm", (size_t)machine.threads_slurm);
        cli_record_size(&record, "threads_omp", (size_t)machine.threads_omp);
        cli_record_size(&record, "memory_bytes", machine.memory_bytes);
        cli_record_text(&record, "instruction_set", machine.instruction_set);
        cli_record_providers(&record);
        return cli_record_print(&record);
    }
    printf("%-16s%s\n", "CPU", machine.cpu);
    print_bytes("memory", (double)machine.memory_bytes);
    printf("%-16s%s, for elementwise kernels\n", "instructions", machine.instruction_set);
    printf("%-16s%d, the least of\n", "threads", machine.threads);
    print_limit("affinity mask", machine.threads_affinity);
    print_limit("cgroup quota", machine.threads_cgroup);
    print_limit("SLURM_CPUS_PER_TASK", machine.threads_slurm);
    print_limit("OMP_NUM_THREADS", machine.threads_omp);
    cli_print_providers();
    return EXIT_CODE_DONE;
}
