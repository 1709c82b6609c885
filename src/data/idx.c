/* idx.c: MNIST's IDX files, gzip or raw: features from one, targets from its sibling.
 *
 *   offset 0  00 00 TYPE RANK     TYPE 08 uint8, 0D float32
 *          4  RANK sizes          32 bits each, big-endian, examples first
 *          .  elements            big-endian, row-major
 *
 * A header is believed only as far as the file can hold what it says: a raw file is measured, a
 * compressed one is read in growing pieces. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/checked.h"
#include "data/dataset.h"
#include "data/idx_names.h"
#include "io/gzip_file.h"

enum {
    TYPE_U8 = 0x08,
    TYPE_F32 = 0x0D,
    MAX_RANK = 8,
    MAX_HEADER = 4 + 4 * MAX_RANK,
    FIRST_PIECE = 1 << 20,    /* of a compressed file, at least */
    USUAL_EXPANSION = 8,      /* of images: most files then need one allocation */
    GREATEST_EXPANSION = 1032 /* of deflate (zlib's technical details) */
};

struct idx {
    const char *path;
    struct gzip_file file;
    unsigned type;
    size_t rank, shape[MAX_RANK];
    size_t count, columns; /* elements; those of one example */
    size_t header_size, bytes;
    void *elements; /* (shape[0] x columns): uint8_t or float */
};

static const char *type_name(unsigned type)
{
    switch (type) {
    case TYPE_U8:
        return "uint8";
    case 0x09:
        return "int8";
    case 0x0B:
        return "int16";
    case 0x0C:
        return "int32";
    case TYPE_F32:
        return "float32";
    case 0x0E:
        return "float64";
    default:
        return "unknown";
    }
}

static gemmlp_status check_magic(const struct idx *idx, const unsigned char *magic, size_t got,
                                 gemmlp_error *error)
{
    if (got < 4)
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s: ends after %zu bytes, within the 4 bytes of the IDX magic number",
                       idx->path, got);
    if (magic[0] != 0 || magic[1] != 0)
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s: starts with bytes %02x %02x %02x %02x; an IDX file starts with 00 00",
                       idx->path, magic[0], magic[1], magic[2], magic[3]);
    if (magic[2] != TYPE_U8 && magic[2] != TYPE_F32)
        return gm_fail(
            error, GEMMLP_BAD_DATA,
            "%s: element type %02x at offset 2 is %s; expected 08 (uint8) or 0d (float32)",
            idx->path, magic[2], type_name(magic[2]));
    if (magic[3] == 0 || magic[3] > MAX_RANK)
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: %u dimensions at offset 3; expected 1 to %d",
                       idx->path, magic[3], MAX_RANK);
    return GEMMLP_OK;
}

static gemmlp_status read_header(struct idx *idx, gemmlp_error *error)
{
    unsigned char head[MAX_HEADER];
    size_t got;
    gemmlp_status status = gm_gzip_read(&idx->file, head, 4, &got, error);
    if (status == GEMMLP_OK)
        status = check_magic(idx, head, got, error);
    if (status != GEMMLP_OK)
        return status;
    idx->type = head[2];
    idx->rank = head[3];
    idx->header_size = 4 + 4 * idx->rank;
    status = gm_gzip_read(&idx->file, head + 4, 4 * idx->rank, &got, error);
    if (status != GEMMLP_OK)
        return status;
    if (got < 4 * idx->rank)
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s: ends after %zu bytes, within the %zu bytes of its IDX header",
                       idx->path, 4 + got, idx->header_size);
    idx->columns = 1;
    bool fits = true;
    for (size_t i = 0; i < idx->rank; i++) {
        const unsigned char *b = head + 4 + 4 * i;
        idx->shape[i] = (size_t)b[0] << 24 | (size_t)b[1] << 16 | (size_t)b[2] << 8 | b[3];
        if (idx->shape[i] == 0)
            return gm_fail(error, GEMMLP_BAD_DATA, "%s: dimension %zu at offset %zu is 0",
                           idx->path, i, 4 + 4 * i);
        if (i > 0)
            fits = gm_mul(idx->columns, idx->shape[i], &idx->columns) && fits;
    }
    fits = gm_mul(idx->columns, idx->shape[0], &idx->count) && fits;
    fits = gm_mul(idx->count, idx->type == TYPE_U8 ? 1 : sizeof(float), &idx->bytes) && fits;
    if (!fits || idx->bytes > PTRDIFF_MAX - MAX_HEADER)
        return gm_fail(error, GEMMLP_BAD_DATA,
                       "%s: the product of the %zu dimensions at offset 4 overflows", idx->path,
                       idx->rank);
    return GEMMLP_OK;
}

static gemmlp_status fail_length(const struct idx *idx, size_t found, bool more,
                                 gemmlp_error *error)
{
    return gm_fail(error, GEMMLP_BAD_DATA,
                   "%s: %s: its header promises %zu bytes%s, but it has %s%zu", idx->path,
                   more ? "trailing bytes" : "truncated", idx->header_size + idx->bytes,
                   !idx->file.compressed ? "" : " of content",
                   more && idx->file.compressed ? "at least " : "", found);
}

