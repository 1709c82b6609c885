/* memory.h: how much memory may still be taken. */
#ifndef BENCH_MEMORY_H
#define BENCH_MEMORY_H

#include <stddef.h>

/* Bytes that are free or can be freed at once, but no more than the process's control group may
 * have; the machine's memory where the system does not tell. */
size_t bench_available_memory(void);

#endif
