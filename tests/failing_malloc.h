/* failing_malloc.h: malloc and its kin, counted, and failing where a test wants it.
 *
 * failing_malloc.c stands before the C library's own for every object of the process, either linked
 * into a test, which steers it by the functions below, or loaded by LD_PRELOAD into the command,
 * steered by the environment:
 *
 *   FAIL_FIRST   number, from 1, of the first allocation that fails; 0: none
 *   FAIL_LAST    and of the last; FAIL_FIRST unless given
 *   FAIL_REPORT  a file that gets "failed" when one has failed and "calls N" at the end
 *
 * Only calls of our own code, of jansson, zlib and inih are numbered and can fail, each told by the
 * return address. The BLAS, oneDNN, the OpenMP runtime and the dynamic loader end the process when
 * they get no memory, and nobody can do anything about that. So does libxsmm, which is part of our
 * executable: tests of failing memory use other providers. */
#ifndef GM_TEST_FAILING_MALLOC_H
#define GM_TEST_FAILING_MALLOC_H

#include <stdbool.h>
#include <stddef.h>

/* Counts from 0 on, and lets the calls number first to last fail. */
void failing_malloc_start(size_t first, size_t last);
void failing_malloc_stop(void);

/* Since the start, until the stop. */
size_t failing_malloc_calls(void);  /* that can fail */
size_t failing_malloc_others(void); /* that cannot */
bool failing_malloc_failed(void);   /* whether one has */
long failing_malloc_live(void);     /* blocks, by whomever, that were allocated and not freed */

#endif
