/* safetensors_write.c: see safetensors.h; and the table of the format's types. The header is padded
 * with spaces so that the data starts at a multiple of 64 bytes, and the tensors follow without
 * gaps. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "io/atomic_file.h"
#include "io/crc32.h"
#include "io/json_text.h"
#include "io/safetensors_format.h"

enum {
    DATA_ALIGNMENT = 64,
    SHOWN = 96, /* characters of a name in a message */
};

/* The types of the format. Those below a byte are packed. */
static const struct dtype {
    const char *name;
    size_t bits;
} dtypes[] = {
    {"BOOL", 8}, {"F4", 4},      {"F6_E2M3", 6}, {"F6_E3M2", 6}, {"U8", 8},
    {"I8", 8},   {"F8_E5M2", 8}, {"F8_E4M3", 8}, {"F8_E8M0", 8}, {"I16", 16},
    {"U16", 16}, {"F16", 16},    {"BF16", 16},   {"I32", 32},    {"U32", 32},
    {"F32", 32}, {"C64", 64},    {"F64", 64},    {"I64", 64},    {"U64", 64},
};

static const struct dtype *find_dtype(const char *name)
{
    for (size_t i = 0; name && i < sizeof dtypes / sizeof *dtypes; i++)
        if (strcmp(dtypes[i].name, name) == 0)
            return &dtypes[i];
    return NULL;
}

const char *gm_safetensors_dtype(const char *name)
{
    const struct dtype *dtype = find_dtype(name);
    return dtype ? dtype->name : NULL;
}

bool gm_safetensors_bytes(const struct safetensor *tensor, size_t *bytes)
{
    const struct dtype *dtype = find_dtype(tensor->dtype);
    if (!dtype)
        return false;
    size_t bits = dtype->bits;
    for (size_t i = 0; i < tensor->rank; i++)
        if (tensor->shape[i] == 0) {
            *bytes = 0;
            return true;
        }
    for (size_t i = 0; i < tensor->rank; i++)
        if (!gm_mul(bits, tensor->shape[i], &bits))
            return false;
    *bytes = bits / 8;
    return bits % 8 == 0;
}

static bool name_fits(const char *name)
{
    return name && *name && strlen(name) <= SAFETENSORS_MAX_NAME &&
           strcmp(name, SAFETENSORS_METADATA) != 0;
}

/* Why an entry did not become JSON: memory has run out, or it is not UTF-8. */
static gemmlp_status fail_json(const char *path, const char *name, gemmlp_error *error)
{
    if (errno == ENOMEM)
        return gm_fail_memory(error, "the header of a safetensors file", sizeof(json_t));
    return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "%s: the name or text of '%.*s' is not UTF-8",
                   path, SHOWN, name ? name : "");
}

/* Adds one tensor to the header; *end: bytes of data so far. */
static gemmlp_status describe(json_t *header, const struct safetensor *tensor, size_t *end,
                              const char *path, gemmlp_error *error)
{
    size_t begin = *end, bytes;
    if (!name_fits(tensor->name) || json_object_get(header, tensor->name))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%s: '%.*s' cannot be a tensor's name: names are unique, 1 to %d characters",
                       path, SHOWN, tensor->name ? tensor->name : "", SAFETENSORS_MAX_NAME);
    bool valid = tensor->rank <= SAFETENSORS_MAX_RANK && gm_safetensors_bytes(tensor, &bytes) &&
                 gm_add(begin, bytes, end) && *end <= INT64_MAX;
    for (size_t i = 0; valid && i < tensor->rank; i++)
        valid =
            tensor->shape[i] <= INT64_MAX; /* beside a 0 it need not be; JSON could not say it */
    if (!valid)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%s: tensor '%.*s' of type %s and rank %zu has no valid size", path, SHOWN,
                       tensor->name, tensor->dtype ? tensor->dtype : "(none)", tensor->rank);
    json_t *shape = json_array();
    bool added = shape != NULL;
    for (size_t i = 0; i < tensor->rank; i++)
        added =
            added && json_array_append_new(shape, json_integer((json_int_t)tensor->shape[i])) == 0;
    /* json_pack takes `shape` over, also where it fails. */
    json_t *entry = json_pack("{s:s, s:o, s:[I, I]}", "dtype", tensor->dtype, "shape", shape,
                              "data_offsets", (json_int_t)begin, (json_int_t)*end);
    added = json_object_set_new(header, tensor->name, entry) == 0 && added;
    return added ? GEMMLP_OK : fail_json(path, tensor->name, error);
}

