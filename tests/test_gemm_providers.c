/* test_gemm_providers.c [PROVIDER]: how providers are named, found and described, and what they
 * refuse: sizes, precisions, and all of it where they are absent. */
#include "products.h"

#include <limits.h>

#include "linalg/blas_library.h"

static void test_sizes_out_of_range(void **state)
{
    (void)state;
    static const struct gemm_problem good = {
        .m = 21, .n = 32, .k = 43, .lda = 43, .ldb = 32, .ldc = 32};
    const struct blas_library *library = tested->context;
    const bool narrow = tested->kind == &gm_gemm_cblas && !library->wide;
    const size_t most = narrow ? INT_MAX : INT64_MAX, bad[] = {0, most + 1, SIZE_MAX};
    struct gemm gemm;
    gemmlp_error error;
    char limit[40];
    if (!tested->kind->prepare)
        return; /* it has no limits */
    if (tested->kind == &gm_gemm_cblas)
        snprintf(limit, sizeof limit, "sizes from 1 to %zu", most);
    else
        snprintf(limit, sizeof limit, "sizes from 1 to ");
    assert_int_equal(gm_gemm_prepare(&gemm, tested, &good, &error), GEMMLP_OK);
    gm_gemm_release(&gemm);
    for (size_t i = 0; i < 6 * COUNT(bad); i++) {
        struct gemm_problem problem = good;
        size_t *sizes[] = {&problem.m,   &problem.n,   &problem.k,
                           &problem.lda, &problem.ldb, &problem.ldc};
        *sizes[i % 6] = bad[i / 6];
        char expected[120];
        snprintf(expected, sizeof expected, "m = %zu, n = %zu, k = %zu", problem.m, problem.n,
                 problem.k);
        assert_int_equal(gm_gemm_prepare(&gemm, tested, &problem, &error), GEMMLP_INVALID_ARGUMENT);
        assert_int_equal(error.status, GEMMLP_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, expected));
        assert_non_null(strstr(error.message, limit));
        gm_gemm_release(&gemm);
    }
    if (tested->kind != &gm_gemm_cblas)
        return; /* it would make room for it */
    struct gemm_problem largest = good;
    largest.m = largest.n = largest.k = largest.lda = largest.ldb = largest.ldc = most;
    assert_int_equal(gm_gemm_prepare(&gemm, tested, &largest, NULL), GEMMLP_OK);
    gm_gemm_release(&gemm);
}

static void test_precisions(void **state)
{
    (void)state;
    const struct gemm_problem wide = {GEMM_F64, false, false, 2, 3, 4, 4, 3, 3, 0, 0};
    struct gemm gemm;
    gemmlp_error error;
    if (has_precision(tested, GEMM_F64))
        return; /* and other tests multiply in it */
    assert_int_equal(gm_gemm_prepare(&gemm, tested, &wide, &error), GEMMLP_UNSUPPORTED);
    assert_non_null(strstr(error.message, "only, found a product in f64"));
    gm_gemm_release(&gemm);
}

/* What a build without a library says of its provider; oneDNN that finds no device is none. */
static void test_absent(void **state)
{
    (void)state;
    static const char *const absent[] = {"onednn", "xsmm"};
    for (size_t i = 0; i < COUNT(absent); i++) {
        gemmlp_error error;
        struct gemm_provider *found;
        if (gm_gemm_open(absent[i], &found, &error) == GEMMLP_UNSUPPORTED) {
            assert_null(found);
            if (strstr(error.message, "oneDNN could not make an engine for the CPU"))
                continue;
            assert_non_null(strstr(error.message, "this gemmlp was built without "));
            assert_non_null(strstr(error.message, "install it (Debian: lib"));
        }
        gm_gemm_close(found);
    }
}

static void test_names(void **state)
{
    (void)state;
    gemmlp_error error;
    struct gemm_provider *found;
    const char *name;
    char typed[80], expected[200];
    for (size_t p = 0; (name = gm_gemm_name_at(p).name); p++) {
        assert_true(strlen(gm_gemm_name_at(p).description) > 0);
        assert_non_null(gm_gemm_name_at(p).kind);

        snprintf(typed, sizeof typed, "%sx", name);
        assert_int_equal(gm_gemm_open(typed, &found, &error), GEMMLP_INVALID_ARGUMENT);
        assert_null(found);
        snprintf(expected, sizeof expected, "unknown provider '%s'; did you mean '%s'?", typed,
                 name);
        assert_ptr_equal(strstr(error.message, expected), error.message);
        for (size_t q = 0; gm_gemm_name_at(q).name; q++)
            assert_non_null(
                strstr(strstr(error.message, "valid: auto, "), gm_gemm_name_at(q).name));
        assert_non_null(strstr(error.message, ", or the path of a CBLAS library"));
        assert_int_equal(gm_gemm_open(typed, &found, NULL), GEMMLP_INVALID_ARGUMENT);
    }
    assert_true(gm_gemm_name_at(0).kind == &gm_gemm_cblas);
}

/* Nothing names the first that is there, and so does "auto". */
static void test_automatic(void **state)
{
    (void)state;
    if (!tested_automatically)
        return; /* it would be a second BLAS in this process */
    struct gemm_provider *found;
    assert_int_equal(gm_gemm_open("auto", &found, NULL), GEMMLP_OK);
    assert_string_equal(found->name, tested->name);
    assert_string_equal(found->version, tested->version);
    assert_string_equal(found->path, tested->path);
    gm_gemm_close(found);
    assert_int_equal(gm_gemm_open(tested->name, &found, NULL), GEMMLP_OK);
    assert_string_equal(found->name, tested->name);
    assert_string_equal(found->path, tested->path);
    gm_gemm_close(found);
    gm_gemm_close(NULL);
}

static void test_info(void **state)
{
    (void)state;
    gemmlp_error error;
    gemmlp_provider_info info;
#if !defined(__x86_64__)
    assert_null(strstr(tested->kernel, "AVX"));
#endif
    assert_int_equal(gemmlp_provider_info_get("reference", 8, &info, &error), GEMMLP_OK);
    assert_string_equal(info.name, "reference");
    assert_true(strlen(info.version) > 0);
    assert_string_equal(info.kernel, "");
    assert_string_equal(info.path, "");
    assert_non_null(strstr(info.notice, "naive"));
    assert_int_equal(gemmlp_provider_info_get("none of them", 8, &info, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "unknown provider 'none of them'"));
    assert_string_equal(info.name, "");
    if (tested_automatically) {
        assert_int_equal(gemmlp_provider_info_get(NULL, 1, &info, &error), GEMMLP_OK);
        assert_string_equal(info.name, tested->name);
        assert_string_equal(info.version, tested->version);
        assert_string_equal(info.kernel, tested->kernel);
        assert_string_equal(info.path, tested->path);
        if (tested->path[0])
            assert_string_equal(info.notice, ""); /* one thread competes with nobody */
    }
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),      cmocka_unit_test(test_automatic),
        cmocka_unit_test(test_info),       cmocka_unit_test(test_sizes_out_of_range),
        cmocka_unit_test(test_precisions),
    };
    const struct CMUnitTest absent[] = {cmocka_unit_test(test_absent)};
    const enum opened opened = open_providers(argc, argv);
    if (opened == ABSENT)
        return cmocka_run_group_tests(absent, NULL, NULL);
    if (opened == BROKEN)
        return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    close_providers();
    return failed;
}