/* Whether the file can hold what its header says, before memory is asked for. */
static gemmlp_status check_size(const struct idx *idx, gemmlp_error *error)
{
    size_t expected = idx->header_size + idx->bytes;
    if (!idx->file.compressed) {
        if (idx->file.size == expected)
            return GEMMLP_OK;
        return fail_length(idx, idx->file.size, idx->file.size > expected, error);
    }
    if (expected / GREATEST_EXPANSION <= idx->file.size)
        return GEMMLP_OK;
    return gm_fail(
        error, GEMMLP_BAD_DATA,
        "%s: truncated: its header promises %zu bytes, more than %zu bytes of gzip can hold",
        idx->path, expected, idx->file.size);
}

static gemmlp_status read_elements(struct idx *idx, gemmlp_error *error)
{
    unsigned char *data = NULL, beyond;
    size_t have = 0, capacity = idx->bytes, got;
    if (idx->file.compressed && idx->file.size < idx->bytes / USUAL_EXPANSION) {
        capacity = idx->file.size * USUAL_EXPANSION;
        if (capacity < FIRST_PIECE)
            capacity = idx->bytes < FIRST_PIECE ? idx->bytes : FIRST_PIECE;
    }
    for (;;) {
        unsigned char *grown = realloc(data, capacity);
        if (!grown)
            return gm_fail_memory(error, idx->path, capacity);
        data = idx->elements = grown;
        gemmlp_status status = gm_gzip_read(&idx->file, data + have, capacity - have, &got, error);
        if (status != GEMMLP_OK)
            return status;
        have += got;
        if (have < capacity)
            return fail_length(idx, idx->header_size + have, false, error);
        if (have == idx->bytes)
            break;
        capacity = capacity < idx->bytes / 2 ? 2 * capacity : idx->bytes;
    }
    /* Asking for one more byte also makes zlib compare the checksum. */
    gemmlp_status status = gm_gzip_read(&idx->file, &beyond, 1, &got, error);
    if (status != GEMMLP_OK || got == 0)
        return status;
    return fail_length(idx, idx->header_size + idx->bytes + 1, true, error);
}

/* Big-endian float32 to this machine's, in place. */
static gemmlp_status decode_floats(const struct idx *idx, gemmlp_error *error)
{
    float *out = idx->elements;
    for (size_t i = 0; i < idx->count; i++) {
        const unsigned char *b = (const unsigned char *)idx->elements + 4 * i;
        uint32_t bits = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
        memcpy(&out[i], &bits, sizeof bits);
        if (!isfinite(out[i]))
            return gm_fail(error, GEMMLP_BAD_DATA,
                           "%s: element %zu at offset %zu (example %zu, value %zu) is %s",
                           idx->path, i, idx->header_size + 4 * i, i / idx->columns,
                           i % idx->columns, isnan(out[i]) ? "NaN" : "infinite");
    }
    return GEMMLP_OK;
}

/* Reads all of idx->path; idx->elements is the caller's to free, also after a failure. */
static gemmlp_status read_idx(struct idx *idx, const char *path, gemmlp_error *error)
{
    *idx = (struct idx){.path = path};
    gemmlp_status status = gm_gzip_open(&idx->file, path, error);
    if (status == GEMMLP_OK)
        status = read_header(idx, error);
    if (status == GEMMLP_OK)
        status = check_size(idx, error);
    if (status == GEMMLP_OK)
        status = read_elements(idx, error);
    if (status == GEMMLP_OK && idx->type == TYPE_F32)
        status = decode_floats(idx, error);
    gm_gzip_close(&idx->file);
    return status;
}

/* ---- targets ------------------------------------------------------------------------------- */

static gemmlp_status choose_task(const struct idx *idx, const gemmlp_open_options *options,
                                 gemmlp_task *task, gemmlp_error *error)
{
    bool floats = idx->type == TYPE_F32;
    size_t chosen = floats ? GEMMLP_REGRESS : idx->rank == 1 ? GEMMLP_CLASSIFY : GEMMLP_MULTILABEL;
    if (options->task) {
        gemmlp_status status = gm_find_name("task", options->task, gm_task_name, &chosen, error);
        if (status != GEMMLP_OK)
            return status;
    }
    *task = (gemmlp_task)chosen;
    if (idx->rank > 2)
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: has %zu dimensions; targets have 1 or 2",
                       idx->path, idx->rank);
    if (*task == GEMMLP_CLASSIFY && (floats || idx->rank != 1))
        return gm_fail(
            error, GEMMLP_BAD_DATA,
            "%s: cannot classify by %s targets of %zu dimensions: class labels are uint8 in "
            "one dimension",
            idx->path, type_name(idx->type), idx->rank);
    if (*task == GEMMLP_MULTILABEL && idx->rank != 2)
        return gm_fail(
            error, GEMMLP_BAD_DATA,
            "%s: multilabel targets have two dimensions (examples x outputs), each 0 or 1; "
            "this file has one number per example",
            idx->path);
    if (*task != GEMMLP_CLASSIFY && options->outputs != 0 && options->outputs != idx->columns)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%s: has %zu targets per example, but %zu outputs were asked for", idx->path,
                       idx->columns, options->outputs);
    return GEMMLP_OK;
}

