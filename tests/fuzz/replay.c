/* replay.c: runs a fuzz target over files, without a fuzzer: replay TARGET FILE|DIRECTORY… A crash,
 * a broken FUZZ_REQUIRE or a sanitizer's finding ends it, and the file that did it is the one not
 * told as ok. */
#include "fuzz.h"

#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

enum { MAX_FILES = 10000 };

static char *files[MAX_FILES];
static size_t count;

static void add(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(status.st_mode)) {
        FUZZ_REQUIRE(count < MAX_FILES);
        files[count] = strdup(path);
        FUZZ_REQUIRE(files[count++] != NULL);
        return;
    }
    DIR *directory = opendir(path);
    FUZZ_REQUIRE(directory != NULL);
    for (struct dirent *entry; (entry = readdir(directory)) != NULL;) {
        char inside[1024];
        snprintf(inside, sizeof inside, "%s/%s", path, entry->d_name);
        if (*entry->d_name != '.')
            add(inside);
    }
    closedir(directory);
}

static int by_path(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* In memory of exactly its size, so that a sanitizer sees a read behind its end. */
static void run(const char *path)
{
    FILE *file = fopen(path, "rb");
    struct stat status;
    FUZZ_REQUIRE(file != NULL && fstat(fileno(file), &status) == 0);
    const size_t size = (size_t)status.st_size;
    uint8_t *bytes = malloc(size ? size : 1);
    FUZZ_REQUIRE(bytes != NULL && fread(bytes, 1, size, file) == size);
    fclose(file);
    LLVMFuzzerTestOneInput(bytes, size);
    free(bytes);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++)
        add(argv[i]);
    FUZZ_REQUIRE(count > 0);
    qsort(files, count, sizeof *files, by_path);
    printf("1..%zu\n", count);
    for (size_t i = 0; i < count; i++) {
        const char *slash = strrchr(files[i], '/');
        run(files[i]);
        printf("ok %zu - %s\n", i + 1, slash ? slash + 1 : files[i]);
        fflush(stdout);
        free(files[i]);
    }
    return 0;
}
