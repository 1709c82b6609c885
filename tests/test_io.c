/* test_io.c: files that are replaced whole or not at all; safetensors written, read and
 * attacked. */
#define _XOPEN_SOURCE 700 /* POSIX 2008, and mknod */
#include "files.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "io/atomic_file.h"
#include "io/safetensors.h"

/* ---- atomic_file ----------------------------------------------------------------------------- */

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

/* ---- safetensors: writing and reading back --------------------------------------------------- */

static void test_round_trip(void **state)
{
    (void)state;
    float weight[6] = {1, -2.5f, 3e30f, 4, 1e-40f, -0.0f}, read_weight[6];
    double scalar = 0.1, read_scalar;
    uint8_t bytes[3] = {0, 128, 255}, read_bytes[3];
    struct safetensor tensors[] = {
        {.name = "layers.0.weight", .dtype = "F32", .rank = 2, .shape = {2, 3}, .data = weight},
        {.name = "empty", .dtype = "I64", .rank = 2, .shape = {0, 7}},
        {.name = "scalar", .dtype = "F64", .rank = 0, .data = &scalar},
        {.name = "b\"y\\t\xc3\xa9s\n", .dtype = "U8", .rank = 1, .shape = {3}, .data = bytes},
    };
    struct safetensors_metadata metadata[] = {{"format", "gemmlp"}, {"empty", ""}};
    struct safetensors *file;
    gemmlp_error error = {0};
    assert_int_equal(gm_safetensors_write(at("m"), tensors, 4, metadata, 2, &error), GEMMLP_OK);
    assert_int_equal(gm_safetensors_open(at("m"), &file, &error), GEMMLP_OK);
    assert_int_equal(gm_safetensors_count(file), 4);
    assert_string_equal(gm_safetensors_metadata(file, "format"), "gemmlp");
    assert_string_equal(gm_safetensors_metadata(file, "empty"), "");
    assert_null(gm_safetensors_metadata(file, "other"));
    assert_null(gm_safetensors_find(file, "other"));
    assert_null(gm_safetensors_find(file, "__metadata__"));

    void *out[] = {read_weight, read_bytes, &read_scalar, read_bytes};
    for (size_t i = 0; i < 4; i++) {
        const struct safetensor *found = gm_safetensors_find(file, tensors[i].name);
        assert_non_null(found);
        assert_string_equal(found->name, tensors[i].name);
        assert_string_equal(found->dtype, tensors[i].dtype);
        assert_int_equal(found->rank, tensors[i].rank);
        assert_memory_equal(found->shape, tensors[i].shape, sizeof found->shape);
        assert_int_equal(gm_safetensors_read(file, found, out[i], &error), GEMMLP_OK);
    }
    assert_memory_equal(read_weight, weight, sizeof weight);
    assert_memory_equal(&read_scalar, &scalar, sizeof scalar);
    assert_memory_equal(read_bytes, bytes, sizeof bytes);
    assert_int_equal(gm_safetensors_find(file, "layers.0.weight")->offset % 64, 0);
    assert_int_equal(gm_safetensors_find(file, "scalar")->bytes, 8);

    /* The file becomes shorter behind our back. */
    assert_int_equal(truncate(at("m"), 8), 0);
    gemmlp_status status = gm_safetensors_read(file, gm_safetensors_find(file, "layers.0.weight"),
                                               read_weight, &error);
    assert_failed(status, &error, GEMMLP_BAD_MODEL, "became shorter");
    gm_safetensors_close(file);
    gm_safetensors_close(NULL);
}

static void test_nothing(void **state)
{
    (void)state;
    struct safetensors *file;
    assert_int_equal(gm_safetensors_write(at("m"), NULL, 0, NULL, 0, NULL), GEMMLP_OK);
    assert_int_equal(gm_safetensors_open(at("m"), &file, NULL), GEMMLP_OK);
    assert_int_equal(gm_safetensors_count(file), 0);
    assert_null(gm_safetensors_find(file, "a"));
    assert_null(gm_safetensors_metadata(file, "a"));
    gm_safetensors_close(file);
}

