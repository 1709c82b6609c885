/* model_files.h: for tests of model files: a directory, small models saved there and loaded,
 * their bytes, and headers that are replaced. */
#ifndef GM_TEST_MODEL_FILES_H
#define GM_TEST_MODEL_FILES_H

#include "support.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gemmlp.h"

enum { PREFIX = 8, ROOM = 1 << 16, N_IN = 3, OUTPUTS = 4, EXAMPLES = 12 };

static char directory[] = "/tmp/gemmlp-model-XXXXXX";
static char path[64], other_path[64];

static inline int make_directory(void **state)
{
    (void)state;
    if (!mkdtemp(directory)) {
        return -1;
    }
    snprintf(path, sizeof path, "%s/model.safetensors", directory);
    snprintf(other_path, sizeof other_path, "%s/other.safetensors", directory);
    return 0;
}

static inline int remove_directory(void **state)
{
    (void)state;
    unlink(path);
    unlink(other_path);
    return rmdir(directory);
}

/* ---- files ----------------------------------------------------------------------------------- */

struct bytes {
    unsigned char at[ROOM];
    size_t size;
};

static inline void write_bytes(const char *to, const void *bytes, size_t size)
{
    FILE *file = fopen(to, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

static inline void read_bytes(const char *from, struct bytes *out)
{
    FILE *file = fopen(from, "rb");
    assert_non_null(file);
    out->size = fread(out->at, 1, ROOM, file);
    assert_true(out->size < ROOM);
    fclose(file);
}

static inline size_t header_size(const struct bytes *file)
{
    uint64_t length;
    memcpy(&length, file->at, sizeof length);
    assert_true(length < file->size);
    return (size_t)length;
}

static inline json_t *header_of(const struct bytes *file)
{
    json_t *header = json_loadb((const char *)file->at + PREFIX, header_size(file), 0, NULL);
    assert_non_null(header);
    return header;
}

/* The text as header, the data of `file`; ends the life of text. */
static inline void write_with_header(const struct bytes *file, char *text)
{
    static struct bytes out;
    assert_non_null(text);
    const uint64_t length = strlen(text);
    const size_t data = PREFIX + header_size(file), size = file->size - data;
    assert_true(PREFIX + length + size < ROOM);
    memcpy(out.at, &length, sizeof length);
    memcpy(out.at + PREFIX, text, length);
    memcpy(out.at + PREFIX + length, file->at + data, size);
    write_bytes(path, out.at, PREFIX + length + size);
    free(text);
}

/* ---- models ---------------------------------------------------------------------------------- */

struct examples {
    float x[EXAMPLES * N_IN], targets[EXAMPLES * OUTPUTS];
    int32_t labels[EXAMPLES];
    gemmlp_dataset *data;
};

static inline void examples_create(struct examples *e, gemmlp_task task)
{
    fill_f32(e->x, EXAMPLES * N_IN, 1, -3, 5);
    fill_f32(e->targets, EXAMPLES * OUTPUTS, 2, -1, 1);
    for (size_t i = 0; i < EXAMPLES; i++) {
        e->labels[i] = (int32_t)(i % OUTPUTS);
    }
    for (size_t i = 0; task == GEMMLP_MULTILABEL && i < EXAMPLES * OUTPUTS; i++) {
        e->targets[i] = e->targets[i] > 0;
    }
    const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                  .features = N_IN,
                                  .outputs = OUTPUTS,
                                  .task = task,
                                  .x_f32 = e->x,
                                  .labels = task == GEMMLP_CLASSIFY ? e->labels : NULL,
                                  .targets = task == GEMMLP_CLASSIFY ? NULL : e->targets};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &e->data, NULL), GEMMLP_OK);
}

static inline gemmlp_model *model_create(const gemmlp_dataset *data)
{
    const gemmlp_layer layers[] = {
        {.n_out = 5, .activation = "gelu", .init = "nielsen", .dropout = 0.1},
        {.n_out = 2, .activation = "tanh", .init = "orthogonal", .dropout = 1.0 / 3},
        {.init = "normal"}};
    gemmlp_dataset_info info;
    gemmlp_dataset_info_get(data, &info);
    const gemmlp_network network = {.layer_count = 3,
                                    .layers = layers,
                                    .label_smoothing = info.task == GEMMLP_CLASSIFY ? 0.07 : 0,
                                    .preprocess = "scale",
                                    .seed = UINT64_MAX - 3};
    gemmlp_model *model;
    assert_int_equal(gemmlp_model_create(&network, data, &model, NULL), GEMMLP_OK);
    return model;
}

static inline void save(const gemmlp_model *model)
{
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_model_save(model, path, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
}

static inline gemmlp_model *load(void)
{
    gemmlp_error error = {0};
    gemmlp_model *model;
    gemmlp_status status = gemmlp_model_load(path, &model, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    return model;
}

/* The bytes of a small model with class names. */
static inline void small_file(struct bytes *file)
{
    static struct examples e;
    static const char *const names[OUTPUTS] = {"north", "east", "south", "west"};
    examples_create(&e, GEMMLP_CLASSIFY);
    gemmlp_model *model = model_create(e.data);
    assert_int_equal(gemmlp_model_set_class_names(model, names, NULL), GEMMLP_OK);
    save(model);
    read_bytes(path, file);
    gemmlp_model_free(model);
    gemmlp_dataset_free(e.data);
}

/* What lies at `path` is refused, and the message names it; `what` describes it for the report. */
static inline void assert_refused(const char *what)
{
    gemmlp_error error = {0};
    gemmlp_model *model = (gemmlp_model *)(void *)&error;
    gemmlp_status status = gemmlp_model_load(path, &model, &error);
    if (status == GEMMLP_OK) {
        gemmlp_model_free(model);
        fail_msg("loaded all the same: %s", what);
    }
    assert_null(model);
    if ((status != GEMMLP_BAD_MODEL && status != GEMMLP_IO) || error.status != status ||
        !strstr(error.message, path)) {
        fail_msg("%s: %s: %s", what, gemmlp_status_name(status), error.message);
    }
    assert_int_equal(gemmlp_model_load(path, &model, NULL), status);
}

#endif
