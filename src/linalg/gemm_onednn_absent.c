/* gemm_onednn_absent.c: stands for gemm_onednn.c where the build found no oneDNN. */
#include "linalg/gemm.h"

static gemmlp_status refuse(const char *spec, struct gemm_provider *provider, gemmlp_error *error)
{
    (void)spec;
    (void)provider;
    return gm_fail(
        error, GEMMLP_UNSUPPORTED,
        "this gemmlp was built without oneDNN: install it (Debian: libdnnl-dev) and build "
        "gemmlp again");
}

const struct gemm_kind gm_gemm_onednn = {
    .name = "onednn",
    .description = "oneDNN, which this build is without",
    .open = refuse,
};
