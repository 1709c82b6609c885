/* reference_network.h: what the reference keeps for one precision, from its creation to its end.
 * Only reference.c includes it, with `real` defined and its names mapped: hence no guard. */

/* The weights or the biases of one layer, with what the optimizer keeps for each of them. */
struct tensor {
    bool weights;   /* penalties and decay spare the biases */
    size_t count;   /* of each of the following */
    real *value;    /* w or b */
    real *operand;  /* what products read: value itself, or in bf16 a rounded copy */
    real *gradient; /* dC/dw or dC/db */
    real *m;        /* velocity, or running mean of the gradient */
    real *v;        /* running mean of the squared gradient */
};

struct dense {
    size_t n_in, n_out;
    enum activation activation;
    struct tensor w; /* (n_out x n_in): w_jk from neuron k to neuron j */
    struct tensor b; /* (n_out) */
};

/* What one example makes of the network. */
struct example {
    real *z[REFERENCE_MAX_LAYERS], *a[REFERENCE_MAX_LAYERS]; /* (n_out of the layer) */
    real *delta[REFERENCE_MAX_LAYERS];                       /* likewise: dC/dz */
    real *a_operand[REFERENCE_MAX_LAYERS], *delta_operand[REFERENCE_MAX_LAYERS]; /* as of tensors */
    real *y;     /* (n_out of the output): the target, smoothed */
    real *dC_da; /* (n_out of the output) */
};

struct reference {
    struct reference_settings settings; /* for its numbers: the names may be gone */
    struct plan plan;
    struct dense layers[REFERENCE_MAX_LAYERS];
    struct example *examples; /* EXAMPLES_AT_ONCE of them */
    size_t steps;
};

/* count elements, zero; NULL also when that overflows. */
static real *zeros(size_t count)
{
    return calloc(count, sizeof(real));
}

/* Room for the rounded copy of x, or x itself. */
static real *operand_create(bool rounded, size_t count, real *x)
{
    return rounded ? zeros(count) : x;
}

static bool tensor_create(struct tensor *p, bool weights, bool rounded, size_t count)
{
    *p = (struct tensor){.weights = weights,
                         .count = count,
                         .value = zeros(count),
                         .gradient = zeros(count),
                         .m = zeros(count),
                         .v = zeros(count)};
    p->operand = operand_create(rounded, count, p->value);
    return p->value != NULL && p->operand != NULL && p->gradient != NULL && p->m != NULL &&
           p->v != NULL;
}

static void tensor_free(struct tensor *p)
{
    if (p->operand != p->value) {
        free(p->operand);
    }
    free(p->value);
    free(p->gradient);
    free(p->m);
    free(p->v);
}

static bool layer_create(struct dense *layer, size_t n_in, size_t n_out, enum activation activation,
                         bool bf16)
{
    if (n_in == 0 || n_out == 0 || n_in > SIZE_MAX / n_out) {
        return false;
    }
    layer->n_in = n_in;
    layer->n_out = n_out;
    layer->activation = activation;
    return tensor_create(&layer->w, true, bf16, n_in * n_out) &&
           tensor_create(&layer->b, false, false, n_out);
}

static bool example_create(struct example *e, const struct reference_settings *settings)
{
    size_t layers = settings->layer_count, n_out = settings->sizes[layers];
    bool complete = true;
    for (size_t l = 0; l < layers; l++) {
        e->z[l] = zeros(settings->sizes[l + 1]);
        e->a[l] = zeros(settings->sizes[l + 1]);
        e->delta[l] = zeros(settings->sizes[l + 1]);
        e->a_operand[l] = operand_create(settings->bf16, settings->sizes[l + 1], e->a[l]);
        e->delta_operand[l] = operand_create(settings->bf16, settings->sizes[l + 1], e->delta[l]);
        complete = complete && e->z[l] != NULL && e->a[l] != NULL && e->delta[l] != NULL &&
                   e->a_operand[l] != NULL && e->delta_operand[l] != NULL;
    }
    e->y = zeros(n_out);
    e->dC_da = zeros(n_out);
    return complete && e->y != NULL && e->dC_da != NULL;
}

static void example_free(struct example *e, size_t layers)
{
    for (size_t l = 0; l < layers; l++) {
        if (e->a_operand[l] != e->a[l]) {
            free(e->a_operand[l]);
        }
        if (e->delta_operand[l] != e->delta[l]) {
            free(e->delta_operand[l]);
        }
        free(e->z[l]);
        free(e->a[l]);
        free(e->delta[l]);
    }
    free(e->y);
    free(e->dC_da);
}

void reference_free(struct reference *r)
{
    if (r == NULL) {
        return;
    }
    for (size_t l = 0; l < r->settings.layer_count; l++) {
        tensor_free(&r->layers[l].w);
        tensor_free(&r->layers[l].b);
    }
    for (size_t i = 0; r->examples != NULL && i < EXAMPLES_AT_ONCE; i++) {
        example_free(&r->examples[i], r->settings.layer_count);
    }
    free(r->examples);
    free(r);
}

struct reference *reference_create(const struct reference_settings *settings)
{
    struct plan plan;
    if (!read_names(settings, &plan)) {
        return NULL;
    }
    struct reference *r = calloc(1, sizeof *r);
    if (r == NULL) {
        return NULL;
    }
    r->settings = *settings;
    r->plan = plan;
    bool complete = true;
    for (size_t l = 0; l < settings->layer_count && complete; l++) {
        complete = layer_create(&r->layers[l], settings->sizes[l], settings->sizes[l + 1],
                                plan.activations[l], settings->bf16);
    }
    r->examples = calloc(EXAMPLES_AT_ONCE, sizeof *r->examples);
    for (size_t i = 0; i < EXAMPLES_AT_ONCE && complete; i++) {
        complete = r->examples != NULL && example_create(&r->examples[i], settings);
    }
    if (!complete) {
        reference_free(r);
        return NULL;
    }
    return r;
}