static void test_refused_tensors(void **state)
{
    (void)state;
    char name[258];
    memset(name, 'n', 257);
    name[257] = '\0';
    static const uint8_t data[8];
    static const struct {
        const char *name, *dtype;
        size_t rank, shape[2];
        const char *text;
    } cases[] = {
        {"", "U8", 1, {8}, "cannot be a tensor's name"},
        {NULL, "U8", 1, {8}, "cannot be a tensor's name"},
        {"__metadata__", "U8", 1, {8}, "cannot be a tensor's name"},
        {"first", "U8", 1, {8}, "names are unique"},
        {"a\xff", "U8", 1, {8}, "is not UTF-8"},
        {"a", "float", 1, {8}, "type float"},
        {"a", NULL, 1, {8}, "type (none)"},
        {"a", "U8", 9, {8}, "rank 9"},
        {"a", "F4", 1, {1}, "no valid size"},
        {"a", "F32", 2, {SIZE_MAX / 2, 3}, "no valid size"},
        {"a", "U8", 1, {SIZE_MAX / 8}, "no valid size"},
        {"a", "U8", 2, {0, SIZE_MAX}, "no valid size"},
    };
    struct safetensor tensors[2] = {
        {.name = "first", .dtype = "U8", .rank = 1, .shape = {8}, .data = data}};
    gemmlp_error error;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        tensors[1] = (struct safetensor){.name = cases[i].name,
                                         .dtype = cases[i].dtype,
                                         .rank = cases[i].rank,
                                         .shape = {cases[i].shape[0], cases[i].shape[1]},
                                         .data = data};
        bool too_much = cases[i].shape[0] == SIZE_MAX / 8;
        tensors[0].shape[0] = too_much ? SIZE_MAX / 8 : 8; /* their sum is beyond int64 */
        tensors[0].dtype = too_much ? "F32" : "U8";
        assert_failed(gm_safetensors_write(at("m"), tensors, 2, NULL, 0, &error), &error,
                      GEMMLP_INVALID_ARGUMENT, cases[i].text);
    }
    tensors[0].name = name;
    assert_failed(gm_safetensors_write(at("m"), tensors, 1, NULL, 0, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "1 to 256");
    assert_failed(gm_safetensors_write(at("m"), tensors, 100001, NULL, 0, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "100001 tensors are more than 100000");
    struct safetensors_metadata metadata = {"key", "\xc3("};
    assert_failed(gm_safetensors_write(at("m"), NULL, 0, &metadata, 1, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "'key' is not UTF-8");
    size_t length = 17 << 20;
    char *text = malloc(length + 1);
    assert_non_null(text);
    memset(text, 'x', length);
    text[length] = '\0';
    metadata.value = text;
    assert_failed(gm_safetensors_write(at("m"), NULL, 0, &metadata, 1, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "is longer than 16777216");
    free(text);
    assert_int_equal(count_entries(), 0);
}

/* ---- safetensors: files that lie ------------------------------------------------------------- */

/* A file with that header and `data_size` bytes of zeros behind it. */
static void forge(const char *path, const char *header, size_t data_size)
{
    static const char zeros[64];
    uint64_t length = strlen(header);
    FILE *stream = fopen(path, "wb");
    assert_non_null(stream);
    fwrite(&length, sizeof length, 1, stream);
    fwrite(header, 1, length, stream);
    fwrite(zeros, 1, data_size, stream);
    assert_int_equal(fclose(stream), 0);
}

static void assert_refused(const char *path, const char *text)
{
    struct safetensors *file = (struct safetensors *)1;
    gemmlp_error error = {0};
    gemmlp_status status = gm_safetensors_open(path, &file, &error);
    assert_failed(status, &error, GEMMLP_BAD_MODEL, text);
    assert_null(file);
    assert_non_null(strstr(error.message, path));
}

#define TENSOR(shape, begin, end)                                                                  \
    "{\"dtype\":\"F32\",\"shape\":" shape ",\"data_offsets\":[" #begin "," #end "]}"

static void test_hostile_headers(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_size;
        const char *text;
    } cases[] = {
        {"[]", 0, "does not start with '{'"},
        {" {}", 0, "does not start with '{'"},
        {"{", 0, "no JSON"},
        {"{}x", 0, "no JSON"},
        {"{\"a\n\":1}", 0, "no JSON"},
        {"{\"\xff\":1}", 0, "no JSON"},
        {"{\"a\\u0000b\":1}", 0, "no JSON"},
        {"{}", 3, "the tensors take 0 bytes, but the file has 3"},
        {"{\"a\":{\"b\":{\"c\":{}}}}", 0, "nests deeper than 3"},
        {"{\"a\":1}", 0, "dtype '' is not one"},
        {"{\"a\":{}}", 0, "dtype '' is not one"},
        {"{\"a\":{\"dtype\":32}}", 0, "dtype '' is not one"},
        {"{\"a\":{\"dtype\":\"F\\n32\"}}", 0, "dtype 'F?32' is not one"},
        {"{\"a\\n\":{\"dtype\":\"F33\"}}", 0, "tensor 'a?': dtype 'F33'"},
        {"{\"a\":{\"dtype\":\"F32\"}}", 0, "shape is not an array of at most 8"},
        {"{\"a\":" TENSOR("4", 0, 4) "}", 4, "shape is not an array of at most 8"},
        {"{\"a\":" TENSOR("[1,1,1,1,1,1,1,1,1]", 0, 4) "}", 4,
         "shape is not an array of at most 8"},
        {"{\"a\":" TENSOR("[1,-1]", 0, 4) "}", 4, "shape[1] is not a non-negative integer"},
        {"{\"a\":" TENSOR("[1.0]", 0, 4) "}", 4, "shape[0] is not a non-negative integer"},
        {"{\"a\":" TENSOR("[\"1\"]", 0, 4) "}", 4, "shape[0] is not a non-negative integer"},
        {"{\"a\":" TENSOR("[99999999999999999999]", 0, 4) "}", 4, "no JSON"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1]}}", 4, "data_offsets is not an array of two"},
        {"{\"a\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4,4]}}", 4, "array of two"},
        {"{\"a\":" TENSOR("[1]", -4, 0) "}", 4, "data_offsets is not an array of two"},
        {"{\"a\":" TENSOR("[1]", 4, 0) "}", 4, "data_offsets 4 to 0 do not lie in the 4 bytes"},
        {"{\"a\":" TENSOR("[2]", 0, 8) "}", 7, "data_offsets 0 to 8 do not lie in the 7 bytes"},
        {"{\"a\":" TENSOR("[2]", 0, 4) "}", 4, "span 4 bytes"},
        {"{\"a\":" TENSOR("[4294967296,4294967296]", 0, 0) "}", 0, "span 0 bytes"},
        {"{\"a\":" TENSOR("[4611686018427387905]", 0, 4) "}", 4, "span 4 bytes"},
        {"{\"a\":" TENSOR("[1]", 4, 8) "}", 8, "'a' begins at data offset 4; expected 0"},
        {"{\"a\":" TENSOR("[2]", 0, 8) ",\"b\":" TENSOR("[2]", 4, 12) "}", 12,
         "'b' begins at data offset 4; expected 8"},
        {"{\"a\":" TENSOR("[1]", 0, 4) ",\"b\":" TENSOR("[1]", 0, 4) "}", 4, "expected 4"},
        {"{\"a\":" TENSOR("[1]", 0, 4) "}", 5, "the tensors take 4 bytes, but the file has 5"},
        {"{\"a\":" TENSOR("[1]", 0, 4) ",\"a\":" TENSOR("[1]", 4, 8) "}", 8, "no JSON"},
        {"{\"\":" TENSOR("[1]", 0, 4) "}", 4, "has 0 characters; expected 1 to 256"},
        {"{\"__metadata__\":1}", 0, "not an object of strings"},
        {"{\"__metadata__\":{\"a\":1}}", 0, "not an object of strings"},
        {"{\"__metadata__\":{\"a\":\"b\",\"c\":[]}}", 0, "not an object of strings"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        forge(at("m"), cases[i].header, cases[i].data_size);
        assert_refused(at("m"), cases[i].text);
    }
    char name[300], header[512];
    memset(name, 'n', 257);
    name[257] = '\0';
    snprintf(header, sizeof header, "{\"%s\":" TENSOR("[1]", 0, 4) "}", name);
    forge(at("m"), header, 4);
    assert_refused(at("m"), "has 257 characters");
}

static void test_hostile_lengths(void **state)
{
    (void)state;
    static const uint64_t lengths[] = {0, 3, 16777217, UINT64_MAX, (uint64_t)1 << 63};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        unsigned char bytes[10] = {0};
        memcpy(bytes, &lengths[i], 8);
        memcpy(bytes + 8, "{}", 2);
        put_file(at("m"), bytes, sizeof bytes);
        assert_refused(at("m"), "the file has room for 2");
    }
    put_file(at("m"), "", 0);
    assert_refused(at("m"), "has 0 bytes");
    put_file(at("m"), "1234567", 7);
    assert_refused(at("m"), "has 7 bytes");
    /* A sparse file has the size, but the header is above the limit. */
    uint64_t length = (16 << 20) + 1;
    put_file(at("m"), &length, sizeof length);
    assert_int_equal(truncate(at("m"), 32 << 20), 0);
    assert_refused(at("m"), "16777216 is the limit");
}

