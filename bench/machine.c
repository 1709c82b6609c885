/* machine.c: /sys, /proc, uname and rusage -> facts, activity and warnings; see machine.h. */
#define _GNU_SOURCE
#include "machine.h"

#include <ctype.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

#include "core/checked.h"
#include "core/cpu.h"
#include "gemmlp.h"

/* ---- Parsers ------------------------------------------------------------------------------- */

/* Digits at *text, past which it moves; false where there are none or too many. */
static bool read_size(const char **text, size_t *value)
{
    const char *start = *text;
    *value = 0;
    for (; isdigit((unsigned char)**text); ++*text)
        if (!gm_mul(*value, 10, value) || !gm_add(*value, (size_t)(**text - '0'), value))
            return false;
    return *text > start;
}

static bool at_end(const char *text)
{
    return *text == '\0' || strcmp(text, "\n") == 0;
}

size_t bench_parse_cache_size(const char *text)
{
    static const char units[] = "KMG";
    size_t bytes;
    if (!read_size(&text, &bytes))
        return 0;
    const char *unit = *text ? strchr(units, *text) : NULL;
    if (unit) {
        text++;
        if (!gm_mul(bytes, (size_t)1 << 10 * (unit - units + 1), &bytes))
            return 0;
    }
    return at_end(text) ? bytes : 0;
}

int bench_parse_cpu_list(const char *text)
{
    size_t count = 0;
    for (;;) {
        size_t first, last;
        if (!read_size(&text, &first))
            return 0;
        last = first;
        if (*text == '-') {
            text++;
            if (!read_size(&text, &last))
                return 0;
        }
        if (last < first || last > 1 << 20)
            return 0;
        count += last - first + 1;
        if (at_end(text))
            return count <= 1 << 20 ? (int)count : 0;
        if (*text++ != ',')
            return 0;
    }
}

/* proc(5): "cpu  user nice system idle iowait irq softirq steal guest guest_nice", in ticks. Old
 * kernels end earlier; the guests are counted in user and nice already. */
bool bench_parse_stat(const char *text, long ticks_per_second, struct bench_cpu_time *time)
{
    enum { USER, NICE, SYSTEM, IDLE, IOWAIT, IRQ, SOFTIRQ, STEAL, FIELDS };
    size_t ticks[FIELDS] = {0}, n = 0;
    if (strncmp(text, "cpu ", 4) != 0 || ticks_per_second <= 0)
        return false;
    for (text += 3; n < FIELDS && *text == ' '; n++) {
        text += strspn(text, " ");
        if (!read_size(&text, &ticks[n]))
            return false;
    }
    if (n <= IDLE || (*text != ' ' && *text != '\n' && *text != '\0'))
        return false;
    static const int busy[] = {USER, NICE, SYSTEM, IRQ, SOFTIRQ, STEAL};
    const double second = (double)ticks_per_second;
    *time = (struct bench_cpu_time){0};
    for (size_t i = 0; i < sizeof busy / sizeof *busy; i++)
        time->busy += (double)ticks[busy[i]] / second;
    time->stolen = (double)ticks[STEAL] / second;
    time->idle = ((double)ticks[IDLE] + (double)ticks[IOWAIT]) / second;
    return true;
}

/* os-release(5): lines NAME=value, quoted as in a shell. */
bool bench_parse_os_release(const char *text, char *name, size_t size)
{
    static const char key[] = "PRETTY_NAME=";
    while (strncmp(text, key, strlen(key)) != 0) {
        text = strchr(text, '\n');
        if (!text++)
            return false;
    }
    text += strlen(key);
    const char quote = *text == '"' || *text == '\'' ? *text++ : '\n';
    size_t n = 0;
    for (; *text != quote && *text != '\n' && *text != '\0'; text++) {
        if (*text == '\\' && quote == '"' && text[1] != '\0')
            text++;
        if (n + 1 < size)
            name[n++] = *text;
    }
    name[n] = '\0';
    return n > 0 && (quote == '\n' || *text == quote);
}

/* ---- Facts --------------------------------------------------------------------------------- */

