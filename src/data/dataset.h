/* dataset.h: examples in memory, as every file format delivers them and every batch takes them. */
#ifndef GM_DATASET_H
#define GM_DATASET_H

#include "core/error.h"

/* The arrays of one file pair, shared by a data set and the parts that were split from it. */
struct storage {
    gemmlp_arrays arrays; /* one of x_f32, x_u8; one of labels, targets; outputs filled in */
    size_t height, width;
    const char *format; /* static */
    char *path;
    void *owned[2]; /* freed with the storage: features and targets read from a file */
    size_t references;
};

struct gemmlp_dataset {
    struct storage *storage;
    uint32_t *rows; /* (examples): rows of the storage; NULL: all of them in order */
    size_t examples;
};

/* What can be learnt, in the order of gemmlp_task. */
struct task {
    const char *name, *description;
};

const struct task *gm_task_at(size_t index);
const char *gm_task_name(size_t index);

/* A file format: one row in the table of dataset.c. */
struct format {
    const char *name, *description;
    /* Whether `path` looks like it, from its first bytes. */
    bool (*recognise)(const char *path, const unsigned char *head, size_t size);
    /* Fills arrays, height, width, owned; on failure whatever is in owned is freed by the caller.
     */
    gemmlp_status (*read)(const char *path, const gemmlp_open_options *options,
                          struct storage *storage, gemmlp_error *error);
};

extern const struct format gm_format_idx;

const struct format *gm_format_at(size_t index);

/* The row of the storage that holds example `index`. */
static inline size_t gm_dataset_row(const gemmlp_dataset *dataset, size_t index)
{
    return dataset->rows ? dataset->rows[index] : index;
}

#endif
