/* cpu.c: affinity mask, control-group quota and environment -> number of threads; see cpu.h. */
#define _GNU_SOURCE
#include "core/cpu.h"

#include <fcntl.h>
#include <omp.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/portability.h"
#include "gemmlp.h"

/* libgomp's workers keep a state of their own; clang's libomp hands them the caller's at each
 * region, and gives the caller back its own at the end of one. */
static void set_float_control(unsigned control)
{
    gm_float_control_set(control);
    if (omp_get_max_threads() > 1) {
#pragma omp parallel
        gm_float_control_set(control);
    }
}

struct compute_scope gm_compute_begin(int threads)
{
    struct compute_scope scope = {omp_get_max_threads(), gm_float_control_get()};
    omp_set_num_threads(threads);
    set_float_control(GM_FLUSH_TO_ZERO(scope.float_control_before));
    return scope;
}

void gm_compute_end(struct compute_scope scope)
{
    set_float_control(scope.float_control_before);
    omp_set_num_threads(scope.threads_before);
}

double gm_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* A positive integer at the start of an environment variable (OMP_NUM_THREADS may be "4,2"), else
 * 0. */
static int environment_count(const char *name)
{
    const char *text = getenv(name);
    long n = text ? strtol(text, NULL, 10) : 0;
    return n > 0 && n < 1 << 20 ? (int)n : 0;
}

/* The kernel refuses a set that is smaller than its own; cpu_set_t has room for 1024 CPUs. */
static int affinity_count(void)
{
    enum { MOST_CPUS = 1 << 18 };
    for (int cpus = CPU_SETSIZE; cpus <= MOST_CPUS; cpus *= 4) {
        cpu_set_t *set = CPU_ALLOC(cpus);
        const size_t size = CPU_ALLOC_SIZE(cpus);
        const bool got = set && sched_getaffinity(0, size, set) == 0;
        const int count = got ? CPU_COUNT_S(size, set) : 0;
        if (set)
            CPU_FREE(set);
        if (count > 0)
            return count;
    }
    long n = sysconf(_SC_NPROCESSORS_ONLN);
    return n > 0 ? (int)n : 1;
}

/* CPUs in the places of OpenMP, each once; 0 unless OMP_PROC_BIND, OMP_PLACES or the like has it
 * bind threads: this one is bound to one place then, and its mask is not that of the process. */
static int place_count(void)
{
    enum { MOST_CPUS = 1 << 18, MOST_OF_PLACE = 4096 };
    cpu_set_t *set = CPU_ALLOC(MOST_CPUS);
    const size_t size = CPU_ALLOC_SIZE(MOST_CPUS);
    const bool bound = set && omp_get_proc_bind() != omp_proc_bind_false;
    if (set)
        CPU_ZERO_S(size, set);
    for (int place = 0; bound && place < omp_get_num_places(); place++) {
        int ids[MOST_OF_PLACE];
        const int count = omp_get_place_num_procs(place);
        if (count > MOST_OF_PLACE)
            continue;
        omp_get_place_proc_ids(place, ids);
        for (int i = 0; i < count; i++)
            CPU_SET_S((size_t)ids[i], size, set);
    }
    const int count = bound ? CPU_COUNT_S(size, set) : 0;
    if (set)
        CPU_FREE(set);
    return count;
}

/* Reads up to two numbers of a one-line file; how many there were. "max" counts as none. */
static int read_numbers(const char *path, double numbers[2])
{
    FILE *file = fopen(path, "re");
    if (!file)
        return 0;
    int n = fscanf(file, "%lf %lf", &numbers[0], &numbers[1]);
    fclose(file);
    return n < 0 ? 0 : n;
}

static int quota_to_cpus(double quota, double period)
{
    const double cpus = quota > 0 && period > 0 ? (quota + period - 1) / period : 0;
    return cpus < 1 << 20 ? (int)cpus : 0;
}

static int least(int a, int b) /* where 0 is no limit */
{
    return a == 0 || (b != 0 && b < a) ? b : a;
}

/* The quota of the group `relative` and of all groups above it, below the directory in which their
 * hierarchy is mounted. In a container the groups above its own are out of sight, and `relative`
 * may name nothing: then the mounted directory is the container's own group. */
static int cgroup_limit(const char *mounted, const char *group, bool version2)
{
    int limit = 0;
    char relative[1100];
    snprintf(relative, sizeof relative, "%s", strcmp(group, "/") == 0 ? "" : group);
    for (;;) {
        char path[2300];
        double quota[2] = {0}, period[2] = {0};
        if (version2) {
            snprintf(path, sizeof path, "%s%s/cpu.max", mounted, relative);
            if (read_numbers(path, quota) == 2)
                limit = least(limit, quota_to_cpus(quota[0], quota[1]));
        } else {
            snprintf(path, sizeof path, "%s%s/cpu.cfs_quota_us", mounted, relative);
            if (read_numbers(path, quota) >= 1) {
                snprintf(path, sizeof path, "%s%s/cpu.cfs_period_us", mounted, relative);
                if (read_numbers(path, period) >= 1)
                    limit = least(limit, quota_to_cpus(quota[0], period[0]));
            }
        }
        char *slash = strrchr(relative, '/');
        if (!slash)
            return limit;
        *slash = '\0';
    }
}

