/* failing_malloc.c: see failing_malloc.h. Only for glibc, and not beside a sanitizer, which has an
 * interposition of its own. */
#define _GNU_SOURCE
#undef _FILE_OFFSET_BITS /* it would rename fopen */
#include "failing_malloc.h"

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Inlined, they would take their caller's caller for the one that calls. */
#define NOINLINE __attribute__((noinline))
#define CALLER   __builtin_return_address(0)

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);
void *memalign(size_t alignment, size_t size);

static atomic_bool counting, failed;
static atomic_size_t calls, others;
static atomic_long live;
static size_t first_to_fail, last_to_fail;
static int report = -1;
static _Thread_local bool inside; /* dladdr may allocate */

/* The executable: its name is not that of a shared object. */
static bool is_ours(const char *name)
{
    static const char *const libraries[] = {"libjansson.so", "libz.so", "libinih.so"};
    const char *slash = strrchr(name, '/');
    const char *base = slash ? slash + 1 : name;
    for (size_t i = 0; i < sizeof libraries / sizeof *libraries; i++)
        if (strncmp(base, libraries[i], strlen(libraries[i])) == 0)
            return true;
    return !strstr(base, ".so");
}

/* Whether our code is at this address. dladdr goes through all symbols of a library, which takes
 * longer than most of what is tried here; so its answers are kept: what has been loaded stays
 * (RTLD_NODELETE). */
static bool is_ours_at(const void *caller)
{
    enum { SLOTS = 4096 };
    static atomic_uintptr_t answers[SLOTS]; /* the address, and in the last bit the answer */
    atomic_uintptr_t *slot = &answers[(uintptr_t)caller % SLOTS];
    const uintptr_t known = *slot;
    if (known >> 1 == (uintptr_t)caller)
        return known & 1;
    Dl_info from;
    inside = true;
    const bool ours = dladdr(caller, &from) && is_ours(from.dli_fname);
    inside = false;
    *slot = (uintptr_t)caller << 1 | ours;
    return ours;
}

/* Whether this call is to fail. */
static bool fails(const void *caller)
{
    if (!counting || inside)
        return false;
    if (!is_ours_at(caller)) {
        others++;
        return false;
    }
    const size_t number = ++calls;
    if (number < first_to_fail || number > last_to_fail)
        return false;
    if (!failed && report >= 0)
        dprintf(report, "failed\n");
    failed = true;
    errno = ENOMEM;
    return true;
}

static void *born(void *memory)
{
    live += counting && memory;
    return memory;
}

NOINLINE void *malloc(size_t size)
{
    return fails(CALLER) ? NULL : born(__libc_malloc(size));
}

NOINLINE void *calloc(size_t count, size_t size)
{
    return fails(CALLER) ? NULL : born(__libc_calloc(count, size));
}

NOINLINE void *realloc(void *old, size_t size)
{
    if (fails(CALLER))
        return NULL;
    return old ? __libc_realloc(old, size) : born(__libc_malloc(size));
}

NOINLINE void *memalign(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : born(__libc_memalign(alignment, size));
}

NOINLINE void *aligned_alloc(size_t alignment, size_t size)
{
    return fails(CALLER) ? NULL : born(__libc_memalign(alignment, size));
}

NOINLINE int posix_memalign(void **out, size_t alignment, size_t size)
{
    if (fails(CALLER))
        return ENOMEM;
    void *memory = born(__libc_memalign(alignment, size));
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}

NOINLINE void free(void *memory)
{
    live -= counting && memory;
    __libc_free(memory);
}

/* In the C library these two would be its calls, not ours. */
static char *copy(const char *text, size_t length)
{
    char *memory = born(__libc_malloc(length + 1));
    if (memory) {
        memcpy(memory, text, length);
        memory[length] = '\0';
    }
    return memory;
}

NOINLINE char *strdup(const char *text)
{
    return fails(CALLER) ? NULL : copy(text, strlen(text));
}

NOINLINE char *strndup(const char *text, size_t size)
{
    return fails(CALLER) ? NULL : copy(text, strnlen(text, size));
}

/* The C library's streams and directories are allocated by it, but for us. */
#define NEXT(type, name) ((type)(uintptr_t)dlsym(RTLD_NEXT, name))

NOINLINE FILE *fopen(const char *path, const char *mode)
{
    return fails(CALLER) ? NULL : NEXT(FILE * (*)(const char *, const char *), "fopen")(path, mode);
}

NOINLINE FILE *fopen64(const char *path, const char *mode)
{
    return fails(CALLER) ? NULL
                         : NEXT(FILE * (*)(const char *, const char *), "fopen64")(path, mode);
}

NOINLINE FILE *fdopen(int descriptor, const char *mode)
{
    return fails(CALLER) ? NULL : NEXT(FILE * (*)(int, const char *), "fdopen")(descriptor, mode);
}

void failing_malloc_start(size_t first, size_t last)
{
    calls = others = 0;
    live = 0;
    failed = false;
    first_to_fail = first;
    last_to_fail = last;
    counting = true;
}

void failing_malloc_stop(void)
{
    counting = false;
}

size_t failing_malloc_calls(void)
{
    return calls;
}

size_t failing_malloc_others(void)
{
    return others;
}

bool failing_malloc_failed(void)
{
    return failed;
}

long failing_malloc_live(void)
{
    return live;
}

/* ---- by the environment ---- */

__attribute__((constructor)) static void start_by_environment(void)
{
    const char *first = getenv("FAIL_FIRST"), *last = getenv("FAIL_LAST");
    const char *path = getenv("FAIL_REPORT");
    if (path)
        report = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    if (first)
        failing_malloc_start(strtoull(first, NULL, 10), strtoull(last ? last : first, NULL, 10));
}

__attribute__((destructor)) static void stop_by_environment(void)
{
    failing_malloc_stop();
    if (report >= 0)
        dprintf(report, "calls %zu\n", (size_t)calls);
}
