/* cases.c: see cases.h. */
#include "cases.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/names.h"
#include "cli/numbers.h"
#include "cli/report.h"
#include "gemmlp.h"

/* From Nielsen's first network to one that fills the caches of any machine. */
static const char standard_steps[] = "784-30-10:10:sigmoid,784-128-64-10:64,784-1024-1024-10:256,"
                                     "784-2500-2000-1500-1000-500-10:256:tanh,"
                                     "4096-4096-4096-4096:1024";
static const char standard_products[] = "784-128-64-10:64,784-1024-1024-10:256";

enum { MAX_CASES = 4096, MAX_BATCH = 1 << 24, MAX_SIZE = 1 << 24 };

struct case_list {
    const struct command *command;
    struct bench_case *cases;
    size_t count;
    int code;
};

const char *bench_operation(bool transpose_a, bool transpose_b)
{
    static const char *const names[2][2] = {{"NN", "NT"}, {"TN", "TT"}};
    return names[transpose_a][transpose_b];
}

/* A case that is there already, by its label, is measured once. */
static bool add_case(struct case_list *list, const struct bench_case *new_case)
{
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->cases[i].label, new_case->label) == 0 &&
            list->cases[i].threads == new_case->threads)
            return true;
    if (list->count == MAX_CASES) {
        list->code = cli_usage(list->command, "bench: expected at most %d cases", MAX_CASES);
        return false;
    }
    if ((list->count & (list->count - 1)) == 0) { /* room for the next power of two */
        const size_t room = list->count ? 2 * list->count : 1;
        struct bench_case *grown = realloc(list->cases, room * sizeof *grown);
        if (!grown) {
            list->code = cli_failed_memory("the cases");
            return false;
        }
        list->cases = grown;
    }
    list->cases[list->count++] = *new_case;
    return true;
}

/* ---- networks ---- */

static bool refuse_network(struct case_list *list, const char *item)
{
    list->code = cli_usage(
        list->command,
        "--network: expected SIZES[:BATCH[:ACTIVATION]], 2 to %d sizes from 1 to %d, such as "
        "784-128-64-10:64:relu, found '%s'",
        REFERENCE_MAX_LAYERS + 1, MAX_SIZE, item);
    return false;
}

/* SIZES[:BATCH[:ACTIVATION]] */
static bool parse_network(struct case_list *list, const char *item, struct bench_case *c)
{
    char text[sizeof c->network];
    if (strlen(item) >= sizeof text)
        return refuse_network(list, item);
    strcpy(text, item);
    char *batch = strchr(text, ':'), *activation = batch ? strchr(batch + 1, ':') : NULL;
    if (batch)
        *batch++ = '\0';
    if (activation)
        *activation++ = '\0';
    strcpy(c->network, text);
    size_t count = 0;
    for (char *size = text; size; count++) {
        char *next = strchr(size, '-');
        if (next)
            *next++ = '\0';
        if (count > REFERENCE_MAX_LAYERS || !cli_parse_size(size, &c->sizes[count]) ||
            c->sizes[count] == 0 || c->sizes[count] > MAX_SIZE)
            return refuse_network(list, item);
        size = next;
    }
    c->layer_count = count - 1;
    c->batch = 128;
    c->activation = activation ? cli_registry_find(GEMMLP_ACTIVATIONS, activation) : "relu";
    if (!c->activation) {
        char message[1024];
        const gemmlp_registry activations = GEMMLP_ACTIVATIONS;
        cli_unknown_name("activation", activation, "", cli_registry_name_at, &activations, message,
                         sizeof message);
        list->code = cli_usage(list->command, "--network: %s", message);
        return false;
    }
    if (count < 2 ||
        (batch && (!cli_parse_size(batch, &c->batch) || c->batch == 0 || c->batch > MAX_BATCH)))
        return refuse_network(list, item);
    return true;
}

/* One network with every batch size and activation that was asked for. */
static bool expand_network(struct case_list *list, const struct bench_case_options *options,
                           struct bench_case c,
                           bool (*add)(struct case_list *, const struct bench_case *))
{
    const size_t batches = options->batch.count ? options->batch.count : 1;
    const size_t activations = options->activation.count ? options->activation.count : 1;
    const size_t optimizers = options->optimizer.count ? options->optimizer.count : 1;
    for (size_t i = 0; i < batches * activations * optimizers; i++) {
        if (options->batch.count)
            c.batch = options->batch.items[i / optimizers / activations].size;
        if (options->activation.count)
            c.activation = options->activation.items[i / optimizers % activations].name;
        c.optimizer =
            options->optimizer.count ? options->optimizer.items[i % optimizers].name : "sgd";
        if (!add(list, &c))
            return false;
    }
    return true;
}

static bool each_network(struct case_list *list, const struct bench_case_options *options,
                         const char *networks,
                         bool (*add)(struct case_list *, const struct bench_case *))
{
    for (const char *start = networks;; start += strcspn(start, ",") + 1) {
        char item[192];
        const size_t length = strcspn(start, ",");
        struct bench_case c = {0};
        snprintf(item, sizeof item, "%.*s", length < sizeof item ? (int)length : 191, start);
        if (!parse_network(list, item, &c) || !expand_network(list, options, c, add))
            return false;
        if (start[length] == '\0')
            return true;
    }
}