static gemmlp_status describe_metadata(json_t *header, const struct safetensors_metadata *metadata,
                                       size_t count, const char *path, gemmlp_error *error)
{
    if (count == 0)
        return GEMMLP_OK;
    json_t *object = json_object();
    if (json_object_set_new(header, SAFETENSORS_METADATA, object) != 0)
        return gm_fail_memory(error, "the header of a safetensors file", sizeof(json_t));
    for (size_t i = 0; i < count; i++)
        if (json_object_set_new(object, metadata[i].key, json_string(metadata[i].value)) != 0)
            return fail_json(path, metadata[i].key, error);
    return GEMMLP_OK;
}

/* Where bytes go, and their CRC-32 so far where it is wanted. */
struct sink {
    FILE *stream;
    bool checked, good;
    uint32_t crc;
};

static void put(struct sink *sink, const void *data, size_t size)
{
    if (!sink->good || size == 0)
        return;
    if (sink->checked)
        sink->crc = gm_crc32(sink->crc, data, size);
    sink->good = fwrite(data, 1, size, sink->stream) == size;
}

static void write_all(FILE *stream, const char *header, size_t length,
                      const struct safetensor *tensors, size_t count, bool checked)
{
    static const char padding[DATA_ALIGNMENT + 1] =
        "                                                                ";
    struct sink sink = {stream, checked, true, 0};
    size_t padded =
        (SAFETENSORS_LENGTH_BYTES + length + DATA_ALIGNMENT - 1) / DATA_ALIGNMENT * DATA_ALIGNMENT -
        SAFETENSORS_LENGTH_BYTES;
    uint64_t prefix = padded;
    put(&sink, &prefix, sizeof prefix);
    put(&sink, header, length);
    put(&sink, padding, padded - length);
    for (size_t i = 0, bytes; i < count && sink.good; i++) {
        sink.good = gm_safetensors_bytes(&tensors[i], &bytes);
        put(&sink, tensors[i].data, bytes);
    }
    const uint32_t crc = sink.crc;
    sink.checked = false;
    put(&sink, &crc, checked ? sizeof crc : 0);
}

static gemmlp_status write_file(const char *path, const struct safetensor *tensors,
                                size_t tensor_count, const struct safetensors_metadata *metadata,
                                size_t metadata_count, bool checked, gemmlp_error *error)
{
    errno = 0;
    json_t *header = json_object();
    size_t end = 0;
    const struct safetensor checksum = {
        .name = SAFETENSORS_CHECKSUM, .dtype = "U32", .rank = 1, .shape = {1}};
    gemmlp_status status = describe_metadata(header, metadata, metadata_count, path, error);
    if (status == GEMMLP_OK && tensor_count > SAFETENSORS_MAX_TENSORS - (size_t)checked)
        status = gm_fail(error, GEMMLP_INVALID_ARGUMENT, "%s: %zu tensors are more than %d", path,
                         tensor_count, SAFETENSORS_MAX_TENSORS - (int)checked);
    for (size_t i = 0; i < tensor_count && status == GEMMLP_OK; i++)
        status = describe(header, &tensors[i], &end, path, error);
    if (status == GEMMLP_OK && checked)
        status = describe(header, &checksum, &end, path, error);
    char *text = status == GEMMLP_OK ? gm_json_text(header) : NULL;
    json_decref(header);
    if (status != GEMMLP_OK)
        return status;
    if (!text)
        return gm_fail_memory(error, "the header of a safetensors file",
                              tensor_count * sizeof *tensors);

    struct atomic_file file;
    const size_t length = strlen(text);
    if (length > SAFETENSORS_MAX_HEADER - DATA_ALIGNMENT)
        status =
            gm_fail(error, GEMMLP_INVALID_ARGUMENT, "%s: a header of %zu bytes is longer than %d",
                    path, length, SAFETENSORS_MAX_HEADER);
    else
        status = gm_atomic_open(&file, path, error);
    if (status == GEMMLP_OK) {
        write_all(file.stream, text, length, tensors, tensor_count, checked);
        status = gm_atomic_commit(&file, error);
    }
    free(text);
    return status;
}

gemmlp_status gm_safetensors_write(const char *path, const struct safetensor *tensors,
                                   size_t tensor_count, const struct safetensors_metadata *metadata,
                                   size_t metadata_count, gemmlp_error *error)
{
    return write_file(path, tensors, tensor_count, metadata, metadata_count, false, error);
}

gemmlp_status gm_safetensors_write_checked(const char *path, const struct safetensor *tensors,
                                           size_t tensor_count,
                                           const struct safetensors_metadata *metadata,
                                           size_t metadata_count, gemmlp_error *error)
{
    return write_file(path, tensors, tensor_count, metadata, metadata_count, true, error);
}
