/* dataset.c: the table of formats, and data sets: opened, wrapped around the caller's arrays,
 * split. */
#define _POSIX_C_SOURCE   200809L
#define _FILE_OFFSET_BITS 64
#include "data/dataset.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/checked.h"
#include "core/rng.h"
#include "data/idx_names.h"
#include "io/gzip_file.h"

static const struct format *const formats[] = {&gm_format_idx};

static const struct task tasks[] = {
    [GEMMLP_CLASSIFY] = {"classify", "one class of several"},
    [GEMMLP_REGRESS] = {"regress", "real numbers"},
    [GEMMLP_MULTILABEL] = {"multilabel", "each output is 0 or 1 for itself"},
};

const struct task *gm_task_at(size_t index)
{
    return index < sizeof tasks / sizeof *tasks ? &tasks[index] : NULL;
}

const char *gm_task_name(size_t index)
{
    return index < sizeof tasks / sizeof *tasks ? tasks[index].name : NULL;
}

const struct format *gm_format_at(size_t index)
{
    return index < sizeof formats / sizeof *formats ? formats[index] : NULL;
}

static const char *format_name(size_t index)
{
    return gm_format_at(index) ? formats[index]->name : NULL;
}

/* ---- shared storage ------------------------------------------------------------------------ */

static void retain(struct storage *storage)
{
    /* Parts of one data set may live in different threads. */
#pragma omp atomic update seq_cst
    storage->references++;
}

static void release(struct storage *storage)
{
    size_t left;
#pragma omp atomic capture seq_cst
    left = --storage->references;
    if (left > 0)
        return;
    free(storage->owned[0]);
    free(storage->owned[1]);
    free(storage->path);
    free(storage);
}

/* A data set of `examples` rows of `storage`, whose reference it takes over, also on failure. */
static gemmlp_status create(struct storage *storage, uint32_t *rows, size_t examples,
                            gemmlp_dataset **out, gemmlp_error *error)
{
    *out = malloc(sizeof **out);
    if (!*out) {
        release(storage);
        free(rows);
        return gm_fail_memory(error, "a data set", sizeof **out);
    }
    **out = (gemmlp_dataset){storage, rows, examples};
    return GEMMLP_OK;
}

static gemmlp_status create_storage(const char *format, const char *path, struct storage **out,
                                    gemmlp_error *error)
{
    *out = calloc(1, sizeof **out);
    if (!*out)
        return gm_fail_memory(error, "a data set", sizeof **out);
    (*out)->format = format;
    (*out)->references = 1;
    (*out)->path = strdup(path);
    if ((*out)->path)
        return GEMMLP_OK;
    release(*out);
    *out = NULL;
    return gm_fail_memory(error, "a path", strlen(path) + 1);
}

void gemmlp_dataset_free(gemmlp_dataset *dataset)
{
    if (!dataset)
        return;
    release(dataset->storage);
    free(dataset->rows);
    free(dataset);
}

/* ---- opening ------------------------------------------------------------------------------- */

bool gemmlp_dataset_has_test(const char *path)
{
    return gm_idx_has_images(path, true);
}

static gemmlp_status fail_unrecognised(const char *path, const unsigned char *head, size_t size,
                                       gemmlp_error *error)
{
    char bytes[3 * 8 + 1] = "", names[256] = "";
    for (size_t i = 0; i < size && i < 8; i++)
        snprintf(bytes + 3 * i, 4, " %02x", head[i]);
    for (size_t i = 0; format_name(i); i++) {
        size_t used = strlen(names);
        snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "", format_name(i));
    }
    return gm_fail(error, GEMMLP_BAD_DATA,
                   "%s: starts with bytes%s, which no known format does; formats: %s", path, bytes,
                   names);
}

/* The format that the first bytes, inflated where they are gzip, look like. */
static gemmlp_status recognise(const char *path, size_t *index, gemmlp_error *error)
{
    unsigned char head[64];
    size_t size;
    struct gzip_file file;
    gemmlp_status status = gm_gzip_open(&file, path, error);
    if (status == GEMMLP_OK)
        status = gm_gzip_read(&file, head, sizeof head, &size, error);
    gm_gzip_close(&file);
    if (status != GEMMLP_OK)
        return status;
    const struct format *format;
    for (*index = 0; (format = gm_format_at(*index)); (*index)++)
        if (format->recognise(path, head, size))
            return GEMMLP_OK;
    return fail_unrecognised(path, head, size, error);
}

/* Reads the file `path` in a format of the table. */
static gemmlp_status open_file(const char *path, const gemmlp_open_options *options,
                               gemmlp_dataset **out, gemmlp_error *error)
{
    const struct format *format;
    struct storage *storage;
    size_t index = 0;
    gemmlp_status status = options->format
                               ? gm_find_name("format", options->format, format_name, &index, error)
                               : recognise(path, &index, error);
    if (status != GEMMLP_OK)
        return status;
    format = formats[index];
    status = create_storage(format->name, path, &storage, error);
    if (status != GEMMLP_OK)
        return status;
    status = format->read(path, options, storage, error);
    if (status == GEMMLP_OK)
        return create(storage, NULL, storage->arrays.examples, out, error);
    release(storage);
    return status;
}

