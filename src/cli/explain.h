/* explain.h: what the page of `gemmlp explain` shows, as explain.c has gathered it. */
#ifndef CLI_EXPLAIN_H
#define CLI_EXPLAIN_H

#include <stdbool.h>
#include <stddef.h>

#include "gemmlp.h"

struct explain_page {
    const gemmlp_model *model;
    const char *path; /* of the data */
    size_t example;
    size_t outputs;
    size_t height, width; /* of an image; 0: the features are none */
    const float *y;       /* (outputs): targets of the example */
    const float *a;       /* (outputs): what the model says of it */
    gemmlp_explanation *const *weights;
    size_t weight_count;
};

/* Whether the weight leads to a softmax output, where there is no chain through a_j alone. */
bool cli_explain_softmax(const struct explain_page *page, const gemmlp_explanation *w);

/* On stdout, in UTF-8 where the locale has it, else in ASCII. */
void cli_explain_print(const struct explain_page *page);

#endif
