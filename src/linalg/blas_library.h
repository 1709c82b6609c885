/* blas_library.h: CBLAS libraries, found and loaded at run time.
 *
 * In: a row of the table in blas_library.c, or the path of any shared library that has cblas_sgemm
 * and cblas_dgemm. Out: the products to call, what the library is, and how many threads
 * it may take. gemmlp links no BLAS, so that there is one in the process: the one that was asked
 * for.
 *
 * To add a library: one row, and the function that describes it.
 */
#ifndef GM_BLAS_LIBRARY_H
#define GM_BLAS_LIBRARY_H

#include "core/error.h"

enum { BLAS_CANDIDATES = 6, BLAS_PATH_SIZE = 1024 };

struct blas_library;

struct blas_row {
    const char *name, *description;
    const char *package; /* Debian's */
    /* What dlopen is tried with, in turn: names that the loader looks up, and patterns of paths. */
    const char *candidates[BLAS_CANDIDATES + 1];
    const char *marker; /* a symbol that no other library has; NULL: told by its file name */
    void (*describe)(struct blas_library *library);
};

/* The signature of cblas_sgemm and cblas_dgemm; integers are int or int64_t, as the library was
 * built. */
#define BLAS_GEMM(name, real, integer)                                                             \
    void (*name)(int layout, int op_a, int op_b, integer m, integer n, integer k, real alpha,      \
                 const real *a, integer lda, const real *b, integer ldb, real beta, real *c,       \
                 integer ldc)

struct blas_library {
    void *handle;
    char name[32]; /* the row's; "cblas" when no row knows the library */
    char version[128], kernel[64];
    char path[BLAS_PATH_SIZE];   /* real path of the file that has cblas_sgemm */
    const char *notice;          /* for who wants several threads; NULL: nothing to be said */
    const char *prefix, *suffix; /* around the names of its symbols */
    bool wide;                   /* its integers have 64 bits: the second pair is set */
    BLAS_GEMM(sgemm, float, int);
    BLAS_GEMM(dgemm, double, int);
    BLAS_GEMM(sgemm_wide, float, int64_t);
    BLAS_GEMM(dgemm_wide, double, int64_t);
    /* One pair, or neither: then the library follows omp_set_num_threads, or has one thread. */
    int (*get_threads)(void);
    void (*set_threads)(int);
    int64_t (*get_threads_wide)(void);
    void (*set_threads_wide)(int64_t);
};

/* NULL past the last. */
const struct blas_row *gm_blas_row_at(size_t index);
size_t gm_blas_rows(void);

/* What would be tried, over all rows, patterns expanded: a caller may probe each in a process of
 * its own. False past the last. */
struct blas_candidate {
    const struct blas_row *row;
    char path[BLAS_PATH_SIZE]; /* or a name for the loader to look up */
};
bool gm_blas_candidate_at(size_t index, struct blas_candidate *out);

/* The library of a row (NULL: of the first that is there); or a file, by its path or by a name that
 * the loader looks up. There is nothing to close: a library is never unloaded. */
gemmlp_status gm_blas_open(const struct blas_row *row, struct blas_library *library,
                           gemmlp_error *error);
gemmlp_status gm_blas_open_path(const char *path, struct blas_library *library,
                                gemmlp_error *error);

/* The BLAS that a loaded library (LAPACKE, say) depends on: its description and threads, without
 * its products. */
struct blas_library gm_blas_beneath(void *handle);

/* Writes the address of a symbol to *function, a pointer to a function pointer; false (and NULL)
 * when the library has none of that name. */
bool gm_blas_symbol(const struct blas_library *library, const char *name, void *function);

/* Sets the number of threads where the library keeps one of its own; returns what it was (for BLIS
 * that may be -1: not set). */
int gm_blas_set_threads(const struct blas_library *library, int threads);

#endif
