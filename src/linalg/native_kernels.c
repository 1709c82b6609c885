/* native_kernels.c: see native_kernels.h: the copies of native_body.h, and their table. */
#include "linalg/native_kernels.h"

#include <stdint.h>
#include <string.h>

#include "core/portability.h"

#if !defined(__GNUC__)
#error "the kernels are written with the vectors of GCC and Clang"
#endif

/* LANES of these from 16 - LANES + n on: a mask whose last n lanes are set. */
static const int32_t last_lanes[32] = {[16] = -1, -1, -1, -1, -1, -1, -1, -1,
                                       -1,        -1, -1, -1, -1, -1, -1, -1};

#if defined(__x86_64__)
/* v stays in a register: gcc would load it anew for each product. */
#define KEEP(v)         __asm__("" : "+v"(v))
#define X86_COPY(level) __attribute__((target("arch=x86-64-" level)))

/* AVX-512: 32 registers of 64 bytes. */
#define NAME(x)     avx512_##x
#define TARGET      X86_COPY("v4")
#define LANES       16
#define ROWS        14
#define DOT_ROWS    5
#define DOT_COLUMNS 5
#define SHORT_K     12
#include "linalg/native_body.h"

/* AVX2 and FMA: 16 registers of 32 bytes. */
#define NAME(x)     avx2_##x
#define TARGET      X86_COPY("v3")
#define LANES       8
#define ROWS        6
#define DOT_ROWS    4
#define DOT_COLUMNS 3
#define SHORT_K     0
#include "linalg/native_body.h"

static bool has_v4(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
           __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512cd");
}

static bool has_v3(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
           __builtin_cpu_supports("bmi2");
}
#else
#define KEEP(v)
#endif

/* Whatever the compiler takes for granted: SSE2, NEON. */
#define NAME(x) base_##x
#define TARGET
#define LANES       4
#define ROWS        6
#define DOT_ROWS    4
#define DOT_COLUMNS 3
#define SHORT_K     0
#include "linalg/native_body.h"

#define KERNELS(name, text, supported, lanes, rows, dot_rows, dot_columns)                         \
    {                                                                                              \
        text, supported, rows, 2 * lanes, dot_rows, dot_columns, name##_outer, name##_dot,         \
            name##_pack_a                                                                          \
    }

static const struct native_kernels all[] = {
#if defined(__x86_64__)
    KERNELS(avx512, "AVX-512", has_v4, 16, 14, 5, 5),
    KERNELS(avx2, "AVX2", has_v3, 8, 6, 4, 3),
    KERNELS(base, "SSE2", NULL, 4, 6, 4, 3),
#elif defined(__aarch64__)
    KERNELS(base, "NEON", NULL, 4, 6, 4, 3),
#else
    KERNELS(base, "baseline", NULL, 4, 6, 4, 3),
#endif
};

const struct native_kernels *gm_native_kernels_at(size_t index)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((!all[i].supported || all[i].supported()) && index-- == 0)
            return &all[i];
    return NULL;
}
