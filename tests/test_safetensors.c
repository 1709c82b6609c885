/* test_safetensors.c: safetensors written, read and attacked. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include <omp.h>
#include <sys/stat.h>

#include "io/safetensors.h"

/* ---- safetensors: writing and reading back --------------------------------------------------- */

static void test_round_trip(void **state)
{
    (void)state;
    float weight[6] = {1, -2.5f, 3e30f, 4, 1e-40f, -0.0f}, read_weight[6];
    double scalar = 0.1, read_scalar;
    uint8_t bytes[3] = {0, 128, 255}, read_bytes[3];
    struct safetensor tensors[] = {
        {.name = "layers.0.weight", .dtype = "F32", .rank = 2, .shape = {2, 3}, .data = weight},
        {.name = "empty", .dtype = "I64", .rank = 2, .shape = {0, 7}},
        {.name = "scalar", .dtype = "F64", .rank = 0, .data = &scalar},
        {.name = "b\"y\\t\xc3\xa9s\n", .dtype = "U8", .rank = 1, .shape = {3}, .data = bytes},
    };
    struct safetensors_metadata metadata[] = {{"format", "gemmlp"}, {"empty", ""}};
    struct safetensors *file;
    gemmlp_error error = {0};
    assert_int_equal(gm_safetensors_write(at("m"), tensors, 4, metadata, 2, &error), GEMMLP_OK);
    assert_int_equal(gm_safetensors_open(at("m"), &file, &error), GEMMLP_OK);
    assert_int_equal(gm_safetensors_count(file), 4);
    assert_string_equal(gm_safetensors_metadata(file, "format"), "gemmlp");
    assert_string_equal(gm_safetensors_metadata(file, "empty"), "");
    assert_null(gm_safetensors_metadata(file, "other"));
    assert_null(gm_safetensors_find(file, "other"));
    assert_null(gm_safetensors_find(file, "__metadata__"));

    void *out[] = {read_weight, read_bytes, &read_scalar, read_bytes};
    for (size_t i = 0; i < 4; i++) {
        const struct safetensor *found = gm_safetensors_find(file, tensors[i].name);
        assert_non_null(found);
        assert_string_equal(found->name, tensors[i].name);
        assert_string_equal(found->dtype, tensors[i].dtype);
        assert_int_equal(found->rank, tensors[i].rank);
        assert_memory_equal(found->shape, tensors[i].shape, sizeof found->shape);
        assert_int_equal(gm_safetensors_read(file, found, out[i], &error), GEMMLP_OK);
    }
    assert_memory_equal(read_weight, weight, sizeof weight);
    assert_memory_equal(&read_scalar, &scalar, sizeof scalar);
    assert_memory_equal(read_bytes, bytes, sizeof bytes);
    assert_int_equal(gm_safetensors_find(file, "layers.0.weight")->offset % 64, 0);
    assert_int_equal(gm_safetensors_find(file, "scalar")->bytes, 8);

    /* The file becomes shorter behind our back. */
    assert_int_equal(truncate(at("m"), 8), 0);
    gemmlp_status status = gm_safetensors_read(file, gm_safetensors_find(file, "layers.0.weight"),
                                               read_weight, &error);
    assert_failed(status, &error, GEMMLP_BAD_MODEL, "became shorter");
    gm_safetensors_close(file);
    gm_safetensors_close(NULL);
}

static void test_nothing(void **state)
{
    (void)state;
    struct safetensors *file;
    assert_int_equal(gm_safetensors_write(at("m"), NULL, 0, NULL, 0, NULL), GEMMLP_OK);
    assert_int_equal(gm_safetensors_open(at("m"), &file, NULL), GEMMLP_OK);
    assert_int_equal(gm_safetensors_count(file), 0);
    assert_null(gm_safetensors_find(file, "a"));
    assert_null(gm_safetensors_metadata(file, "a"));
    gm_safetensors_close(file);
}

