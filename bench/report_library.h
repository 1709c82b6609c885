/* report_library.h: which library a record was measured with, and what tables and pictures call it.
 *
 * In: records with "provider", its name or the path that it was asked for by, and "provider_path".
 * Out: "openblas"; where several libraries of a report have that name, "openblas openmp". */
#ifndef BENCH_REPORT_LIBRARY_H
#define BENCH_REPORT_LIBRARY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

bool bench_same_library(const json_t *a, const json_t *b);

/* Whether no record before the i-th is of the same library. */
bool bench_is_first_of_library(const json_t *records, size_t i);

/* The provider's name, and, where others of the records share it, the part of its path that tells
 * it from them: the flavour by which Debian names directories (openblas-openmp), else the file,
 * else the nearest directory; "#2" where no part does. Returns out. */
const char *bench_library_label(const json_t *records, const json_t *record, char *out,
                                size_t size);

#endif
