/* cpu.h: how many CPUs this process may use, and the state of the threads while they compute. */
#ifndef GM_CPU_H
#define GM_CPU_H

#include <stddef.h>

struct compute_scope {
    int threads_before;
    unsigned float_control_before;
};

/* Between begin and end, parallel regions of the calling thread have `threads` threads, all of
 * which flush subnormals to zero (weights decay into them, and each costs some hundred cycles). The
 * workers are the calling thread's own pool, so they get back its floating-point state. */
struct compute_scope gm_compute_begin(int threads);
void gm_compute_end(struct compute_scope scope);

/* The CPUs that the quota of this process's control group, or of one above it, is worth, rounded
 * up; 0: no limit. root: where /proc and /sys are found, "" but in tests. */
int gm_cgroup_cpus(const char *root);

/* What /proc/cpuinfo says of the first processor: its model, else, as on AArch64, the numbers of who
 * designed it and of what: "implementer 0x41, part 0xd0c"; else "unknown". root: as above. */
void gm_cpu_name(const char *root, char *name, size_t size);

/* Seconds of a clock that only goes forward. */
double gm_seconds(void);

#endif
