/* explain_page.c: the chain rule for single weights as a page to read, in the notation of
 * 3Blue1Brown's "Backpropagation calculus":
 *
 *   dC0/dw_jk = dz_j/dw_jk * da_j/dz_j * dC0/da_j        dC0/da_j = sum_i dz_i/da_j * dC0/dz_i
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/explain.h"
#include "cli/names.h"
#include "cli/terminal.h"

enum { PATHS_SHOWN = 5, OUTPUTS_SHOWN = 5, LABEL_WIDTH = 48, SYMBOL_SIZE = 96 };

struct symbols {
    const char *d, *cost, *dot, *sum, *sigma, *minus;
    const char *open, *close; /* around the number of a layer */
    const char *layer_digits[10];
};

static const struct symbols utf8_symbols = {
    "∂", "C₀", "·", "Σ", "σ′", "−", "⁽", "⁾", {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"}};
static const struct symbols ascii_symbols = {
    "d",   "C0",     "*",
    "sum", "sigma'", "-",
    "^(",  ")",      {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}};

static const struct symbols *symbols(void)
{
    return cli_locale_utf8() ? &utf8_symbols : &ascii_symbols;
}

/* A name with its layer: "z⁽¹⁾" or "z^(1)". */
static void append_layer(char *out, size_t size, const char *letter, size_t layer)
{
    const struct symbols *s = symbols();
    char digits[24];
    snprintf(digits, sizeof digits, "%zu", layer);
    cli_append(out, size, "%s%s", letter, s->open);
    for (const char *digit = digits; *digit; digit++) {
        cli_append(out, size, "%s", s->layer_digits[*digit - '0']);
    }
    cli_append(out, size, "%s", s->close);
}

struct symbol {
    char text[SYMBOL_SIZE];
};

/* z⁽¹⁾_7 */
static struct symbol neuron(const char *letter, size_t layer, size_t index)
{
    struct symbol symbol = {""};
    append_layer(symbol.text, sizeof symbol.text, letter, layer);
    cli_append(symbol.text, sizeof symbol.text, "_%zu", index);
    return symbol;
}

/* w⁽¹⁾_7,13 */
static struct symbol weight(const gemmlp_explanation *w)
{
    struct symbol symbol = neuron("w", w->layer, w->j);
    cli_append(symbol.text, sizeof symbol.text, ",%zu", w->k);
    return symbol;
}

/* What goes into the weight: an activation of the layer before, or a feature of the example. */
static struct symbol input(const gemmlp_explanation *w)
{
    struct symbol symbol = {""};
    if (w->layer > 0) {
        return neuron("a", w->layer - 1, w->k);
    }
    snprintf(symbol.text, sizeof symbol.text, "x_%zu", w->k);
    return symbol;
}

/* Without the sign of a zero. */
static double plain(double value)
{
    return value == 0 ? 0 : value;
}

static void print_row(const char *label, double value, const char *remark)
{
    size_t columns = cli_text_columns(label);
    int padding = columns < LABEL_WIDTH ? (int)(LABEL_WIDTH - columns) : 0;
    printf("%s%*s = %.6g", label, padding, "", plain(value));
    printf("%s%s%s\n", *remark ? "   (" : "", remark, *remark ? ")" : "");
}

/* The right side of a multiplication sign. */
static void append_factor(char *label, size_t size, double factor)
{
    cli_append(label, size, factor < 0 ? "(%.6g)" : "%.6g", plain(factor));
}

static int by_contribution(const void *left, const void *right)
{
    const gemmlp_path *a = left, *b = right;
    double x = fabs(a->dz_da * a->dC_dz), y = fabs(b->dz_da * b->dC_dz);
    return x < y ? 1 : x > y ? -1 : (a->neuron > b->neuron) - (a->neuron < b->neuron);
}

/* The sum over the paths from neuron j through the next layer to the cost; sorts the paths. */
static void print_paths(const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "  ";
    struct symbol a = neuron("a", w->layer, w->j);
    cli_append(label, sizeof label, "%s%s/%s%s = %s_i ", s->d, s->cost, s->d, a.text, s->sum);
    append_layer(label, sizeof label, "w", w->layer + 1);
    cli_append(label, sizeof label, "_i,%zu %s %s%s/%s", w->j, s->dot, s->d, s->cost, s->d);
    append_layer(label, sizeof label, "z", w->layer + 1);
    printf("%s_i, over the %zu neurons i of layer %zu:\n", label, w->path_count, w->layer + 1);
    qsort(w->paths, w->path_count, sizeof *w->paths, by_contribution);
    double rest = 0;
    for (size_t p = 0; p < w->path_count; p++) {
        const gemmlp_path *path = &w->paths[p];
        double contribution = path->dz_da * path->dC_dz;
        if (p >= PATHS_SHOWN) {
            rest += contribution;
            continue;
        }
        label[0] = '\0';
        cli_append(label, sizeof label, "      i = %-5zu %12.6g %s ", path->neuron,
                   plain(path->dz_da), s->dot);
        append_factor(label, sizeof label, path->dC_dz);
        print_row(label, contribution, "");
    }
    if (w->path_count > PATHS_SHOWN) {
        snprintf(label, sizeof label, "      the other %zu", w->path_count - PATHS_SHOWN);
        print_row(label, rest, "");
    }
    print_row("      all together", w->dC_da, "");
}

static void print_input_factor(const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "";
    struct symbol z = neuron("z", w->layer, w->j), name = weight(w), in = input(w);
    cli_append(label, sizeof label, "  %s%s/%s%s = %s", s->d, z.text, s->d, name.text, in.text);
    print_row(label, w->dz_dw, w->layer == 0 ? "the feature after pre-processing" : "");
}

static void print_slope_factor(const gemmlp_explanation *w, const char *formula)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "", remark[96];
    struct symbol z = neuron("z", w->layer, w->j), a = neuron("a", w->layer, w->j);
    cli_append(label, sizeof label, "  %s%s/%s%s = %s", s->d, a.text, s->d, z.text, formula);
    snprintf(remark, sizeof remark, "at z = %.6g, where a = %.6g", plain(w->z), plain(w->a));
    print_row(label, w->da_dz, remark);
}

/* Two or three factors and their product. */
static void print_product(const gemmlp_explanation *w, const double *factors, size_t count)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "";
    struct symbol name = weight(w);
    cli_append(label, sizeof label, "  %s%s/%s%s = ", s->d, s->cost, s->d, name.text);
    for (size_t i = 0; i < count; i++) {
        cli_append(label, sizeof label, "%s%s%s", i ? " " : "", i ? s->dot : "", i ? " " : "");
        append_factor(label, sizeof label, factors[i]);
    }
    print_row(label, w->dC_dw, "");
}

