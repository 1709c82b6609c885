/* test_idx_damage.c: IDX files that are not what they say, raw and gzip: refused with a reason. */
#define _POSIX_C_SOURCE 200809L
#include "idx_files.h"

#include <sys/stat.h>

/* Each as raw and as gzip. `text_gzip` NULL: the same text. */
static const struct {
    unsigned type, rank;
    uint32_t shape[3];
    size_t elements; /* bytes behind the header */
    const char *text, *text_gzip;
} headers[] = {
    {0x09, 2, {2, 2}, 4, "element type 09 at offset 2 is int8", NULL},
    {0x0B, 2, {2, 2}, 8, "element type 0b at offset 2 is int16", NULL},
    {0x0C, 2, {2, 2}, 16, "element type 0c at offset 2 is int32", NULL},
    {0x0E, 2, {2, 2}, 32, "element type 0e at offset 2 is float64", NULL},
    {0x07, 2, {2, 2}, 4, "element type 07 at offset 2 is unknown", NULL},
    {0x08, 0, {0}, 4, "0 dimensions at offset 3; expected 1 to 8", NULL},
    {0x08, 3, {0, 2, 2}, 4, "dimension 0 at offset 4 is 0", NULL},
    {0x08, 3, {2, 2, 0}, 4, "dimension 2 at offset 12 is 0", NULL},
    {0x08, 3, {UINT32_MAX, UINT32_MAX, UINT32_MAX}, 4, "product of the 3 dimensions", NULL},
    {0x0D, 2, {UINT32_MAX, 0x80000000u}, 4, "product of the 2 dimensions", NULL},
    {0x08,
     2,
     {0x40000000, 0x40000000},
     4,
     "truncated: its header promises 1152921504606846988 bytes, but it has 16",
     "bytes of gzip can hold"},
    {0x08,
     2,
     {2, 4},
     7,
     "truncated: its header promises 20 bytes, but it has 19",
     "truncated: its header promises 20 bytes of content, but it has 19"},
    {0x08,
     2,
     {2, 4},
     0,
     "truncated: its header promises 20 bytes, but it has 12",
     "truncated: its header promises 20 bytes of content, but it has 12"},
    {0x08,
     2,
     {2, 4},
     10,
     "trailing bytes: its header promises 20 bytes, but it has 22",
     "trailing bytes: its header promises 20 bytes of content, but it has at least 21"},
};

static void test_bad_headers(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
        struct bytes bytes = header(headers[i].type, headers[i].rank, headers[i].shape);
        bytes.size += headers[i].elements;
        put_bytes("a-images", &bytes);
        put_bytes("a-images.gz", &bytes);
        const char *text_gzip = headers[i].text_gzip ? headers[i].text_gzip : headers[i].text;
        refuse(at("a-images"), NULL, GEMMLP_BAD_DATA, headers[i].text);
        refuse(at("a-images.gz"), NULL, GEMMLP_BAD_DATA, text_gzip);
    }
    unsigned char nine[4] = {0, 0, 8, 9};
    put("a-images", nine, 4);
    refuse(at("a-images"), NULL, GEMMLP_BAD_DATA, "9 dimensions at offset 3; expected 1 to 8");
    put_file(at("a-images"), "", 0);
    refuse(at("a-images"), NULL, GEMMLP_BAD_DATA, "a-images: is empty");
}

/* Every beginning of a good file, raw and within gzip, in both roles; the gzip stream itself
 * cut. */