static void test_refused_tensors(void **state)
{
    (void)state;
    char name[258];
    memset(name, 'n', 257);
    name[257] = '\0';
    static const uint8_t data[8];
    static const struct {
        const char *name, *dtype;
        size_t rank, shape[2];
        const char *text;
    } cases[] = {
        {"", "U8", 1, {8}, "cannot be a tensor's name"},
        {NULL, "U8", 1, {8}, "cannot be a tensor's name"},
        {"__metadata__", "U8", 1, {8}, "cannot be a tensor's name"},
        {"first", "U8", 1, {8}, "names are unique"},
        {"a\xff", "U8", 1, {8}, "is not UTF-8"},
        {"a", "float", 1, {8}, "type float"},
        {"a", NULL, 1, {8}, "type (none)"},
        {"a", "U8", 9, {8}, "rank 9"},
        {"a", "F4", 1, {1}, "no valid size"},
        {"a", "F32", 2, {SIZE_MAX / 2, 3}, "no valid size"},
        {"a", "U8", 1, {SIZE_MAX / 8}, "no valid size"},
        {"a", "U8", 2, {0, SIZE_MAX}, "no valid size"},
    };
    struct safetensor tensors[2] = {
        {.name = "first", .dtype = "U8", .rank = 1, .shape = {8}, .data = data}};
    gemmlp_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tensors[1] = (struct safetensor){.name = cases[i].name,
                                         .dtype = cases[i].dtype,
                                         .rank = cases[i].rank,
                                         .shape = {cases[i].shape[0], cases[i].shape[1]},
                                         .data = data};
        bool too_much = cases[i].shape[0] == SIZE_MAX / 8;
        tensors[0].shape[0] = too_much ? SIZE_MAX / 8 : 8; /* their sum is beyond int64 */
        tensors[0].dtype = too_much ? "F32" : "U8";
        assert_failed(gm_safetensors_write(at("m"), tensors, 2, NULL, 0, &error), &error,
                      GEMMLP_INVALID_ARGUMENT, cases[i].text);
    }
    tensors[0].name = name;
    assert_failed(gm_safetensors_write(at("m"), tensors, 1, NULL, 0, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "1 to 256");
    assert_failed(gm_safetensors_write(at("m"), tensors, 100001, NULL, 0, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "100001 tensors are more than 100000");
    struct safetensors_metadata metadata = {"key", "\xc3("};
    assert_failed(gm_safetensors_write(at("m"), NULL, 0, &metadata, 1, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "'key' is not UTF-8");
    size_t length = 17 << 20;
    char *text = malloc(length + 1);
    assert_non_null(text);
    memset(text, 'x', length);
    text[length] = '\0';
    metadata.value = text;
    assert_failed(gm_safetensors_write(at("m"), NULL, 0, &metadata, 1, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "is longer than 16777216");
    free(text);
    assert_int_equal(count_entries(), 0);
}

/* ---- safetensors: files that lie ------------------------------------------------------------- */

/* A file with that header and `data_size` bytes of zeros behind it. */
static void forge(const char *path, const char *header, size_t data_size)
{
    static const char zeros[64];
    uint64_t length = strlen(header);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    fwrite(&length, sizeof length, 1, stream);
    fwrite(header, 1, length, stream);
    fwrite(zeros, 1, data_size, stream);
    assert_int_equal(fclose(stream), 0);
}

static void assert_refused(const char *path, const char *text)
{
    struct safetensors *file = (struct safetensors *)1;
    gemmlp_error error = {0};
    gemmlp_status status = gm_safetensors_open(path, &file, &error);
    assert_failed(status, &error, GEMMLP_BAD_MODEL, text);
    assert_null(file);
    assert_non_null(strstr(error.message, path));
}

#define TENSOR(shape, begin, end)                                                                  \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
        const char *text;
    } cases[] = {
        {"[]", 0, "does not start with '{'"},
        {" {}", 0, "does not start with '{'"},
        {"{", 0, "no JSON"},
        {"{}x", 0, "no JSON"},
        {"{\"a\n\":1}", 0, "no JSON"},
        {"{\"\xff\":1}", 0, "no JSON"},
        {"{\"a\\u0000b\":1}", 0, "no JSON"},
        {"{}", 3, "the tensors take 0 bytes, but the file has 3"},
        {"{\"a\":{\"b\":{\"c\":{}}}}", 0, "nests deeper than 3"},
        {"{\"a\":1}", 0, "dtype '' is not one"},
        {"{\"a\":{}}", 0, "dtype '' is not one"},
        {"{\"a\":{\"dtype\":32}}", 0, "dtype '' is not one"},
        {"{\"a\":{\"dtype\":\"F\\n32\"}}", 0, "dtype 'F?32' is not one"},
        {"{\"a\\n\":{\"dtype\":\"F33\"}}", 0, "tensor 'a?': dtype 'F33'"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, "shape is not an array of at most 8"},
        {"{\"a\":" TENSOR("4", 0, 4) "}", 4, "shape is not an array of at most 8"},
        {"{\"a\":" TENSOR("[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4,
         "shape is not an array of at most 8"},
        {"{\"a\":" TENSOR("[1,-1]", 0, 4) "}", 4, "shape[1] is not a non-negative integer"},
        {"{\"a\":" TENSOR("[1.0]", 0, 4) "}", 4, "shape[0] is not a non-negative integer"},
        {"{\"a\":" TENSOR("[\"1\"]", 0, 4) "}", 4, "shape[0] is not a non-negative integer"},
        {"{\"a\":" TENSOR("[99999999999999999999]", 0, 4) "}", 4, "no JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets is not an array of two"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "array of two"},
        {"{\"a\":" TENSOR("[1]", -4, 0) "}", 4, "data_offsets is not an array of two"},
        {"{\"a\":" TENSOR("[1]", 4, 0) "}", 4, "data_offsets 4 to 0 do not lie in the 4 bytes"},
        {"{\"a\":" TENSOR("[2]", 0, 8) "}", 7, "data_offsets 0 to 8 do not lie in the 7 bytes"},
        {"{\"a\":" TENSOR("[2]", 0, 4) "}", 4, "span 4 bytes"},
        {"{\"a\":" TENSOR("[4294967296,4294967296]", 0, 0) "}", 0, "span 0 bytes"},
        {"{\"a\":" TENSOR("[4611686018427387905]", 0, 4) "}", 4, "span 4 bytes"},
        {"{\"a\":" TENSOR("[1]", 4, 8) "}", 8, "'a' begins at data offset 4; expected 0"},
        {"{\"a\":" TENSOR("[2]", 0, 8) ",\"b\":" TENSOR("[2]", 4, 12) "}", 12,
         "'b' begins at data offset 4; expected 8"},
        {"{\"a\":" TENSOR("[1]", 0, 4) ",\"b\":" TENSOR("[1]", 0, 4) "}", 4, "expected 4"},
        {"{\"a\":" TENSOR("[1]", 0, 4) "}", 5, "the tensors take 4 bytes, but the file has 5"},
        {"{\"a\":" TENSOR("[1]", 0, 4) ",\"a\":" TENSOR("[1]", 4, 8) "}", 8, "no JSON"},
        {"{\"\":" TENSOR("[1]", 0, 4) "}", 4, "has 0 characters; expected 1 to 256"},
        {"{\"__metadata__\":1}", 0, "not an object of strings"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "not an object of strings"},
        {"{\"__metadata__\":{\"a\":\"b\",\"c\":[]}}", 0, "not an object of strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge(at("m"), cases[i].header, cases[i].data_size);
        assert_refused(at("m"), cases[i].text);
    }
    char name[300], header[512];
    memset(name, 'n', 257);
    name[257] = '\0';
    snprintf(header, sizeof header, "{\"%s\":" TENSOR("[1]", 0, 4) "}", name);
    forge(at("m"), header, 4);
    assert_refused(at("m"), "has 257 characters");
}

static void test_hostile_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 3, 16777217, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[10] = {0};
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{}", 2);
        put_file(at("m"), bytes, sizeof bytes);
        assert_refused(at("m"), "the file has room for 2");
    }
    put_file(at("m"), "", 0);
    assert_refused(at("m"), "has 0 bytes");
    put_file(at("m"), "1234567", 7);
    assert_refused(at("m"), "has 7 bytes");
    /* A sparse file has the size, but the header is above the limit. */
    uint64_t length = (16 << 20) + 1;
    put_file(at("m"), &length, sizeof length);
    assert_int_equal(truncate(at("m"), 32 << 20), 0);
    assert_refused(at("m"), "16777216 is the limit");
}

/* Headers whose parsing alone would take gigabytes. */
static void test_hostile_amounts(void **state)
{
    (void)state;
    size_t size = 6 << 20; /* the table of 100 001 tensors fits, too */
    char *header = malloc(size + 1);
    assert_non_null(header);
    static const char *const patterns[] = {"[", "0,", "{},", "{\"a\":"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t step = strlen(patterns[i]);
        header[0] = '{';
        for (size_t j = 1; j < size; j++)
            header[j] = patterns[i][(j - 1) % step];
        header[size] = '\0';
        forge(at("m"), header, 0);
        assert_refused(at("m"), "at most 3 levels and 100000 tensors");
    }
    size_t used = (size_t)sprintf(header, "{");
    for (int i = 0; i < 100001; i++)
        used += (size_t)sprintf(header + used, "%s\"%d\":" TENSOR("[0]", 0, 0), i ? "," : "", i);
    strcpy(header + used, "}");
    forge(at("m"), header, 0);
    assert_refused(at("m"), "100001 tensors are more than 100000");
    /* One less is fine. */
    used = (size_t)sprintf(header, "{");
    for (int i = 0; i < 100000; i++)
        used += (size_t)sprintf(header + used, "%s\"%d\":" TENSOR("[0]", 0, 0), i ? "," : "", i);
    strcpy(header + used, "}");
    forge(at("m"), header, 0);
    free(header);
    struct safetensors *file;
    assert_int_equal(gm_safetensors_open(at("m"), &file, NULL), GEMMLP_OK);
    assert_int_equal(gm_safetensors_count(file), 100000);
    assert_non_null(gm_safetensors_find(file, "4711"));
    gm_safetensors_close(file);
}

/* Every part of a valid file, and the file with each byte changed: refused, or read without
 * harm. */
static void test_damage(void **state)
{
    (void)state;
    unsigned char bytes[1024], changed[1024];
    float values[5] = {1, 2, 3, 4, 5}, out[256];
    struct safetensor tensors[] = {
        {.name = "a", .dtype = "F32", .rank = 2, .shape = {1, 3}, .data = values},
        {.name = "b", .dtype = "F32", .rank = 1, .shape = {2}, .data = values + 3}};
    struct safetensors_metadata metadata = {"k", "v"};
    assert_int_equal(gm_safetensors_write(at("m"), tensors, 2, &metadata, 1, NULL), GEMMLP_OK);
    size_t size = get_file(at("m"), bytes, sizeof bytes);
    assert_true(size > 100 && size < sizeof bytes);
    for (size_t i = 0; i < size; i++) {
        put_file(at("m"), bytes, i);
        assert_refused(at("m"), "");
    }
    bytes[size] = 0;
    put_file(at("m"), bytes, size + 1);
    assert_refused(at("m"), "the tensors take 20 bytes, but the file has 21");

    size_t refused = 0;
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct safetensors *file;
            memcpy(changed, bytes, size);
            changed[i] ^= (unsigned char)(1u << bit);
            put_file(at("m"), changed, size);
            if (gm_safetensors_open(at("m"), &file, NULL) != GEMMLP_OK) {
                refused++;
                continue;
            }
            const struct safetensor *tensor = gm_safetensors_find(file, "a");
            if (tensor) {
                assert_true(tensor->bytes <= 20);
                assert_int_equal(gm_safetensors_read(file, tensor, out, NULL), GEMMLP_OK);
            }
            gm_safetensors_close(file);
        }
    assert_true(refused > 100);
}

