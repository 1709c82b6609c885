/* test_idx.c: IDX files, good and bad, raw and gzip: found, read, and refused with a reason. */
#define _POSIX_C_SOURCE 200809L
#include "files.h"

#include <sys/stat.h>
#include <zlib.h>

#include "data/dataset.h"

/* Compressed where the name ends in .gz. */
static void put(const char *name, const void *bytes, size_t size)
{
    size_t length = strlen(name);
    if (length < 3 || strcmp(name + length - 3, ".gz") != 0) {
        put_file(at(name), bytes, size);
        return;
    }
    gzFile stream = gzopen(at(name), "wb");
    assert_non_null(stream);
    if (size > 0)
        assert_int_equal(gzwrite(stream, bytes, (unsigned)size), size);
    assert_int_equal(gzclose(stream), Z_OK);
}

/* ---- IDX files by hand ----------------------------------------------------------------------- */

struct bytes {
    unsigned char at[512];
    size_t size;
};

static void add_u32(struct bytes *bytes, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes->at[bytes->size++] = (unsigned char)(value >> shift);
}

static void add_f32(struct bytes *bytes, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_u32(bytes, bits);
}

static struct bytes header(unsigned type, unsigned rank, const uint32_t *shape)
{
    struct bytes bytes = {.at = {0, 0, (unsigned char)type, (unsigned char)rank}, .size = 4};
    for (unsigned i = 0; i < rank; i++)
        add_u32(&bytes, shape[i]);
    return bytes;
}

/* 4 images of 2 x 3 pixels 0, 1, 2 ..., and labels 2 0 1 2. */
static struct bytes small_images(void)
{
    struct bytes bytes = header(0x08, 3, (uint32_t[]){4, 2, 3});
    for (unsigned i = 0; i < 24; i++)
        bytes.at[bytes.size++] = (unsigned char)i;
    return bytes;
}

static struct bytes small_labels(void)
{
    struct bytes bytes = header(0x08, 1, (uint32_t[]){4});
    memcpy(bytes.at + bytes.size, (unsigned char[]){2, 0, 1, 2}, 4);
    bytes.size += 4;
    return bytes;
}

static void put_bytes(const char *name, const struct bytes *bytes)
{
    put(name, bytes->at, bytes->size);
}

static void put_small_pair(const char *images, const char *labels)
{
    struct bytes x = small_images(), y = small_labels();
    put_bytes(images, &x);
    put_bytes(labels, &y);
}

static void check_small(gemmlp_dataset *dataset)
{
    gemmlp_dataset_info info;
    float x[6], y[3];
    gemmlp_dataset_info_get(dataset, &info);
    assert_int_equal(info.examples, 4);
    assert_int_equal(info.features, 6);
    assert_int_equal(info.height, 2);
    assert_int_equal(info.width, 3);
    assert_int_equal(info.outputs, 3);
    assert_int_equal(info.task, GEMMLP_CLASSIFY);
    assert_string_equal(info.format, "idx");
    assert_string_equal(info.element_type, "uint8");
    assert_int_equal(info.bytes, 4 * 6 + 4 * 4);
    assert_int_equal(gemmlp_dataset_example(dataset, 3, x, y, NULL), GEMMLP_OK);
    for (int i = 0; i < 6; i++)
        assert_true(x[i] == (float)(18 + i));
    assert_true(y[0] == 0 && y[1] == 0 && y[2] == 1);
}

