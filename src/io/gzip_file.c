/* gzip_file.c: see gzip_file.h. */
#define _POSIX_C_SOURCE   200809L
#define _FILE_OFFSET_BITS 64
#include "io/gzip_file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    BUFFER = 1 << 18,
    READ_AT_ONCE = 1 << 30, /* gzread counts in int */
};

/* The size of the file behind `descriptor`, where it can be used. */
static gemmlp_status measure(struct gzip_file *file, int descriptor, gemmlp_error *error)
{
    struct stat info;
    if (descriptor < 0 || fstat(descriptor, &info) != 0)
        return gm_fail(error, GEMMLP_IO, "%s: could not open: %s", file->path, strerror(errno));
    if (!S_ISREG(info.st_mode))
        return gm_fail(error, GEMMLP_IO, "%s: is not a regular file", file->path);
    if (info.st_size == 0)
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: is empty", file->path);
    if ((uintmax_t)info.st_size > SIZE_MAX)
        return gm_fail(error, GEMMLP_UNSUPPORTED, "%s: is larger than this machine addresses",
                       file->path);
    file->size = (size_t)info.st_size;
    return GEMMLP_OK;
}

gemmlp_status gm_gzip_open(struct gzip_file *file, const char *path, gemmlp_error *error)
{
    *file = (struct gzip_file){.path = path};
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang here */
    gemmlp_status status = measure(file, descriptor, error);
    if (status == GEMMLP_OK) {
        file->stream = gzdopen(descriptor, "rb");
        if (!file->stream)
            status = gm_fail_memory(error, "a gzip reader", BUFFER);
    }
    if (status != GEMMLP_OK) {
        if (descriptor >= 0)
            close(descriptor);
        return status;
    }
    gzbuffer(file->stream, BUFFER);
    file->compressed = !gzdirect(file->stream);
    return GEMMLP_OK;
}

gemmlp_status gm_gzip_read(const struct gzip_file *file, void *out, size_t size, size_t *got,
                           gemmlp_error *error)
{
    int code = Z_OK, n = 1;
    for (*got = 0; *got < size && n > 0; *got += n > 0 ? (size_t)n : 0) {
        size_t piece = size - *got < READ_AT_ONCE ? size - *got : READ_AT_ONCE;
        n = gzread(file->stream, (unsigned char *)out + *got, (unsigned)piece);
    }
    if (*got == size)
        return GEMMLP_OK;
    const char *text = gzerror(file->stream, &code);
    if (code == Z_OK || code == Z_STREAM_END)
        return GEMMLP_OK;
    if (code == Z_ERRNO)
        return gm_fail(error, GEMMLP_IO, "%s: could not read: %s", file->path, strerror(errno));
    if (code == Z_MEM_ERROR)
        return gm_fail_memory(error, "a gzip reader", BUFFER);
    return gm_fail(error, GEMMLP_BAD_DATA,
                   "%s: corrupt or truncated gzip data after %llu bytes of content: %s", file->path,
                   (unsigned long long)gztell(file->stream), text);
}

void gm_gzip_close(struct gzip_file *file)
{
    if (file->stream)
        gzclose(file->stream);
    file->stream = NULL;
}