static void test_truncation(void **state)
{
    (void)state;
    struct bytes x = small_images(), y = small_labels();
    put_small_pair("a-images", "a-labels");
    put_small_pair("b-images.gz", "b-labels.gz");
    for (size_t size = 0; size < x.size; size++) {
        put("a-images", x.at, size);
        put("b-images.gz", x.at, size);
        refuse(at("a-images"), NULL, GEMMLP_BAD_DATA, "a-images: ");
        refuse(at("b-images.gz"), NULL, GEMMLP_BAD_DATA, "b-images.gz: ");
    }
    put_small_pair("a-images", "a-labels");
    put_small_pair("b-images.gz", "b-labels.gz");
    for (size_t size = 0; size < y.size; size++) {
        put("a-labels", y.at, size);
        put("b-labels.gz", y.at, size);
        refuse(at("a-images"), NULL, GEMMLP_BAD_DATA, "a-labels: ");
        refuse(at("b-images.gz"), NULL, GEMMLP_BAD_DATA, "b-labels.gz: ");
    }
    unsigned char packed[1024];
    put_small_pair("b-images.gz", "b-labels.gz");
    FILE *stream = fopen(at("b-images.gz"), "rb");
    assert_non_null(stream);
    size_t packed_size = fread(packed, 1, sizeof packed, stream);
    fclose(stream);
    for (size_t size = 0; size < packed_size; size++) {
        put_file(at("b-images.gz"), packed, size);
        refuse(at("b-images.gz"), NULL, GEMMLP_BAD_DATA, "b-images.gz: ");
    }
    /* Time, system, flags and the bits that fill the last byte mean nothing: whatever is accepted
     * must still be the right content. */
    size_t accepted = 0;
    for (size_t i = 0; i < packed_size; i++) {
        gemmlp_dataset *dataset;
        packed[i] ^= 0x10;
        put_file(at("b-images.gz"), packed, packed_size);
        packed[i] ^= 0x10;
        if (gemmlp_dataset_open(at("b-images.gz"), NULL, &dataset, NULL) == GEMMLP_OK) {
            accepted++;
            check_small(dataset);
            gemmlp_dataset_free(dataset);
        }
    }
    assert_true(accepted < 10);
    put_file(at("b-images.gz"), packed, packed_size - 5);
    refuse(at("b-images.gz"), NULL, GEMMLP_BAD_DATA, "corrupt or truncated gzip data");
    packed[packed_size - 6] ^= 1; /* of the checksum */
    put_file(at("b-images.gz"), packed, packed_size);
    refuse(at("b-images.gz"), NULL, GEMMLP_BAD_DATA, "incorrect data check");
}

/* The same of the other kinds of files: float32 features; targets of each type and rank. */
static void test_truncation_of_each_kind(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        unsigned type, rank;
        uint32_t shape[2];
    } kinds[] = {{"images", 0x0D, 2, {4, 3}},
                 {"labels", 0x0D, 1, {4}},
                 {"labels", 0x0D, 2, {4, 2}},
                 {"labels", 0x08, 2, {4, 2}}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct bytes bytes = header(kinds[i].type, kinds[i].rank, kinds[i].shape);
        size_t elements = (size_t)4 * (kinds[i].rank == 2 ? kinds[i].shape[1] : 1);
        bytes.size += elements * (kinds[i].type == 0x0D ? 4 : 1);
        gemmlp_dataset *dataset;
        char raw[16], packed[16];
        snprintf(raw, sizeof raw, "a-%s", kinds[i].name);
        snprintf(packed, sizeof packed, "b-%s.gz", kinds[i].name);
        put_small_pair("a-images", "a-labels");
        put_small_pair("b-images.gz", "b-labels.gz");
        put_bytes(raw, &bytes);
        put_bytes(packed, &bytes);
        assert_int_equal(gemmlp_dataset_open(at("a-images"), NULL, &dataset, NULL), GEMMLP_OK);
        gemmlp_dataset_free(dataset);
        assert_int_equal(gemmlp_dataset_open(at("b-images.gz"), NULL, &dataset, NULL), GEMMLP_OK);
        gemmlp_dataset_free(dataset);
        for (size_t size = 0; size < bytes.size; size++) {
            put(raw, bytes.at, size);
            put(packed, bytes.at, size);
            refuse(at("a-images"), NULL, GEMMLP_BAD_DATA, raw);
            refuse(at("b-images.gz"), NULL, GEMMLP_BAD_DATA, packed);
        }
    }
}

/* A small file that inflates to more than the first allocation takes. */
static void test_expansion(void **state)
{
    (void)state;
    const uint32_t rows = 3000, columns = 1001;
    struct bytes x = header(0x08, 2, (uint32_t[]){rows, columns});
    struct bytes y = header(0x08, 1, (uint32_t[]){rows});
    unsigned char *content = calloc(16 + rows, columns);
    assert_non_null(content);
    memcpy(content, x.at, x.size);
    content[x.size + (size_t)rows * columns - 1] = 7;
    put("z-images.gz", content, x.size + (size_t)rows * columns);
    memset(content, 0, x.size);
    memcpy(content, y.at, y.size);
    put("z-labels.gz", content, y.size + rows);
    free(content);
    struct stat info;
    assert_int_equal(stat(at("z-images.gz"), &info), 0);
    assert_true(info.st_size < (1 << 14));

    gemmlp_dataset *dataset;
    gemmlp_error error;
    float last[1001];
    if (gemmlp_dataset_open(at("z-images.gz"), NULL, &dataset, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    assert_int_equal(gemmlp_dataset_example(dataset, rows - 1, last, NULL, NULL), GEMMLP_OK);
    assert_true(last[columns - 1] == 7 && last[columns - 2] == 0);
    gemmlp_dataset_free(dataset);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_bad_headers),
        IN_DIRECTORY(test_truncation),
        IN_DIRECTORY(test_truncation_of_each_kind),
        IN_DIRECTORY(test_expansion),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
