/* test_blas_library.c: CBLAS libraries that are found, recognised, and told how many threads they
 * may take; and files that are none. The libraries are those of fake_blas.c, in the folder
 * GEMMLP_FAKES: they hold no state in common, so that one process may load them all. */
#define _GNU_SOURCE
#include "support.h"

#include <dlfcn.h>
#include <glob.h>
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "linalg/blas_library.h"
#include "linalg/gemm.h"

static const char *fake(const char *kind)
{
    static char path[BLAS_PATH_SIZE];
    const char *folder = getenv("GEMMLP_FAKES");
    assert_non_null(folder);
    snprintf(path, sizeof path, "%s/libfake_%s.so", folder, kind);
    return path;
}

static int thread_sets(const struct blas_library *library)
{
    int (*function)(void);
    void *symbol = dlsym(library->handle, "fake_thread_sets");
    assert_non_null(symbol);
    memcpy(&function, &symbol, sizeof function);
    return function();
}

/* ---- what a library is ----------------------------------------------------------------------- */

static const struct {
    const char *kind, *name, *version, *kernel, *prefix, *suffix;
    bool wide, has_threads, has_notice;
} fakes[] = {
    {"good", "cblas", "libfake_good.so", "", "", "", false, false, false},
    {"scipy", "openblas", "OpenBLAS 9.8.7", "Fake", "scipy_", "64_", true, true, true},
    {"ilp64", "openblas", "OpenBLAS 9.8.7", "Fake", "", "", true, false, true},
    {"blis", "blis", "BLIS 9.8", "fake", "", "", false, true, false},
    {"mkl", "mkl", "MKL 9.8", "", "", "", false, true, false},
};
enum { FAKES = sizeof fakes / sizeof *fakes };

static void test_described(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKES; i++) {
        struct blas_library library;
        gemmlp_error error;
        char *real = realpath(fake(fakes[i].kind), NULL);
        assert_non_null(real);
        assert_int_equal(gm_blas_open_path(fake(fakes[i].kind), &library, &error), GEMMLP_OK);
        assert_string_equal(library.name, fakes[i].name);
        assert_string_equal(library.version, fakes[i].version);
        assert_string_equal(library.kernel, fakes[i].kernel);
        assert_string_equal(library.prefix, fakes[i].prefix);
        assert_string_equal(library.suffix, fakes[i].suffix);
        assert_string_equal(library.path, real);
        assert_int_equal(library.wide, fakes[i].wide);
        assert_int_equal(library.wide, library.sgemm_wide && library.dgemm_wide);
        assert_int_equal(!library.wide, library.sgemm && library.dgemm);
        assert_int_equal(library.notice != NULL, fakes[i].has_notice);
        free(real);
    }
}

/* A link is followed; to a library that nobody has loaded by another name. */
static void test_real_path(void **state)
{
    (void)state;
    struct blas_library library;
    char link[BLAS_PATH_SIZE + 8], *real = realpath(fake("crash"), NULL);
    assert_non_null(real);
    snprintf(link, sizeof link, "%s.link", fake("crash"));
    unlink(link);
    assert_int_equal(symlink(real, link), 0);
    assert_int_equal(gm_blas_open_path(link, &library, NULL), GEMMLP_OK);
    assert_string_equal(library.path, real);
    unlink(link);
    free(real);
}

/* netlib's library is known by its name alone: the good one becomes it in a copy. */
static void test_netlib(void **state)
{
    (void)state;
    static const char *const names[] = {"libblas.so.3", "libcblas.so.3.1", "libotherblas.so.3"};
    char folder[] = "/tmp/gemmlp-netlib.XXXXXX", command[3 * BLAS_PATH_SIZE], path[80];
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < 3; i++) {
        struct blas_library library;
        snprintf(path, sizeof path, "%s/%s", folder, names[i]);
        snprintf(command, sizeof command, "cp '%s' '%s'", fake("good"), path);
        assert_int_equal(system(command), 0);
        assert_int_equal(gm_blas_open_path(path, &library, NULL), GEMMLP_OK);
        assert_string_equal(library.name, i < 2 ? "netlib" : "cblas");
        assert_string_equal(library.version, names[i]);
        assert_int_equal(library.notice != NULL, i < 2);
        unlink(path);
    }
    rmdir(folder);
}

/* What was loaded is called through its handle, and by no one else in the process. */
static void test_symbols_stay_apart(void **state)
{
    (void)state;
    struct blas_library library;
    assert_int_equal(gm_blas_open_path(fake("good"), &library, NULL), GEMMLP_OK);
    assert_non_null(dlsym(library.handle, "cblas_sgemm"));
    assert_null(dlsym(RTLD_DEFAULT, "cblas_sgemm"));
    assert_null(dlsym(RTLD_DEFAULT, "scipy_cblas_sgemm64_"));
}

/* ---- products -------------------------------------------------------------------------------- */