/* At a softmax output there is no chain through a_j alone. */
static void print_softmax(const gemmlp_explanation *w, const char *loss)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "", remark[128] = "";
    struct symbol z = neuron("z", w->layer, w->j);
    print_slope_factor(w, s == &utf8_symbols ? "a (1 − a)" : "a (1 - a)");
    printf("  softmax: not a_%zu alone, every output a_i depends on %s, so that\n", w->j, z.text);
    cli_append(label, sizeof label, "  %s%s/%s%s = %s_i %sa_i/%sz_%zu %s %s%s/%sa_i", s->d, s->cost,
               s->d, z.text, s->sum, s->d, s->d, w->j, s->dot, s->d, s->cost, s->d);
    if (strcmp(loss, "cross_entropy") == 0) {
        cli_append(remark, sizeof remark, "for cross-entropy a_%zu %s y_%zu = %.6g %s %.6g", w->j,
                   s->minus, w->j, plain(w->a), s->minus, plain(w->target));
    }
    print_row(label, w->dC_dz, remark);
    print_product(w, (const double[]){w->dz_dw, w->dC_dz}, 2);
}

static void print_chain(const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "", remark[96] = "", slope[2 * SYMBOL_SIZE];
    struct symbol a = neuron("a", w->layer, w->j), z = neuron("z", w->layer, w->j);
    snprintf(slope, sizeof slope, "%s(%s)", s->sigma, z.text);
    print_slope_factor(w, slope);
    if (w->path_count > 0) {
        print_paths(w);
    } else {
        cli_append(label, sizeof label, "  %s%s/%s%s", s->d, s->cost, s->d, a.text);
        snprintf(remark, sizeof remark, "from the loss, at y = %.6g", plain(w->target));
        print_row(label, w->dC_da, remark);
    }
    print_product(w, (const double[]){w->dz_dw, w->da_dz, w->dC_da}, 3);
}

