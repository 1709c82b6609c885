/* idx_files.h: for tests of IDX files: files written by hand, raw or gzip, and what opening them
 * must give or refuse. */
#ifndef GM_TEST_IDX_FILES_H
#define GM_TEST_IDX_FILES_H

#include "files.h"

#include <zlib.h>

#include "data/dataset.h"

/* Compressed where the name ends in .gz. */
static inline void put(const char *name, const void *bytes, size_t size)
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

struct bytes {
    unsigned char at[512];
    size_t size;
};

static inline void add_u32(struct bytes *bytes, uint32_t value)
{
    for (int shift = 24; shift >= 0; shift -= 8)
        bytes->at[bytes->size++] = (unsigned char)(value >> shift);
}

static inline void add_f32(struct bytes *bytes, float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    add_u32(bytes, bits);
}

static inline struct bytes header(unsigned type, unsigned rank, const uint32_t *shape)
{
    struct bytes bytes = {.at = {0, 0, (unsigned char)type, (unsigned char)rank}, .size = 4};
    for (unsigned i = 0; i < rank; i++)
        add_u32(&bytes, shape[i]);
    return bytes;
}

/* 4 images of 2 x 3 pixels 0, 1, 2 ..., and labels 2 0 1 2. */
static inline struct bytes small_images(void)
{
    struct bytes bytes = header(0x08, 3, (uint32_t[]){4, 2, 3});
    for (unsigned i = 0; i < 24; i++)
        bytes.at[bytes.size++] = (unsigned char)i;
    return bytes;
}

static inline struct bytes small_labels(void)
{
    struct bytes bytes = header(0x08, 1, (uint32_t[]){4});
    memcpy(bytes.at + bytes.size, (unsigned char[]){2, 0, 1, 2}, 4);
    bytes.size += 4;
    return bytes;
}

static inline void put_bytes(const char *name, const struct bytes *bytes)
{
    put(name, bytes->at, bytes->size);
}

static inline void put_small_pair(const char *images, const char *labels)
{
    struct bytes x = small_images(), y = small_labels();
    put_bytes(images, &x);
    put_bytes(labels, &y);
}

static inline void check_small(gemmlp_dataset *dataset)
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

static inline void open_small(const char *path)
{
    gemmlp_dataset *dataset;
    gemmlp_error error = {0};
    if (gemmlp_dataset_open(path, NULL, &dataset, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    check_small(dataset);
    gemmlp_dataset_free(dataset);
}

static inline void refuse(const char *path, const gemmlp_open_options *options,
                          gemmlp_status expected, const char *text)
{
    gemmlp_dataset *dataset = (gemmlp_dataset *)1;
    gemmlp_error error = {0};
    assert_failed(gemmlp_dataset_open(path, options, &dataset, &error), &error, expected, text);
    assert_null(dataset);
}

#endif
