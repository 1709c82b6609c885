/* test_planner.c: plans: what is found is right and remembered; files of plans, whole, damaged and
 * of another machine. */
#define _GNU_SOURCE
#include <omp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "files.h"
#include "linalg/planner.h"
#include "support.h"

static const struct gemm_problem forward = {GEMM_F32, false, true, 33, 20, 50, 50, 50, 20, 0, 0};

static void multiply(const struct gemm_provider *provider, const struct gemm_problem *p, float *c)
{
    float a[33 * 50], b[20 * 50];
    struct gemm gemm;
    for (size_t i = 0; i < 33 * 50; i++)
        a[i] = (float)(i % 7) - 3;
    for (size_t i = 0; i < 20 * 50; i++)
        b[i] = (float)(i % 5) - 2;
    assert_int_equal(gm_gemm_prepare(&gemm, provider, p, NULL), GEMMLP_OK);
    gm_gemm_run(&gemm, 1, a, b, 0, c, NULL);
    gm_gemm_release(&gemm);
}

/* Small whole numbers: every order of the sums gives the same. */
static void test_right_and_remembered(void **state)
{
    (void)state;
    struct gemm_provider *planner, *reference;
    float c[33 * 20], expected[33 * 20];
    assert_int_equal(gm_planner_open("", &planner, NULL), GEMMLP_OK);
    assert_int_equal(gm_gemm_open("reference", &reference, NULL), GEMMLP_OK);
    assert_null(gm_planner_plan(reference));
    assert_int_equal(gm_planner_plan(planner)->count, 0);
    multiply(reference, &forward, expected);
    for (int turn = 0; turn < 2; turn++) {
        memset(c, 0xff, sizeof c);
        multiply(planner, &forward, c);
        assert_memory_equal(c, expected, sizeof c);
        assert_int_equal(gm_planner_plan(planner)->count, 1);
    }
    const struct plan_choice *choice = gm_plan_find(gm_planner_plan(planner), &forward, 2);
    assert_non_null(choice);
    assert_true(choice->threads == 1 || choice->threads == 2);
    assert_true(choice->seconds > 0 && choice->seconds < 1);
    assert_false(choice->shrunk);
    assert_int_equal(gm_planner_save(planner, NULL), GEMMLP_OK); /* nowhere to */
    assert_int_equal(gm_planner_save(reference, NULL), GEMMLP_OK);
    gm_gemm_close(planner);
    gm_gemm_close(reference);
}

/* Larger than is timed: by a smaller one, with operands that fit. */
static void test_large_products(void **state)
{
    (void)state;
    static const struct gemm_problem large[] = {
        {GEMM_F32, false, true, 100000, 3000, 5000, 5000, 5000, 3000, 0, 0},
        {GEMM_F32, true, false, 5000, 3000, 100000, 5000, 3000, 3000, 0, 0},
        {GEMM_F32, false, false, 7, 1, 1000000, 1000000, 1, 1, 0, 0}};
    struct gemm_provider *planner;
    assert_int_equal(gm_planner_open("", &planner, NULL), GEMMLP_OK);
    for (size_t i = 0; i < 3; i++) {
        struct gemm gemm;
        assert_int_equal(gm_gemm_prepare(&gemm, planner, &large[i], NULL), GEMMLP_OK);
        assert_true(gm_plan_find(gm_planner_plan(planner), &large[i], 2)->shrunk);
        gm_gemm_release(&gemm);
    }
    gm_gemm_close(planner);
}

static void test_refused(void **state)
{
    (void)state;
    struct gemm_problem none = forward;
    struct gemm_provider *planner;
    struct gemm gemm;
    gemmlp_error error;
    none.k = 0;
    assert_int_equal(gm_planner_open("", &planner, NULL), GEMMLP_OK);
    assert_int_equal(gm_gemm_prepare(&gemm, planner, &none, &error), GEMMLP_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "k = 0"));
    gm_gemm_release(&gemm);
    gm_gemm_close(planner);
}

static struct plan_choice choice_of(size_t m, const char *provider, int threads)
{
    struct plan_choice choice = {.problem = forward, .limit = 2, .threads = threads, .seconds = 1};
    choice.problem.m = m;
    snprintf(choice.provider, sizeof choice.provider, "%s", provider);
    return choice;
}

static void add(struct plan *plan, size_t m, const char *provider, int threads)
{
    const struct plan_choice choice = choice_of(m, provider, threads);
    assert_int_equal(gm_plan_add(plan, &choice, NULL), GEMMLP_OK);
}

static const char *provider_of(const struct plan *plan, size_t m)
{
    const struct plan_choice like = choice_of(m, "", 0);
    const struct plan_choice *found = gm_plan_find(plan, &like.problem, 2);
    return found ? found->provider : "none";
}