/* What the cost really does when the weight is nudged, beside what its derivative said. */
static void print_nudge(const char *cost, const char *d, double before, double after,
                        double derivative, double nudge)
{
    double change = after - before, predicted = derivative * nudge;
    printf("    %s%*s really changes by %.6g, predicted %s%s/%sw %s h = %.6g", cost,
           (int)(2 - cli_text_columns(cost)), "", plain(change), d, cost, d, symbols()->dot,
           plain(predicted));
    if (predicted != 0) {
        printf(", ratio %.6f", change / predicted);
    }
    putchar('\n');
}

static void print_weight(const struct explain_page *page, const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    const gemmlp_network *network = gemmlp_model_network(page->model);
    const char *activation = network->layers[w->layer].activation;
    bool output = w->layer + 1 == network->layer_count;
    struct symbol name = weight(w);
    char label[2 * SYMBOL_SIZE] = "";
    printf("\n%s = %.6g, to neuron %zu of layer %zu (%s%s) from %s %zu\n", name.text,
           plain(w->weight), w->j, w->layer, output ? "the output, " : "", activation,
           w->layer ? "neuron" : "feature", w->k);
    print_input_factor(w);
    if (output && strcmp(activation, "softmax") == 0) {
        print_softmax(w, network->loss);
    } else {
        print_chain(w);
    }
    cli_append(label, sizeof label, "  %sC/%s%s", s->d, s->d, name.text);
    char remark[64];
    snprintf(remark, sizeof remark, "averaged over %zu examples", w->average_examples);
    print_row(label, w->average_dC_dw, remark);
    printf("  nudge the weight by h = %g:\n", w->nudge);
    print_nudge(s->cost, s->d, w->cost, w->cost_nudged, w->dC_dw, w->nudge);
    print_nudge("C", s->d, w->average_cost, w->average_cost_nudged, w->average_dC_dw, w->nudge);
}

static size_t largest(const float *values, size_t count)
{
    size_t best = 0;
    for (size_t i = 1; i < count; i++) {
        best = values[i] > values[best] ? i : best;
    }
    return best;
}

static void print_values(const char *title, const float *values, size_t count)
{
    printf(", %s", title);
    for (size_t i = 0; i < count && i < OUTPUTS_SHOWN; i++) {
        printf("%s%.6g", i ? ", " : " ", (double)values[i]);
    }
    printf("%s", count > OUTPUTS_SHOWN ? ", ..." : "");
}

void cli_explain_print(const struct explain_page *page)
{
    const struct symbols *s = symbols();
    const gemmlp_network *network = gemmlp_model_network(page->model);
    printf("example %zu of %s", page->example, page->path);
    if (network->task == GEMMLP_CLASSIFY) {
        size_t label = largest(page->y, page->outputs), said = largest(page->a, page->outputs);
        printf(": label %s, prediction %s (a = %.6g)", gemmlp_model_class_name(page->model, label),
               gemmlp_model_class_name(page->model, said), (double)page->a[said]);
    } else {
        print_values("target y =", page->y, page->outputs);
        print_values("output a =", page->a, page->outputs);
    }
    if (page->weight_count > 0) {
        printf(", cost %s = %.6g", s->cost, plain(page->weights[0]->cost));
    }
    printf("\n%s is the cost of this one example, C the average over many; loss %s.\n", s->cost,
           network->loss);
    puts("Layers are counted from 0, the first one with weights; so are neurons and features.");
    for (size_t i = 0; i < page->weight_count; i++) {
        print_weight(page, page->weights[i]);
    }
}