/* Headers whose parsing alone would take gigabytes. */
static void test_hostile_amounts(void **state)
{
    (void)state;
    size_t size = 6 << 20; /* the table of 100 001 tensors fits, too */
    char *header = malloc(size + 1);
    assert_non_null(header);
    static const char *const patterns[] = {"[", "0,", "{},", "{\"a\":"};
    for (size_t i = 0; i < sizeof patterns / sizeof *patterns; i++) {
        size_t step = strlen(patterns[i]);
        header[0] = '{';
        for (size_t j = 1; j < size; j++)
            header[j] = patterns[i][(j - 1) % step];
        header[size] = '\0';
        forge(at("m"), header, 0);
        assert_refused(at("m"), "more than 100000 tensors");
    }
    size_t used = (size_t)sprintf(header, "{");
    for (int i = 0; i < 100001; i++)
        used += (size_t)sprintf(header + used, "%s\"%d\":" TENSOR("[0]", 0, 0), i ? "," : "", i);
    strcpy(header + used, "}");
    forge(at("m"), header, 0);
    assert_refused(at("m"), "more than 100000 tensors");
    /* One less is fine. */
    used = (size_t)sprintf(header, "{");
    for (int i = 0; i < 100000; i++)
        used += (size_t)sprintf(header + used, "%s\"%d\":" TENSOR("[0]", 0, 0), i ? "," : "", i);
    strcpy(header + used, "}");
    forge(at("m"), header, 0);
    free(header);
    struct safetensors *file;
    assert_int_equal(gm_safetensors_open(at("m"), &file, NULL), GEMMLP_OK);
    assert_int_equal(gm_safetensors_count(file), 100000);
    assert_non_null(gm_safetensors_find(file, "4711"));
    gm_safetensors_close(file);
}

