/* test_model_damage.c: a file that is cut off, damaged, made up or for something else is refused
 * with its name. */
#define _GNU_SOURCE
#include "model_files.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/safetensors.h"

/* ---- damaged files --------------------------------------------------------------------------- */

static void test_truncation(void **state)
{
    (void)state;
    static struct bytes file;
    char what[48];
    small_file(&file);
    for (size_t size = 0; size < file.size; size++) {
        write_bytes(path, file.at, size);
        snprintf(what, sizeof what, "the first %zu of %zu bytes", size, file.size);
        assert_refused(what);
    }
    write_bytes(path, file.at, file.size);
    gemmlp_model_free(load());
}

/* One byte of the header changed: mostly refused, sometimes still a model; never more than that. */
static void test_damaged_header(void **state)
{
    (void)state;
    static const unsigned char replacements[] = {0, '0', '9', '"', '{', ']', '\\', 0xff};
    static struct bytes file, damaged;
    size_t refused = 0, tried = 0;
    small_file(&file);
    const size_t end = PREFIX + header_size(&file);
    for (size_t i = 0; i < end; i++, tried++) {
        damaged = file;
        damaged.at[i] = replacements[i % sizeof replacements];
        write_bytes(path, damaged.at, damaged.size);
        gemmlp_error error = {0};
        gemmlp_model *model;
        gemmlp_status status = gemmlp_model_load(path, &model, &error);
        if (status != GEMMLP_OK) {
            assert_int_equal(status, GEMMLP_BAD_MODEL);
            assert_non_null(strstr(error.message, path));
            assert_null(model);
            refused++;
        }
        gemmlp_model_free(model);
    }
    assert_true(refused > tried / 2);
}

static void test_no_number_in_the_data(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    static struct bytes file, damaged;
    small_file(&file);
    const size_t data = PREFIX + header_size(&file);
    assert_int_equal((file.size - data) % sizeof(float), 0);
    for (size_t at = data; at < file.size; at += sizeof(float)) {
        damaged = file;
        memcpy(damaged.at + at, &bad[at / sizeof(float) % 3], sizeof(float));
        write_bytes(path, damaged.at, damaged.size);
        assert_refused("a value that is not finite");
    }
}

static void test_not_a_model(void **state)
{
    (void)state;
    static const char unrelated[] =
        "{\"a\":{\"dtype\":\"F32\",\"shape\":[2],\"data_offsets\":[0,8]},"
        "\"__metadata__\":{\"format\":\"pt\"}}";
    static const char missing[] = "/nonexistent/model";
    static struct bytes file;
    gemmlp_error error;
    gemmlp_model *model;
    small_file(&file);
    file.size = PREFIX + header_size(&file) + 2 * sizeof(float);
    write_with_header(&file, strdup(unrelated));
    assert_refused("an unrelated safetensors file");
    write_bytes(path, "", 0);
    assert_refused("an empty file");
    write_bytes(path, "hello, world\n", 13);
    assert_refused("a text");
    unlink(path);
    assert_refused("a missing file");
    assert_int_equal(mkdir(path, 0700), 0);
    assert_refused("a directory");
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(gemmlp_model_load(missing, &model, &error), GEMMLP_IO);
    assert_non_null(strstr(error.message, missing));
    assert_non_null(strstr(error.message, strerror(ENOENT)));
}

/* ---- made-up metadata ------------------------------------------------------------------------ */

/* JSON texts that are wrong for every field; NULL: the field is missing. */
static const char *const wrong[] = {
    NULL,          "null", "true", "-1", "1e300", "-0.5", "9223372036854775807",
    "\"rubbish\"", "\"\"", "[]",   "{}", "[{}]"};

/* Writes the file with the network `network`, whose life it ends. */
static void write_with_network(const struct bytes *file, json_t *network)
{
    json_t *header = header_of(file), *metadata = json_object_get(header, "__metadata__");
    char *text = json_dumps(network, JSON_REAL_PRECISION(17));
    assert_non_null(text);
    assert_int_equal(json_object_set_new(metadata, "network", json_string(text)), 0);
    free(text);
    write_with_header(file, json_dumps(header, 0));
    json_decref(header);
    json_decref(network);
}

static json_t *network_of(const struct bytes *file)
{
    json_t *header = header_of(file);
    json_t *metadata = json_object_get(header, "__metadata__");
    json_t *network = json_loads(json_string_value(json_object_get(metadata, "network")), 0, NULL);
    assert_non_null(network);
    json_decref(header);
    return network;
}

static void spoil(json_t *object, const char *key, const char *value)
{
    assert_non_null(json_object_get(object, key));
    if (value) {
        assert_int_equal(json_object_set_new(object, key, json_loads(value, JSON_DECODE_ANY, NULL)),
                         0);
    } else {
        assert_int_equal(json_object_del(object, key), 0);
    }
}