/* Class labels out of idx, as int32. */
static gemmlp_status take_labels(const struct idx *idx, size_t classes, struct storage *storage,
                                 gemmlp_error *error)
{
    const uint8_t *label = idx->elements;
    size_t largest = 0;
    int32_t *labels = calloc(idx->count, sizeof *labels);
    if (!labels)
        return gm_fail_memory(error, "labels", idx->count * sizeof *labels);
    storage->owned[1] = labels;
    for (size_t i = 0; i < idx->count; i++) {
        if (classes != 0 && label[i] >= classes)
            return gm_fail(error, GEMMLP_BAD_DATA,
                           "%s: label %u at offset %zu is not below the %zu classes", idx->path,
                           label[i], idx->header_size + i, classes);
        largest = label[i] > largest ? label[i] : largest;
        labels[i] = label[i];
    }
    storage->arrays.labels = labels;
    storage->arrays.outputs = classes != 0 ? classes : largest + 1;
    return GEMMLP_OK;
}

/* Real or 0/1 targets out of idx, as float. */
static gemmlp_status take_targets(struct idx *idx, bool zero_or_one, struct storage *storage,
                                  gemmlp_error *error)
{
    float *targets = idx->elements;
    if (idx->type == TYPE_U8) {
        const uint8_t *value = idx->elements;
        targets = calloc(idx->count, sizeof *targets);
        if (!targets)
            return gm_fail_memory(error, "targets", idx->count * sizeof *targets);
        for (size_t i = 0; i < idx->count; i++)
            targets[i] = value[i];
    } else
        idx->elements = NULL;
    storage->owned[1] = targets;
    size_t size = idx->type == TYPE_U8 ? 1 : sizeof(float);
    for (size_t i = 0; zero_or_one && i < idx->count; i++)
        if (targets[i] != 0 && targets[i] != 1)
            return gm_fail(
                error, GEMMLP_BAD_DATA,
                "%s: target %g at offset %zu (example %zu, output %zu) is neither 0 nor 1",
                idx->path, (double)targets[i], idx->header_size + i * size, i / idx->columns,
                i % idx->columns);
    storage->arrays.targets = targets;
    storage->arrays.outputs = idx->columns;
    return GEMMLP_OK;
}

/* ---- the files ----------------------------------------------------------------------------- */

static void take_features(const struct idx *x, struct storage *storage)
{
    gemmlp_arrays *arrays = &storage->arrays;
    arrays->examples = x->shape[0];
    arrays->features = x->columns;
    arrays->x_u8 = x->type == TYPE_U8 ? x->elements : NULL;
    arrays->x_f32 = x->type == TYPE_F32 ? x->elements : NULL;
    storage->height = x->rank == 3 ? x->shape[1] : 0;
    storage->width = x->rank == 3 ? x->shape[2] : 0;
}

static gemmlp_status read_targets(const struct idx *x, const gemmlp_open_options *options,
                                  struct storage *storage, gemmlp_error *error)
{
    gemmlp_arrays *arrays = &storage->arrays;
    struct idx y = {0};
    char *path;
    gemmlp_status status = gm_idx_find_targets(x->path, &path, error);
    if (status == GEMMLP_OK)
        status = read_idx(&y, path, error);
    if (status == GEMMLP_OK && x->shape[0] != y.shape[0])
        status = gm_fail(error, GEMMLP_BAD_DATA, "%s: %zu examples, but %s has targets for %zu",
                         x->path, x->shape[0], y.path, y.shape[0]);
    if (status == GEMMLP_OK)
        status = choose_task(&y, options, &arrays->task, error);
    if (status == GEMMLP_OK)
        status = arrays->task == GEMMLP_CLASSIFY
                     ? take_labels(&y, options->outputs, storage, error)
                     : take_targets(&y, arrays->task == GEMMLP_MULTILABEL, storage, error);
    free(y.elements);
    free(path);
    return status;
}

static gemmlp_status read_files(const char *path, const gemmlp_open_options *options,
                                struct storage *storage, gemmlp_error *error)
{
    struct idx x;
    gemmlp_status status = read_idx(&x, path, error);
    storage->owned[0] = x.elements;
    if (status == GEMMLP_OK && x.rank < 2)
        status =
            gm_fail(error, GEMMLP_BAD_DATA,
                    "%s: has one dimension, as labels have; features have at least 2 (examples x "
                    "values): open the file of the images",
                    path);
    if (status != GEMMLP_OK)
        return status;
    take_features(&x, storage);
    return options->features_only ? GEMMLP_OK : read_targets(&x, options, storage, error);
}

static bool recognise(const char *path, const unsigned char *head, size_t size)
{
    (void)path;
    return size >= 4 && head[0] == 0 && head[1] == 0;
}

const struct format gm_format_idx = {
    .name = "idx",
    .description =
        "MNIST's files, gzip or raw: uint8 or float32 features, targets in a file beside",
    .recognise = recognise,
    .read = read_files,
};
