/* gzip_file.h: reading a file that may be gzip or not: errors are told with path and zlib's reason.
 */
#ifndef GM_GZIP_FILE_H
#define GM_GZIP_FILE_H

#include <zlib.h>

#include "core/error.h"

struct gzip_file {
    const char *path; /* of the caller */
    gzFile stream;
    size_t size;     /* of the file as it lies there */
    bool compressed; /* else read as it is */
};

/* Only regular files that are not empty: their size bounds what a header in them may promise. */
gemmlp_status gm_gzip_open(struct gzip_file *file, const char *path, gemmlp_error *error);
/* Reads up to `size` bytes; *got is less only at the end of a sound file. */
gemmlp_status gm_gzip_read(const struct gzip_file *file, void *out, size_t size, size_t *got,
                           gemmlp_error *error);
void gm_gzip_close(struct gzip_file *file); /* harmless after a failed open */

#endif
