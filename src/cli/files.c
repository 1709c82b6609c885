/* files.c: see files.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/files.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/report.h"
#include "data/idx_names.h"
#include "io/atomic_file.h"

enum { PATH_SIZE = 4096, MAX_LINKS = 40 };

/* A regular file, or the place in a directory where one would be created. */
struct identity {
    dev_t device;
    ino_t node;
    char name[256]; /* in the directory `node`; empty: `node` is the file */
};

/* The place that `path` names, through the links at its end: a dangling one has no node yet. */
static bool identify_place(const char *path, struct identity *out)
{
    char place[PATH_SIZE], link[PATH_SIZE];
    struct stat status;
    if (strlen(path) >= sizeof place) {
        return false;
    }
    strcpy(place, path);
    for (int links = 0; links < MAX_LINKS; links++) {
        char *slash = strrchr(place, '/'), *name = slash ? slash + 1 : place;
        ssize_t length = readlink(place, link, sizeof link - 1);
        if (length < 0) {
            if (strlen(name) >= sizeof out->name) {
                return false; /* longer than a file's name can be */
            }
            strcpy(out->name, name);
            *name = '\0';
            bool found = stat(*place ? place : ".", &status) == 0;
            out->device = found ? status.st_dev : 0;
            out->node = found ? status.st_ino : 0;
            return found;
        }
        link[length] = '\0';
        name = *link == '/' ? place : name;
        if ((size_t)(name - place) + (size_t)length >= sizeof place) {
            return false;
        }
        strcpy(name, link);
    }
    return false;
}

static bool identify(const char *path, struct identity *out)
{
    struct stat status;
    *out = (struct identity){0};
    if (stat(path, &status) != 0) {
        return identify_place(path, out);
    }
    out->device = status.st_dev;
    out->node = status.st_ino;
    return S_ISREG(status.st_mode); /* writing twice to a device destroys nothing */
}

bool cli_files_same(const char *left, const char *right)
{
    struct identity a, b;
    return identify(left, &a) && identify(right, &b) && a.device == b.device && a.node == b.node &&
           strcmp(a.name, b.name) == 0;
}

bool cli_directories_same(const char *left, const char *right)
{
    struct stat a, b;
    return strcmp(left, right) == 0 || (stat(left, &a) == 0 && stat(right, &b) == 0 &&
                                        a.st_dev == b.st_dev && a.st_ino == b.st_ino);
}

bool cli_files_apart(const struct command *command, const struct named_file *files, size_t count,
                     int *code)
{
    for (size_t i = 0; i < count; i++) {
        for (size_t j = i + 1; j < count; j++) {
            const struct named_file *a = &files[i], *b = &files[j];
            if (a->path && b->path && (a->written || b->written) &&
                cli_files_same(a->path, b->path)) {
                *code = cli_usage(command, "%s %s and %s %s are the same file", a->name, a->path,
                                  b->name, b->path);
                return false;
            }
        }
    }
    return true;
}

char *cli_files_of_data(const char *name, const gemmlp_dataset *dataset, struct named_file *files,
                        size_t *count)
{
    char *targets = NULL;
    gemmlp_dataset_info info;
    if (dataset) {
        gemmlp_dataset_info_get(dataset, &info);
        files[(*count)++] = (struct named_file){name, info.path, false};
        if (gm_idx_find_targets(info.path, &targets, NULL) == GEMMLP_OK) {
            files[(*count)++] = (struct named_file){name, targets, false};
        }
    }
    return targets;
}

bool cli_file_writable(const char *path)
{
    struct atomic_file file;
    struct stat status;
    gemmlp_error error;
    if (stat(path, &status) == 0 && S_ISFIFO(status.st_mode)) {
        /* Opening it would wait for a reader, and closing it would tell the reader to leave. */
        if (access(path, W_OK) != 0) {
            cli_complain("%s: could not write: %s", path, strerror(errno));
            return false;
        }
        return true;
    }
    if (gm_atomic_open(&file, path, &error) != GEMMLP_OK) {
        cli_complain("%s", error.message);
        return false;
    }
    gm_atomic_abort(&file);
    return true;
}

bool cli_path_is_stdout(const char *path)
{
    return strcmp(path, "-") == 0 || strcmp(path, "/dev/stdout") == 0;
}
