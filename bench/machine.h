/* machine.h: what stands at the head of a report, and how far a measurement is to be trusted.
 *
 *   bench_machine_get        the facts: processor, caches, memory, system, compiler, date
 *   bench_activity_begin     a measurement   bench_activity_end: who used the CPUs meanwhile
 *   bench_machine_warnings   from both, sentences for whoever reads the numbers
 */
#ifndef BENCH_MACHINE_H
#define BENCH_MACHINE_H

#include <stdbool.h>
#include <stddef.h>

struct bench_machine {
    char cpu[128];
    char instruction_set[32];
    char governor[32]; /* of the clock of CPU 0; "": unknown */
    char os[256];      /* "Linux 6.1.0-18-amd64 x86_64, Debian GNU/Linux 12 (bookworm)" */
    char compiler[128];
    char date[32]; /* ISO 8601, UTC */
    int cpus;      /* that this process may use: affinity mask and control group */
    size_t memory_bytes;
    size_t l1d, l2, l3;      /* bytes of the caches of CPU 0; 0: unknown, or there is none */
    size_t last_cache_bytes; /* of the last level; 0: unknown */
    int last_caches;         /* how many of those there are in the machine */
    double load;             /* average of the last minute; negative: unknown */
};

void bench_machine_get(struct bench_machine *machine);

/* Seconds of CPU time of all CPUs since the system started. */
struct bench_cpu_time {
    double busy;   /* for processes, interrupts and, stolen by a hypervisor, for other guests */
    double stolen; /* of busy */
    double idle;
};

struct bench_activity_mark {
    double wall; /* seconds of a clock that only goes forward */
    double own;  /* seconds of CPU time: this process, and its children that have been waited for */
    bool machine_known;
    struct bench_cpu_time machine;
};

/* Averages from begin to end. Negative is unknown: where the system does not tell, or tells of a
 * machine on which this process does not run (as in some containers), or when the time was too
 * short to tell a tenth of a CPU. */
struct bench_activity {
    double own_cpus;   /* CPUs kept busy by this process and its children */
    double other_cpus; /* CPUs kept busy by everything else */
    double steal;      /* share of the busy time that a hypervisor gave to other guests */
};

struct bench_activity_mark bench_activity_begin(void);
struct bench_activity bench_activity_end(const struct bench_activity_mark *begin);
struct bench_activity bench_activity_between(const struct bench_activity_mark *begin,
                                             const struct bench_activity_mark *end);

enum { BENCH_WARNINGS = 5, BENCH_WARNING_SIZE = 256 };

/* What speaks against a measurement with so many threads: one sentence each of what was seen and
 * what to do. Returns how many. threads_ran is CPU time over wall time; negative: unknown. */
size_t bench_machine_warnings(const struct bench_machine *machine,
                              const struct bench_activity *activity, int threads,
                              double threads_ran,
                              char warnings[BENCH_WARNINGS][BENCH_WARNING_SIZE]);

/* Parsers of the text under /sys, /proc and /etc. What is malformed gives 0 or false. */
size_t bench_parse_cache_size(const char *text); /* "32K" -> 32768 */
int bench_parse_cpu_list(const char *text);      /* "0-3,8" -> 5 CPUs */
bool bench_parse_stat(const char *text, long ticks_per_second, struct bench_cpu_time *time);
bool bench_parse_os_release(const char *text, char *name, size_t size); /* PRETTY_NAME */

#endif
