/* preprocess.h: x' = factor x + offset, feature by feature; fitted on the training set only. */
#ifndef GM_PREPROCESS_H
#define GM_PREPROCESS_H

#include "data/dataset.h"

struct preprocessor {
    const char *name, *description;
    /* factor, offset (features). Sums are taken in double. */
    gemmlp_status (*fit)(const gemmlp_dataset *dataset, float *factor, float *offset,
                         gemmlp_error *error);
};

const struct preprocessor *gm_preprocessor_at(size_t index);
const char *gm_preprocessor_name(size_t index);
/* BAD_DATA that names the first feature that is NaN or infinite. */
gemmlp_status gm_check_finite(const gemmlp_dataset *dataset, gemmlp_error *error);
/* name NULL: scale for uint8 features, standardize for float32. */
gemmlp_status gm_preprocess_fit(const char *name, const gemmlp_dataset *dataset, float *factor,
                                float *offset, const struct preprocessor **chosen,
                                gemmlp_error *error);

#endif
