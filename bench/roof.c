/* roof.c: register-only multiply-add kernels and the STREAM triad -> GFLOP/s and GB/s; see roof.h.
 *
 * Besides core/portability.h this is the one file with intrinsics and target attributes: a peak is
 * the speed of an instruction, so the instruction has to be named. Another one is one kernel and
 * one row of the table. */
#define _GNU_SOURCE
#include "roof.h"

#include <math.h>
#include <omp.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/cpu.h"
#include "machine.h"

#if defined(__x86_64__) && defined(__GNUC__)
#include <immintrin.h>
#elif defined(__aarch64__) && defined(__GNUC__)
#include <arm_neon.h>
#endif

#define RUNS 10

/* ---- A team of threads --------------------------------------------------------------------- */

struct span {
    double seconds; /* from the first thread's start to the last thread's end */
    int threads;    /* that there were: OMP_THREAD_LIMIT may allow fewer than were asked for */
};

/* The threads start together after a barrier. Their own times would not do: when there are more of
 * them than CPUs, some have not begun when others are done. */
static struct span run_team(int threads, void (*work)(void *context, int thread, int of),
                            void *context)
{
    double start = INFINITY, end = 0;
    int team = 1;
#pragma omp parallel num_threads(threads) reduction(min : start) reduction(max : end, team)
    {
        team = omp_get_num_threads();
#pragma omp barrier
        start = gm_seconds();
        work(context, omp_get_thread_num(), team);
        end = gm_seconds();
    }
    return (struct span){end - start, team};
}

/* ---- Peak: x <- m x + c, over and over, on `count` independent x ---------------------------- */

/* A multiply-add waits for the one before it on the same x. So there must be at least as many x as
 * latency times multiply-adds per cycle (5 x 2 on Haswell and Zen, 4 x 2 for AVX-512, 4 x 4 on
 * Neoverse V1; SSE2 waits for both instructions), and no more than registers, less m and c.
 * m = -1 + 2^-23 lets each x swing about c / 2 for as long as a run takes: it stays normal and
 * finite, and the operands keep changing, as in a real product: constant ones take less power and
 * let the clock rise. m and c are arguments, for clang makes subtractions and copies of a negative
 * constant; the sum of all x keeps the compiler from leaving any out. */
#define MULTIPLIER (-1 + 1.0 / (1 << 23))
#define ADDEND     1.7

/* An array of constant size becomes registers once the loop over it is unrolled. */
#define DEFINE_KERNEL(name, target, vector, number, count, multiply_add)                           \
    target static double name(size_t rounds, double multiplier, double addend)                     \
    {                                                                                              \
        const vector zero = {0}, m = zero + (number)multiplier, c = zero + (number)addend;         \
        vector x[count];                                                                           \
        for (int i = 0; i < (count); i++)                                                          \
            x[i] = zero + (number)(1.0 / (2 + i));                                                 \
        for (size_t round = 0; round < rounds; round++) {                                          \
            _Pragma("GCC unroll 32") for (int i = 0; i < (count); i++)                             \
            {                                                                                      \
                x[i] = multiply_add(x[i], m, c);                                                   \
            }                                                                                      \
        }                                                                                          \
        number lanes[(count) * sizeof(vector) / sizeof(number)];                                   \
        memcpy(lanes, x, sizeof lanes);                                                            \
        double sum = 0;                                                                            \
        for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)                                  \
            sum += (double)lanes[i];                                                               \
        return sum;                                                                                \
    }

#define TARGET(set)                __attribute__((target(set)))
#define MULTIPLY_THEN_ADD(x, m, c) ((x) * (m) + (c))

#if defined(__x86_64__) && defined(__GNUC__)
DEFINE_KERNEL(avx512_f32, TARGET("avx512f"), __m512, float, 16, _mm512_fmadd_ps)
DEFINE_KERNEL(avx512_f64, TARGET("avx512f"), __m512d, double, 16, _mm512_fmadd_pd)
DEFINE_KERNEL(avx2_f32, TARGET("avx2,fma"), __m256, float, 12, _mm256_fmadd_ps)
DEFINE_KERNEL(avx2_f64, TARGET("avx2,fma"), __m256d, double, 12, _mm256_fmadd_pd)
DEFINE_KERNEL(sse2_f32, , __m128, float, 12, MULTIPLY_THEN_ADD)
DEFINE_KERNEL(sse2_f64, , __m128d, double, 12, MULTIPLY_THEN_ADD)

