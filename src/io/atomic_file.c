/* atomic_file.c: see atomic_file.h. */
#define _POSIX_C_SOURCE   200809L
#define _FILE_OFFSET_BITS 64
#include "io/atomic_file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    MAX_LINKS = 40,      /* symbolic links followed, as in Linux */
    MAX_ATTEMPTS = 1000, /* temporary names tried: others belong to writers at the same time */
    NAME_KEPT = 200,     /* characters of the name in a temporary one: 255 is the longest allowed */
};

static gemmlp_status fail_errno(gemmlp_error *error, const char *path, const char *what, int cause)
{
    return gm_fail(error, cause == ENOMEM ? GEMMLP_OUT_OF_MEMORY : GEMMLP_IO,
                   "%s: could not %s: %s", path, what, strerror(cause));
}

/* Bytes of `path` up to and with its last slash. */
static size_t directory_length(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Where the symbolic link `path` points to, seen from where `path` is seen; NULL with errno. */
static char *follow_link(const char *path)
{
    char link[4096];
    ssize_t length = readlink(path, link, sizeof link);
    if (length < 0)
        return NULL;
    if (length == 0 || (size_t)length == sizeof link) {
        errno = ENAMETOOLONG;
        return NULL;
    }
    size_t directory = link[0] == '/' ? 0 : directory_length(path);
    char *target = malloc(directory + (size_t)length + 1);
    if (!target)
        return NULL;
    memcpy(target, path, directory);
    memcpy(target + directory, link, (size_t)length);
    target[directory + (size_t)length] = '\0';
    return target;
}

/* `path` with the links at its end followed, so that the rename replaces the file and not the link.
 * The file need not exist, as behind a dangling link (realpath would fail there). NULL with errno.
 */
static char *resolve(const char *path)
{
    char *target = strdup(path);
    struct stat status;
    for (int links = 0; target && lstat(target, &status) == 0 && S_ISLNK(status.st_mode); links++) {
        char *next = links < MAX_LINKS ? follow_link(target) : NULL;
        int cause = links < MAX_LINKS ? errno : ELOOP;
        free(target);
        target = next;
        errno = cause;
    }
    return target;
}

/* A new file beside `path`: its descriptor, and its name in *name; -1 with errno. */
static int create_beside(const char *path, char **name)
{
    size_t directory = directory_length(path);
    size_t size = directory + NAME_KEPT + sizeof "..-.tmp" + 2 * 3 * sizeof(long);
    *name = malloc(size);
    if (!*name)
        return -1;
    int descriptor = -1;
    errno = EEXIST;
    for (int attempt = 0; descriptor < 0 && errno == EEXIST && attempt < MAX_ATTEMPTS; attempt++) {
        snprintf(*name, size, "%.*s.%.*s.%ld-%d.tmp", (int)directory, path, (int)NAME_KEPT,
                 path + directory, (long)getpid(), attempt);
        descriptor = open(*name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    }
    if (descriptor < 0) {
        int cause = errno;
        free(*name);
        *name = NULL;
        errno = cause;
    }
    return descriptor;
}

/* Names of this process's own descriptors: replacing the file behind them would cut them off. */
static bool names_descriptor(const char *path)
{
    return strcmp(path, "/dev/stdout") == 0 || strcmp(path, "/dev/stderr") == 0 ||
           strncmp(path, "/dev/fd/", 8) == 0 || strncmp(path, "/proc/", 6) == 0;
}

gemmlp_status gm_atomic_open(struct atomic_file *file, const char *path, gemmlp_error *error)
{
    *file = (struct atomic_file){0};
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (!exists && errno != ENOENT)
        return fail_errno(error, path, "write", errno);
    if (*path == '\0' || (exists && S_ISDIR(status.st_mode)))
        return fail_errno(error, path, "write", *path ? EISDIR : ENOENT);
    bool in_place = exists && (!S_ISREG(status.st_mode) || names_descriptor(path));
    /* A rename asks nobody whether the file that it replaces may be written. */
    if (exists && !in_place && access(path, W_OK) != 0)
        return fail_errno(error, path, "write", errno);

    int descriptor = -1;
    file->path = in_place ? strdup(path) : resolve(path);
    if (file->path)
        descriptor = in_place ? open(path, O_WRONLY | O_APPEND | O_NOCTTY | O_CLOEXEC)
                              : create_beside(file->path, &file->temporary);
    if (descriptor >= 0) {
        if (exists && !in_place)
            (void)fchmod(descriptor, status.st_mode & 0777); /* not every file system has modes */
        file->stream = fdopen(descriptor, "wb");
    }
    if (file->stream)
        return GEMMLP_OK;
    int cause = errno;
    if (descriptor >= 0)
        close(descriptor);
    gm_atomic_abort(file);
    return fail_errno(error, path, "write", cause);
}

/* Pipes, terminals and some file systems cannot be flushed to a disk: that is no failure. */
static bool flush_to_disk(int descriptor)
{
    return fsync(descriptor) == 0 || errno == EINVAL || errno == ENOTSUP || errno == EROFS;
}

/* The new name is on the disk only once the directory is. */
static bool flush_directory(const char *path)
{
    size_t length = directory_length(path);
    char *directory = length ? strndup(path, length) : strdup(".");
    if (!directory)
        return false;
    int descriptor = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    free(directory);
    if (descriptor < 0)
        return errno == EACCES; /* may be written into but not read: nothing can be done */
    bool flushed = flush_to_disk(descriptor);
    int cause = errno;
    close(descriptor);
    errno = cause;
    return flushed;
}

/* Closes the stream with everything written; 0 or the errno of what went wrong. */
static int finish_stream(struct atomic_file *file)
{
    int cause = errno; /* of the write that failed, where the caller stopped there */
    if (fflush(file->stream) != 0)
        cause = errno;
    else if (ferror(file->stream))
        cause = cause ? cause : EIO;
    else
        cause = flush_to_disk(fileno(file->stream)) ? 0 : errno;
    if (fclose(file->stream) != 0 && cause == 0)
        cause = errno;
    file->stream = NULL;
    return cause;
}

gemmlp_status gm_atomic_commit(struct atomic_file *file, gemmlp_error *error)
{
    gemmlp_status status = GEMMLP_OK;
    int cause = finish_stream(file);
    if (cause != 0)
        status = fail_errno(error, file->path, "write", cause);
    else if (file->temporary && rename(file->temporary, file->path) != 0)
        status = fail_errno(error, file->path, "replace", errno);
    else if (file->temporary) {
        free(file->temporary);
        file->temporary = NULL;
        if (!flush_directory(file->path))
            status = fail_errno(error, file->path, "flush the directory", errno);
    }
    gm_atomic_abort(file);
    return status;
}

void gm_atomic_abort(struct atomic_file *file)
{
    if (file->stream)
        fclose(file->stream);
    if (file->temporary)
        unlink(file->temporary);
    free(file->temporary);
    free(file->path);
    *file = (struct atomic_file){0};
}

void gm_make_directories(const char *path)
{
    char *copy = strdup(path);
    for (char *slash = copy ? strchr(copy + 1, '/') : NULL; slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        if (mkdir(copy, 0777) == 0)
            flush_directory(copy); /* the one that it stands in */
        *slash = '/';
    }
    free(copy);
}

/* ---- what dead processes left behind ---- */

/* The names that create_beside gives: .NAME.PID-ATTEMPT.tmp */
bool gm_atomic_left_behind(const char *name, size_t *length)
{
    const char *dash = strrchr(name, '-'), *dot = dash;
    while (dot && dot > name && *dot != '.')
        dot--;
    if (name[0] != '.' || !dash || dot <= name + 1)
        return false;
    char *end;
    const long process = strtol(dot + 1, &end, 10);
    if (end != dash || process <= 0)
        return false;
    const long attempt = strtol(dash + 1, &end, 10);
    if (attempt < 0 || end == dash + 1 || strcmp(end, ".tmp") != 0)
        return false;
    *length = (size_t)(dot - name) - 1;
    return process == (long)getpid() || (kill((pid_t)process, 0) != 0 && errno == ESRCH);
}

void gm_atomic_sweep(const char *path)
{
    char *target = resolve(path);
    const size_t before = target ? directory_length(target) : 0;
    const char *name = target ? target + before : "";
    const size_t kept = strlen(name) < NAME_KEPT ? strlen(name) : NAME_KEPT;
    char *directory = target && before ? strndup(target, before) : strdup(".");
    DIR *stream = directory ? opendir(directory) : NULL;
    size_t length;
    for (const struct dirent *entry; stream && (entry = readdir(stream));)
        if (gm_atomic_left_behind(entry->d_name, &length) &&
            (kept == 0 || (length == kept && strncmp(entry->d_name + 1, name, kept) == 0)))
            unlinkat(dirfd(stream), entry->d_name, 0);
    if (stream)
        closedir(stream);
    free(directory);
    free(target);
}
