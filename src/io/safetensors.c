/* safetensors.c: the reader of safetensors.h. */
#define _POSIX_C_SOURCE   200809L
#define _FILE_OFFSET_BITS 64
#include "io/safetensors.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/checked.h"
#include "io/crc32.h"
#include "io/json_text.h"
#include "io/safetensors_format.h"

enum { SHOWN = 96 }; /* characters of a foreign string in a message */

struct safetensors {
    int descriptor;
    char *path;
    size_t size;                /* of the file when it was opened */
    json_t *header;             /* owns names and metadata */
    struct safetensor *tensors; /* (count), by name */
    size_t count;
};

/* A string of the file for a message: short, and without control characters. */
static const char *printable(const char *string, char buffer[SHOWN])
{
    size_t i = 0;
    for (; string[i] && i < SHOWN - 1; i++)
        buffer[i] = (unsigned char)string[i] < 0x20 || string[i] == 0x7f ? '?' : string[i];
    buffer[i] = '\0';
    return buffer;
}

/* Reads exactly `size` bytes; the file was long enough when it was opened. */
static gemmlp_status read_at(const struct safetensors *file, void *out, size_t size,
                             uint64_t offset, gemmlp_error *error)
{
    for (size_t done = 0; done < size;) {
        ssize_t got =
            pread(file->descriptor, (char *)out + done, size - done, (off_t)(offset + done));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return gm_fail(error, GEMMLP_IO, "%s: could not read at offset %llu: %s", file->path,
                           (unsigned long long)offset + done, strerror(errno));
        if (got == 0)
            return gm_fail(error, GEMMLP_BAD_MODEL,
                           "%s: ends at offset %llu; it became shorter while it was read",
                           file->path, (unsigned long long)offset + done);
        done += (size_t)got;
    }
    return GEMMLP_OK;
}

/* A non-negative integer that fits size_t. */
static bool get_size(const json_t *value, size_t *out)
{
    json_int_t integer = json_integer_value(value);
    if (!json_is_integer(value) || integer < 0 || (uint64_t)integer > SIZE_MAX)
        return false;
    *out = (size_t)integer;
    return true;
}

/* Checks one entry against `data_size`, the bytes behind the header, and fills *tensor. */
static gemmlp_status parse_tensor(const char *path, const char *name, const json_t *entry,
                                  size_t data_size, struct safetensor *tensor, gemmlp_error *error)
{
    char shown[SHOWN], type[SHOWN];
    const json_t *shape = json_object_get(entry, "shape");
    const json_t *offsets = json_object_get(entry, "data_offsets");
    const char *dtype_name = json_string_value(json_object_get(entry, "dtype"));
    printable(name, shown);
    if (*name == '\0' || strlen(name) > SAFETENSORS_MAX_NAME)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "%s: tensor name '%s' has %zu characters; expected 1 to %d", path, shown,
                       strlen(name), SAFETENSORS_MAX_NAME);
    tensor->name = name;
    tensor->dtype = gm_safetensors_dtype(dtype_name);
    if (!tensor->dtype)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "%s: tensor '%s': dtype '%s' is not one of the format's", path, shown,
                       printable(dtype_name ? dtype_name : "", type));
    tensor->rank = json_array_size(shape);
    if (!json_is_array(shape) || tensor->rank > SAFETENSORS_MAX_RANK)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "%s: tensor '%s': shape is not an array of at most %d sizes", path, shown,
                       SAFETENSORS_MAX_RANK);
    for (size_t i = 0; i < tensor->rank; i++)
        if (!get_size(json_array_get(shape, i), &tensor->shape[i]))
            return gm_fail(error, GEMMLP_BAD_MODEL,
                           "%s: tensor '%s': shape[%zu] is not a non-negative integer", path, shown,
                           i);
    size_t begin, end, expected;
    if (json_array_size(offsets) != 2 || !get_size(json_array_get(offsets, 0), &begin) ||
        !get_size(json_array_get(offsets, 1), &end))
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "%s: tensor '%s': data_offsets is not an array of two non-negative integers",
                       path, shown);
    if (begin > end || end > data_size)
        return gm_fail(
            error, GEMMLP_BAD_MODEL,
            "%s: tensor '%s': data_offsets %zu to %zu do not lie in the %zu bytes of data "
            "that the file has",
            path, shown, begin, end, data_size);
    if (!gm_safetensors_bytes(tensor, &expected) || expected != end - begin)
        return gm_fail(
            error, GEMMLP_BAD_MODEL,
            "%s: tensor '%s': data_offsets span %zu bytes, which is not what its shape and "
            "dtype %s take",
            path, shown, end - begin, tensor->dtype);
    tensor->offset = begin;
    tensor->bytes = end - begin;
    return GEMMLP_OK;
}

static int by_offset(const void *a, const void *b)
{
    const struct safetensor *s = a, *t = b;
    if (s->offset != t->offset)
        return s->offset < t->offset ? -1 : 1;
    return (s->bytes > t->bytes) - (s->bytes < t->bytes); /* empty ones first */
}

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct safetensor *)a)->name, ((const struct safetensor *)b)->name);
}