/* x <- x + m0 c0 + m1 c1: the instruction sums pairs of products of bf16 into floats. As on NEON x
 * ends at some -10^7. */
TARGET("avx512f,avx512bf16")
static double avx512_bf16(size_t rounds, double multiplier, double addend)
{
    enum { COUNT = 16, LANES = 16 };
    const __m512 m1 = _mm512_set1_ps((float)multiplier), c1 = _mm512_set1_ps((float)addend);
    const __m512bh m = _mm512_cvtne2ps_pbh(m1, m1), c = _mm512_cvtne2ps_pbh(c1, c1);
    __m512 x[COUNT];
    for (int i = 0; i < COUNT; i++)
        x[i] = _mm512_set1_ps((float)(1.0 / (2 + i)));
    for (size_t round = 0; round < rounds; round++) {
        _Pragma("GCC unroll 32") for (int i = 0; i < COUNT; i++)
        {
            x[i] = _mm512_dpbf16_ps(x[i], m, c);
        }
    }
    float lanes[COUNT * LANES];
    memcpy(lanes, x, sizeof lanes);
    double sum = 0;
    for (size_t i = 0; i < sizeof lanes / sizeof *lanes; i++)
        sum += (double)lanes[i];
    return sum;
}

static bool has_avx512_bf16(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bf16");
}

static bool has_avx512(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx512f");
}

static bool has_avx2(void)
{
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
}

static bool has_only_sse2(void)
{
    return !has_avx2();
}
#elif defined(__aarch64__) && defined(__GNUC__)
/* x <- x + m c, for fmla overwrites the addend: m x + c would need a copy of c each time. A run
 * ends with an x of some -10^7. */
DEFINE_KERNEL(neon_f32, , float32x4_t, float, 24, vfmaq_f32)
DEFINE_KERNEL(neon_f64, , float64x2_t, double, 24, vfmaq_f64)
#else
DEFINE_KERNEL(baseline_f32, , float, float, 24, MULTIPLY_THEN_ADD)
DEFINE_KERNEL(baseline_f64, , double, double, 24, MULTIPLY_THEN_ADD)
#endif

static const struct bench_roof_kernel kernels[] = {
#if defined(__x86_64__) && defined(__GNUC__)
    {"AVX-512", GEMM_F32, 2 * 16 * 16, has_avx512, avx512_f32},
    {"AVX-512", GEMM_F64, 2 * 16 * 8, has_avx512, avx512_f64},
    {"AVX512_BF16", GEMM_BF16, 4 * 16 * 16, has_avx512_bf16, avx512_bf16},
    {"AVX2", GEMM_F32, 2 * 12 * 8, has_avx2, avx2_f32},
    {"AVX2", GEMM_F64, 2 * 12 * 4, has_avx2, avx2_f64},
    {"SSE2", GEMM_F32, 2 * 12 * 4, has_only_sse2, sse2_f32},
    {"SSE2", GEMM_F64, 2 * 12 * 2, has_only_sse2, sse2_f64},
#elif defined(__aarch64__) && defined(__GNUC__)
    {"NEON", GEMM_F32, 2 * 24 * 4, NULL, neon_f32},
    {"NEON", GEMM_F64, 2 * 24 * 2, NULL, neon_f64},
#else
    {"baseline", GEMM_F32, 2 * 24, NULL, baseline_f32},
    {"baseline", GEMM_F64, 2 * 24, NULL, baseline_f64},
#endif
};

const struct bench_roof_kernel *bench_roof_kernel(size_t index)
{
    for (size_t i = 0; i < sizeof kernels / sizeof *kernels; i++) {
        if ((!kernels[i].supported || kernels[i].supported()) && index-- == 0)
            return &kernels[i];
    }
    return NULL;
}

struct peak_run {
    const struct bench_roof_kernel *kernel;
    size_t rounds;
};

