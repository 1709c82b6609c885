/* network_options.c: see network_options.h. */
#include "cli/network_options.h"

#include <stdlib.h>

#include "cli/names.h"
#include "cli/report.h"

#define AT(member) offsetof(struct network_options, member)

const struct arg cli_network_rows[CLI_NETWORK_ROWS] = {
    {"hidden", 0, ARG_SIZES, "N[,N...]", AT(hidden), .lower = 1, .upper = ARG_COUNT_LIMIT,
     .extra = "none", .help = "neurons of each hidden layer, or none"},
    {"activation", 0, ARG_NAMES, "NAME[,NAME...]", AT(activation), .registry = GEMMLP_ACTIVATIONS,
     .help = "of all hidden layers, or one for each; relu unless given"},
    {"output-activation", 0, ARG_NAME, "NAME", AT(output_activation),
     .registry = GEMMLP_ACTIVATIONS,
     .help = "softmax to classify, identity to regress, sigmoid for multilabel unless given"},
    {"init", 0, ARG_NAMES, "NAME[,NAME...]", AT(init), .registry = GEMMLP_INITS,
     .help = "initial weights of all layers, or one for each; fits the activation unless given"},
    {"dropout", 0, ARG_REALS, "P[,P...]", AT(dropout), .range = RANGE_SHARE,
     .help = "share of activations dropped in training, of all hidden layers or one for each"},
    {"seed", 0, ARG_SIZE, "N", AT(seed), .upper = ARG_SIZE_LIMIT,
     .help = "of everything random: the same seed gives the same result"},
};

#undef AT
#define AT(member) offsetof(struct objective_options, member)

const struct arg cli_objective_rows[CLI_OBJECTIVE_ROWS] = {
    {"loss", 0, ARG_NAME, "NAME", AT(loss), .registry = GEMMLP_LOSSES,
     .help = "cross_entropy, or mse to regress, unless given"},
    {"label-smoothing", 0, ARG_REAL, "S", AT(label_smoothing), .range = RANGE_SHARE,
     .help = "train classes towards (1 - S) y + S / outputs, S in [0, 1); to classify only, and 0 "
             "unless given where the loss is not cross_entropy"},
    {"l1", 0, ARG_REAL, "X", AT(l1), .range = RANGE_NOT_NEGATIVE,
     .help = "adds X sum |w| to the cost"},
    {"l2", 0, ARG_REAL, "X", AT(l2), .range = RANGE_NOT_NEGATIVE,
     .help = "adds X/2 sum w^2 to the cost"},
};

void cli_network_options_default(struct network_options *options, size_t hidden)
{
    *options = (struct network_options){.hidden = {.count = 1}};
    options->hidden.items[0].size = hidden;
}

void cli_objective_options_default(struct objective_options *options)
{
    *options = (struct objective_options){.label_smoothing = -1};
}

/* A list must be empty, or one value for all, or as long as there are layers. */
static bool fits(const struct command *command, const char *option, const struct arg_list *list,
                 size_t layers, int *code)
{
    if (list->count == 0 || list->count == layers || (list->count == 1 && layers > 0)) {
        return true;
    }
    if (layers == 0) {
        *code = cli_usage(command, "--%s: there is no hidden layer that it could be for", option);
        return false;
    }
    *code = cli_usage(
        command, "--%s: %zu values for %zu hidden layers; expected one for all, or one for each",
        option, list->count, layers);
    return false;
}

/* Index of the value for a layer; lists have one value or enough of them. */
static size_t item_of(const struct arg_list *list, size_t layer)
{
    return list->count == 1 ? 0 : layer;
}

bool cli_network_options_build(const struct command *command, const struct network_options *options,
                               const struct objective_options *objective, gemmlp_task task,
                               size_t outputs, gemmlp_network *network, int *code)
{
    size_t hidden = options->hidden.count;
    if (objective->label_smoothing > 0 && task != GEMMLP_CLASSIFY) {
        *code = cli_usage(command, "--label-smoothing: the task is %s, which has no classes",
                          gemmlp_name(GEMMLP_TASKS, (size_t)task));
        return false;
    }
    bool init_for_output = options->init.count == hidden + 1;
    if (!fits(command, "activation", &options->activation, hidden, code) ||
        !fits(command, "dropout", &options->dropout, hidden, code) ||
        (!init_for_output && !fits(command, "init", &options->init, hidden, code))) {
        return false;
    }
    gemmlp_layer *layers = calloc(hidden + 1, sizeof *layers);
    if (!layers) {
        *code = cli_failed_memory("the network's description");
        return false;
    }
    for (size_t i = 0; i <= hidden; i++) {
        gemmlp_layer *layer = &layers[i];
        const struct arg_list *init = &options->init;
        layer->n_out = i < hidden ? options->hidden.items[i].size : outputs;
        if (init->count == 1 || i < init->count) {
            layer->init = init->items[item_of(init, i)].name;
        }
        if (i < hidden && options->activation.count) {
            layer->activation = options->activation.items[item_of(&options->activation, i)].name;
        }
        if (i < hidden && options->dropout.count) {
            layer->dropout = options->dropout.items[item_of(&options->dropout, i)].real;
        }
    }
    layers[hidden].activation = options->output_activation;
    *network = (gemmlp_network){
        .layer_count = hidden + 1,
        .layers = layers,
        .task = task,
        .loss = objective->loss,
        .label_smoothing = objective->label_smoothing > 0 ? objective->label_smoothing : 0,
        .seed = options->seed,
    };
    return true;
}

void cli_network_options_free(gemmlp_network *network)
{
    /* They were allocated in cli_network_options_build; the public struct only shows them as const.
     */
    union {
        const gemmlp_layer *shown;
        gemmlp_layer *allocated;
    } layers = {network->layers};
    free(layers.allocated);
    network->layers = NULL;
}

void cli_network_shape(const gemmlp_network *network, char *out, size_t size)
{
    out[0] = '\0';
    cli_append(out, size, "%zu", network->n_in);
    for (size_t i = 0; i < network->layer_count; i++) {
        cli_append(out, size, "-%zu", network->layers[i].n_out);
    }
}
