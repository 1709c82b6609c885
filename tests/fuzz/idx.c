/* idx.c: fuzzes the IDX reader, features and targets.
 *
 *   byte 0         bits 0-1: the task asked for (none, classify, regress, multilabel), bit 2:
 *                  features only, bits 3-4: classes asked for (0, 1, 3, 10), bit 5: the format is
 *                  named and not recognised
 *   bytes 1-2      size of the features' file, little-endian; the rest is the targets' file
 */
#include "fuzz.h"

#include <math.h>
#include <string.h>

#include "gemmlp.h"

/* Everything that a caller may read is read: a sanitizer sees what was never written. */
static void look(const gemmlp_dataset *data)
{
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(data, &info);
    FUZZ_REQUIRE(info.examples > 0 && info.features > 0);
    float *x = calloc(info.features, sizeof *x), *y = calloc(info.outputs + 1, sizeof *y);
    FUZZ_REQUIRE(x && y);
    for (size_t i = 0; i < info.examples; i++) {
        FUZZ_REQUIRE(gemmlp_dataset_example(data, i, x, y, NULL) == GEMMLP_OK);
        for (size_t k = 0; k < info.features; k++)
            FUZZ_REQUIRE(isfinite(x[k]));
        for (size_t j = 0; j < info.outputs; j++)
            FUZZ_REQUIRE(isfinite(y[j]));
    }
    free(x);
    free(y);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const tasks[] = {NULL, "classify", "regress", "multilabel"};
    static const size_t outputs[] = {0, 1, 3, 10};
    if (size < 3)
        return 0;
    const unsigned choice = data[0];
    size_t features = (size_t)data[1] | (size_t)data[2] << 8;
    data += 3;
    size -= 3;
    features = features < size ? features : size;
    const char *x = fuzz_path(0, "images-idx3-ubyte"), *y = fuzz_path(1, "labels-idx1-ubyte");
    fuzz_write(x, data, features);
    fuzz_write(y, data + features, size - features);
    const gemmlp_open_options options = {.format = choice & 32 ? "idx" : NULL,
                                         .task = tasks[choice & 3],
                                         .features_only = choice & 4,
                                         .outputs = outputs[choice >> 3 & 3]};
    gemmlp_dataset *dataset;
    gemmlp_error error = {0};
    const gemmlp_status status = gemmlp_dataset_open(x, &options, &dataset, &error);
    FUZZ_REQUIRE((status == GEMMLP_OK) == (dataset != NULL));
    if (status == GEMMLP_OK)
        look(dataset);
    else
        FUZZ_REQUIRE(status == GEMMLP_BAD_DATA || status == GEMMLP_INVALID_ARGUMENT);
    FUZZ_REQUIRE(status == GEMMLP_OK || strlen(error.message) > 0);
    gemmlp_dataset_free(dataset);
    return 0;
}
