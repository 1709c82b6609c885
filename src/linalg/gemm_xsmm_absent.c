/* gemm_xsmm_absent.c: stands for gemm_xsmm.c where there is no libxsmm to build it with, so that
 * who asks for it is told what to install. */
#include "linalg/gemm.h"

static gemmlp_status open_absent(const char *spec, struct gemm_provider *provider,
                                 gemmlp_error *error)
{
    (void)spec;
    (void)provider;
    return gm_fail(error, GEMMLP_UNSUPPORTED,
                   "this gemmlp was built without libxsmm: install it (Debian: libxsmm-dev) and "
                   "build again");
}

const struct gemm_kind gm_gemm_xsmm = {
    .name = "xsmm",
    .description = "libxsmm: generated kernels on tiles, each with its epilogue",
    .open = open_absent,
};
