/* fair.c: the table of the builds of reference.c, and which of them this CPU can run; see
 * fair.h. */
#include "fair.h"

#include <stdbool.h>

#define LOOP(loop, how, build)                                                                     \
    {                                                                                              \
        .name = loop, .description = how, .create = reference_create_##build,                      \
        .free = reference_free_##build, .weights = reference_weights_##build,                      \
        .biases = reference_biases_##build, .weight_gradient = reference_weight_gradient_##build,  \
        .bias_gradient = reference_bias_gradient_##build, .gradient = reference_gradient_##build,  \
        .step = reference_step_##build,                                                            \
    }

static const struct bench_naive plain = LOOP("naive", "one thread, -O2", f32);

#define FAIR "OpenMP, -O3 -ffast-math"

static bool any_cpu(void)
{
    return true;
}

#if defined(__x86_64__)
/* What sets a level of the x86-64 psABI apart from the one below, as far as gcc 12 and clang 14 can
 * both ask for it. */
static bool has_v3(void)
{
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
           __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("fma");
}

static bool has_v4(void)
{
    return has_v3() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#endif

static const struct {
    bool (*supported)(void);
    struct bench_naive loop;
} fair[] = {
#if defined(__x86_64__)
    {has_v4, LOOP("fair", FAIR " -march=x86-64-v4", fair_v4)},
    {has_v3, LOOP("fair", FAIR " -march=x86-64-v3", fair_v3)},
#endif
    {any_cpu, LOOP("fair", FAIR, fair_baseline)},
};

const struct bench_naive *bench_naive_plain(void)
{
    return &plain;
}

const struct bench_naive *bench_naive_fair_build(size_t index)
{
    for (size_t i = 0; i < sizeof fair / sizeof *fair; i++) {
        if (fair[i].supported() && index-- == 0) {
            return &fair[i].loop;
        }
    }
    return NULL;
}

const struct bench_naive *bench_naive_fair(void)
{
    return bench_naive_fair_build(0);
}