static void test_wrong_network(void **state)
{
    (void)state;
    static const char *const keys[] = {"task",       "n_in", "loss",  "label_smoothing",
                                       "preprocess", "seed", "layers"};
    static const char *const layer_keys[] = {"n_out", "activation", "init", "dropout"};
    static struct bytes file;
    char what[96];
    small_file(&file);
    write_with_network(&file, network_of(&file));
    gemmlp_model_free(load()); /* untouched it is good */
    for (size_t v = 0; v < sizeof wrong / sizeof *wrong; v++) {
        for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
            json_t *network = network_of(&file);
            spoil(network, keys[i], wrong[v]);
            write_with_network(&file, network);
            snprintf(what, sizeof what, "%s is %s", keys[i], wrong[v] ? wrong[v] : "missing");
            assert_refused(what);
        }
        for (size_t i = 0; i < 3 * sizeof layer_keys / sizeof *layer_keys; i++) {
            json_t *network = network_of(&file);
            spoil(json_array_get(json_object_get(network, "layers"), i / 4), layer_keys[i % 4],
                  wrong[v]);
            write_with_network(&file, network);
            snprintf(what, sizeof what, "%s of layer %zu is %s", layer_keys[i % 4], i / 4,
                     wrong[v] ? wrong[v] : "missing");
            assert_refused(what);
        }
    }
}

/* Valid by themselves, but not with the tensors: other sizes, a layer less, a layer more. */
static void test_network_beside_other_tensors(void **state)
{
    (void)state;
    static struct bytes file;
    static const char *const sizes[] = {"1", "6", "1000000", "4611686018427387904"};
    small_file(&file);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        for (size_t l = 0; l < 4; l++) {
            json_t *network = network_of(&file), *layers = json_object_get(network, "layers");
            spoil(l < 3 ? json_array_get(layers, l) : network, l < 3 ? "n_out" : "n_in", sizes[i]);
            write_with_network(&file, network);
            assert_refused("a network of other sizes");
        }
    }
    json_t *network = network_of(&file), *layers = json_object_get(network, "layers");
    json_array_remove(layers, 2);
    write_with_network(&file, network);
    assert_refused("a layer less, and so class names for other outputs");
    network = network_of(&file);
    layers = json_object_get(network, "layers");
    for (size_t l = 0; l < 100; l++) {
        json_array_append(layers, json_array_get(layers, 2));
    }
    write_with_network(&file, network);
    assert_refused("more layers than tensors");
}

static void test_wrong_metadata(void **state)
{
    (void)state;
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"format", NULL},
        {"format", "\"pt\""},
        {"version", NULL},
        {"version", "\"2\""},
        {"version", "\"\""},
        {"network", NULL},
        {"network", "\"\""},
        {"network", "\"{\""},
        {"network", "\"[]\""},
        {"network", "\"null\""},
        {"network", "\"\\\"\""},
        {"network", "\"{\\\"n_in\\\":1e999}\""},
        {"classes", "\"\""},
        {"classes", "\"{}\""},
        {"classes", "\"[]\""},
        {"classes", "\"[1,2,3,4]\""},
        {"classes", "\"[\\\"a\\\",\\\"b\\\",\\\"c\\\"]\""},
        {"classes", "\"[\\\"a\\\",\\\"b\\\",\\\"c\\\",null]\""},
    };
    static struct bytes file;
    char what[96];
    small_file(&file);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        json_t *header = header_of(&file);
        spoil(json_object_get(header, "__metadata__"), cases[i].key, cases[i].value);
        write_with_header(&file, json_dumps(header, 0));
        json_decref(header);
        snprintf(what, sizeof what, "metadata %s: %s", cases[i].key,
                 cases[i].value ? cases[i].value : "missing");
        assert_refused(what);
    }
    /* Without class names it is a good model. */
    json_t *header = header_of(&file);
    spoil(json_object_get(header, "__metadata__"), "classes", NULL);
    write_with_header(&file, json_dumps(header, 0));
    json_decref(header);
    gemmlp_model *model = load();
    assert_string_equal(gemmlp_model_class_name(model, 2), "2");
    gemmlp_model_free(model);
}

