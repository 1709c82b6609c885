/* native_body.h: the kernels of native_kernels.h; included once for each instruction set by
 * native_kernels.c, which defines
 *
 *   NAME(x)          the name of this copy
 *   ISA, SUPPORTED   what it is called; the function that tells whether this processor has it
 *   TARGET           attributes of its functions
 *   LANES            floats of a vector: 4, 8 or 16
 *   ROWS             of the outer kernel's tile, which is 2 LANES wide: 2 ROWS + 3 registers
 *   SHORT_K          most steps of k for which a panel of B stays in registers: 2 SHORT_K + 5 of
 *                    them; 0: there is no such kernel
 *   DOT_ROWS, DOT_COLUMNS   of the dot kernel's tile: (DOT_ROWS + 1) DOT_COLUMNS + 1 registers
 */
typedef float NAME(vector)
    __attribute__((vector_size(LANES * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float NAME(four)
    __attribute__((vector_size(4 * sizeof(float)), aligned(sizeof(float)), may_alias));
typedef float NAME(eight) __attribute__((vector_size(8 * sizeof(float))));
typedef int32_t NAME(bits)
    __attribute__((vector_size(LANES * sizeof(int32_t)), aligned(sizeof(int32_t)), may_alias));

#define VECTOR           NAME(vector)
#define FOUR             NAME(four)
#define LOAD(address)    (*(const VECTOR *)(address))
#define FOUR_AT(address) (*(FOUR *)(address))
#define COLUMNS          (2 * LANES)
#define INLINE           TARGET static inline __attribute__((always_inline))

#include "linalg/native_dot.h"
#include "linalg/native_outer.h"

static const struct native_kernels NAME(kernels) = {.name = ISA,
                                                    .supported = SUPPORTED,
                                                    .rows = ROWS,
                                                    .columns = COLUMNS,
                                                    .short_k = SHORT_K,
                                                    .dot_rows = DOT_ROWS,
                                                    .dot_columns = DOT_COLUMNS,
                                                    .outer = NAME(outer),
                                                    .dot = NAME(dot),
                                                    .pack_a = NAME(pack_a)};

#undef ISA
#undef SUPPORTED
#undef VECTOR
#undef FOUR
#undef LOAD
#undef FOUR_AT
#undef COLUMNS
#undef INLINE
#undef NAME
#undef TARGET
#undef LANES
#undef ROWS
#undef DOT_ROWS
#undef SHORT_K
#undef DOT_COLUMNS
