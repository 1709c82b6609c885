/* rng.h: counter-based random numbers: Philox4x32-10 (Salmon et al., "Parallel random numbers: as
 * easy as 1, 2, 3", SC 2011), by Random123.
 *
 * A number is a pure function of (seed, purpose, stream, index), so that neither threads nor the
 * order of calls matter. Purposes keep the uses apart; `stream` is the epoch, the step or the
 * layer. */
#ifndef GM_RNG_H
#define GM_RNG_H

#include <Random123/philox.h>
#include <stdint.h>

enum rng_purpose { RNG_INIT = 1, RNG_SHUFFLE, RNG_SPLIT, RNG_DROPOUT, RNG_EXAMPLES };

struct rng_block {
    uint32_t u[4];
};

/* Block `index` (48 bits) of a stream (56 bits): four independent 32-bit numbers. `lane` (16 bits)
 * distinguishes streams that have the same number, as the layers within a step. */
static inline struct rng_block gm_rng(uint64_t seed, enum rng_purpose purpose, uint32_t lane,
                                      uint64_t stream, uint64_t index)
{
    philox4x32_key_t key = {{(uint32_t)seed, (uint32_t)(seed >> 32)}};
    philox4x32_ctr_t counter = {{(uint32_t)index, (uint32_t)(index >> 32) | lane << 16,
                                 (uint32_t)stream,
                                 (uint32_t)(stream >> 32) | (uint32_t)purpose << 24}};
    philox4x32_ctr_t random = philox4x32(counter, key);
    return (struct rng_block){{random.v[0], random.v[1], random.v[2], random.v[3]}};
}

/* In (0, 1): never 0, never 1. */
static inline double gm_uniform(uint32_t u)
{
    return ((double)u + 0.5) / 4294967296.0;
}

#endif