/* [1 2; 3 4] [5 6; 7 8] = [19 22; 43 50] */
static void multiply(const struct gemm_provider *provider, enum gemm_precision precision,
                     double out[4])
{
    static const float a32[] = {1, 2, 3, 4}, b32[] = {5, 6, 7, 8};
    static const double a64[] = {1, 2, 3, 4}, b64[] = {5, 6, 7, 8};
    const struct gemm_problem problem = {precision, false, false, 2, 2, 2, 2, 2, 2, 0, 0};
    const bool f32 = precision == GEMM_F32;
    float c32[4];
    struct gemm gemm;
    assert_int_equal(gm_gemm_prepare(&gemm, provider, &problem, NULL), GEMMLP_OK);
    gm_gemm_run(&gemm, 1, f32 ? (const void *)a32 : a64, f32 ? (const void *)b32 : b64, 0,
                f32 ? (void *)c32 : out, NULL);
    for (size_t i = 0; f32 && i < 4; i++) {
        out[i] = (double)c32[i];
    }
    gm_gemm_release(&gemm);
}

static void test_products(void **state)
{
    (void)state;
    static const double expected[] = {19, 22, 43, 50};
    for (size_t i = 0; i < 2 * FAKES; i++) {
        struct gemm_provider *provider;
        gemmlp_error error;
        double c[4];
        assert_int_equal(gm_gemm_open(fake(fakes[i / 2].kind), &provider, &error), GEMMLP_OK);
        assert_string_equal(provider->name, fakes[i / 2].name);
        multiply(provider, i % 2 ? GEMM_F64 : GEMM_F32, c);
        assert_memory_equal(c, expected, sizeof c);
        gm_gemm_close(provider);
    }
}

/* That the tests, and bench, can tell: what is called is the library that was named. */
static void test_faults_are_seen(void **state)
{
    (void)state;
    static const char *const faulty[] = {"wrong", "nan"};
    for (size_t i = 0; i < 4; i++) {
        struct gemm_provider *provider;
        double c[4];
        assert_int_equal(gm_gemm_open(fake(faulty[i / 2]), &provider, NULL), GEMMLP_OK);
        multiply(provider, i % 2 ? GEMM_F64 : GEMM_F32, c);
        assert_true(c[0] == 19 && c[1] == 22 && c[2] == 43);
        assert_true(i / 2 ? isnan(c[3]) : fabs(c[3] - 55) < 1e-5);
        gm_gemm_close(provider);
    }
}

/* Where integers have 64 bits, sizes may. */
static void test_limits(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKES; i++) {
        struct gemm_provider *provider;
        struct gemm gemm;
        const struct gemm_problem large = {GEMM_F32,        false, false, 1,
                                           (size_t)1 << 31, 1,     1,     (size_t)1 << 31,
                                           (size_t)1 << 31, 0,     0};
        assert_int_equal(gm_gemm_open(fake(fakes[i].kind), &provider, NULL), GEMMLP_OK);
        assert_int_equal(gm_gemm_prepare(&gemm, provider, &large, NULL),
                         fakes[i].wide ? GEMMLP_OK : GEMMLP_INVALID_ARGUMENT);
        gm_gemm_release(&gemm);
        gm_gemm_close(provider);
    }
}

/* ---- threads --------------------------------------------------------------------------------- */

/* A product is computed by as many threads as OpenMP's; a count that is right is not set again. */
static void test_threads(void **state)
{
    (void)state;
    const int before = omp_get_max_threads();
    for (size_t i = 0; i < FAKES; i++) {
        struct gemm_provider *provider;
        double c[4];
        assert_int_equal(gm_gemm_open(fake(fakes[i].kind), &provider, NULL), GEMMLP_OK);
        const struct blas_library *library = provider->context;
        const int sets = thread_sets(library), has = fakes[i].has_threads;
        gm_blas_set_threads(library, 7);
        const int again = thread_sets(library);
        omp_set_num_threads(2);
        multiply(provider, GEMM_F32, c);
        assert_int_equal(thread_sets(library), again + has);
        assert_int_equal(gm_blas_set_threads(library, 2), 2);
        multiply(provider, GEMM_F64, c);
        assert_int_equal(thread_sets(library), again + has);
        omp_set_num_threads(3);
        multiply(provider, GEMM_F64, c);
        assert_int_equal(thread_sets(library), again + 2 * has);
        assert_int_equal(gm_blas_set_threads(library, 7), 3 + 4 * !has);
        assert_int_equal(thread_sets(library), again + 3 * has);
        assert_true(again - sets <= has);
        gm_gemm_close(provider);
    }
    omp_set_num_threads(before);
}

/* One thread is alone in any case. */
static void test_notice(void **state)
{
    (void)state;
    for (size_t i = 0; i < FAKES; i++) {
        gemmlp_provider_info info;
        assert_int_equal(gemmlp_provider_info_get(fake(fakes[i].kind), 2, &info, NULL), GEMMLP_OK);
        assert_int_equal(info.notice[0] != '\0', fakes[i].has_notice);
        assert_string_equal(info.name, fakes[i].name);
        assert_string_equal(info.kernel, fakes[i].kernel);
        assert_int_equal(gemmlp_provider_info_get(fake(fakes[i].kind), 1, &info, NULL), GEMMLP_OK);
        assert_string_equal(info.notice, "");
    }
}

