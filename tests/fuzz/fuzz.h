/* fuzz.h: what the fuzz targets share.
 *
 * Each target is one file with one LLVMFuzzerTestOneInput over a reader as it is. libFuzzer drives
 * it in a build with -Dfuzz=true (campaign.sh), replay.c in the tests. Readers open paths, so the
 * input becomes a file: in a directory of the process's own, in TMPDIR, which should be in
 * memory. */
#ifndef GM_FUZZ_H
#define GM_FUZZ_H

#define _DEFAULT_SOURCE
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What a target asserts: a reader that breaks its word is a finding like a crash. */
#define FUZZ_REQUIRE(condition)                                                                    \
    do {                                                                                           \
        if (!(condition)) {                                                                        \
            fprintf(stderr, "%s:%d: not so: %s\n", __FILE__, __LINE__, #condition);                \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

enum { FUZZ_FILES = 2 };
static char fuzz_directory[512], fuzz_paths[FUZZ_FILES][600];

static inline void fuzz_clean_up(void)
{
    for (size_t i = 0; i < FUZZ_FILES; i++)
        if (*fuzz_paths[i])
            unlink(fuzz_paths[i]);
    rmdir(fuzz_directory);
}

/* The path of file `index`, whose name is `name` from its first use on. */
static inline const char *fuzz_path(size_t index, const char *name)
{
    if (!*fuzz_directory) {
        const char *parent = getenv("TMPDIR");
        snprintf(fuzz_directory, sizeof fuzz_directory, "%s/gemmlp-fuzz-XXXXXX",
                 parent ? parent : "/tmp");
        FUZZ_REQUIRE(mkdtemp(fuzz_directory) != NULL);
        atexit(fuzz_clean_up);
    }
    if (!*fuzz_paths[index])
        snprintf(fuzz_paths[index], sizeof fuzz_paths[index], "%s/%s", fuzz_directory, name);
    return fuzz_paths[index];
}

static inline void fuzz_write(const char *path, const void *bytes, size_t size)
{
    FILE *file = fopen(path, "wb");
    FUZZ_REQUIRE(file != NULL);
    FUZZ_REQUIRE(fwrite(bytes, 1, size, file) == size);
    FUZZ_REQUIRE(fclose(file) == 0);
}

#endif