/* Every part of a valid file, and the file with each byte changed: refused, or read without harm.
 */
static void test_damage(void **state)
{
    (void)state;
    unsigned char bytes[1024], changed[1024];
    float values[5] = {1, 2, 3, 4, 5}, out[256];
    struct safetensor tensors[] = {
        {.name = "a", .dtype = "F32", .rank = 2, .shape = {1, 3}, .data = values},
        {.name = "b", .dtype = "F32", .rank = 1, .shape = {2}, .data = values + 3}};
    struct safetensors_metadata metadata = {"k", "v"};
    assert_int_equal(gm_safetensors_write(at("m"), tensors, 2, &metadata, 1, NULL), GEMMLP_OK);
    size_t size = get_file(at("m"), bytes, sizeof bytes);
    assert_true(size > 100 && size < sizeof bytes);
    for (size_t i = 0; i < size; i++) {
        put_file(at("m"), bytes, i);
        assert_refused(at("m"), "");
    }
    bytes[size] = 0;
    put_file(at("m"), bytes, size + 1);
    assert_refused(at("m"), "the tensors take 20 bytes, but the file has 21");

    size_t refused = 0;
    for (size_t i = 0; i < size; i++)
        for (unsigned bit = 0; bit < 8; bit++) {
            struct safetensors *file;
            memcpy(changed, bytes, size);
            changed[i] ^= (unsigned char)(1u << bit);
            put_file(at("m"), changed, size);
            if (gm_safetensors_open(at("m"), &file, NULL) != GEMMLP_OK) {
                refused++;
                continue;
            }
            const struct safetensor *tensor = gm_safetensors_find(file, "a");
            if (tensor) {
                assert_true(tensor->bytes <= 20);
                assert_int_equal(gm_safetensors_read(file, tensor, out, NULL), GEMMLP_OK);
            }
            gm_safetensors_close(file);
        }
    assert_true(refused > 100);
}

static void test_not_a_file(void **state)
{
    (void)state;
    struct safetensors *file;
    gemmlp_error error;
    assert_failed(gm_safetensors_open(at("none"), &file, &error), &error, GEMMLP_IO,
                  "none: could not open: No such file");
    assert_failed(gm_safetensors_open(directory, &file, &error), &error, GEMMLP_IO,
                  "is not a regular file");
    assert_int_equal(mkfifo(at("pipe"), 0600), 0);
    assert_failed(gm_safetensors_open(at("pipe"), &file, &error), &error, GEMMLP_IO,
                  "is not a regular file");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_replace),         IN_DIRECTORY(test_relative_path),
        IN_DIRECTORY(test_abort),           IN_DIRECTORY(test_writers_at_the_same_time),
        IN_DIRECTORY(test_long_name),       IN_DIRECTORY(test_symbolic_links),
        IN_DIRECTORY(test_null_device),     IN_DIRECTORY(test_full_device),
        IN_DIRECTORY(test_descriptor),      IN_DIRECTORY(test_refused_paths),
        IN_DIRECTORY(test_round_trip),      IN_DIRECTORY(test_nothing),
        IN_DIRECTORY(test_refused_tensors), IN_DIRECTORY(test_hostile_headers),
        IN_DIRECTORY(test_hostile_lengths), IN_DIRECTORY(test_hostile_amounts),
        IN_DIRECTORY(test_damage),          IN_DIRECTORY(test_not_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
