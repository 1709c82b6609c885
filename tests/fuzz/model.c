/* model.c: fuzzes the readers of safetensors and of the models in them. The input's first two
 * bytes, little-endian, are the length of the header; the file gets them as the eight that it has.
 * What loads is saved and loaded again, and must be the same. */
#include "fuzz.h"

#include <string.h>

#include "gemmlp.h"
#include "io/safetensors.h"

static void read_all(const char *path)
{
    struct safetensors *file;
    gemmlp_error error = {0};
    gemmlp_status status = gm_safetensors_open(path, &file, &error);
    FUZZ_REQUIRE((status == GEMMLP_OK) == (file != NULL));
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_MODEL);
    FUZZ_REQUIRE(status == GEMMLP_OK || strlen(error.message) > 0);
    if (!file)
        return;
    static const char *const names[] = {"layers.0.weight", "a", ""};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const struct safetensor *tensor = gm_safetensors_find(file, names[i]);
        void *bytes = tensor ? malloc(tensor->bytes + 1) : NULL;
        if (bytes)
            FUZZ_REQUIRE(gm_safetensors_read(file, tensor, bytes, NULL) == GEMMLP_OK);
        free(bytes);
    }
    gm_safetensors_close(file);
}

static void same(gemmlp_model *a, gemmlp_model *b)
{
    const gemmlp_network *network = gemmlp_model_network(a);
    FUZZ_REQUIRE(network->layer_count == gemmlp_model_network(b)->layer_count);
    for (size_t l = 0; l < network->layer_count; l++) {
        const size_t n_out = network->layers[l].n_out,
                     n_in = l ? network->layers[l - 1].n_out : network->n_in;
        FUZZ_REQUIRE(gemmlp_model_network(b)->layers[l].n_out == n_out);
        FUZZ_REQUIRE(memcmp(gemmlp_model_weights(a, l), gemmlp_model_weights(b, l),
                            n_out * n_in * sizeof(float)) == 0);
        FUZZ_REQUIRE(memcmp(gemmlp_model_biases(a, l), gemmlp_model_biases(b, l),
                            n_out * sizeof(float)) == 0);
    }
    const char *name;
    for (size_t j = 0; (name = gemmlp_model_class_name(a, j)) != NULL; j++)
        FUZZ_REQUIRE(strcmp(name, gemmlp_model_class_name(b, j)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const uint64_t length = (uint64_t)data[0] | (uint64_t)data[1] << 8;
    const char *path = fuzz_path(0, "model"), *copy = fuzz_path(1, "copy");
    FILE *file = fopen(path, "wb");
    FUZZ_REQUIRE(file && fwrite(&length, 1, 8, file) == 8 &&
                 fwrite(data + 2, 1, size - 2, file) == size - 2 && fclose(file) == 0);
    read_all(path);
    gemmlp_model *model, *again;
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_model_load(path, &model, &error);
    FUZZ_REQUIRE((status == GEMMLP_OK) == (model != NULL));
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_MODEL);
    FUZZ_REQUIRE(status == GEMMLP_OK || strlen(error.message) > 0);
    if (!model)
        return 0;
    FUZZ_REQUIRE(gemmlp_model_save(model, copy, NULL) == GEMMLP_OK);
    FUZZ_REQUIRE(gemmlp_model_load(copy, &again, NULL) == GEMMLP_OK);
    same(model, again);
    gemmlp_model_free(again);
    gemmlp_model_free(model);
    return 0;
}