/* The start of a file, as much as fits; false and "" when there is none. */
static bool read_text(const char *path, char *text, size_t size)
{
    text[0] = '\0';
    FILE *file = fopen(path, "re");
    if (!file)
        return false;
    size_t n = fread(text, 1, size - 1, file);
    text[n] = '\0';
    fclose(file);
    return n > 0;
}

static bool read_cache(int index, const char *entry, char *text, size_t size)
{
    char path[96];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/%s", index, entry);
    return read_text(path, text, size);
}

static size_t sysconf_size(int name)
{
    long size = sysconf(name);
    return size > 0 ? (size_t)size : 0;
}

/* Reads every cache of CPU 0; returns how many CPUs share its last one, 0 when unknown. */
static int read_caches(size_t sizes[3])
{
    char text[256];
    int sharing = 0, last = 0;
    for (int index = 0; read_cache(index, "level", text, sizeof text); index++) {
        int level = text[0] - '0';
        if (level < 1 || level > 3 || !read_cache(index, "type", text, sizeof text) ||
            strncmp(text, "Instruction", 11) == 0)
            continue;
        read_cache(index, "size", text, sizeof text);
        sizes[level - 1] = bench_parse_cache_size(text);
        if (level >= last) {
            last = level;
            read_cache(index, "shared_cpu_list", text, sizeof text);
            sharing = bench_parse_cpu_list(text);
        }
    }
    return sharing;
}

static void get_caches(struct bench_machine *machine)
{
    size_t sizes[3] = {0};
    const int sharing = read_caches(sizes);
#ifdef _SC_LEVEL1_DCACHE_SIZE
    static const int names[] = {_SC_LEVEL1_DCACHE_SIZE, _SC_LEVEL2_CACHE_SIZE,
                                _SC_LEVEL3_CACHE_SIZE};
    for (int i = 0; i < 3; i++)
        sizes[i] = sizes[i] ? sizes[i] : sysconf_size(names[i]);
#endif
    machine->l1d = sizes[0];
    machine->l2 = sizes[1];
    machine->l3 = sizes[2];
    machine->last_cache_bytes = sizes[2] ? sizes[2] : sizes[1] ? sizes[1] : sizes[0];
    const int online = (int)sysconf_size(_SC_NPROCESSORS_ONLN);
    machine->last_caches = sharing > 0 && online > sharing ? (online + sharing - 1) / sharing : 1;
}

static void get_os(char *os, size_t size)
{
    struct utsname u;
    if (uname(&u) != 0)
        u = (struct utsname){.sysname = "unknown"};
    int n = snprintf(os, size, "%.48s %.64s %.16s", u.sysname, u.release, u.machine);
    char text[4096], name[80];
    if ((read_text("/etc/os-release", text, sizeof text) ||
         read_text("/usr/lib/os-release", text, sizeof text)) &&
        bench_parse_os_release(text, name, sizeof name))
        snprintf(os + n, size - (size_t)n, ", %s", name);
}

void bench_machine_get(struct bench_machine *machine)
{
    *machine = (struct bench_machine){.load = -1};
    gemmlp_machine library;
    gemmlp_machine_get(&library);
    snprintf(machine->cpu, sizeof machine->cpu, "%s", library.cpu);
    snprintf(machine->instruction_set, sizeof machine->instruction_set, "%s",
             library.instruction_set);
    machine->memory_bytes = library.memory_bytes;
    machine->cpus = library.threads_affinity;
    if (library.threads_cgroup > 0 && library.threads_cgroup < machine->cpus)
        machine->cpus = library.threads_cgroup;
    get_caches(machine);
    read_text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", machine->governor,
              sizeof machine->governor);
    machine->governor[strcspn(machine->governor, "\n")] = '\0';
    if (getloadavg(&machine->load, 1) != 1)
        machine->load = -1;
    get_os(machine->os, sizeof machine->os);
#ifdef __clang__
    snprintf(machine->compiler, sizeof machine->compiler, "clang %d.%d.%d", __clang_major__,
             __clang_minor__, __clang_patchlevel__);
#else
    snprintf(machine->compiler, sizeof machine->compiler, "gcc %s", __VERSION__);
#endif
    time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc))
        strftime(machine->date, sizeof machine->date, "%Y-%m-%dT%H:%M:%SZ", &utc);
}