gemmlp_status gemmlp_dataset_open(const char *path, const gemmlp_open_options *options,
                                  gemmlp_dataset **out, gemmlp_error *error)
{
    static const gemmlp_open_options defaults;
    struct stat info;
    *out = NULL;
    if (!options)
        options = &defaults;
    if (stat(path, &info) != 0)
        return gm_fail(error, GEMMLP_IO, "%s: could not open: %s", path, strerror(errno));
    if (S_ISREG(info.st_mode))
        return open_file(path, options, out, error);
    if (!S_ISDIR(info.st_mode))
        return gm_fail(error, GEMMLP_IO, "%s: is neither a regular file nor a directory", path);
    char *images;
    gemmlp_status status = gm_idx_find_images(path, options->test, &images, error);
    if (status == GEMMLP_OK)
        status = open_file(images, options, out, error);
    free(images);
    return status;
}

/* ---- wrapping ------------------------------------------------------------------------------ */

static gemmlp_status check_labels(const gemmlp_arrays *arrays, size_t *outputs, gemmlp_error *error)
{
    int32_t largest = 0;
    for (size_t i = 0; i < arrays->examples; i++) {
        int32_t label = arrays->labels[i];
        if (label < 0 || (*outputs != 0 && (size_t)label >= *outputs))
            return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "labels[%zu] is %d; expected 0 to %zu",
                           i, (int)label, *outputs != 0 ? *outputs - 1 : (size_t)INT32_MAX);
        largest = label > largest ? label : largest;
    }
    if (*outputs == 0)
        *outputs = (size_t)largest + 1;
    return GEMMLP_OK;
}

static gemmlp_status check_targets(const gemmlp_arrays *arrays, gemmlp_error *error)
{
    size_t count = arrays->examples * arrays->outputs;
    for (size_t i = 0; i < count; i++) {
        float target = arrays->targets[i];
        bool valid =
            arrays->task == GEMMLP_MULTILABEL ? target == 0 || target == 1 : (bool)isfinite(target);
        if (!valid)
            return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                           "targets[%zu] (example %zu, output %zu) is %g; expected %s", i,
                           i / arrays->outputs, i % arrays->outputs, (double)target,
                           arrays->task == GEMMLP_MULTILABEL ? "0 or 1" : "a finite number");
    }
    return GEMMLP_OK;
}

static gemmlp_status check_arrays(const gemmlp_arrays *arrays, size_t *outputs, gemmlp_error *error)
{
    size_t count;
    *outputs = arrays->outputs;
    if (arrays->examples == 0 || arrays->examples > UINT32_MAX || arrays->features == 0)
        return gm_fail(
            error, GEMMLP_INVALID_ARGUMENT,
            "%zu examples of %zu features; expected 1 to %lu examples of at least 1 feature",
            arrays->examples, arrays->features, (unsigned long)UINT32_MAX);
    if (!gm_mul(arrays->examples, arrays->features, &count) ||
        count > PTRDIFF_MAX / sizeof(float) || !gm_mul(arrays->examples, arrays->outputs, &count) ||
        count > PTRDIFF_MAX / sizeof(float))
        return gm_fail(
            error, GEMMLP_INVALID_ARGUMENT,
            "%zu examples of %zu features and %zu outputs are more than can be addressed",
            arrays->examples, arrays->features, arrays->outputs);
    if (!arrays->x_f32 == !arrays->x_u8)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "%s of x_f32 and x_u8 set; expected one",
                       arrays->x_f32 ? "both" : "none");
    if (!arrays->labels && !arrays->targets) {
        *outputs = 0;
        return GEMMLP_OK;
    }
    if (arrays->labels && arrays->targets)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "both of labels and targets set; expected one of them, or none");
    if (arrays->task != GEMMLP_CLASSIFY && arrays->task != GEMMLP_REGRESS &&
        arrays->task != GEMMLP_MULTILABEL)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "task %d is none of gemmlp_task",
                       (int)arrays->task);
    if ((arrays->task == GEMMLP_CLASSIFY) != (arrays->labels != NULL))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "the task needs %s, but %s are set",
                       arrays->labels ? "targets" : "labels",
                       arrays->labels ? "labels" : "targets");
    if (arrays->targets && arrays->outputs == 0)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "targets of 0 outputs; expected at least 1");
    return arrays->labels ? check_labels(arrays, outputs, error) : check_targets(arrays, error);
}

gemmlp_status gemmlp_dataset_wrap(const gemmlp_arrays *arrays, gemmlp_dataset **out,
                                  gemmlp_error *error)
{
    struct storage *storage;
    size_t outputs;
    *out = NULL;
    gemmlp_status status = check_arrays(arrays, &outputs, error);
    if (status == GEMMLP_OK)
        status = create_storage("memory", "memory", &storage, error);
    if (status != GEMMLP_OK)
        return status;
    storage->arrays = *arrays;
    storage->arrays.outputs = outputs;
    return create(storage, NULL, arrays->examples, out, error);
}

