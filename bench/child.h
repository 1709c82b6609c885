/* child.h: gemmlp in a process of its own, because two BLAS libraries or two OpenMP run-time
 * libraries in one process are not to be trusted, and because a library that crashes or hangs shall
 * take nothing else with it. */
#ifndef BENCH_CHILD_H
#define BENCH_CHILD_H

#include <stdbool.h>
#include <stddef.h>

/* What a child did. */
struct bench_child {
    enum { CHILD_DONE, CHILD_FAILED, CHILD_CRASHED, CHILD_HUNG, CHILD_INTERRUPTED } end;
    int code;          /* exit code or number of the signal */
    char message[512]; /* what it complained of on its stderr, or what ended it; may be "" */
};

/* Takes one line of the child's stdout, without its end. */
typedef void bench_take_line(void *context, const char *line);

/* Runs gemmlp with these words ("gemmlp" first, NULL-terminated) and `threads` threads. Its
 * environment is ours without the variables that steer BLAS and OpenMP libraries, but with their
 * number of threads, which some read once, when they are loaded. It is killed when it prints
 * nothing for `timeout` seconds, neither on stdout nor on stderr: let it tell its progress. */
void bench_child_run(const char *const *words, int threads, size_t timeout, bench_take_line *take,
                     void *context, struct bench_child *child);

#endif
