/* files.h: for tests of files: a directory of its own for each test, and failures compared with the
 * status and the words that were expected. */
#ifndef GM_TEST_FILES_H
#define GM_TEST_FILES_H

#include "support.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "gemmlp.h"

static char directory[64];

static inline int make_directory(void **state)
{
    (void)state;
    strcpy(directory, "/tmp/gemmlp-test-XXXXXX");
    return mkdtemp(directory) ? 0 : -1;
}

/* Calls `visit` (NULL: nothing) with the path of each entry; returns how many there were. */
static inline size_t each_entry(int (*visit)(const char *path))
{
    size_t count = 0;
    DIR *stream = opendir(directory);
    for (struct dirent *entry; stream && (entry = readdir(stream));) {
        char path[512];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        count++;
        snprintf(path, sizeof path, "%s/%s", directory, entry->d_name);
        if (visit)
            visit(path);
    }
    if (stream)
        closedir(stream);
    return count;
}

static inline size_t count_entries(void)
{
    return each_entry(NULL);
}

static inline void empty_directory(void)
{
    each_entry(unlink);
}

static inline int remove_directory(void **state)
{
    (void)state;
    empty_directory();
    return rmdir(directory);
}

#define IN_DIRECTORY(test) cmocka_unit_test_setup_teardown(test, make_directory, remove_directory)

/* The path of `name` in the directory; valid until the fourth call from here. */
static inline const char *at(const char *name)
{
    static char paths[4][512];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", directory, name);
    return path;
}

static inline void put_file(const char *path, const void *bytes, size_t size)
{
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    assert_int_equal(fwrite(bytes, 1, size, stream), size);
    assert_int_equal(fclose(stream), 0);
}

static inline size_t get_file(const char *path, void *bytes, size_t capacity)
{
    FILE *stream = fopen(path, "rb");
    assert_non_null(stream);
    size_t size = fread(bytes, 1, capacity, stream);
    fclose(stream);
    return size;
}

/* Status and message of a failure; the message contains `text` and is one line. */
#define assert_failed(status, error, expected, text)                                               \
    check_failed((status), (error), (expected), (text), __FILE__, __LINE__)

static inline void check_failed(gemmlp_status status, const gemmlp_error *error,
                                gemmlp_status expected, const char *text, const char *file,
                                int line)
{
    if (status != expected || error->status != expected || !strstr(error->message, text) ||
        strchr(error->message, '\n')) {
        print_error("%s: '%s'; expected %s: '%s'\n", gemmlp_status_name(status), error->message,
                    gemmlp_status_name(expected), text);
        _fail(file, line);
    }
}

#endif
