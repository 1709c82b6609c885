/* cpu.h: how many CPUs this process may use, and the state of the threads while they compute. */
#ifndef GM_CPU_H
#define GM_CPU_H

struct compute_scope {
    int threads_before;
    unsigned float_control_before;
};

/* Between begin and end, parallel regions of the calling thread have `threads` threads, all of
 * which flush subnormals to zero (weights decay into them, and each costs some hundred cycles). The
 * workers are the calling thread's own pool, so they get back its floating-point state. */
struct compute_scope gm_compute_begin(int threads);
void gm_compute_end(struct compute_scope scope);

/* Seconds of a clock that only goes forward. */
double gm_seconds(void);

#endif
