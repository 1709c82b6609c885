/* cost.c: what a training step costs, before it is made. */
#include "core/checked.h"
#include "nn/pass.h"
#include "nn/public_model.h"
#include "train/optimizer.h"

gemmlp_status gemmlp_model_cost(const gemmlp_model *model, size_t batch, const char *optimizer,
                                gemmlp_cost_model *out, gemmlp_error *error)
{
    const gemmlp_network *network = &model->network.spec;
    const struct optimizer_rule *rule = NULL;
    if (optimizer) {
        gemmlp_status status = optimizer_find(optimizer, &rule, error);
        if (status != GEMMLP_OK)
            return status;
    }
    const size_t weights = gm_network_weights(network);
    const size_t slab = model->core->slab_size * sizeof(float);
    /* Parameters and the copy kept against divergence; slots; a gradient unless folded. */
    const size_t slabs = 2 + (rule ? rule->slots + (rule->fold == FOLD_NONE) : 0);
    *out = (gemmlp_cost_model){
        .weights = weights,
        .parameters = weights,
        .flop_train = gm_network_flop(network),
        .flop_predict = 2 * (double)weights,
        .bytes_parameters = slab,
        .bytes_workspace = pass_workspace(model->core, PASS_TRAIN, batch),
    };
    for (size_t l = 0; l < model->core->layer_count; l++)
        out->parameters += model->core->layers[l].n_out;
    size_t total;
    if (out->bytes_workspace == SIZE_MAX || !gm_mul(slabs, slab, &total) ||
        !gm_add(total, out->bytes_workspace, &out->bytes_training))
        return gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                       "a step over %zu examples needs more bytes than can be addressed", batch);
    return GEMMLP_OK;
}