/* The last batch of an epoch has fewer examples, and evaluation takes more; 4 times is near. */
static void test_near(void **state)
{
    (void)state;
    struct plan plan = {.machine = "m"};
    add(&plan, 100, "native", 1);
    add(&plan, 60, "onednn", 1);
    static const struct {
        size_t m;
        const char *provider;
    } cases[] = {{100, "native"}, {60, "onednn"}, {25, "native"}, {24, "onednn"},
                 {400, "native"}, {15, "onednn"}, {14, "none"},   {600, "none"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct plan_choice like = choice_of(cases[i].m, "", 0);
        const struct plan_choice *near = gm_plan_find_near(&plan, &like.problem, 2);
        assert_string_equal(near ? near->provider : "none", cases[i].provider);
        assert_null(gm_plan_find_near(&plan, &like.problem, 3));
    }
    struct plan_choice other = choice_of(100, "", 0);
    other.problem.n++;
    assert_null(gm_plan_find_near(&plan, &other.problem, 2));
    gm_plan_free(&plan);
}

/* Two machines share a file; each sees its own, and neither loses the other's. */
static void test_files(void **state)
{
    (void)state;
    struct plan here = {.machine = "here"}, there = {.machine = "there"};
    const char *path = at("new/directory/plan.json");
    assert_int_equal(gm_plan_read(&here, path, NULL), GEMMLP_OK);
    assert_int_equal(here.count, 0);
    add(&here, 1, "native", 1);
    add(&here, 2, "openblas", 2);
    assert_int_equal(gm_plan_write(&here, path, NULL), GEMMLP_OK);
    assert_false(here.changed);
    assert_int_equal(gm_plan_read(&there, path, NULL), GEMMLP_OK);
    assert_int_equal(there.count, 0);
    add(&there, 1, "onednn", 2);
    assert_int_equal(gm_plan_write(&there, path, NULL), GEMMLP_OK);
    gm_plan_free(&here);
    strcpy(here.machine, "here");
    assert_int_equal(gm_plan_read(&here, path, NULL), GEMMLP_OK);
    assert_int_equal(here.count, 2);
    assert_string_equal(provider_of(&here, 1), "native");
    assert_string_equal(provider_of(&here, 2), "openblas");
    assert_string_equal(provider_of(&here, 3), "none");
    add(&here, 1, "blis", 2); /* in place of the first */
    assert_int_equal(here.count, 2);
    assert_string_equal(provider_of(&here, 1), "blis");
    gm_plan_free(&here);
    gm_plan_free(&there);
    unlink(path);
    rmdir(at("new/directory"));
    rmdir(at("new"));
}

static void test_damaged_files(void **state)
{
    (void)state;
#define CHOICE(end)                                                                                \
    "{\"gemmlp_plan\":1,\"choices\":[{\"machine\":\"m\",\"precision\":\"f32\",\"operation\":"      \
    "\"NT\","                                                                                      \
    "\"m\":3,\"n\":4,\"k\":5,\"threads_limit\":2," end "}]}"
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "null",
        "{\"gemmlp_plan\":2,\"choices\":[]}",
        "{\"gemmlp_plan\":1}",
        "{\"gemmlp_plan\":1,\"choices\":{}}",
        "{\"gemmlp_plan\":1,\"choices\":[5]}",
        CHOICE("\"provider\":\"native\",\"threads\":3,\"seconds\":1"), /* more than there are */
        CHOICE("\"provider\":\"native\",\"threads\":0,\"seconds\":1"),
        CHOICE("\"provider\":5,\"threads\":1,\"seconds\":1"),
        CHOICE("\"provider\":\"a name that is longer than any provider has\",\"threads\":1,"
               "\"seconds\":1"),
        CHOICE("\"provider\":\"native\",\"threads\":1,\"seconds\":\"1\""),
        CHOICE("\"provider\":\"native\",\"threads\":1,\"seconds\":1,\"m\":-3")};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct plan plan = {.machine = "m"};
        gemmlp_error error;
        put_file(at("damaged"), texts[i], strlen(texts[i]));
        if (gm_plan_read(&plan, at("damaged"), &error) != GEMMLP_BAD_DATA)
            fail_msg("'%s' was taken for a plan", texts[i]);
        assert_non_null(strstr(error.message, "damaged: not a plan"));
        gm_plan_free(&plan);
    }
    struct plan plan = {.machine = "m"};
    const char *good = CHOICE("\"provider\":\"native\",\"threads\":2,\"seconds\":1e-6");
    put_file(at("good"), good, strlen(good));
    assert_int_equal(gm_plan_read(&plan, at("good"), NULL), GEMMLP_OK);
    assert_int_equal(plan.count, 1);
    gm_plan_free(&plan);
}

/* A provider that the file names and that is not there any more is chosen anew. */
static void test_provider_that_is_gone(void **state)
{
    (void)state;
    struct gemm_provider *planner;
    assert_int_equal(gm_planner_open("", &planner, NULL), GEMMLP_OK);
    struct plan plan = {.machine = ""};
    strcpy(plan.machine, gm_planner_plan(planner)->machine);
    gm_gemm_close(planner);
    add(&plan, 33, "atlantis", 2);
    assert_int_equal(gm_plan_write(&plan, at("gone"), NULL), GEMMLP_OK);
    gm_plan_free(&plan);
    float c[33 * 20];
    assert_int_equal(gm_planner_open(at("gone"), &planner, NULL), GEMMLP_OK);
    assert_string_equal(provider_of(gm_planner_plan(planner), 33), "atlantis");
    multiply(planner, &forward, c);
    assert_string_not_equal(provider_of(gm_planner_plan(planner), 33), "atlantis");
    assert_int_equal(gm_planner_save(planner, NULL), GEMMLP_OK);
    gm_gemm_close(planner);
    assert_int_equal(gm_planner_open(at("gone"), &planner, NULL), GEMMLP_OK);
    assert_string_not_equal(provider_of(gm_planner_plan(planner), 33), "atlantis");
    gm_gemm_close(planner);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_right_and_remembered),
        cmocka_unit_test(test_large_products),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_near),
        cmocka_unit_test(test_files),
        cmocka_unit_test(test_damaged_files),
        cmocka_unit_test(test_provider_that_is_gone),
    };
    omp_set_num_threads(2);
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
