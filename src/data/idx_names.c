/* idx_names.c: see idx_names.h. */
#define _POSIX_C_SOURCE   200809L
#define _FILE_OFFSET_BITS 64
#include "data/idx_names.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- images in a directory ------------------------------------------------------------------- */

/* Behind train- or t10k-: the original name, and the one that some archives unpack to. */
static const char *const image_names[] = {"images-idx3-ubyte", "images.idx3-ubyte"};

/* Writes the first of the paths that is there to out[size]; one that does not fit is not there.
 * *cause: the errno why one could not be looked for; 0: none is there. */
static bool find_images(const char *directory, bool test, char *out, size_t size, int *cause)
{
    const size_t length = strlen(directory);
    const char *slash = length > 0 && directory[length - 1] == '/' ? "" : "/";
    *cause = 0;
    for (size_t i = 0; i < 2 * sizeof image_names / sizeof *image_names; i++) {
        const int n = snprintf(out, size, "%s%s%s-%s%s", directory, slash, test ? "t10k" : "train",
                               image_names[i / 2], i % 2 ? ".gz" : "");
        if (n > 0 && (size_t)n < size && access(out, F_OK) == 0)
            return true;
        if (errno != ENOENT && errno != ENOTDIR)
            *cause = errno;
    }
    return false;
}

bool gm_idx_has_images(const char *directory, bool test)
{
    char path[4096]; /* the system opens no longer one */
    int cause;
    return find_images(directory, test, path, sizeof path, &cause);
}

gemmlp_status gm_idx_find_images(const char *directory, bool test, char **out, gemmlp_error *error)
{
    const size_t size = strlen(directory) + 64;
    *out = malloc(size);
    if (!*out)
        return gm_fail_memory(error, "a path", size);
    int cause;
    if (find_images(directory, test, *out, size, &cause))
        return GEMMLP_OK;
    free(*out);
    *out = NULL;
    const char *part = test ? "t10k" : "train";
    if (cause)
        return gm_fail(error, GEMMLP_IO, "%s: could not look for its %s set: %s", directory,
                       test ? "test" : "training", strerror(cause));
    return gm_fail(error, GEMMLP_IO,
                   "%s: no %s set in this directory: looked for %s-%s and %s-%s, with and without "
                   ".gz",
                   directory, test ? "test" : "training", part, image_names[0], part,
                   image_names[1]);
}

/* ---- targets beside images ------------------------------------------------------------------- */

enum { CANDIDATES = 8 };

/* Copies `size` characters to the end of `out`, which has room. */
static char *append(char *out, const char *text, size_t size)
{
    memcpy(out, text, size);
    out[size] = '\0';
    return out + size;
}

/* Name number `index` that the targets of `path` may have: a/x-images-idx3-ubyte.gz ->
 * a/x-labels-idx1-ubyte.gz; bit 0: with the other compression, 1: idx2, 2: -float for -ubyte or
 * back. `out` has strlen(path) + 4 characters. False: `path` follows no convention. */
static bool candidate(const char *path, unsigned index, char *out)
{
    const char *base = strrchr(path, '/'), *images = NULL;
    base = base ? base + 1 : path;
    for (const char *next = base; (next = strstr(next, "images")); next++)
        images = next;
    if (!images)
        return false;
    const char *rest = images + strlen("images"), *end = rest + strlen(rest);
    bool compressed = end - rest >= 3 && strcmp(end - 3, ".gz") == 0;
    if (compressed)
        end -= 3;
    out = append(out, path, (size_t)(images - path));
    out = append(out, "labels", strlen("labels"));
    const char *idx = strstr(rest, "idx"), *type = end - 5;
    if (idx && idx[3] >= '1' && idx[3] <= '9') {
        out = append(out, rest, (size_t)(idx + 3 - rest));
        out = append(out, index & 2 ? "2" : "1", 1);
        rest = idx + 4;
    }
    if (index & 4 && type >= rest && (!strncmp(type, "ubyte", 5) || !strncmp(type, "float", 5))) {
        out = append(out, rest, (size_t)(type - rest));
        out = append(out, *type == 'u' ? "float" : "ubyte", 5);
    } else
        out = append(out, rest, (size_t)(end - rest));
    if (compressed != (bool)(index & 1))
        append(out, ".gz", 3);
    return true;
}

gemmlp_status gm_idx_find_targets(const char *images, char **out, gemmlp_error *error)
{
    *out = malloc(strlen(images) + sizeof ".gz");
    if (!*out)
        return gm_fail_memory(error, "a path", strlen(images) + sizeof ".gz");
    gemmlp_status status;
    if (!candidate(images, 0, *out))
        status = gm_fail(
            error, GEMMLP_BAD_DATA,
            "%s: its labels cannot be found: the name has no 'images' to become 'labels'", images);
    else {
        for (unsigned i = 0; i < CANDIDATES; i++) {
            candidate(images, i, *out);
            if (access(*out, F_OK) == 0)
                return GEMMLP_OK;
        }
        candidate(images, 0, *out);
        status = gm_fail(
            error, GEMMLP_IO,
            "%s: its labels are missing: looked for %s, with and without .gz, for idx1 and idx2, "
            "-ubyte and -float",
            images, *out);
    }
    free(*out);
    *out = NULL;
    return status;
}
