/* idx_names.h: the names of MNIST's files: images in a directory, targets beside their images. */
#ifndef GM_IDX_NAMES_H
#define GM_IDX_NAMES_H

#include "core/error.h"

/* *out = path of the training images in `directory` (test: of the test images), to be freed. */
gemmlp_status gm_idx_find_images(const char *directory, bool test, char **out, gemmlp_error *error);

/* Whether they are there; allocates nothing, so that lack of memory cannot pass for their
 * absence. */
bool gm_idx_has_images(const char *directory, bool test);

/* *out = path of the targets that belong to `images`, to be freed: train-images-idx3-ubyte.gz ->
 * train-labels-idx1-ubyte.gz; or without .gz, or idx2, or -float, whichever is there first. */
gemmlp_status gm_idx_find_targets(const char *images, char **out, gemmlp_error *error);

#endif