static void open_small(const char *path)
{
    gemmlp_dataset *dataset;
    gemmlp_error error = {0};
    if (gemmlp_dataset_open(path, NULL, &dataset, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    check_small(dataset);
    gemmlp_dataset_free(dataset);
}

/* ---- finding files --------------------------------------------------------------------------- */

static void test_names(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte"},
        {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"},
        {"train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"},
        {"train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte"},
        {"train-images.idx3-ubyte", "train-labels.idx1-ubyte"},
        {"train-images.idx3-ubyte.gz", "train-labels.idx1-ubyte.gz"},
    };
    for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
        char slash[80];
        snprintf(slash, sizeof slash, "%s/", directory);
        put_small_pair(pairs[i][0], pairs[i][1]);
        open_small(directory);
        open_small(slash);
        open_small(at(pairs[i][0]));
        assert_false(gemmlp_dataset_has_test(directory));
        empty_directory();
    }
    static const char *const files[][2] = {
        {"images", "labels"},
        {"my-images.gz", "my-labels"},
        {"images-of-images-idx3-ubyte", "images-of-labels-idx1-ubyte"},
        {"x-images-idx3-float", "x-labels-idx1-ubyte.gz"},
        {"y-images-idx3-ubyte", "y-labels-idx2-ubyte"},
        {"z-images-idx3-ubyte.gz", "z-labels-idx2-float"},
        {"t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        put_small_pair(files[i][0], files[i][1]);
        open_small(at(files[i][0]));
    }
    gemmlp_open_options test = {.test = true};
    gemmlp_dataset *dataset;
    assert_true(gemmlp_dataset_has_test(directory));
    assert_int_equal(gemmlp_dataset_open(directory, &test, &dataset, NULL), GEMMLP_OK);
    check_small(dataset);
    gemmlp_dataset_free(dataset);
    gemmlp_dataset_free(NULL);
    assert_false(gemmlp_dataset_has_test(at("images")));
    assert_false(gemmlp_dataset_has_test(at("none")));
}

static void refuse(const char *path, const gemmlp_open_options *options, gemmlp_status expected,
                   const char *text)
{
    gemmlp_dataset *dataset = (gemmlp_dataset *)1;
    gemmlp_error error = {0};
    assert_failed(gemmlp_dataset_open(path, options, &dataset, &error), &error, expected, text);
    assert_null(dataset);
}

/* Images whose labels are not there, or not looked at: enough to predict, and for nothing else. */
static void test_features_only(void **state)
{
    (void)state;
    const gemmlp_open_options options = {.features_only = true};
    struct bytes x = small_images();
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    gemmlp_error error;
    size_t count;
    float y = 7;
    put_bytes("alone-images-idx3-ubyte", &x);
    assert_int_equal(gemmlp_dataset_open(at("alone-images-idx3-ubyte"), NULL, &dataset, NULL),
                     GEMMLP_IO);
    assert_int_equal(gemmlp_dataset_open(at("alone-images-idx3-ubyte"), &options, &dataset, NULL),
                     GEMMLP_OK);
    gemmlp_dataset_info_get(dataset, &info);
    assert_false(info.has_targets);
    assert_int_equal(info.examples, 4);
    assert_int_equal(gemmlp_dataset_example(dataset, 0, NULL, &y, NULL), GEMMLP_OK);
    assert_true(y == 7);
    assert_failed(gemmlp_dataset_class_counts(dataset, &count, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "has no labels");

    const gemmlp_layer layer = {.n_out = 3};
    const gemmlp_network network = {.n_in = 6, .layer_count = 1, .layers = &layer};
    gemmlp_model *model;
    gemmlp_metrics metrics;
    float out[12];
    assert_failed(gemmlp_model_create(&network, dataset, &model, &error), &error, GEMMLP_BAD_DATA,
                  "has no targets");
    assert_int_equal(gemmlp_model_create(&network, NULL, &model, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_predict(model, dataset, 0, 4, NULL, out, NULL), GEMMLP_OK);
    assert_true(out[9] > 0 && out[9] < 1);
    assert_failed(gemmlp_model_evaluate(model, dataset, NULL, &metrics, NULL, &error), &error,
                  GEMMLP_BAD_DATA, "has no targets");
    gemmlp_model_free(model);
    gemmlp_dataset_free(dataset);
}

static void test_missing(void **state)
{
    (void)state;
    gemmlp_open_options test = {.test = true};
    refuse(at("none"), NULL, GEMMLP_IO, "none: could not open: No such file");
    refuse(directory, NULL, GEMMLP_IO,
           "no training set in this directory: looked for train-images-idx3-ubyte and "
           "train-images.idx3-ubyte, with and without .gz");
    refuse(directory, &test, GEMMLP_IO,
           "no test set in this directory: looked for t10k-images-idx3");
    put_small_pair("train-images-idx3-ubyte", "unrelated");
    refuse(directory, NULL, GEMMLP_IO, "its labels are missing: looked for");
    refuse(at("train-images-idx3-ubyte"), NULL, GEMMLP_IO,
           "train-labels-idx1-ubyte, with and without");
    put_small_pair("pictures", "labels");
    refuse(at("pictures"), NULL, GEMMLP_BAD_DATA, "the name has no 'images'");
    refuse(at("labels"), NULL, GEMMLP_BAD_DATA, "has one dimension, as labels have");
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    refuse(at("pipe"), NULL, GEMMLP_IO, "is neither a regular file nor a directory");
}

static void test_format_names(void **state)
{
    (void)state;
    gemmlp_open_options options = {.format = "idy"};
    put("x-images", "a,b,c\n1,2,3\n", 12);
    refuse(at("x-images"), NULL, GEMMLP_BAD_DATA,
           "starts with bytes 61 2c 62 2c 63 0a 31 2c, which no known format does; formats: idx");
    refuse(at("x-images"), &options, GEMMLP_INVALID_ARGUMENT,
           "unknown format 'idy'; did you mean 'idx'");
    options.format = "idx";
    refuse(at("x-images"), &options, GEMMLP_BAD_DATA,
           "starts with bytes 61 2c 62 2c; an IDX file starts with 00 00");
    put_small_pair("y-images", "y-labels");
    gemmlp_dataset *dataset;
    assert_int_equal(gemmlp_dataset_open(at("y-images"), &options, &dataset, NULL), GEMMLP_OK);
    check_small(dataset);
    gemmlp_dataset_free(dataset);
    assert_ptr_equal(gm_format_at(0), &gm_format_idx);
    assert_null(gm_format_at(1));
}

/* ---- files that are not what they say -------------------------------------------------------- */

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

/* Every beginning of a good file, raw and within gzip, in both roles; the gzip stream itself cut.
 */
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

/* ---- targets --------------------------------------------------------------------------------- */

static void put_targets(unsigned type, unsigned rank, const uint32_t *shape, const float *values,
                        size_t count)
{
    struct bytes bytes = header(type, rank, shape);
    for (size_t i = 0; i < count; i++)
        if (type == 0x0D)
            add_f32(&bytes, values[i]);
        else
            bytes.at[bytes.size++] = (unsigned char)values[i];
    put_bytes("a-labels", &bytes);
}

static void check_targets(const gemmlp_open_options *options, gemmlp_task task, size_t outputs,
                          const float *values)
{
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    gemmlp_error error;
    float y[16];
    if (gemmlp_dataset_open(at("a-images"), options, &dataset, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    gemmlp_dataset_info_get(dataset, &info);
    assert_int_equal(info.task, task);
    assert_int_equal(info.outputs, outputs);
    for (size_t i = 0; i < info.examples; i++) {
        assert_int_equal(gemmlp_dataset_example(dataset, i, NULL, y, NULL), GEMMLP_OK);
        for (size_t j = 0; j < outputs; j++)
            assert_true(y[j] == (task == GEMMLP_CLASSIFY ? (float)((size_t)values[i] == j)
                                                         : values[i * outputs + j]));
    }
    size_t counts[16];
    gemmlp_status status = gemmlp_dataset_class_counts(dataset, counts, &error);
    if (task == GEMMLP_CLASSIFY)
        assert_int_equal(status, GEMMLP_OK);
    else
        assert_failed(status, &error, GEMMLP_INVALID_ARGUMENT, "no classes to count");
    gemmlp_dataset_free(dataset);
}

static void test_targets(void **state)
{
    (void)state;
    const gemmlp_open_options classify = {.task = "classify"}, regress = {.task = "regress"},
                              multilabel = {.task = "multilabel"}, ten = {.outputs = 10},
                              two = {.outputs = 2}, misspelt = {.task = "regres"};
    const float numbers[8] = {1, 0, 1, 2, 0, 1, 1, 0}, bits[8] = {1, 0, 1, 1, 0, 1, 1, 0};
    const float reals[8] = {0.5f, -1, 3e30f, 1e-40f, 0, 1, 2, -3};
    struct bytes x = small_images();
    put_bytes("a-images", &x);
    const char *path = at("a-images");
    char images[512];
    path = strcpy(images, path);

    put_targets(0x08, 1, (uint32_t[]){4}, numbers, 4); /* uint8, one per example */
    check_targets(NULL, GEMMLP_CLASSIFY, 3, numbers);
    check_targets(&classify, GEMMLP_CLASSIFY, 3, numbers);
    check_targets(&ten, GEMMLP_CLASSIFY, 10, numbers);
    check_targets(&regress, GEMMLP_REGRESS, 1, numbers);
    refuse(path, &two, GEMMLP_BAD_DATA,
           "a-labels: label 2 at offset 11 is not below the 2 classes");
    refuse(path, &multilabel, GEMMLP_BAD_DATA, "multilabel targets have two dimensions");
    refuse(path, &misspelt, GEMMLP_INVALID_ARGUMENT,
           "unknown task 'regres'; did you mean 'regress'");

    put_targets(0x08, 2, (uint32_t[]){4, 2}, bits, 8); /* uint8, several per example */
    check_targets(NULL, GEMMLP_MULTILABEL, 2, bits);
    check_targets(&multilabel, GEMMLP_MULTILABEL, 2, bits);
    check_targets(&regress, GEMMLP_REGRESS, 2, bits);
    check_targets(&two, GEMMLP_MULTILABEL, 2, bits);
    refuse(path, &ten, GEMMLP_INVALID_ARGUMENT, "2 targets per example, but 10 outputs");
    refuse(path, &classify, GEMMLP_BAD_DATA, "cannot classify by uint8 targets of 2 dimensions");
    put_targets(0x08, 2, (uint32_t[]){4, 2}, numbers, 8);
    check_targets(&regress, GEMMLP_REGRESS, 2, numbers);
    refuse(path, NULL, GEMMLP_BAD_DATA,
           "target 2 at offset 15 (example 1, output 1) is neither 0 nor 1");

    put_targets(0x0D, 1, (uint32_t[]){4}, reals, 4); /* float32 */
    check_targets(NULL, GEMMLP_REGRESS, 1, reals);
    refuse(path, &classify, GEMMLP_BAD_DATA, "cannot classify by float32 targets");
    refuse(path, &multilabel, GEMMLP_BAD_DATA, "multilabel targets have two dimensions");
    put_targets(0x0D, 2, (uint32_t[]){4, 2}, reals, 8);
    check_targets(NULL, GEMMLP_REGRESS, 2, reals);
    refuse(path, &classify, GEMMLP_BAD_DATA, "cannot classify by float32 targets");
    refuse(path, &multilabel, GEMMLP_BAD_DATA,
           "target 0.5 at offset 12 (example 0, output 0) is neither 0 nor 1");
    put_targets(0x0D, 2, (uint32_t[]){4, 2}, bits, 8);
    check_targets(&multilabel, GEMMLP_MULTILABEL, 2, bits);

    put_targets(0x08, 3, (uint32_t[]){4, 1, 2}, bits, 8);
    refuse(path, NULL, GEMMLP_BAD_DATA, "a-labels: has 3 dimensions; targets have 1 or 2");
    put_targets(0x08, 1, (uint32_t[]){5}, bits, 5);
    refuse(path, NULL, GEMMLP_BAD_DATA, "a-images: 4 examples, but ");
    refuse(path, NULL, GEMMLP_BAD_DATA, "a-labels has targets for 5");
}

static void test_floats(void **state)
{
    (void)state;
    const float values[6] = {-1.5f, 0, 3e38f, 1e-45f, -0.0f, 7};
    struct bytes x = header(0x0D, 2, (uint32_t[]){2, 3}), y = header(0x08, 1, (uint32_t[]){2});
    for (size_t i = 0; i < 6; i++)
        add_f32(&x, values[i]);
    y.size += 2;
    put_bytes("a-images", &x);
    put_bytes("a-labels", &y);
    gemmlp_dataset *dataset;
    gemmlp_dataset_info info;
    float out[6];
    assert_int_equal(gemmlp_dataset_open(at("a-images"), NULL, &dataset, NULL), GEMMLP_OK);
    gemmlp_dataset_info_get(dataset, &info);
    assert_string_equal(info.element_type, "float32");
    assert_int_equal(info.height, 0);
    assert_int_equal(info.width, 0);
    gemmlp_dataset_example(dataset, 0, out, NULL, NULL);
    gemmlp_dataset_example(dataset, 1, out + 3, NULL, NULL);
    assert_memory_equal(out, values, sizeof values);
    gemmlp_dataset_free(dataset);

    memcpy(x.at + 12 + 4 * 4, (unsigned char[]){0x7f, 0xc0, 0, 0}, 4);
    put_bytes("a-images", &x);
    refuse(at("a-images"), NULL, GEMMLP_BAD_DATA,
           "element 4 at offset 28 (example 1, value 1) is NaN");
    memcpy(x.at + 12, (unsigned char[]){0xff, 0x80, 0, 0}, 4);
    put_bytes("a-images", &x);
    refuse(at("a-images"), NULL, GEMMLP_BAD_DATA,
           "element 0 at offset 12 (example 0, value 0) is infinite");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_names),
        IN_DIRECTORY(test_features_only),
        IN_DIRECTORY(test_missing),
        IN_DIRECTORY(test_format_names),
        IN_DIRECTORY(test_bad_headers),
        IN_DIRECTORY(test_truncation),
        IN_DIRECTORY(test_truncation_of_each_kind),
        IN_DIRECTORY(test_expansion),
        IN_DIRECTORY(test_targets),
        IN_DIRECTORY(test_floats),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