/* Whether a comma-separated list has the word. */
static bool lists(const char *list, const char *word)
{
    const size_t length = strlen(word);
    for (const char *at = list; *at; at += strcspn(at, ","), at += *at == ',')
        if (strcspn(at, ",") == length && strncmp(at, word, length) == 0)
            return true;
    return false;
}

/* /proc/self/cgroup: "0::/path" is version 2, "N:…cpu…:/path" version 1. Version 2 is mounted at
 * /sys/fs/cgroup, or beside version 1 in `unified` there; the controllers of version 1 in a
 * directory called as their list, and mostly in `cpu` too. */
int gm_cgroup_cpus(const char *root)
{
    char path[1024], line[1100];
    int limit = 0;
    snprintf(path, sizeof path, "%s/proc/self/cgroup", root);
    FILE *file = fopen(path, "re");
    while (file && fgets(line, sizeof line, file)) {
        line[strcspn(line, "\n")] = '\0';
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (!group)
            continue;
        *group++ = '\0';
        controllers++;
        const bool version2 = *controllers == '\0';
        if (!version2 && !lists(controllers, "cpu"))
            continue;
        const char *const directories[2] = {version2 ? "" : "/cpu", version2 ? "/unified" : NULL};
        for (size_t i = 0; i < 2; i++) {
            if (directories[i])
                snprintf(path, sizeof path, "%s/sys/fs/cgroup%s", root, directories[i]);
            else
                snprintf(path, sizeof path, "%s/sys/fs/cgroup/%s", root, controllers);
            limit = least(limit, cgroup_limit(path, group, version2));
        }
    }
    if (file)
        fclose(file);
    return limit;
}

/* What follows `key` in the first line that has it, in *length bytes; NULL: no line has. */
static const char *value_of(const char *key, const char *text, int *length)
{
    const char *line = strstr(text, key);
    const char *value = line ? strstr(line, ": ") : NULL;
    *length = value ? (int)strcspn(value + 2, "\n") : 0;
    return value ? value + 2 : NULL;
}

/* Allocates nothing: a checkpoint has the name, and lack of memory must not make it another
 * machine's. The first processor stands at the beginning. */
void gm_cpu_name(const char *root, char *name, size_t size)
{
    char path[1024], text[4096];
    snprintf(path, sizeof path, "%s/proc/cpuinfo", root);
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC);
    const ssize_t length = descriptor >= 0 ? read(descriptor, text, sizeof text - 1) : -1;
    if (descriptor >= 0)
        close(descriptor);
    text[length > 0 ? length : 0] = '\0';
    int model_length, by_length, part_length;
    const char *model = value_of("model name", text, &model_length);
    const char *by = value_of("CPU implementer", text, &by_length);
    const char *part = value_of("CPU part", text, &part_length);
    if (model)
        snprintf(name, size, "%.*s", model_length, model);
    else if (by && part)
        snprintf(name, size, "implementer %.*s, part %.*s", by_length, by, part_length, part);
    else
        snprintf(name, size, "unknown");
}

static const char *instruction_set(void)
{
#if defined(__x86_64__) && defined(__GNUC__)
    __builtin_cpu_init();
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
        __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq"))
        return "AVX-512";
    return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") ? "AVX2" : "SSE2";
#elif defined(__aarch64__)
    return "NEON";
#else
    return "baseline";
#endif
}

static void count_threads(gemmlp_machine *machine)
{
    const int places = place_count();
    *machine = (gemmlp_machine){
        .threads_affinity = places > 0 ? places : affinity_count(),
        .threads_cgroup = gm_cgroup_cpus(""),
        .threads_slurm = environment_count("SLURM_CPUS_PER_TASK"),
        .threads_omp = environment_count("OMP_NUM_THREADS"),
    };
    machine->threads = least(least(machine->threads_affinity, machine->threads_cgroup),
                             least(machine->threads_slurm, machine->threads_omp));
}

void gemmlp_machine_get(gemmlp_machine *machine)
{
    count_threads(machine);
    gm_cpu_name("", machine->cpu, sizeof machine->cpu);
    machine->instruction_set = instruction_set();
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    machine->memory_bytes = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : 0;
}

int gemmlp_default_threads(void)
{
    gemmlp_machine machine;
    count_threads(&machine);
    return machine.threads;
}
