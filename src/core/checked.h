/* checked.h: size arithmetic that says when it overflows. */
#ifndef GM_CHECKED_H
#define GM_CHECKED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* *out = a * b; false (and *out = SIZE_MAX) when that does not fit. */
static inline bool gm_mul(size_t a, size_t b, size_t *out)
{
    bool fits = b == 0 || a <= SIZE_MAX / b;
    *out = fits ? a * b : SIZE_MAX;
    return fits;
}

/* *out = a + b; likewise. */
static inline bool gm_add(size_t a, size_t b, size_t *out)
{
    bool fits = a <= SIZE_MAX - b;
    *out = fits ? a + b : SIZE_MAX;
    return fits;
}

#endif