/* ---- splitting ----------------------------------------------------------------------------- */

/* Each of `examples` rows goes to the second part with probability (still wanted) / (still to
 * come): every subset of that size is equally likely, and both parts keep their order (Knuth, The
 * Art of Computer Programming 2, 3.4.2, algorithm S). The stream is the size, so that a part split
 * again by the same seed does not meet the same numbers. */
static void select_rows(const gemmlp_dataset *dataset, size_t wanted, uint64_t seed,
                        uint32_t *first, uint32_t *second)
{
    for (size_t i = 0; i < dataset->examples; i++) {
        struct rng_block block = gm_rng(seed, RNG_SPLIT, 0, dataset->examples, i);
        /* 53 bits: below 1 even after the rounding of the product, or a part could overflow. */
        double u =
            ((double)(block.u[0] >> 5) * 67108864.0 + (block.u[1] >> 6)) / 9007199254740992.0;
        uint32_t row = (uint32_t)gm_dataset_row(dataset, i);
        if (u * (double)(dataset->examples - i) < (double)wanted) {
            *second++ = row;
            wanted--;
        } else
            *first++ = row;
    }
}

gemmlp_status gemmlp_dataset_split(const gemmlp_dataset *dataset, double fraction, uint64_t seed,
                                   gemmlp_dataset **first, gemmlp_dataset **second,
                                   gemmlp_error *error)
{
    size_t examples = dataset->examples;
    double share = round(fraction * (double)examples);
    *first = *second = NULL;
    if (!(share >= 1 && share <= (double)examples - 1))
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "a fraction of %g of %zu examples leaves one part empty", fraction,
                       examples);
    size_t wanted = (size_t)share;
    uint32_t *first_rows = malloc((examples - wanted) * sizeof *first_rows);
    uint32_t *second_rows = malloc(wanted * sizeof *second_rows);
    if (!first_rows || !second_rows) {
        free(first_rows);
        free(second_rows);
        return gm_fail_memory(error, "a split", examples * sizeof(uint32_t));
    }
    select_rows(dataset, wanted, seed, first_rows, second_rows);
    retain(dataset->storage);
    gemmlp_status status = create(dataset->storage, first_rows, examples - wanted, first, error);
    if (status != GEMMLP_OK) {
        free(second_rows);
        return status;
    }
    retain(dataset->storage);
    status = create(dataset->storage, second_rows, wanted, second, error);
    if (status != GEMMLP_OK) {
        gemmlp_dataset_free(*first);
        *first = NULL;
    }
    return status;
}

/* ---- looking into -------------------------------------------------------------------------- */

void gemmlp_dataset_info_get(const gemmlp_dataset *dataset, gemmlp_dataset_info *info)
{
    const struct storage *storage = dataset->storage;
    const gemmlp_arrays *arrays = &storage->arrays;
    size_t x = arrays->features * (arrays->x_u8 ? 1 : sizeof(float));
    size_t y = arrays->labels ? sizeof(int32_t) : arrays->outputs * sizeof(float); /* or 0 */
    *info = (gemmlp_dataset_info){
        .examples = dataset->examples,
        .features = arrays->features,
        .height = storage->height,
        .width = storage->width,
        .has_targets = arrays->labels || arrays->targets,
        .outputs = arrays->outputs,
        .task = arrays->task,
        .format = storage->format,
        .element_type = arrays->x_u8 ? "uint8" : "float32",
        .path = storage->path,
        .bytes = dataset->examples * (x + y + (dataset->rows ? sizeof *dataset->rows : 0)),
    };
}

gemmlp_status gemmlp_dataset_example(const gemmlp_dataset *dataset, size_t index, float *x,
                                     float *y, gemmlp_error *error)
{
    const gemmlp_arrays *arrays = &dataset->storage->arrays;
    if (index >= dataset->examples)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT, "no example %zu: there are %zu, from 0",
                       index, dataset->examples);
    size_t row = gm_dataset_row(dataset, index), begin = row * arrays->features;
    for (size_t i = 0; x && i < arrays->features; i++)
        x[i] = arrays->x_u8 ? (float)arrays->x_u8[begin + i] : arrays->x_f32[begin + i];
    for (size_t j = 0; y && j < arrays->outputs; j++) /* none without targets */
        y[j] = arrays->labels ? (float)((size_t)arrays->labels[row] == j)
                              : arrays->targets[row * arrays->outputs + j];
    return GEMMLP_OK;
}

gemmlp_status gemmlp_dataset_class_counts(const gemmlp_dataset *dataset, size_t *counts,
                                          gemmlp_error *error)
{
    const gemmlp_arrays *arrays = &dataset->storage->arrays;
    if (!arrays->labels)
        return gm_fail(error, GEMMLP_INVALID_ARGUMENT,
                       "%s: there are no classes to count: it has no labels",
                       dataset->storage->path);
    memset(counts, 0, arrays->outputs * sizeof *counts);
    for (size_t i = 0; i < dataset->examples; i++)
        counts[arrays->labels[gm_dataset_row(dataset, i)]]++;
    return GEMMLP_OK;
}
