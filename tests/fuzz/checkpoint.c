/* checkpoint.c: fuzzes what opens checkpoints and goes on from them. The input is a header up to
 * the first zero byte, and the tensors' bytes but for the checksum's, which is computed here: a
 * wrong one would hide all that is behind it. Whatever opens is resumed with tiny data, makes a
 * step, and is saved: what was saved must open, and be resumed without a difference. */
#include "fuzz.h"

#include <string.h>

#include "gemmlp.h"
#include "io/crc32.h"

enum { EXAMPLES = 5, MOST = 16 /* features, outputs */ };

static void put_checkpoint(const char *path, const uint8_t *data, size_t size)
{
    const uint8_t *zero = memchr(data, '\0', size);
    const uint64_t length = zero ? (uint64_t)(zero - data) : size;
    const size_t rest = zero ? size - (size_t)length - 1 : 0, total = 8 + (size_t)length + rest;
    uint8_t *bytes = malloc(total + 4);
    FUZZ_REQUIRE(bytes != NULL);
    memcpy(bytes, &length, 8);
    memcpy(bytes + 8, data, (size_t)length);
    if (rest)
        memcpy(bytes + 8 + length, zero + 1, rest);
    const uint32_t crc = gm_crc32(0, bytes, total);
    memcpy(bytes + total, &crc, 4);
    fuzz_write(path, bytes, total + 4);
    free(bytes);
}

/* As the model's network wants it; NULL: that would be large. */
static gemmlp_dataset *data_for(const gemmlp_model *model)
{
    static float x[EXAMPLES * MOST], targets[EXAMPLES * MOST];
    static int32_t labels[EXAMPLES];
    const gemmlp_network *network = gemmlp_model_network(model);
    gemmlp_arrays arrays = {.examples = EXAMPLES,
                            .features = network->n_in,
                            .outputs = network->layers[network->layer_count - 1].n_out,
                            .task = network->task,
                            .x_f32 = x};
    gemmlp_dataset *set = NULL;
    if (arrays.features > MOST || arrays.outputs > MOST)
        return NULL;
    for (size_t i = 0; i < EXAMPLES * MOST; i++) {
        x[i] = (float)(i % 7);
        targets[i] = (float)(i % 2);
    }
    for (size_t i = 0; i < EXAMPLES; i++)
        labels[i] = (int32_t)(i % arrays.outputs);
    if (network->task == GEMMLP_CLASSIFY)
        arrays.labels = labels;
    else
        arrays.targets = targets;
    return gemmlp_dataset_wrap(&arrays, &set, NULL) == GEMMLP_OK ? set : NULL;
}

/* NULL: it cannot be; then why is told. */
static gemmlp_trainer *resume(gemmlp_model *model, const gemmlp_dataset *data,
                              const gemmlp_checkpoint *checkpoint, bool allow_mismatch)
{
    gemmlp_training settings;
    gemmlp_trainer *trainer;
    gemmlp_error error = {0};
    gemmlp_checkpoint_settings(checkpoint, &settings);
    /* Not as many threads, nor the library, that it names. */
    settings.compute = (gemmlp_compute){
        .threads = 1, .provider = "reference", .precision = settings.compute.precision};
    const gemmlp_status status = gemmlp_trainer_resume(model, data, data, &settings, checkpoint,
                                                       allow_mismatch, &trainer, &error);
    FUZZ_REQUIRE((status == GEMMLP_OK) == (trainer != NULL));
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_MODEL ||
                 status == GEMMLP_INVALID_ARGUMENT ||
                 (status == GEMMLP_MISMATCH && !allow_mismatch));
    FUZZ_REQUIRE(status == GEMMLP_OK || (error.status == status && strlen(error.message) > 0));
    FUZZ_REQUIRE(!trainer || allow_mismatch || *gemmlp_trainer_mismatch(trainer) == '\0');
    return trainer;
}

/* One that goes on must be one that can be saved, with all that it remembers. */
static void go_on(gemmlp_model *model, const gemmlp_dataset *data, gemmlp_trainer *trainer)
{
    const char *path = fuzz_path(1, "again");
    gemmlp_progress before, after;
    gemmlp_checkpoint *checkpoint;
    gemmlp_error error = {0};
    gemmlp_trainer_progress(trainer, &before);
    FUZZ_REQUIRE(before.epoch <= before.epochs &&
                 before.step / before.steps_per_epoch <= before.epochs);
    const gemmlp_status status = gemmlp_trainer_run(trainer, 0, &error);
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_DIVERGED);
    gemmlp_trainer_progress(trainer, &after);
    FUZZ_REQUIRE(status != GEMMLP_OK || after.step == before.step + !before.finished);
    if (status != GEMMLP_OK)
        return;
    const gemmlp_status saved = gemmlp_trainer_save(trainer, path, "note", &error);
    FUZZ_REQUIRE(saved == GEMMLP_OK || saved == GEMMLP_DIVERGED);
    if (saved != GEMMLP_OK)
        return;
    FUZZ_REQUIRE(gemmlp_checkpoint_open(path, &checkpoint, NULL) == GEMMLP_OK);
    gemmlp_trainer *again = resume(model, data, checkpoint, false);
    FUZZ_REQUIRE(again != NULL);
    gemmlp_trainer_progress(again, &before);
    FUZZ_REQUIRE(before.step == after.step && before.finished == after.finished);
    gemmlp_trainer_free(again);
    gemmlp_checkpoint_free(checkpoint);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_path(0, "checkpoint");
    gemmlp_checkpoint *checkpoint;
    gemmlp_model *model = NULL;
    gemmlp_error error = {0};
    put_checkpoint(path, data, size);
    const gemmlp_status status = gemmlp_checkpoint_open(path, &checkpoint, &error);
    FUZZ_REQUIRE((status == GEMMLP_OK) == (checkpoint != NULL));
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_MODEL || status == GEMMLP_UNSUPPORTED);
    FUZZ_REQUIRE(status == GEMMLP_OK || (error.status == status && strlen(error.message) > 0));
    if (!checkpoint)
        return 0;
    gemmlp_dataset *set =
        gemmlp_model_load(path, &model, NULL) == GEMMLP_OK ? data_for(model) : NULL;
    gemmlp_trainer *trainer = set ? resume(model, set, checkpoint, false) : NULL;
    gemmlp_trainer_free(trainer);
    trainer = set ? resume(model, set, checkpoint, true) : NULL;
    if (trainer)
        go_on(model, set, trainer);
    gemmlp_trainer_free(trainer);
    gemmlp_dataset_free(set);
    gemmlp_model_free(model);
    gemmlp_checkpoint_free(checkpoint);
    return 0;
}
