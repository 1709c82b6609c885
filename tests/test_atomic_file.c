/* test_atomic_file.c: files that are replaced whole or not at all. */
#define _XOPEN_SOURCE 700 /* POSIX 2008, and mknod */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "io/safetensors.h"

static void assert_content(const char *path, const char *expected)
{
    char content[256];
    size_t size = get_file(path, content, sizeof content - 1);
    content[size] = '\0';
    assert_string_equal(content, expected);
}

static gemmlp_status replace(const char *path, const char *content, gemmlp_error *error)
{
    struct atomic_file file;
    gemmlp_status status = gm_atomic_open(&file, path, error);
    if (status != GEMMLP_OK)
        return status;
    fputs(content, file.stream);
    return gm_atomic_commit(&file, error);
}

static void test_replace(void **state)
{
    (void)state;
    gemmlp_error error;
    struct stat info;
    mode_t mask = umask(027);
    gemmlp_status status = replace(at("a"), "one", &error);
    umask(mask);
    assert_int_equal(status, GEMMLP_OK);
    assert_content(at("a"), "one");
    assert_int_equal(stat(at("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0640);

    assert_int_equal(chmod(at("a"), 0600), 0);
    assert_int_equal(replace(at("a"), "two", &error), GEMMLP_OK);
    assert_content(at("a"), "two");
    assert_int_equal(stat(at("a"), &info), 0);
    assert_int_equal(info.st_mode & 0777, 0600); /* an existing file keeps its mode */
    assert_int_equal(count_entries(), 1);
}

static void test_relative_path(void **state)
{
    (void)state;
    char before[4096];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(directory), 0);
    gemmlp_status status = replace("plain", "here", NULL);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(status, GEMMLP_OK);
    assert_content(at("plain"), "here");
}

static void test_abort(void **state)
{
    (void)state;
    struct atomic_file file;
    gemmlp_error error;
    put_file(at("a"), "old", 3);
    assert_int_equal(gm_atomic_open(&file, at("a"), &error), GEMMLP_OK);
    fputs("a new content that never comes", file.stream);
    fflush(file.stream);
    assert_content(at("a"), "old");
    assert_int_equal(count_entries(), 2);
    gm_atomic_abort(&file);
    gm_atomic_abort(&file); /* harmless */
    assert_content(at("a"), "old");
    assert_int_equal(count_entries(), 1);
}

static void test_writers_at_the_same_time(void **state)
{
    (void)state;
    struct atomic_file first, second;
    assert_int_equal(gm_atomic_open(&first, at("a"), NULL), GEMMLP_OK);
    assert_int_equal(gm_atomic_open(&second, at("a"), NULL), GEMMLP_OK);
    fputs("first", first.stream);
    fputs("second", second.stream);
    assert_int_equal(gm_atomic_commit(&second, NULL), GEMMLP_OK);
    assert_content(at("a"), "second");
    assert_int_equal(gm_atomic_commit(&first, NULL), GEMMLP_OK);
    assert_content(at("a"), "first");
    assert_int_equal(count_entries(), 1);
}

static void test_long_name(void **state)
{
    (void)state;
    char name[256];
    memset(name, 'n', 255);
    name[255] = '\0';
    assert_int_equal(replace(at(name), "long", NULL), GEMMLP_OK);
    assert_content(at(name), "long");
}

static void test_symbolic_links(void **state)
{
    (void)state;
    struct stat info;
    gemmlp_error error;
    put_file(at("target"), "old", 3);
    assert_int_equal(symlink("target", at("relative")), 0);
    assert_int_equal(symlink(at("relative"), at("absolute")), 0);
    assert_int_equal(replace(at("absolute"), "new", &error), GEMMLP_OK);
    assert_content(at("target"), "new");
    assert_int_equal(lstat(at("relative"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(at("absolute"), &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(lstat(at("target"), &info), 0);
    assert_true(S_ISREG(info.st_mode));

    assert_int_equal(symlink("later", at("dangling")), 0);
    assert_int_equal(replace(at("dangling"), "created", &error), GEMMLP_OK);
    assert_content(at("later"), "created");

    assert_int_equal(symlink("loop", at("loop")), 0);
    assert_failed(replace(at("loop"), "x", &error), &error, GEMMLP_IO, strerror(ELOOP));
}

/* A device like /dev/`name`, or NULL. Where this process may write into /dev the bug that is looked
 * for would rename a file over the machine's device: there it is a node of our own. */
static const char *device(const char *name)
{
    static char machines[32];
    struct stat info;
    snprintf(machines, sizeof machines, "/dev/%s", name);
    if (stat(machines, &info) != 0 || !S_ISCHR(info.st_mode))
        return NULL;
    if (access("/dev", W_OK) != 0)
        return machines;
    const char *own = at(name);
    int descriptor =
        mknod(own, S_IFCHR | 0666, info.st_rdev) == 0 ? open(own, O_WRONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) /* no right to make one, or a file system without devices */
        return NULL;
    close(descriptor);
    return own;
}

static void test_null_device(void **state)
{
    (void)state;
    struct stat info;
    gemmlp_error error;
    const char *path = device("null");
    if (!path)
        skip();
    size_t entries = count_entries();
    assert_int_equal(replace(path, "gone", &error), GEMMLP_OK);
    assert_int_equal(stat(path, &info), 0);
    assert_true(S_ISCHR(info.st_mode));
    assert_int_equal(count_entries(), entries);
}

static void test_full_device(void **state)
{
    (void)state;
    const char *const full = "full: could not write: No space left on device";
    struct stat before, after;
    gemmlp_error error;
    const char *path = device("full");
    if (!path)
        skip();
    size_t entries = count_entries();
    assert_int_equal(stat(path, &before), 0);
    assert_failed(replace(path, "no room", &error), &error, GEMMLP_IO, full);
    assert_int_equal(stat(path, &after), 0);
    assert_true(S_ISCHR(after.st_mode));
    assert_int_equal(before.st_ino, after.st_ino);

    /* More than the stream's buffer: the first failure comes before commit. */
    float many[10000] = {0};
    struct safetensor tensor = {
        .name = "t", .dtype = "F32", .rank = 1, .shape = {10000}, .data = many};
    assert_failed(gm_safetensors_write(path, &tensor, 1, NULL, 0, &error), &error, GEMMLP_IO, full);

    assert_int_equal(symlink(path, at("link")), 0);
    assert_failed(replace(at("link"), "x", &error), &error, GEMMLP_IO, "No space left on device");
    assert_int_equal(count_entries(), entries + 1);
}

/* A name of a descriptor of our own: what others wrote through it must stay. */
static void test_descriptor(void **state)
{
    (void)state;
    struct stat before, after;
    gemmlp_error error = {0};
    char name[64];
    put_file(at("log"), "", 0);
    int descriptor = open(at("log"), O_WRONLY | O_APPEND);
    assert_true(descriptor >= 0);
    snprintf(name, sizeof name, "/dev/fd/%d", descriptor);
    if (stat(name, &before) != 0) {
        close(descriptor);
        skip();
    }
    assert_int_equal(write(descriptor, "before, ", 8), 8);
    gemmlp_status status = replace(name, "result, ", &error);
    assert_int_equal(write(descriptor, "after", 5), 5);
    assert_int_equal(close(descriptor), 0);
    assert_string_equal(error.message, "");
    assert_int_equal(status, GEMMLP_OK);
    assert_content(at("log"), "before, result, after");
    assert_int_equal(stat(at("log"), &after), 0);
    assert_true(before.st_ino == after.st_ino);
    assert_int_equal(count_entries(), 1);
}

static void test_refused_paths(void **state)
{
    (void)state;
    gemmlp_error error;
    assert_failed(replace(directory, "x", &error), &error, GEMMLP_IO, strerror(EISDIR));
    assert_failed(replace("", "x", &error), &error, GEMMLP_IO, strerror(ENOENT));
    assert_failed(replace(at("no/such"), "x", &error), &error, GEMMLP_IO,
                  "no/such: could not write: No");
    put_file(at("file"), "", 0);
    assert_failed(replace(at("file/below"), "x", &error), &error, GEMMLP_IO, strerror(ENOTDIR));
    assert_int_equal(count_entries(), 1);
    if (geteuid() != 0) { /* root may write everywhere */
        assert_int_equal(chmod(at("file"), 0400), 0);
        assert_failed(replace(at("file"), "x", &error), &error, GEMMLP_IO, strerror(EACCES));
        assert_int_equal(chmod(directory, 0500), 0);
        gemmlp_status status = replace(at("new"), "x", &error);
        chmod(directory, 0700);
        assert_failed(status, &error, GEMMLP_IO, strerror(EACCES));
    }
}

static void test_left_behind(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        size_t length; /* of the name it would have got; 0: it is no such file */
    } cases[] = {
        {".m.999999999-0.tmp", 1},
        {".run.1.safetensors.999999999-12.tmp", 17},
        {".a-b.999999999-0.tmp", 3},
        {"m.999999999-0.tmp", 0},
        {".m.999999999-0.tmp~", 0},
        {".m.999999999-.tmp", 0},
        {".m.-1-0.tmp", 0},
        {".m.0-0.tmp", 0},
        {"..999999999-0.tmp", 0},
        {".m.1-0.tmp", 0}, /* process 1 lives */
        {".m.tmp", 0},
        {".", 0},
        {"..", 0},
        {"", 0},
        {".-.tmp", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        size_t length = 0;
        const bool left = gm_atomic_left_behind(cases[i].name, &length);
        if (left != (cases[i].length > 0) || (left && length != cases[i].length))
            fail_msg("%s: %d, length %zu", cases[i].name, left, length);
        if (strchr(cases[i].name, '-') && cases[i].name[0])
            put_file(at(cases[i].name), "", 0);
    }
    gm_atomic_sweep(at("m"));
    assert_int_equal(access(at(".m.999999999-0.tmp"), F_OK), -1);
    assert_int_equal(access(at(".a-b.999999999-0.tmp"), F_OK), 0);
    assert_int_equal(access(at(".m.1-0.tmp"), F_OK), 0);
    gm_atomic_sweep(at(""));
    assert_int_equal(access(at(".a-b.999999999-0.tmp"), F_OK), -1);
    assert_int_equal(access(at(".m.1-0.tmp"), F_OK), 0);
    assert_int_equal(access(at("m.999999999-0.tmp"), F_OK), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_replace),     IN_DIRECTORY(test_relative_path),
        IN_DIRECTORY(test_abort),       IN_DIRECTORY(test_writers_at_the_same_time),
        IN_DIRECTORY(test_long_name),   IN_DIRECTORY(test_symbolic_links),
        IN_DIRECTORY(test_null_device), IN_DIRECTORY(test_full_device),
        IN_DIRECTORY(test_descriptor),  IN_DIRECTORY(test_refused_paths),
        IN_DIRECTORY(test_left_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