static void test_wrong_tensors(void **state)
{
    (void)state;
    static const char *const tensors[] = {"layers.0.weight",   "layers.0.bias",
                                          "layers.1.weight",   "layers.2.bias",
                                          "preprocess.factor", "preprocess.offset"};
    static const struct {
        const char *key, *value;
    } cases[] = {
        {"dtype", "\"I32\""},
        {"dtype", "\"F64\""},
        {"dtype", "\"F16\""},
        {"dtype", "\"rubbish\""},
        {"dtype", "4"},
        {"dtype", NULL},
        {"shape", "[]"},
        {"shape", "[1]"},
        {"shape", "[3, 5]"},
        {"shape", "[15, 1, 1]"},
        {"shape", "[0]"},
        {"shape", "[-1]"},
        {"shape", "[9223372036854775807, 9223372036854775807]"},
        {"shape", NULL},
        {"data_offsets", "[0, 1]"},
        {"data_offsets", "[8, 4]"},
        {"data_offsets", "[0]"},
        {"data_offsets", "[9000000000, 9000000004]"},
        {"data_offsets", NULL},
    };
    static struct bytes file;
    char what[96];
    small_file(&file);
    for (size_t t = 0; t < sizeof tensors / sizeof *tensors; t++) {
        for (size_t i = 0; i <= sizeof cases / sizeof *cases; i++) {
            json_t *header = header_of(&file);
            if (i < sizeof cases / sizeof *cases) {
                spoil(json_object_get(header, tensors[t]), cases[i].key, cases[i].value);
                snprintf(what, sizeof what, "%s: %s %s", tensors[t], cases[i].key,
                         cases[i].value ? cases[i].value : "missing");
            } else {
                spoil(header, tensors[t], NULL);
                snprintf(what, sizeof what, "%s: missing", tensors[t]);
            }
            write_with_header(&file, json_dumps(header, 0));
            json_decref(header);
            assert_refused(what);
        }
    }
}

/* Each tensor with one element more or less in one dimension, the file being sound in itself. */
static void test_tensors_of_other_sizes(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t rank, shape[2];
    } tensors[] = {{"layers.0.weight", 2, {5, 3}}, {"layers.0.bias", 1, {5}},
                   {"layers.1.weight", 2, {2, 5}}, {"layers.1.bias", 1, {2}},
                   {"layers.2.weight", 2, {4, 2}}, {"layers.2.bias", 1, {4}},
                   {"preprocess.factor", 1, {3}},  {"preprocess.offset", 1, {3}}};
    enum { COUNT = sizeof tensors / sizeof *tensors };
    static const float zeros[64];
    static struct bytes file;
    small_file(&file);
    json_t *network = network_of(&file);
    char *text = json_dumps(network, JSON_REAL_PRECISION(17));
    const struct safetensors_metadata metadata[] = {
        {"format", "gemmlp"}, {"version", "1"}, {"network", text}};
    for (size_t change = 0; change <= 4 * COUNT; change++) { /* the last one changes nothing */
        struct safetensor list[COUNT];
        for (size_t i = 0; i < COUNT; i++) {
            list[i] = (struct safetensor){.name = tensors[i].name,
                                          .dtype = "F32",
                                          .rank = tensors[i].rank,
                                          .shape = {tensors[i].shape[0], tensors[i].shape[1]},
                                          .data = zeros};
        }
        if (change < 4 * COUNT) {
            list[change / 4].shape[change / 2 % 2] += change % 2 ? 1 : (size_t)-1;
        }
        if (change < 4 * COUNT && change / 2 % 2 >= list[change / 4].rank) {
            continue; /* there is no such dimension */
        }
        assert_int_equal(gm_safetensors_write(path, list, COUNT, metadata, 3, NULL), GEMMLP_OK);
        if (change < 4 * COUNT) {
            assert_refused(tensors[change / 4].name);
        } else {
            gemmlp_model_free(load());
        }
    }
    free(text);
    json_decref(network);
}

static void insert_behind(const struct bytes *file, const char *place, const char *text)
{
    static char out[ROOM];
    const size_t size = header_size(file);
    memcpy(out, file->at + PREFIX, size);
    out[size] = '\0';
    char *at = strstr(out, place);
    assert_non_null(at);
    at += strlen(place);
    memmove(at + strlen(text), at, strlen(at) + 1);
    memcpy(at, text, strlen(text));
    write_with_header(file, strdup(out));
}

static void test_duplicate_keys(void **state)
{
    (void)state;
    static struct bytes file;
    small_file(&file);
    insert_behind(&file, "\"format\":", "\"gemmlp\",\"format\":");
    assert_refused("a key of the metadata twice");
    insert_behind(&file, "{",
                  "\"layers.0.bias\":{\"dtype\":\"F32\",\"shape\":[0],"
                  "\"data_offsets\":[0,0]},");
    assert_refused("a tensor twice");
    insert_behind(&file, "\\\"n_in\\\":", "3,\\\"n_in\\\":");
    assert_refused("a key of the network twice");
    insert_behind(&file, "\"format\":", " "); /* the tool itself does no harm */
    gemmlp_model_free(load());
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation),
        cmocka_unit_test(test_damaged_header),
        cmocka_unit_test(test_no_number_in_the_data),
        cmocka_unit_test(test_not_a_model),
        cmocka_unit_test(test_wrong_network),
        cmocka_unit_test(test_network_beside_other_tensors),
        cmocka_unit_test(test_wrong_metadata),
        cmocka_unit_test(test_wrong_tensors),
        cmocka_unit_test(test_tensors_of_other_sizes),
        cmocka_unit_test(test_duplicate_keys),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