static void run_kernel(void *context, int thread, int of)
{
    const struct peak_run *run = context;
    volatile double consumed = run->kernel->run(run->rounds, MULTIPLIER, ADDEND);
    (void)consumed, (void)thread, (void)of;
}

static double kernel_peak(const struct bench_roof_kernel *kernel, int threads)
{
    struct peak_run run = {kernel, 1024};
    while (run_team(1, run_kernel, &run).seconds < 6e-3) /* 6 to 12 ms, and the clock is awake */
        run.rounds *= 2;
    double best = 0;
    for (int i = 0; i < RUNS; i++) {
        struct span span = run_team(threads, run_kernel, &run);
        best = fmax(best, kernel->flop * (double)run.rounds * span.threads / span.seconds);
    }
    return best * 1e-9;
}

/* Wider is not always faster: AVX-512 may have half the units, or a lower clock. */
double bench_roof_peak(int threads, enum gemm_precision precision, const char **instruction_set)
{
    const struct bench_roof_kernel *kernel;
    double best = 0;
    for (size_t i = 0; (kernel = bench_roof_kernel(i)) != NULL; i++) {
        const double peak = kernel->precision == precision ? kernel_peak(kernel, threads) : 0;
        if (peak > best && instruction_set)
            *instruction_set = kernel->instruction_set;
        best = fmax(best, peak);
    }
    return best;
}

/* ---- Bandwidth: a = b + s c ----------------------------------------------------------------- */

#define HUGE_PAGE ((size_t)2 << 20)

struct triad {
    double *a, *b, *c; /* (n) each */
    size_t n;
};

/* Both passes give a thread the same elements, which lie near it from its first touch on. */
static size_t part_start(size_t n, int thread, int of)
{
    return n * (size_t)thread / (size_t)of;
}

static void touch_part(void *context, int thread, int of)
{
    const struct triad *triad = context;
    size_t start = part_start(triad->n, thread, of), end = part_start(triad->n, thread + 1, of);
    for (size_t i = start; i < end; i++) {
        triad->a[i] = 0;
        triad->b[i] = 1;
        triad->c[i] = 2;
    }
}

GM_KERNEL static void triad_loop(double *restrict a, const double *restrict b,
                                 const double *restrict c, double s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        a[i] = b[i] + s * c[i];
}

static void triad_part(void *context, int thread, int of)
{
    const struct triad *triad = context;
    size_t start = part_start(triad->n, thread, of), end = part_start(triad->n, thread + 1, of);
    triad_loop(triad->a + start, triad->b + start, triad->c + start, 3, end - start);
}

/* Bytes of one array: STREAM's rule of four times the caches that the threads can fill (64 MiB when
 * nothing is known of them), but no more than an eighth of the memory. */
static size_t triad_bytes(int threads)
{
    struct bench_machine machine;
    bench_machine_get(&machine);
    size_t caches = (size_t)(threads < machine.last_caches ? threads : machine.last_caches);
    size_t bytes = 4 * caches * machine.last_cache_bytes;
    bytes = bytes < 64 * ((size_t)1 << 20) ? 64 * ((size_t)1 << 20) : bytes;
    bytes = bytes > machine.memory_bytes / 8 ? machine.memory_bytes / 8 : bytes;
    return bytes / HUGE_PAGE * HUGE_PAGE;
}

double bench_roof_bandwidth(int threads)
{
    const size_t bytes = triad_bytes(threads);
    double *slab = bytes > 0 ? aligned_alloc(HUGE_PAGE, 3 * bytes) : NULL;
    if (!slab)
        return NAN;
    madvise(slab, 3 * bytes, MADV_HUGEPAGE); /* as gemmlp's own memory; advice that may fail */
    const size_t n = bytes / sizeof *slab;
    struct triad triad = {slab, slab + n, slab + 2 * n, n};
    run_team(threads, touch_part, &triad);
    double best = 0;
    for (int i = 0; i < RUNS; i++)
        best = fmax(best, 3.0 * (double)bytes / run_team(threads, triad_part, &triad).seconds);
    free(slab);
    return best * 1e-9;
}