static bool add_step(struct case_list *list, const struct bench_case *step)
{
    struct bench_case c = *step;
    snprintf(c.label, sizeof c.label, "%s %s B=%zu %s", c.network, c.activation, c.batch,
             c.optimizer);
    return add_case(list, &c);
}

/* ---- products ---- */

/* Shapes that occur twice are measured once. */
static bool add_product(struct case_list *list, const struct bench_case *new_case)
{
    for (size_t i = 0; i < list->count; i++) {
        const struct bench_case *c = &list->cases[i];
        if (c->m == new_case->m && c->n == new_case->n && c->k == new_case->k &&
            c->transpose_a == new_case->transpose_a && c->transpose_b == new_case->transpose_b)
            return true;
    }
    return add_case(list, new_case);
}

/* The three products of every layer; the first has no input gradient. */
static bool add_network_products(struct case_list *list, const struct bench_case *network)
{
    static const struct {
        const char *name;
        bool transpose_a, transpose_b;
    } passes[] = {{"forward", false, true}, {"backward", false, false}, {"gradient", true, false}};
    for (size_t l = 0; l < network->layer_count; l++) {
        const size_t n_in = network->sizes[l], n_out = network->sizes[l + 1];
        const size_t batch = network->batch;
        const size_t shapes[3][3] = {
            {batch, n_out, n_in}, {batch, n_in, n_out}, {n_out, n_in, batch}};
        for (size_t p = 0; p < 3; p++) {
            struct bench_case c = *network;
            c.transpose_a = passes[p].transpose_a;
            c.transpose_b = passes[p].transpose_b;
            c.m = shapes[p][0];
            c.n = shapes[p][1];
            c.k = shapes[p][2];
            snprintf(c.label, sizeof c.label, "%s B=%zu layer %zu %s", c.network, batch, l,
                     passes[p].name);
            if ((l > 0 || p != 1) && !add_product(list, &c))
                return false;
        }
    }
    return true;
}

static bool add_operation(struct case_list *list, const struct bench_case_options *options,
                          bool transpose_a, bool transpose_b)
{
    const struct arg_list *m = &options->m, *n = &options->n, *k = &options->k;
    for (size_t i = 0; i < m->count * n->count * k->count; i++) {
        struct bench_case c = {.transpose_a = transpose_a,
                               .transpose_b = transpose_b,
                               .m = m->items[i / k->count / n->count].size,
                               .n = n->items[i / k->count % n->count].size,
                               .k = k->items[i % k->count].size};
        snprintf(c.label, sizeof c.label, "%s %zux%zux%zu",
                 bench_operation(transpose_a, transpose_b), c.m, c.n, c.k);
        if (!add_product(list, &c))
            return false;
    }
    return true;
}

/* m x n x k for each of "NN,NT". */
static bool add_plain_products(struct case_list *list, const struct bench_case_options *options)
{
    const char *text = options->operation ? options->operation : "NN";
    for (const char *word = text;; word += 3) {
        const bool valid = (word[0] == 'N' || word[0] == 'T') &&
                           (word[1] == 'N' || word[1] == 'T') &&
                           (word[2] == ',' || word[2] == '\0');
        if (!valid) {
            list->code = cli_usage(list->command,
                                   "--operation: expected NN, NT, TN or TT (N: stored as it is, T: "
                                   "transposed), or a comma list of them, found '%s'",
                                   text);
            return false;
        }
        if (!add_operation(list, options, word[0] == 'T', word[1] == 'T'))
            return false;
        if (word[2] == '\0')
            return true;
    }
}

/* ---- for every number of threads ---- */

static int finish(struct case_list *list, const struct arg_list *threads, struct bench_case **out,
                  size_t *count)
{
    const size_t cases = list->count, counts = threads->count ? threads->count : 1;
    for (size_t t = 0; list->code == EXIT_CODE_DONE && t < counts; t++) {
        const int number = threads->count ? (int)threads->items[t].size : gemmlp_default_threads();
        for (size_t i = 0; i < cases; i++) {
            struct bench_case c = list->cases[i];
            c.threads = number;
            if (t == 0)
                list->cases[i] = c;
            else if (!add_case(list, &c))
                break;
        }
    }
    *out = list->cases;
    *count = list->count;
    return list->code;
}

int bench_product_cases(const struct command *command, const struct bench_case_options *options,
                        const struct arg_list *threads, struct bench_case **out, size_t *count)
{
    struct case_list list = {.command = command, .code = EXIT_CODE_DONE};
    const size_t given = (options->m.count > 0) + (options->n.count > 0) + (options->k.count > 0);
    if (given % 3 != 0)
        list.code = cli_usage(command, "--m, --n, --k: expected all three or none of them");
    else if (options->operation && given == 0)
        list.code = cli_usage(command, "--operation: expected --m, --n and --k beside it; the "
                                       "products of a network have their own");
    else if (given == 3)
        add_plain_products(&list, options);
    if (list.code == EXIT_CODE_DONE && (options->network || given == 0))
        each_network(&list, options, options->network ? options->network : standard_products,
                     add_network_products);
    return finish(&list, threads, out, count);
}

int bench_step_cases(const struct command *command, const struct bench_case_options *options,
                     const struct arg_list *threads, struct bench_case **out, size_t *count)
{
    struct case_list list = {.command = command, .code = EXIT_CODE_DONE};
    each_network(&list, options, options->network ? options->network : standard_steps, add_step);
    return finish(&list, threads, out, count);
}
