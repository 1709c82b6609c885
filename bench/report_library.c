/* report_library.c: see report_library.h. */
#include "report_library.h"

#include <stdio.h>
#include <string.h>

#include "fields.h"

/* Directories that are looked at, from the end of a path. */
enum { DEEPEST = 32 };

bool bench_same_library(const json_t *a, const json_t *b)
{
    return bench_same_text(a, b, "provider") && bench_same_text(a, b, "provider_path");
}

bool bench_is_first_of_library(const json_t *records, size_t i)
{
    for (size_t j = 0; j < i; j++) {
        if (bench_same_library(json_array_get(records, j), json_array_get(records, i))) {
            return false;
        }
    }
    return true;
}

/* A library that never answered has the path that it was asked for by as its name. */
static const char *name_of(const json_t *record)
{
    const char *name = bench_text(record, "provider"), *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

static const char *path_of(const json_t *record)
{
    const char *path = bench_text(record, "provider_path"), *name = bench_text(record, "provider");
    return *path ? path : strchr(name, '/') ? name : "";
}

static bool is_namesake(const json_t *record, const json_t *other)
{
    return strcmp(name_of(record), name_of(other)) == 0 && !bench_same_library(record, other);
}

/* Of a path: text[length]. */
struct part {
    const char *text;
    size_t length;   /* 0: the path has no such part */
    bool is_flavour; /* the provider's name and a '-' before it were left out */
};

/* Part `up` of the path; 0 is the file, 1 the directory that it lies in. */
static struct part path_part(const json_t *record, size_t up)
{
    const char *path = path_of(record), *name = name_of(record);
    const size_t name_length = strlen(name);
    size_t end = strlen(path), begin;
    for (begin = end;; end = --begin, up--) {
        while (begin > 0 && path[begin - 1] != '/') {
            begin--;
        }
        if (up == 0) {
            break;
        }
        if (begin == 0) {
            return (struct part){path, 0, false};
        }
    }
    const bool is_flavour = end - begin > name_length + 1 && path[begin + name_length] == '-' &&
                            strncmp(path + begin, name, name_length) == 0;
    begin += is_flavour ? name_length + 1 : 0;
    return (struct part){path + begin, end - begin, is_flavour};
}

/* Whether no other library of its name has that part too. */
static bool tells_apart(const json_t *records, const json_t *record, size_t up)
{
    const struct part part = path_part(record, up);
    bool apart = part.length > 0;
    for (size_t i = 0; apart && i < json_array_size(records); i++) {
        const json_t *other = json_array_get(records, i);
        if (is_namesake(record, other)) {
            const struct part its = path_part(other, up);
            apart = its.length != part.length || memcmp(its.text, part.text, part.length) != 0;
        }
    }
    return apart;
}

const char *bench_library_label(const json_t *records, const json_t *record, char *out, size_t size)
{
    const char *name = name_of(record);
    size_t namesakes = 0, number = 1;
    bool before = true;
    for (size_t i = 0; i < json_array_size(records); i++) {
        const json_t *other = json_array_get(records, i);
        before = before && !bench_same_library(record, other);
        if (is_namesake(record, other) && bench_is_first_of_library(records, i)) {
            namesakes++;
            number += before;
        }
    }
    size_t up = path_part(record, 1).is_flavour && tells_apart(records, record, 1) ? 1 : 0;
    while (namesakes > 0 && up < DEEPEST && !tells_apart(records, record, up)) {
        up++;
    }
    const struct part part = path_part(record, up);
    if (namesakes > 0 && up < DEEPEST) {
        snprintf(out, size, "%s %.*s", name, (int)part.length, part.text);
    } else {
        snprintf(out, size, number > 1 ? "%s #%zu" : "%s", name, number);
    }
    return out;
}
