/* safetensors.h: the safetensors container (https://github.com/huggingface/safetensors): 8 bytes of
 * header length, a JSON header, then the tensors' bytes, little-endian. Knows nothing of networks.
 *
 * A reader trusts nothing: header length, nesting, rank, names, shapes and offsets are all checked
 * against the file's size before anything is allocated for them. */
#ifndef GM_SAFETENSORS_H
#define GM_SAFETENSORS_H

#include <stdint.h>

#include "core/error.h"

enum { SAFETENSORS_MAX_RANK = 8 };

struct safetensor {
    const char *name;
    const char *dtype; /* "F32", "F64", … as in the format */
    size_t rank;
    size_t shape[SAFETENSORS_MAX_RANK];
    const void *data; /* writing: the elements. Reading: NULL */
    uint64_t offset;  /* reading: of its first byte in the file */
    size_t bytes;     /* reading: its size */
};

struct safetensors_metadata {
    const char *key, *value;
};

/* Replaces `path` atomically. */
gemmlp_status gm_safetensors_write(const char *path, const struct safetensor *tensors,
                                   size_t tensor_count, const struct safetensors_metadata *metadata,
                                   size_t metadata_count, gemmlp_error *error);

/* The same with one tensor more, SAFETENSORS_CHECKSUM, behind all others: the CRC-32 of every byte
 * before it, header included. */
#define SAFETENSORS_CHECKSUM "checksum.crc32"
gemmlp_status gm_safetensors_write_checked(const char *path, const struct safetensor *tensors,
                                           size_t tensor_count,
                                           const struct safetensors_metadata *metadata,
                                           size_t metadata_count, gemmlp_error *error);

struct safetensors; /* an open file */

gemmlp_status gm_safetensors_open(const char *path, struct safetensors **out, gemmlp_error *error);
/* NULL when there is none of that name; owned by the file. */
const struct safetensor *gm_safetensors_find(const struct safetensors *file, const char *name);
const char *gm_safetensors_metadata(const struct safetensors *file, const char *key);
size_t gm_safetensors_count(const struct safetensors *file);
/* Reads the whole tensor; `out` has tensor->bytes bytes. */
gemmlp_status gm_safetensors_read(const struct safetensors *file, const struct safetensor *tensor,
                                  void *out, gemmlp_error *error);
/* BAD_MODEL unless the file has that checksum and it is right. Reads the whole file once. */
gemmlp_status gm_safetensors_verify(const struct safetensors *file, gemmlp_error *error);
void gm_safetensors_close(struct safetensors *file); /* NULL is allowed */

#endif
