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
    const char *rule; /* what the numbers of each weight are put into */
};

static const struct symbols utf8_symbols = {
    "∂",
    "C₀",
    "·",
    "Σ",
    "σ′",
    "−",
    "⁽",
    "⁾",
    {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"},
    "The chain rule for the weight w_jk to neuron j from neuron k of the layer before:\n"
    "  ∂C₀/∂w_jk = ∂z_j/∂w_jk · ∂a_j/∂z_j · ∂C₀/∂a_j\n"
    "At the output ∂C₀/∂a_j is the derivative of the loss, before it a sum over the neurons i of\n"
    "the next layer, through which all paths to the cost lead:\n"
    "  ∂C₀/∂a_j = Σ_i ∂z_i/∂a_j · ∂C₀/∂z_i   where ∂z_i/∂a_j = w_ij\n"
    "                                          and ∂C₀/∂z_i = ∂a_i/∂z_i · ∂C₀/∂a_i\n"};
static const struct symbols ascii_symbols = {
    "d",
    "C0",
    "*",
    "sum",
    "sigma'",
    "-",
    "^(",
    ")",
    {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"},
    "The chain rule for the weight w_jk to neuron j from neuron k of the layer before:\n"
    "  dC0/dw_jk = dz_j/dw_jk * da_j/dz_j * dC0/da_j\n"
    "At the output dC0/da_j is the derivative of the loss, before it a sum over the neurons i of\n"
    "the next layer, through which all paths to the cost lead:\n"
    "  dC0/da_j = sum_i dz_i/da_j * dC0/dz_i   where dz_i/da_j = w_ij\n"
    "                                            and dC0/dz_i = da_i/dz_i * dC0/da_i\n"};

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

/* Without the sign of a zero, or of what is no number. */
static double plain(double value)
{
    return value == 0 ? 0 : isnan(value) ? NAN : value;
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

static void print_slope_factor(const gemmlp_explanation *w, const char *activation)
{
    const struct symbols *s = symbols();
    char label[4 * SYMBOL_SIZE] = "", remark[128] = "";
    struct symbol z = neuron("z", w->layer, w->j), a = neuron("a", w->layer, w->j);
    cli_append(label, sizeof label, "  %s%s/%s%s = %s(%s)", s->d, a.text, s->d, z.text, s->sigma,
               z.text);
    cli_append(remark, sizeof remark, "at z = %.6g, where a = %.6g", plain(w->z), plain(w->a));
    if (w->da_dz == 0 && strcmp(activation, "relu") == 0) {
        cli_append(remark, sizeof remark, ": relu is flat below 0");
    }
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

/* dC0/da_j by the loss, a and y those of output j, n how many outputs there are. */
static const struct {
    const char *loss, *formula;
    bool mean; /* over the outputs */
} loss_slopes[] = {
    {"cross_entropy", "(a - y) / (a (1 - a))", false}, /* of sigmoid outputs */
    {"quadratic", "2 (a - y)", false},
    {"half_quadratic", "a - y", false},
    {"mse", "2 (a - y) / n", true},
    {"mae", "sign(a - y) / n", true},
    {"huber", "(a - y, cut to -1 .. 1) / n", true},
};

enum { LOSS_SLOPES = sizeof loss_slopes / sizeof *loss_slopes };

/* Index of its row; LOSS_SLOPES when there is none. */
static size_t slope_of_loss(const char *loss)
{
    size_t i = 0;
    while (i < LOSS_SLOPES && strcmp(loss_slopes[i].loss, loss) != 0) {
        i++;
    }
    return i;
}

static void append_formula(char *label, size_t size, const char *formula)
{
    for (; *formula; formula++) {
        const char character[2] = {*formula, '\0'};
        cli_append(label, size, "%s", *formula == '-' ? symbols()->minus : character);
    }
}

bool cli_explain_softmax(const struct explain_page *page, const gemmlp_explanation *w)
{
    const gemmlp_network *network = gemmlp_model_network(page->model);
    return w->layer + 1 == network->layer_count &&
           strcmp(network->layers[w->layer].activation, "softmax") == 0;
}

/* There is no chain through a_j alone: raising z_j raises a_j and lowers all others. */
static void print_softmax(const struct explain_page *page, const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    const char *loss = gemmlp_model_network(page->model)->loss;
    char label[4 * SYMBOL_SIZE] = "", remark[2 * SYMBOL_SIZE] = "";
    struct symbol z = neuron("z", w->layer, w->j);
    size_t slope = slope_of_loss(loss);
    printf("  softmax: not a_%zu alone, every output a_i depends on %s; the sum is over all "
           "%zu outputs i\n",
           w->j, z.text, page->outputs);
    cli_append(label, sizeof label, "  %s%s/%s%s = %s_i %sa_i/%sz_%zu %s %s%s/%sa_i", s->d, s->cost,
               s->d, z.text, s->sum, s->d, s->d, w->j, s->dot, s->d, s->cost, s->d);
    if (strcmp(loss, "cross_entropy") == 0) {
        cli_append(remark, sizeof remark, "for cross-entropy a_%zu %s y_%zu = %.6g %s %.6g", w->j,
                   s->minus, w->j, plain(w->a), s->minus, plain(w->target));
    } else if (slope < LOSS_SLOPES) {
        cli_append(remark, sizeof remark, "with %s%s/%sa = ", s->d, s->cost, s->d);
        append_formula(remark, sizeof remark, loss_slopes[slope].formula);
    }
    print_row(label, w->dC_dz, remark);
    print_product(w, (const double[]){w->dz_dw, w->dC_dz}, 2);
}

/* The end of the chain: the derivative of the loss by an output. */
static void print_loss_factor(const struct explain_page *page, const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    const char *loss = gemmlp_model_network(page->model)->loss;
    char label[4 * SYMBOL_SIZE] = "", remark[2 * SYMBOL_SIZE] = "";
    struct symbol a = neuron("a", w->layer, w->j);
    size_t slope = slope_of_loss(loss);
    cli_append(label, sizeof label, "  %s%s/%s%s", s->d, s->cost, s->d, a.text);
    if (slope < LOSS_SLOPES) {
        cli_append(label, sizeof label, " = ");
        append_formula(label, sizeof label, loss_slopes[slope].formula);
    }
    cli_append(remark, sizeof remark, "from %s, at a = %.6g, y = %.6g", loss, plain(w->a),
               plain(w->target));
    if (slope < LOSS_SLOPES && loss_slopes[slope].mean) {
        cli_append(remark, sizeof remark, ", n = %zu", page->outputs);
    }
    print_row(label, w->dC_da, remark);
}

static void print_chain(const struct explain_page *page, const gemmlp_explanation *w)
{
    print_slope_factor(w, gemmlp_model_network(page->model)->layers[w->layer].activation);
    if (w->path_count > 0) {
        print_paths(w);
    } else {
        print_loss_factor(page, w);
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
        printf(", ratio %.6f", plain(change / predicted));
    }
    putchar('\n');
}

static void print_title(const struct explain_page *page, const gemmlp_explanation *w)
{
    const gemmlp_network *network = gemmlp_model_network(page->model);
    struct symbol name = weight(w);
    printf("\n%s = %.6g, to neuron %zu of layer %zu (%s%s) from %s %zu", name.text,
           plain(w->weight), w->j, w->layer,
           w->layer + 1 == network->layer_count ? "the output, " : "",
           network->layers[w->layer].activation, w->layer ? "neuron" : "feature", w->k);
    if (w->layer == 0 && page->width > 0) {
        printf(", the pixel in row %zu, column %zu of %zu x %zu", w->k / page->width,
               w->k % page->width, page->height, page->width);
    }
    putchar('\n');
}

static void print_weight(const struct explain_page *page, const gemmlp_explanation *w)
{
    const struct symbols *s = symbols();
    struct symbol name = weight(w);
    char label[2 * SYMBOL_SIZE] = "", remark[64];
    print_title(page, w);
    print_input_factor(w);
    if (cli_explain_softmax(page, w)) {
        print_softmax(page, w);
    } else {
        print_chain(page, w);
    }
    cli_append(label, sizeof label, "  %sC/%s%s", s->d, s->d, name.text);
    snprintf(remark, sizeof remark, "average over the first %zu examples", w->average_examples);
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
    char names[2][128];
    fputs(s->rule, stdout);
    printf("\nexample %zu of %s", page->example, page->path);
    if (network->task == GEMMLP_CLASSIFY) {
        size_t label = largest(page->y, page->outputs), said = largest(page->a, page->outputs);
        printf(
            ": label %s, prediction %s (a = %.6g)",
            cli_printable(gemmlp_model_class_name(page->model, label), names[0], sizeof names[0]),
            cli_printable(gemmlp_model_class_name(page->model, said), names[1], sizeof names[1]),
            (double)page->a[said]);
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
    puts("\nThe ratio of what the cost really does to what was predicted tends to 1 as h goes to "
         "0.");
}
