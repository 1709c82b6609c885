/* test_checkpoint_damage.c: a checkpoint that is damaged or hostile is told: each byte changed,
 * every length, and with a right checksum each field. */
#define _POSIX_C_SOURCE 200809L
#include "subjects.h"

#include "io/safetensors.h"

static unsigned char changed[1 << 16];

static void test_damage(void **state)
{
    (void)state;
    struct subject s;
    gemmlp_checkpoint *c;
    const size_t size = a_checkpoint(&s);
    size_t refused = 0;
    for (size_t i = 0; i < size; i++) { /* each byte, one bit of it */
        memcpy(changed, whole, size);
        changed[i] ^= (unsigned char)(1 << i % 8);
        put_file(at("d"), changed, size);
        gemmlp_error error = {0};
        refused += gemmlp_checkpoint_open(at("d"), &c, &error) == GEMMLP_BAD_MODEL;
        assert_null(c);
        assert_non_null(strstr(error.message, at("d")));
    }
    assert_int_equal(refused, size);
    for (size_t length = 0; length < size; length += 1 + length / 50) {
        put_file(at("d"), whole, length);
        assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_BAD_MODEL);
        memset(changed, 0, size); /* a file that has its size, but not all of its blocks */
        memcpy(changed, whole, length);
        put_file(at("d"), changed, size);
        assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_BAD_MODEL);
    }
    memcpy(changed, whole, size);
    changed[size] = 0;
    put_file(at("d"), changed, size + 1);
    assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_BAD_MODEL);
    put_file(at("d"), whole, size);
    assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_OK);
    gemmlp_checkpoint_free(c);
    subject_free(&s);
}

