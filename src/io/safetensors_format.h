/* safetensors_format.h: what reader and writer of safetensors have in common. */
#ifndef GM_SAFETENSORS_FORMAT_H
#define GM_SAFETENSORS_FORMAT_H

#include "io/safetensors.h"

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "elements are copied as they lie in the file: a big-endian machine would have to swap them"
#endif

enum {
    SAFETENSORS_LENGTH_BYTES = 8, /* in front of the header: its length */
    SAFETENSORS_MAX_HEADER = 16 << 20,
    SAFETENSORS_MAX_TENSORS = 100000,
    SAFETENSORS_MAX_NAME = 256,
};

#define SAFETENSORS_METADATA "__metadata__"

/* The format's own string of a type of that name; NULL when there is none. */
const char *gm_safetensors_dtype(const char *name);

/* Bytes that shape and dtype take; false when they overflow or the last byte is not full. */
bool gm_safetensors_bytes(const struct safetensor *tensor, size_t *bytes);

#endif