/* The tensors, sorted by offset, must follow each other without gap up to the end of the file. */
static gemmlp_status check_tiling(const struct safetensors *file, size_t data_size,
                                  gemmlp_error *error)
{
    char shown[SHOWN];
    uint64_t end = 0;
    for (size_t i = 0; i < file->count; i++) {
        const struct safetensor *tensor = &file->tensors[i];
        if (tensor->offset != end)
            return gm_fail(
                error, GEMMLP_BAD_MODEL,
                "%s: tensor '%s' begins at data offset %llu; expected %llu, where the one "
                "before it ends",
                file->path, printable(tensor->name, shown), (unsigned long long)tensor->offset,
                (unsigned long long)end);
        end += tensor->bytes;
    }
    return end == data_size
               ? GEMMLP_OK
               : gm_fail(error, GEMMLP_BAD_MODEL,
                         "%s: the tensors take %llu bytes, but the file has %zu behind "
                         "its header",
                         file->path, (unsigned long long)end, data_size);
}

static gemmlp_status check_metadata(const struct safetensors *file, gemmlp_error *error)
{
    json_t *metadata = json_object_get(file->header, SAFETENSORS_METADATA), *value;
    const char *key;
    bool good = !metadata || json_is_object(metadata);
    json_object_foreach(metadata, key, value)
    {
        good = good && json_is_string(value);
    }
    return good ? GEMMLP_OK
                : gm_fail(error, GEMMLP_BAD_MODEL,
                          "%s: " SAFETENSORS_METADATA " is not an object of strings", file->path);
}

/* Fills the table of tensors; data_start: where their bytes begin in the file. */
static gemmlp_status parse_tensors(struct safetensors *file, size_t data_start, size_t data_size,
                                   gemmlp_error *error)
{
    const size_t tensors = json_object_size(file->header) -
                           (json_object_get(file->header, SAFETENSORS_METADATA) != NULL);
    if (tensors > SAFETENSORS_MAX_TENSORS)
        return gm_fail(error, GEMMLP_BAD_MODEL, "%s: %zu tensors are more than %d", file->path,
                       tensors, SAFETENSORS_MAX_TENSORS);
    file->tensors = calloc(tensors + 1, sizeof *file->tensors);
    if (!file->tensors)
        return gm_fail_memory(error, "the table of tensors", (tensors + 1) * sizeof *file->tensors);
    const char *name;
    json_t *entry;
    json_object_foreach(file->header, name, entry)
    {
        if (strcmp(name, SAFETENSORS_METADATA) == 0)
            continue;
        gemmlp_status status =
            parse_tensor(file->path, name, entry, data_size, &file->tensors[file->count++], error);
        if (status != GEMMLP_OK)
            return status;
    }
    qsort(file->tensors, file->count, sizeof *file->tensors, by_offset);
    gemmlp_status status = check_tiling(file, data_size, error);
    if (status != GEMMLP_OK)
        return status;
    for (size_t i = 0; i < file->count; i++)
        file->tensors[i].offset += data_start;
    qsort(file->tensors, file->count, sizeof *file->tensors, by_name);
    return check_metadata(file, error);
}

/* Reads, bounds and parses the header of a file of `size` bytes. */
static gemmlp_status parse_header(struct safetensors *file, size_t size, gemmlp_error *error)
{
    uint64_t length;
    if (size < SAFETENSORS_LENGTH_BYTES)
        return gm_fail(
            error, GEMMLP_BAD_MODEL,
            "%s: has %zu bytes; a safetensors file starts with %d bytes of header length",
            file->path, size, SAFETENSORS_LENGTH_BYTES);
    gemmlp_status status = read_at(file, &length, sizeof length, 0, error);
    if (status != GEMMLP_OK)
        return status;
    size_t limit = size - SAFETENSORS_LENGTH_BYTES < SAFETENSORS_MAX_HEADER
                       ? size - SAFETENSORS_LENGTH_BYTES
                       : SAFETENSORS_MAX_HEADER;
    if (length == 0 || length > limit)
        return gm_fail(
            error, GEMMLP_BAD_MODEL,
            "%s: no safetensors file, or truncated: its header would have %llu bytes; the "
            "file has room for %zu, and %d is the limit",
            file->path, (unsigned long long)length, size - SAFETENSORS_LENGTH_BYTES,
            SAFETENSORS_MAX_HEADER);
    char *text = malloc((size_t)length);
    if (!text)
        return gm_fail_memory(error, "the header of a safetensors file", (size_t)length);
    status = read_at(file, text, (size_t)length, SAFETENSORS_LENGTH_BYTES, error);
    if (status == GEMMLP_OK && text[0] != '{')
        status = gm_fail(error, GEMMLP_BAD_MODEL,
                         "%s: no safetensors file: the header at offset %d does not start with '{'",
                         file->path, SAFETENSORS_LENGTH_BYTES);
    /* Tensor arrays are at level 3. A tensor has 3 brackets and 11 commas: 2 between its members, 1
     * behind it, 7 and 1 in arrays. */
    const struct json_limits limits = {.depth = 3, .values = 14 * SAFETENSORS_MAX_TENSORS + 4};
    struct json_fault fault;
    if (status == GEMMLP_OK) {
        file->header = gm_json_parse(text, (size_t)length, limits, &fault);
        if (!file->header && fault.out_of_memory)
            status = gm_fail_memory(error, "the header of a safetensors file", (size_t)length);
        else if (!file->header && fault.line == 0)
            status = gm_fail(error, GEMMLP_BAD_MODEL,
                             "%s: the header %s; expected at most 3 levels and %d tensors",
                             file->path, fault.text, SAFETENSORS_MAX_TENSORS);
        else if (!file->header)
            status = gm_fail(error, GEMMLP_BAD_MODEL, "%s: the header is no JSON: %s at offset %d",
                             file->path, fault.text, SAFETENSORS_LENGTH_BYTES + fault.offset);
    }
    free(text);
    size_t data_start = SAFETENSORS_LENGTH_BYTES + (size_t)length;
    return status == GEMMLP_OK ? parse_tensors(file, data_start, size - data_start, error) : status;
}