/* Writes what is in `changed` with a checksum that is right. */
static void seal(size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size - 4; i++) {
        crc ^= changed[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    crc = ~crc;
    memcpy(changed + size - 4, &crc, 4);
    put_file(at("d"), changed, size);
}

/* Replaces the first `from` behind the header's start by `to`, keeps the length of the header by
 * blanks at its end, and gives the file a checksum that is right. */
static void forge(size_t size, const char *from, const char *to)
{
    uint64_t length;
    memcpy(&length, whole, 8);
    memcpy(changed, whole, 8);
    const char *header = (const char *)whole + 8;
    const char *place = NULL;
    for (size_t i = 0; !place && i + strlen(from) <= length; i++)
        if (memcmp(header + i, from, strlen(from)) == 0)
            place = header + i;
    if (!place)
        fail_msg("%s is not in the header", from);
    const size_t before = (size_t)(place - header), rest = length - before - strlen(from);
    const size_t used = before + strlen(to) + rest;
    unsigned char *out = changed + 8;
    memcpy(out, header, before);
    memcpy(out + before, to, strlen(to));
    memcpy(out + before + strlen(to), place + strlen(from), rest);
    const size_t padded = used > length ? length + (used - length + 7) / 8 * 8 : length;
    memset(out + used, ' ', padded - used);
    const uint64_t prefix = padded;
    memcpy(changed, &prefix, 8);
    memcpy(out + padded, whole + 8 + length, size - 8 - length);
    const size_t end = 8 + padded + size - 8 - length;
    seal(end);
}

/* With a right checksum, each field is still checked. */
static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        gemmlp_status status;
        const char *says;
    } cases[] = {
        {"\"checkpoint\":\"1\"", "\"checkpoint\":\"2\"", GEMMLP_UNSUPPORTED, "version 1 expected"},
        {"\"checkpoint\":\"1\"", "\"checkpainT\":\"1\"", GEMMLP_BAD_MODEL, "lacks 'checkpoint'"},
        {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":\\\"adax\\\"", GEMMLP_BAD_MODEL,
         "'optimizer'"},
        {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":7", GEMMLP_BAD_MODEL, "'optimizer'"},
        {"\\\"schedule\\\":\\\"plateau\\\"", "\\\"schedule\\\":\\\"\\\"", GEMMLP_BAD_MODEL,
         "'schedule'"},
        {"\\\"batch\\\":20", "\\\"batch\\\":0", GEMMLP_BAD_MODEL, "'batch'"},
        {"\\\"batch\\\":20", "\\\"batch\\\":-1", GEMMLP_BAD_MODEL, "'batch'"},
        {"\\\"batch\\\":20", "\\\"batch\\\":9223372036854775807", GEMMLP_MISMATCH,
         "training.batch"},
        {"\\\"batch\\\":20", "\\\"batch\\\":92233720368547758070", GEMMLP_BAD_MODEL, "training"},
        {"\\\"epochs\\\":4", "\\\"epochs\\\":{}", GEMMLP_BAD_MODEL, "'epochs'"},
        {"\\\"seed\\\":\\\"7\\\"", "\\\"seed\\\":\\\"-7\\\"", GEMMLP_BAD_MODEL, "'seed'"},
        {"\\\"seed\\\":\\\"7\\\"", "\\\"seed\\\":\\\"8\\\"", GEMMLP_MISMATCH,
         "training.seed was \"8\", is \"7\""},
        {"\\\"threads\\\":1", "\\\"threads\\\":0", GEMMLP_BAD_MODEL, "'threads'"},
        {"\\\"threads\\\":1", "\\\"threads\\\":99999", GEMMLP_BAD_MODEL, "'threads'"},
        {"\\\"threads\\\":1", "\\\"threads\\\":3", GEMMLP_MISMATCH, "threads was 3, is 1"},
        {"\\\"epoch\\\":2", "\\\"epoch\\\":3", GEMMLP_BAD_MODEL, "'step'"},
        {"\\\"step\\\":12", "\\\"step\\\":1", GEMMLP_BAD_MODEL, "'step'"},
        {"\\\"step\\\":12", "\\\"step\\\":null", GEMMLP_BAD_MODEL, "'step'"},
        {"\\\"steps_per_epoch\\\":5", "\\\"steps_per_epoch\\\":0", GEMMLP_BAD_MODEL,
         "'steps_per_epoch'"},
        {"\\\"finished\\\":false", "\\\"finished\\\":true", GEMMLP_BAD_MODEL, "'finished'"},
        {"\\\"finished\\\":false", "\\\"finished\\\":0", GEMMLP_BAD_MODEL, "'finished'"},
        {"\\\"plateau_scale\\\":1.0", "\\\"plateau_scale\\\":1.5", GEMMLP_BAD_MODEL,
         "'plateau_scale'"},
        {"\\\"plateau_scale\\\":1.0", "\\\"plateau_scale\\\":1e999", GEMMLP_BAD_MODEL, "state"},
        {"\\\"tally\\\":{", "\\\"tally\\\":[],\\\"x\\\":{", GEMMLP_BAD_MODEL, "'examples'"},
        {"\\\"tally\\\":{", "\\\"x\\\":[[{}]],\\\"tally\\\":{", GEMMLP_BAD_MODEL,
         "metadata state nests deeper than 2 levels"},
        {"\"state\":\"{", "\"state\":\"[]\",\"x\":\"{", GEMMLP_BAD_MODEL,
         "metadata state is no JSON object"},
        {"\\\"batch\\\":20", "\\\"batch\\\":20,\\\"batch\\\":20", GEMMLP_BAD_MODEL,
         "metadata training is no JSON object: duplicate object key"},
        {"\\\"valid\\\":{\\\"examples\\\":90,\\\"loss",
         "\\\"valid\\\":{\\\"examples\\\":-9,\\\"loss", GEMMLP_BAD_MODEL, "'examples'"},
        {"\"optimizer.slot1.layers.0.weight\"", "\"optimizer.slotI.layers.0.weight\"",
         GEMMLP_BAD_MODEL, "there is no tensor optimizer.slot1.layers.0.weight"},
        {"\"best.layers.1.bias\"", "\"best.layers.1.bigs\"", GEMMLP_BAD_MODEL,
         "there is no tensor best.layers.1.bias"},
        {"\"good.layers.1.bias\":{\"dtype\":\"F32\"", "\"good.layers.1.bias\":{\"dtype\":\"I32\"",
         GEMMLP_BAD_MODEL, "good.layers.1.bias should be F32"},
        {"\\\"state\\\":", "\\\"state\\\":", GEMMLP_OK, ""},
    };
    struct subject s;
    const size_t size = a_checkpoint(&s);
    gemmlp_model *model = model_for(&s, 1), *same = model_for(&s, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases - 1; i++) {
        gemmlp_checkpoint *c;
        gemmlp_trainer *trainer = NULL;
        gemmlp_error error = {0};
        forge(size, cases[i].from, cases[i].to);
        gemmlp_status status = gemmlp_checkpoint_open(at("d"), &c, &error);
        if (status == GEMMLP_OK) {
            status = gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, false,
                                           &trainer, &error);
            assert_null(trainer);
        }
        gemmlp_checkpoint_free(c);
        assert_failed(status, &error, cases[i].status, cases[i].says);
        assert_true(same_parameters(model, same)); /* as they were before */
    }
    gemmlp_model_free(model);
    gemmlp_model_free(same);
    subject_free(&s);
}

