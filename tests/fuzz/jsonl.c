/* jsonl.c: fuzzes the reader of the log of a run, which `gemmlp plot` draws. */
#include "fuzz.h"

#include <string.h>

#include "cli/run_log.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_path(0, "run.jsonl");
    struct run_curves curves;
    gemmlp_error error = {0};
    fuzz_write(path, data, size);
    const gemmlp_status status = cli_run_log_read(path, &curves, &error);
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_DATA);
    FUZZ_REQUIRE((status == GEMMLP_OK) == (curves.count > 0));
    FUZZ_REQUIRE(status == GEMMLP_OK || strlen(error.message) > 0);
    FUZZ_REQUIRE(memchr(curves.summary, '\0', sizeof curves.summary) != NULL);
    for (size_t i = 1; i < curves.count; i++)
        FUZZ_REQUIRE(curves.epochs[i].epoch > curves.epochs[i - 1].epoch);
    cli_run_log_free(&curves);
    return 0;
}
