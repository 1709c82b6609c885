/* gzip.c: fuzzes the reader of gzip and plain files, in pieces whose sizes the first byte gives. */
#include "fuzz.h"

#include <string.h>

#include "io/gzip_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static unsigned char piece[1 << 16];
    if (size < 1)
        return 0;
    const size_t step = (size_t)1 << (data[0] % 17);
    const char *path = fuzz_path(0, "file");
    fuzz_write(path, data + 1, size - 1);
    struct gzip_file file;
    gemmlp_error error = {0};
    gemmlp_status status = gm_gzip_open(&file, path, &error);
    size_t got = step, total = 0;
    while (status == GEMMLP_OK && got == step) {
        memset(piece, 0xA5, step);
        status = gm_gzip_read(&file, piece, step, &got, &error);
        FUZZ_REQUIRE(got <= step);
        total += got;
    }
    if (status == GEMMLP_OK && !file.compressed)
        FUZZ_REQUIRE(total == size - 1);
    FUZZ_REQUIRE(total <= 1032 * size); /* more than deflate can do: readers count on it */
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_DATA);
    FUZZ_REQUIRE(status == GEMMLP_OK || strlen(error.message) > 0);
    gm_gzip_close(&file);
    return 0;
}