/* ---- what is refused ------------------------------------------------------------------------- */

static void assert_refused(const char *path, const char *why)
{
    struct gemm_provider *provider;
    gemmlp_error error;
    assert_int_equal(gm_gemm_open(path, &provider, &error), GEMMLP_INVALID_ARGUMENT);
    assert_null(provider);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, "expected a shared library with cblas_sgemm"));
    if (!strstr(error.message, why)) {
        fail_msg("'%s' does not say '%s'", error.message, why);
    }
    assert_int_equal(gm_gemm_open(path, &provider, NULL), GEMMLP_INVALID_ARGUMENT);
}

static void test_files_that_are_none(void **state)
{
    (void)state;
    char path[] = "/tmp/gemmlp-text.XXXXXX", long_path[4000];
    int file = mkstemp(path);
    assert_true(file >= 0);
    assert_refused(path, "file too short");
    const char text[] = "This is no shared library. It is only text, and enough of it that the "
                        "loader finds the room for a header of its own, but not the header.\n";
    assert_int_equal(write(file, text, sizeof text - 1), sizeof text - 1);
    assert_refused(path, "invalid ELF header");
    close(file);
    unlink(path);
    assert_refused(path, "No such file");
    assert_refused("/tmp/", "directory");
    assert_refused(fake("empty"), "has no cblas_sgemm");
    memset(long_path, 'x', sizeof long_path);
    long_path[0] = '/';
    long_path[sizeof long_path - 1] = '\0';
    struct gemm_provider *provider;
    gemmlp_error error;
    assert_int_equal(gm_gemm_open(long_path, &provider, &error), GEMMLP_INVALID_ARGUMENT);
    assert_true(strlen(error.message) > 300);
}

/* ---- the table ------------------------------------------------------------------------------- */

static void test_rows(void **state)
{
    (void)state;
    assert_non_null(gm_blas_row_at(gm_blas_rows() - 1));
    assert_null(gm_blas_row_at(gm_blas_rows()));
    for (size_t i = 0; i < gm_blas_rows(); i++) {
        const struct blas_row *row = gm_blas_row_at(i);
        assert_null(strchr(row->name, '/'));
        assert_true(strlen(row->description) > 0 && strlen(row->package) > 0);
        assert_non_null(row->candidates[0]);
        assert_null(row->candidates[BLAS_CANDIDATES]);
        assert_true(row->marker != NULL || i + 1 == gm_blas_rows());
    }
}

/* Candidates come row by row, as the table has them, patterns expanded. */
static void test_candidates(void **state)
{
    (void)state;
    struct blas_candidate candidate;
    size_t count = 0, patterns = 0;
    for (size_t r = 0; r < gm_blas_rows(); r++) {
        const struct blas_row *row = gm_blas_row_at(r);
        for (size_t i = 0; row->candidates[i]; i++) {
            glob_t found = {0};
            const bool pattern = strchr(row->candidates[i], '*') != NULL;
            patterns += pattern;
            if (glob(row->candidates[i], pattern ? 0 : GLOB_NOCHECK, NULL, &found) != 0) {
                continue;
            }
            for (size_t f = 0; f < found.gl_pathc; f++) {
                assert_true(gm_blas_candidate_at(count++, &candidate));
                assert_ptr_equal(candidate.row, row);
                assert_string_equal(candidate.path, found.gl_pathv[f]);
            }
            globfree(&found);
        }
    }
    assert_true(count >= 4 && patterns >= 4);
    assert_false(gm_blas_candidate_at(count, &candidate));
    assert_false(gm_blas_candidate_at(SIZE_MAX, &candidate));
}

/* A row whose library is not there says what was tried and what to install. */
static void test_missing(void **state)
{
    (void)state;
    struct blas_library library;
    gemmlp_error error;
    for (size_t i = 0; i < gm_blas_rows(); i++) {
        const struct blas_row *row = gm_blas_row_at(i);
        if (strcmp(row->name, "mkl") != 0)
            continue;
        if (gm_blas_open(row, &library, &error) == GEMMLP_OK)
            return; /* it is there */
        assert_int_equal(error.status, GEMMLP_UNSUPPORTED);
        assert_non_null(strstr(error.message, "provider 'mkl'"));
        for (size_t c = 0; row->candidates[c]; c++)
            assert_non_null(strstr(error.message, row->candidates[c]));
        assert_non_null(strstr(error.message, row->package));
        assert_null(library.handle);
        assert_int_equal(gm_blas_open(row, &library, NULL), GEMMLP_UNSUPPORTED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_described), cmocka_unit_test(test_real_path),
        cmocka_unit_test(test_netlib),    cmocka_unit_test(test_symbols_stay_apart),
        cmocka_unit_test(test_products),  cmocka_unit_test(test_faults_are_seen),
        cmocka_unit_test(test_limits),    cmocka_unit_test(test_threads),
        cmocka_unit_test(test_notice),    cmocka_unit_test(test_files_that_are_none),
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_missing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