/* ---- with a checksum ---- */

/* The CRC-32 of gzip, bit by bit. */
static uint32_t plain_crc32(const unsigned char *bytes, size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size; i++) {
        crc ^= bytes[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    return ~crc;
}

/* Large enough to be taken in parts, by several threads. */
static void test_checksum(void **state)
{
    (void)state;
    enum { SIZE = (3 << 20) + 12345, ROOM = SIZE + 4096 };
    unsigned char *data = malloc(SIZE), *file_bytes = malloc(ROOM), *other = malloc(ROOM);
    for (size_t i = 0; i < SIZE; i++)
        data[i] = (unsigned char)(i * 2654435761u >> 13);
    const struct safetensor tensor = {
        .name = "a", .dtype = "U8", .rank = 1, .shape = {SIZE}, .data = data};
    struct safetensor twin = tensor;
    struct safetensors *file;
    gemmlp_error error = {0};
    size_t size = 0;
    for (int threads = 1; threads <= 3; threads++) {
        omp_set_num_threads(threads);
        assert_int_equal(gm_safetensors_write_checked(at("m"), &tensor, 1, NULL, 0, &error),
                         GEMMLP_OK);
        size = get_file(at("m"), threads == 1 ? file_bytes : other, ROOM);
        if (threads > 1)
            assert_memory_equal(other, file_bytes, size);
    }
    uint32_t stored;
    memcpy(&stored, file_bytes + size - 4, 4);
    assert_int_equal(stored, plain_crc32(file_bytes, size - 4));
    assert_int_equal(gm_safetensors_open(at("m"), &file, &error), GEMMLP_OK);
    assert_int_equal(gm_safetensors_verify(file, &error), GEMMLP_OK);
    gm_safetensors_close(file);
    static const size_t places[] = {100, 1 << 20, SIZE};
    for (size_t i = 0; i < 3; i++) {
        file_bytes[size - 4 - places[i]] ^= 4;
        put_file(at("d"), file_bytes, size);
        file_bytes[size - 4 - places[i]] ^= 4;
        assert_int_equal(gm_safetensors_open(at("d"), &file, &error), GEMMLP_OK);
        assert_failed(gm_safetensors_verify(file, &error), &error, GEMMLP_BAD_MODEL, "is damaged");
        gm_safetensors_close(file);
    }
    assert_int_equal(gm_safetensors_write(at("p"), &tensor, 1, NULL, 0, &error), GEMMLP_OK);
    assert_int_equal(gm_safetensors_open(at("p"), &file, &error), GEMMLP_OK);
    assert_failed(gm_safetensors_verify(file, &error), &error, GEMMLP_BAD_MODEL,
                  "does not end with a tensor checksum.crc32");
    gm_safetensors_close(file);
    twin.name = SAFETENSORS_CHECKSUM;
    assert_failed(gm_safetensors_write_checked(at("q"), &twin, 1, NULL, 0, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "names are unique");
    free(data);
    free(file_bytes);
    free(other);
}

static void test_not_a_file(void **state)
{
    (void)state;
    struct safetensors *file;
    gemmlp_error error;
    assert_failed(gm_safetensors_open(at("none"), &file, &error), &error, GEMMLP_IO,
                  "none: could not open: No such file");
    assert_failed(gm_safetensors_open(directory, &file, &error), &error, GEMMLP_IO,
                  "is not a regular file");
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_failed(gm_safetensors_open(at("pipe"), &file, &error), &error, GEMMLP_IO,
                  "is not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_round_trip),      IN_DIRECTORY(test_nothing),
        IN_DIRECTORY(test_refused_tensors), IN_DIRECTORY(test_hostile_headers),
        IN_DIRECTORY(test_hostile_lengths), IN_DIRECTORY(test_hostile_amounts),
        IN_DIRECTORY(test_damage),          IN_DIRECTORY(test_not_a_file),
        IN_DIRECTORY(test_checksum),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
