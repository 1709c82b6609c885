/* cost.c: what a training step costs, before it is made. */
#include "core/checked.h"
#include "nn/network.h"
#include "nn/pass.h"
#include "train/optimizer.h"

static gemmlp_status count(const struct model *model, size_t batch,
                           const struct optimizer_rule *rule, gemmlp_cost_model *out,
                           gemmlp_error *error)
{
    /* Parameters and the copy kept against divergence; slots; a gradient unless folded. */
    const size_t slabs = 2 + (rule ? rule->slots + (rule->fold == FOLD_NONE) : 0);
    size_t total;
    *out = (gemmlp_cost_model){
        .weights = gm_network_weights(model->network),
        .flop_train = gm_network_flop(model->network),
        .bytes_parameters = model->arena.used,
        .bytes_workspace = pass_workspace(model, PASS_TRAIN, batch),
    };
    out->flop_predict = 2 * (double)out->weights;
    out->parameters = out->weights;
    for (size_t l = 0; l < model->layer_count; l++)
        out->parameters += model->layers[l].n_out;
    if (model->arena.overflow || out->bytes_workspace == SIZE_MAX ||
        !gm_mul(slabs, out->bytes_parameters, &total) ||
        !gm_add(total, out->bytes_workspace, &out->bytes_training))
        return gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                       "a step over %zu examples needs more bytes than can be addressed", batch);
    return GEMMLP_OK;
}

gemmlp_status gemmlp_network_cost(const gemmlp_network *network, size_t batch,
                                  const char *optimizer, gemmlp_cost_model *out,
                                  gemmlp_error *error)
{
    const struct optimizer_rule *rule = NULL;
    struct network resolved = {0};
    struct model *model = NULL;
    gemmlp_status status = GEMMLP_OK;
    if (optimizer)
        status = optimizer_find(optimizer, &rule, error);
    if (status == GEMMLP_OK)
        status = gm_network_resolve(network, NULL, &resolved, error);
    if (status == GEMMLP_OK)
        status = model_outline(&resolved.spec, &model, error);
    if (status == GEMMLP_OK)
        status = count(model, batch, rule, out, error);
    model_free(model);
    gm_network_free(&resolved);
    return status;
}
