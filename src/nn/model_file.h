/* model_file.h: what a model's file holds, for those who write it together with more. */
#ifndef GM_MODEL_FILE_H
#define GM_MODEL_FILE_H

#include "io/json_text.h"
#include "io/safetensors.h"
#include "nn/public_model.h"

enum { MODEL_NAME_SIZE = 64 }; /* of a tensor, with its prefix */

/* Tensors and metadata of a model, pointing into it. */
struct model_content {
    struct safetensor *tensors; /* (count) */
    char (*names)[MODEL_NAME_SIZE];
    size_t count;
    struct safetensors_metadata metadata[4]; /* format, version, network, classes */
    size_t metadata_count;
    char *network, *classes; /* as JSON; classes NULL: they have no names */
};

/* With room for the tensors of `more_slabs` slabs. */
gemmlp_status gm_model_content(const gemmlp_model *model, size_t more_slabs,
                               struct model_content *out, gemmlp_error *error);
void gm_model_content_free(struct model_content *content);
/* Adds the tensors of a slab laid out as the model's: PREFIXlayers.N.weight,
 * PREFIXlayers.N.bias. */
void gm_model_content_add(struct model_content *content, const struct model *model,
                          const char *prefix, const float *slab);

/* Of the network as JSON, which is foreign text. */
extern const struct json_limits gm_network_limits;

/* Reads those tensors into `slab`, once type and shape are as expected; every element is finite.
 * slab NULL: only looks whether they are there. path: of the file, for messages. */
gemmlp_status gm_slab_read(const struct safetensors *file, const char *path,
                           const struct model *model, const char *prefix, float *slab,
                           gemmlp_error *error);
/* Reads preprocess.factor and preprocess.offset, (n_in) each. */
gemmlp_status gm_preprocess_read(const struct safetensors *file, const char *path, size_t n_in,
                                 float *factor, float *offset, gemmlp_error *error);

#endif