gemmlp_status gm_safetensors_open(const char *path, struct safetensors **out, gemmlp_error *error)
{
    *out = NULL;
    struct safetensors *file = calloc(1, sizeof *file);
    if (!file)
        return gm_fail_memory(error, "a safetensors file", sizeof *file);
    file->path = strdup(path);
    file->descriptor =
        open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang here */
    struct stat info;
    gemmlp_status status;
    if (!file->path)
        status = gm_fail_memory(error, "a path", strlen(path) + 1);
    else if (file->descriptor < 0 || fstat(file->descriptor, &info) != 0)
        status = gm_fail(error, GEMMLP_IO, "%s: could not open: %s", path, strerror(errno));
    else if (!S_ISREG(info.st_mode))
        status = gm_fail(error, GEMMLP_IO, "%s: is not a regular file", path);
    else if ((uintmax_t)info.st_size > SIZE_MAX)
        status =
            gm_fail(error, GEMMLP_UNSUPPORTED, "%s: is larger than this machine addresses", path);
    else
        status = parse_header(file, file->size = (size_t)info.st_size, error);
    if (status != GEMMLP_OK)
        gm_safetensors_close(file);
    else
        *out = file;
    return status;
}

const struct safetensor *gm_safetensors_find(const struct safetensors *file, const char *name)
{
    struct safetensor key = {.name = name};
    return bsearch(&key, file->tensors, file->count, sizeof key, by_name);
}

const char *gm_safetensors_metadata(const struct safetensors *file, const char *key)
{
    return json_string_value(
        json_object_get(json_object_get(file->header, SAFETENSORS_METADATA), key));
}

size_t gm_safetensors_count(const struct safetensors *file)
{
    return file->count;
}

gemmlp_status gm_safetensors_read(const struct safetensors *file, const struct safetensor *tensor,
                                  void *out, gemmlp_error *error)
{
    return read_at(file, out, tensor->bytes, tensor->offset, error);
}

gemmlp_status gm_safetensors_verify(const struct safetensors *file, gemmlp_error *error)
{
    enum { BUFFER = 16 << 20 };
    const struct safetensor *checksum = gm_safetensors_find(file, SAFETENSORS_CHECKSUM);
    uint32_t expected = 0, crc = 0;
    if (!checksum || strcmp(checksum->dtype, "U32") != 0 || checksum->bytes != sizeof expected ||
        checksum->offset + checksum->bytes != file->size)
        return gm_fail(error, GEMMLP_BAD_MODEL,
                       "%s: does not end with a tensor " SAFETENSORS_CHECKSUM " of type U32",
                       file->path);
    const size_t end = (size_t)checksum->offset, room = end < BUFFER ? end : BUFFER;
    void *buffer = malloc(room);
    if (!buffer)
        return gm_fail_memory(error, "reading a file", room);
    gemmlp_status status = gm_safetensors_read(file, checksum, &expected, error);
    for (size_t at = 0; status == GEMMLP_OK && at < end;) {
        const size_t size = end - at < room ? end - at : room;
        status = read_at(file, buffer, size, at, error);
        if (status == GEMMLP_OK)
            crc = gm_crc32(crc, buffer, size);
        at += size;
    }
    free(buffer);
    if (status == GEMMLP_OK && crc != expected)
        status = gm_fail(error, GEMMLP_BAD_MODEL,
                         "%s: is damaged: its %zu bytes have the checksum %08lx, expected %08lx",
                         file->path, end, (unsigned long)crc, (unsigned long)expected);
    return status;
}

void gm_safetensors_close(struct safetensors *file)
{
    if (!file)
        return;
    if (file->descriptor >= 0)
        close(file->descriptor);
    json_decref(file->header);
    free(file->tensors);
    free(file->path);
    free(file);
}
