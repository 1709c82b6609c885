/* memory.c: see memory.h. */
#include "memory.h"

#include <stdio.h>

#include "gemmlp.h"

static double least(double a, double b)
{
    return a < b ? a : b;
}

/* "MemAvailable:   12345 kB" */
static double available(double otherwise)
{
    char line[128];
    double kib, found = otherwise;
    FILE *file = fopen("/proc/meminfo", "re");
    while (file && fgets(line, sizeof line, file))
        if (sscanf(line, "MemAvailable: %lf kB", &kib) == 1)
            found = 1024 * kib;
    if (file)
        fclose(file);
    return found;
}

/* A file with one number; "max" is none. */
static double limit(const char *path, double otherwise)
{
    double bytes;
    FILE *file = fopen(path, "re");
    if (!file)
        return otherwise;
    if (fscanf(file, "%lf", &bytes) != 1 || !(bytes > 0))
        bytes = otherwise;
    fclose(file);
    return bytes;
}

size_t bench_available_memory(void)
{
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    const double all = (double)machine.memory_bytes;
    double bytes = least(all, available(all));
    bytes = least(bytes, limit("/sys/fs/cgroup/memory.max", all));
    bytes = least(bytes, limit("/sys/fs/cgroup/memory/memory.limit_in_bytes", all));
    return (size_t)bytes;
}