/* Weights of fewer classes than there are must not be read beyond their end, whoever passes
 * them. */
static void test_hostile_weights(void **state)
{
    (void)state;
    struct subject s;
    const size_t size = a_checkpoint(&s);
    gemmlp_model *model = model_for(&s, 1);
    gemmlp_checkpoint *c;
    gemmlp_trainer *trainer;
    gemmlp_training training;
    gemmlp_error error = {0};
    forge(size, "\\\"batch\\\":20", "\\\"batch\\\":20,\\\"class_weights\\\":[1.0]");
    assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, &error), GEMMLP_OK);
    gemmlp_checkpoint_settings(c, &training);
    const gemmlp_training *const settings[] = {NULL, &training};
    for (size_t i = 0; i < 2; i++) {
        const gemmlp_status status = gemmlp_trainer_resume(model, s.train.data, s.use_valid,
                                                           settings[i], c, true, &trainer, &error);
        assert_failed(status, &error, GEMMLP_BAD_MODEL, "weights of 1 classes, expected 3");
        assert_null(trainer);
    }
    gemmlp_checkpoint_free(c);
    gemmlp_model_free(model);
    subject_free(&s);
}

/* An element that is not finite, wherever it stands: refused, and the model is as it was. */
static void test_not_finite(void **state)
{
    (void)state;
    static const char *const names[] = {"layers.1.bias", "good.layers.1.bias",
                                        "best.layers.0.weight", "optimizer.slot1.layers.1.weight",
                                        "preprocess.offset"};
    struct subject s;
    const size_t size = a_checkpoint(&s);
    gemmlp_model *model = model_for(&s, 1), *same = model_for(&s, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct safetensors *file;
        gemmlp_checkpoint *c;
        gemmlp_trainer *trainer;
        gemmlp_error error;
        const float bad = i % 2 ? NAN : INFINITY;
        assert_int_equal(gm_safetensors_open(at("c"), &file, NULL), GEMMLP_OK);
        const struct safetensor *tensor = gm_safetensors_find(file, names[i]);
        assert_non_null(tensor);
        memcpy(changed, whole, size);
        memcpy(changed + tensor->offset + tensor->bytes - sizeof bad, &bad, sizeof bad);
        gm_safetensors_close(file);
        seal(size);
        assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_OK);
        assert_failed(gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, true,
                                            &trainer, &error),
                      &error, GEMMLP_BAD_MODEL, "is not finite");
        assert_null(trainer);
        assert_true(same_parameters(model, same));
        assert_same_files(model, same);
        gemmlp_checkpoint_free(c);
    }
    gemmlp_model_free(model);
    gemmlp_model_free(same);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_damage),
        IN_DIRECTORY(test_hostile),
        IN_DIRECTORY(test_hostile_weights),
        IN_DIRECTORY(test_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