/* ---- Activity ------------------------------------------------------------------------------ */

static double cpu_seconds(int who)
{
    struct rusage usage;
    if (getrusage(who, &usage) != 0)
        return 0;
    return (double)usage.ru_utime.tv_sec + (double)usage.ru_stime.tv_sec +
           1e-6 * ((double)usage.ru_utime.tv_usec + (double)usage.ru_stime.tv_usec);
}

struct bench_activity_mark bench_activity_begin(void)
{
    char text[256];
    struct bench_activity_mark mark = {
        .wall = gm_seconds(),
        .own = cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN),
    };
    mark.machine_known = read_text("/proc/stat", text, sizeof text) &&
                         bench_parse_stat(text, sysconf(_SC_CLK_TCK), &mark.machine);
    return mark;
}

struct bench_activity bench_activity_end(const struct bench_activity_mark *begin)
{
    struct bench_activity_mark end = bench_activity_begin();
    return bench_activity_between(begin, &end);
}

struct bench_activity bench_activity_between(const struct bench_activity_mark *begin,
                                             const struct bench_activity_mark *end)
{
    struct bench_activity activity = {-1, -1, -1};
    const double wall = end->wall - begin->wall, own = end->own - begin->own;
    if (!(wall > 0))
        return activity;
    activity.own_cpus = own / wall;
    const double busy = end->machine.busy - begin->machine.busy;
    const double idle = end->machine.idle - begin->machine.idle;
    const double stolen = end->machine.stolen - begin->machine.stolen;
    /* The system counts in hundredths of a second: each busy CPU may be wrong by one. */
    const bool coarse = 0.01 * (activity.own_cpus + 1) / wall > 0.1;
    const bool standing = !(busy + idle > 0);
    const bool elsewhere = own > 1.1 * busy + 0.1; /* less than this process alone has used */
    if (!begin->machine_known || !end->machine_known || coarse || standing || elsewhere)
        return activity;
    activity.other_cpus = busy > own ? (busy - own) / wall : 0;
    activity.steal = busy > 0 && stolen > 0 ? stolen / busy : 0;
    return activity;
}

/* ---- Warnings ------------------------------------------------------------------------------ */

size_t bench_machine_warnings(const struct bench_machine *machine,
                              const struct bench_activity *activity, int threads,
                              double threads_ran, char warnings[BENCH_WARNINGS][BENCH_WARNING_SIZE])
{
    size_t n = 0;
    if (activity->other_cpus > 0.1)
        snprintf(warnings[n++], BENCH_WARNING_SIZE,
                 "others (processes, or guests of the same host) used %.2f CPUs on average during "
                 "the measurement: stop them, or measure again with more --rounds",
                 activity->other_cpus);
    if (activity->steal > 0.02)
        snprintf(warnings[n++], BENCH_WARNING_SIZE,
                 "the hypervisor gave %.1f %% of the busy time to other guests: measure on a host "
                 "of its own, or read differences of that size as noise",
                 100 * activity->steal);
    if (machine->governor[0] && strcmp(machine->governor, "performance") != 0 &&
        strcmp(machine->governor, "schedutil") != 0)
        snprintf(warnings[n++], BENCH_WARNING_SIZE,
                 "the frequency governor is '%s', under which the clock may lag behind the load: "
                 "set 'performance' (cpupower frequency-set -g performance)",
                 machine->governor);
    if (threads > machine->cpus)
        snprintf(warnings[n++], BENCH_WARNING_SIZE,
                 "%d threads take turns on the %d CPU%s that this process may use: ask for at most "
                 "--threads %d",
                 threads, machine->cpus, machine->cpus == 1 ? "" : "s", machine->cpus);
    const int runnable = threads < machine->cpus ? threads : machine->cpus;
    if (threads_ran >= 0 && threads_ran < 0.75 * runnable)
        snprintf(warnings[n++], BENCH_WARNING_SIZE,
                 "of %d threads only %.2f ran on average: check that the library is a threaded "
                 "build, and OMP_NUM_THREADS, or compare with --threads 1",
                 threads, threads_ran);
    return n;
}
