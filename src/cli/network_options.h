/* network_options.h: --hidden, --activation … of train, gradcheck and info, and the gemmlp_network
 * they describe. */
#ifndef CLI_NETWORK_OPTIONS_H
#define CLI_NETWORK_OPTIONS_H

#include "cli/args.h"

struct network_options {
    struct arg_list hidden;     /* sizes */
    struct arg_list activation; /* one for all hidden layers, or one for each */
    const char *output_activation;
    struct arg_list init;    /* one for all layers, or one for each, with or without the output */
    struct arg_list dropout; /* one for all hidden layers, or one for each */
    size_t seed;
};

struct objective_options {
    const char *loss;
    double label_smoothing; /* negative: not given */
    double l1, l2;
};

#define CLI_NETWORK_ROWS   6
#define CLI_OBJECTIVE_ROWS 4
extern const struct arg cli_network_rows[CLI_NETWORK_ROWS];
extern const struct arg cli_objective_rows[CLI_OBJECTIVE_ROWS];

/* One hidden layer of `hidden` neurons; everything else is chosen by the library. */
void cli_network_options_default(struct network_options *options, size_t hidden);
void cli_objective_options_default(struct objective_options *options);

/* Layers for the options (n_in, preprocess are left to the caller); false: *code is the exit
 * code and a message has been printed. Freed by cli_network_options_free. */
bool cli_network_options_build(const struct command *command, const struct network_options *options,
                               const struct objective_options *objective, gemmlp_task task,
                               size_t outputs, gemmlp_network *network, int *code);
void cli_network_options_free(gemmlp_network *network);

/* "784-256-10" */
void cli_network_shape(const gemmlp_network *network, char *out, size_t size);

#endif
