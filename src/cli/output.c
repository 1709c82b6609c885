/* output.c: see output.h. */
#define _XOPEN_SOURCE 700
#include "cli/output.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"

/* "PATH.XXXXXX", for mkstemp; NULL: no memory. */
static char *temporary_name(const char *path)
{
    static const char suffix[] = ".XXXXXX";
    size_t length = strlen(path);
    char *name = malloc(length + sizeof suffix);
    if (name) {
        memcpy(name, path, length);
        memcpy(name + length, suffix, sizeof suffix);
    }
    return name;
}

static bool complain_about(const char *path)
{
    cli_complain("%s: %s", path, strerror(errno));
    return false;
}

static bool open_in_place(struct output_file *output)
{
    output->stream = fopen(output->path, "w");
    return output->stream ? true : complain_about(output->path);
}

/* mkstemp makes files for their owner alone; results get the permissions of the file they replace,
 * or those of any new file. */
static void set_permissions(int descriptor, const struct stat *before)
{
    mode_t mask = umask(0);
    umask(mask);
    /* A file system without permissions is no reason to fail. */
    (void)!fchmod(descriptor, before ? before->st_mode & 0777 : 0666 & ~mask);
}

bool cli_output_open(struct output_file *output, const char *path)
{
    *output = (struct output_file){.stream = stdout};
    if (!path || strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0) {
        return true;
    }
    output->path = path;
    struct stat before;
    bool exists = stat(path, &before) == 0;
    if (exists && !S_ISREG(before.st_mode)) {
        return open_in_place(output);
    }
    output->target = exists ? realpath(path, NULL) : strdup(path);
    output->temporary = output->target ? temporary_name(output->target) : NULL;
    int descriptor = output->temporary ? mkstemp(output->temporary) : -1;
    output->stream = descriptor >= 0 ? fdopen(descriptor, "w") : NULL;
    if (output->stream) {
        set_permissions(descriptor, exists ? &before : NULL);
        return true;
    }
    complain_about(path);
    if (descriptor >= 0) {
        close(descriptor);
        unlink(output->temporary);
    }
    free(output->temporary);
    free(output->target);
    return false;
}

static void release(struct output_file *output)
{
    free(output->temporary);
    free(output->target);
    *output = (struct output_file){0};
}

bool cli_output_commit(struct output_file *output)
{
    if (!output->path) {
        release(output);
        return true; /* main checks stdout at its end */
    }
    errno = EIO; /* of an earlier write that failed, whose reason is gone */
    bool good = !ferror(output->stream) && fflush(output->stream) == 0;
    if (output->temporary) {
        good = good && fsync(fileno(output->stream)) == 0;
    }
    int reason = errno;
    if (fclose(output->stream) != 0 && good) {
        good = false;
        reason = errno;
    }
    if (good && output->temporary && rename(output->temporary, output->target) != 0) {
        good = false;
        reason = errno;
    }
    if (!good) {
        cli_complain("%s: %s", output->path, strerror(reason));
        if (output->temporary) {
            unlink(output->temporary);
        }
    }
    release(output);
    return good;
}

void cli_output_abandon(struct output_file *output)
{
    if (output->path) {
        fclose(output->stream);
        if (output->temporary) {
            unlink(output->temporary);
        }
    }
    release(output);
}

bool cli_output_possible(const char *path)
{
    struct stat status;
    bool exists = stat(path, &status) == 0;
    if (exists && S_ISDIR(status.st_mode)) {
        errno = EISDIR;
        return complain_about(path);
    }
    if (exists && !S_ISREG(status.st_mode)) {
        return access(path, W_OK) == 0 || complain_about(path);
    }
    /* Only creating a file tells of missing directories, permissions and read-only disks alike. */
    char *target = exists ? realpath(path, NULL) : strdup(path);
    char *probe = target ? temporary_name(target) : NULL;
    int descriptor = probe ? mkstemp(probe) : -1;
    if (descriptor >= 0) {
        close(descriptor);
        unlink(probe);
    } else {
        complain_about(path);
    }
    free(probe);
    free(target);
    return descriptor >= 0;
}
