/* cost.c: what training costs, before it begins. */
#include "core/checked.h"
#include "nn/network.h"
#include "nn/pass.h"
#include "train/evaluator.h"
#include "train/optimizer.h"

static gemmlp_status count(const struct model *model, const gemmlp_training *training,
                           const struct optimizer_rule *rule, enum gemm_precision precision,
                           gemmlp_cost_model *out, gemmlp_error *error)
{
    /* Parameters, the copy kept against divergence, that of the best epoch; gradient; slots. */
    const size_t slabs =
        2 + (training->patience > 0) + (optimizer_fold(rule, training) == FOLD_NONE) + rule->slots;
    const bool bf16 = precision == GEMM_BF16;
    size_t total;
    *out = (gemmlp_cost_model){
        .weights = gm_network_weights(model->network),
        .flop_train = gm_network_flop(model->network),
        .bytes_parameters = model->arena.used,
        .bytes_workspace =
            pass_workspace(model, bf16 ? PASS_TRAIN_BF16 : PASS_TRAIN, training->batch),
        .bytes_half = bf16 ? model->slab_size * sizeof(gm_bf16) : 0,
    };
    out->flop_predict = 2 * (double)out->weights;
    out->parameters = out->weights;
    for (size_t l = 0; l < model->layer_count; l++)
        out->parameters += model->layers[l].n_out;
    if (out->bytes_workspace == 0)
        return gm_fail_memory(error, "the layers of a network",
                              model->layer_count * sizeof *model->layers);
    if (model->arena.overflow || out->bytes_workspace == SIZE_MAX ||
        !gm_mul(slabs, out->bytes_parameters, &total) || !gm_add(total, out->bytes_half, &total) ||
        !gm_add(total, out->bytes_workspace, &out->bytes_training))
        return gm_fail(error, GEMMLP_OUT_OF_MEMORY,
                       "a step over %zu examples needs more bytes than can be addressed",
                       training->batch);
    return GEMMLP_OK;
}

gemmlp_status gemmlp_network_cost(const gemmlp_network *network, const gemmlp_training *training,
                                  gemmlp_cost_model *out, gemmlp_error *error)
{
    const struct optimizer_rule *rule;
    struct network resolved = {0};
    struct model *model = NULL;
    enum gemm_precision precision;
    gemmlp_status status = optimizer_find(training->optimizer, &rule, error);
    if (status == GEMMLP_OK)
        status = gm_compute_precision(&training->compute, &precision, error);
    if (status == GEMMLP_OK)
        status = gm_network_resolve(network, NULL, &resolved, error);
    if (status == GEMMLP_OK)
        status = model_outline(&resolved.spec, &model, error);
    if (status == GEMMLP_OK)
        status = count(model, training, rule, precision, out, error);
    model_free(model);
    gm_network_free(&resolved);
    return status;
}
