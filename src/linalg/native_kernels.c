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

/* v stays in a register, as it is: gcc would load it anew for each product; and what was rounded is
 * not joined with an addition that follows, in one tile and not in another. */
#if defined(__x86_64__)
#define KEEP(v) __asm__("" : "+v"(v))
#elif defined(__aarch64__)
#define KEEP(v) __asm__("" : "+w"(v))
#else
#define KEEP(v) (void)(v)
#endif

#if defined(__x86_64__)
#define X86_COPY(level) __attribute__((target("arch=x86-64-" level)))

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

/* 32 registers of 64 bytes. */
#define NAME(x)     avx512_##x
#define ISA         "AVX-512"
#define SUPPORTED   has_v4
#define TARGET      X86_COPY("v4")
#define LANES       16
#define ROWS        14
#define SHORT_K     12
#define DOT_ROWS    5
#define DOT_COLUMNS 5
#include "linalg/native_body.h"

/* AVX2 and FMA: 16 registers of 32 bytes. */
#define NAME(x)     avx2_##x
#define ISA         "AVX2"
#define SUPPORTED   has_v3
#define TARGET      X86_COPY("v3")
#define LANES       8
#define ROWS        6
#define SHORT_K     0
#define DOT_ROWS    4
#define DOT_COLUMNS 3
#include "linalg/native_body.h"
#endif

/* Whatever the compiler takes for granted. */
#define NAME(x) base_##x
#if defined(__x86_64__)
#define ISA "SSE2"
#elif defined(__aarch64__)
#define ISA "NEON"
#else
#define ISA "baseline"
#endif
#define SUPPORTED NULL
#define TARGET
#define LANES       4
#define ROWS        6
#define SHORT_K     0
#define DOT_ROWS    4
#define DOT_COLUMNS 3
#include "linalg/native_body.h"

static const struct native_kernels *const all[] = {
#if defined(__x86_64__)
    &avx512_kernels,
    &avx2_kernels,
#endif
    &base_kernels,
};

const struct native_kernels *gm_native_kernels_at(size_t index)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if ((!all[i]->supported || all[i]->supported()) && index-- == 0)
            return all[i];
    return NULL;
}
