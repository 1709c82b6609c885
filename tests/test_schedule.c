/* test_schedule.c: learning rates at steps where they can be worked out by hand. */
#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "train/schedule.h"

static struct schedule create(const gemmlp_training *training, double lr, size_t steps_per_epoch)
{
    struct schedule schedule;
    gemmlp_error error = {.message = ""};
    if (gm_schedule_init(&schedule, training, lr, steps_per_epoch, &error) != GEMMLP_OK)
        fail_msg("%s", error.message);
    return schedule;
}

/* -1 stands for the default, as in gemmlp_training. */
static gemmlp_training ask(const char *name, size_t epochs, double warmup, double factor,
                           double schedule_epochs)
{
    gemmlp_training training = gemmlp_training_default();
    training.schedule = name;
    training.epochs = epochs;
    training.warmup = warmup;
    training.schedule_factor = factor;
    training.schedule_epochs = schedule_epochs;
    return training;
}

/* eta at `step`, for a highest eta of 8. A cosine's cos(pi/3) = 1/2, cos(pi/2) = 0 and
 * cos(2 pi/3) = -1/2 make (1 + cos)/2 into 3/4, 1/2 and 1/4. */
static const struct {
    const char *name;
    size_t epochs, steps_per_epoch;
    double warmup, factor, schedule_epochs;
    struct {
        uint64_t step;
        double expected; /* as a share of 8 */
    } at[8];
} cases[] = {
    {"constant", 3, 100, -1, -1, -1, {{0, 1}, {150, 1}, {299, 1}}},
    /* Two steps of warm-up from zero: t + 1 of 3 equal stairs. */
    {"constant", 1, 4, 0.5, -1, -1, {{0, 1. / 3}, {1, 2. / 3}, {2, 1}, {3, 1}}},
    /* floor(0.7 x 3): a step that is only part of the warm-up is none of it. */
    {"constant", 3, 1, 0.7, -1, -1, {{0, 1. / 3}, {1, 2. / 3}, {2, 1}}},
    /* 10 steps, 3 of them warm-up: 0.04 + 0.96 (1, 2, 3)/4, then a cosine over 7. */
    {"one_cycle",
     5,
     2,
     -1,
     -1,
     -1,
     {{0, 0.28}, {1, 0.52}, {2, 0.76}, {3, 1}, {9, 1e-4 + 0.9999 * 0.049515566048790427}}},
    /* 2 of 5 steps warm-up, then a cosine over 3; down to a fifth of eta: 0.2 + 0.8 (3/4, 1/4). */
    {"one_cycle", 5, 1, 0.4, 0.2, -1, {{0, 0.36}, {1, 0.68}, {2, 1}, {3, 0.8}, {4, 0.4}}},
    /* Without warm-up, and its 1e-4 at half time. */
    {"one_cycle", 1, 100, 0, -1, -1, {{0, 1}, {50, 0.50005}}},
    {"cosine",
     6,
     2,
     -1,
     -1,
     -1,
     {{0, 1}, {4, 0.75}, {6, 0.5}, {8, 0.25}, {11, 0.017037086855465844}}},
    {"cosine", 1, 12, 0, 0.5, -1, {{0, 1}, {4, 0.875}, {6, 0.75}, {8, 0.625}}},
    /* 3 of 15 steps warm-up from zero; then the cosine over 12. */
    {"cosine", 15, 1, 0.2, -1, -1, {{0, 0.25}, {1, 0.5}, {2, 0.75}, {3, 1}, {7, 0.75}, {9, 0.5}}},
    /* Thirds of 30 epochs of 5 steps: 50 steps each. */
    {"step", 30, 5, -1, -1, -1, {{0, 1}, {49, 1}, {50, 0.1}, {99, 0.1}, {100, 0.01}, {149, 0.01}}},
    /* A third of 7 epochs is rounded up to 3, of 1 to 1. */
    {"step", 7, 2, -1, -1, -1, {{0, 1}, {5, 1}, {6, 0.1}, {11, 0.1}, {12, 0.01}, {13, 0.01}}},
    {"step", 1, 10, -1, -1, -1, {{0, 1}, {9, 1}}},
    {"step", 4, 10, -1, 0.5, 1.5, {{0, 1}, {14, 1}, {15, 0.5}, {29, 0.5}, {30, 0.25}, {39, 0.25}}},
    /* The steps are counted from the start of the run, not from the end of the warm-up. */
    {"step", 4, 1, 0.25, 0.5, 2, {{0, 0.5}, {1, 1}, {2, 0.5}, {3, 0.5}}},
    {"exponential",
     4,
     10,
     -1,
     -1,
     -1,
     {{0, 1}, {5, 0.97467943448089639}, {10, 0.95}, {20, 0.9025}, {30, 0.857375}}},
    {"exponential",
     8,
     10,
     -1,
     0.25,
     2,
     {{0, 1}, {10, 0.5}, {20, 0.25}, {30, 0.125}, {70, 0.0078125}}},
    {"plateau", 5, 10, -1, -1, -1, {{0, 1}, {25, 1}, {49, 1}}},
};

static void test_values(void **state)
{
    (void)state;
    for (size_t c = 0; c < COUNT(cases); c++) {
        gemmlp_training training = ask(cases[c].name, cases[c].epochs, cases[c].warmup,
                                       cases[c].factor, cases[c].schedule_epochs);
        struct schedule schedule = create(&training, 8, cases[c].steps_per_epoch);
        for (size_t i = 0; i < COUNT(cases[c].at) && cases[c].at[i].expected > 0; i++) {
            const uint64_t step = cases[c].at[i].step;
            assert_true(step < cases[c].epochs * cases[c].steps_per_epoch);
            char what[80];
            snprintf(what, sizeof what, "case %zu: %s at step %d", c, cases[c].name, (int)step);
            double eta = gm_schedule_lr(&schedule, step);
            assert_at_most(relative_difference(eta, 8 * cases[c].at[i].expected), 1e-12, what);
        }
    }
}

/* Every schedule of the table has its case above. */
static void test_table(void **state)
{
    (void)state;
    size_t n = 0;
    for (; gm_schedule_at(n); n++) {
        assert_string_equal(gm_schedule_at(n)->name, gm_schedule_name(n));
        assert_true(strlen(gm_schedule_at(n)->description) > 0);
        bool found = false;
        for (size_t c = 0; c < COUNT(cases); c++)
            found = found || strcmp(cases[c].name, gm_schedule_name(n)) == 0;
        if (!found)
            fail_msg("no case for %s", gm_schedule_name(n));
    }
    assert_int_equal(n, 6);
    assert_null(gm_schedule_name(n));
}

/* Whatever the schedule: positive, never above the highest, and the whole warm-up rises. */
static void test_bounds(void **state)
{
    (void)state;
    for (size_t s = 0; gm_schedule_name(s); s++) {
        for (int warm = 0; warm < 2; warm++) {
            gemmlp_training training = ask(gm_schedule_name(s), 7, warm ? 0.43 : -1, -1, -1);
            struct schedule schedule = create(&training, 0.3, 11);
            double before = 0, top = 0;
            for (uint64_t step = 0; step < 77; step++) {
                double eta = gm_schedule_lr(&schedule, step);
                assert_true(eta > 0 && eta <= 0.3 * (1 + 1e-15));
                if (warm && step < 33)
                    assert_true(eta > before);
                before = eta;
                top = fmax(top, eta);
            }
            assert_true(top > 0.2);
        }
    }
}

static void tell(struct schedule *schedule, const double *losses, size_t n)
{
    for (size_t i = 0; i < n; i++)
        gm_schedule_epoch(schedule, losses[i]);
}

/* After three epochs in a row that are not better than the best, and after three more. */
static void test_plateau(void **state)
{
    (void)state;
    gemmlp_training training = ask("plateau", 100, -1, -1, -1);
    struct schedule schedule = create(&training, 1, 10);
    static const struct {
        double loss, expected; /* eta after the epoch with this loss */
    } story[] = {
        {5, 1},      {4, 1},      {4, 1},        {4.5, 1},   {3, 1}, /* saved at the last moment */
        {3, 1},      {3.5, 1},    {3.1, 0.5},                        /* better than the last, not */
        {3.1, 0.5},  {3.1, 0.5},  {2.9, 0.5},                        /* than the best */
        {NAN, 0.5},  {NAN, 0.5},  {NAN, 0.25},                       /* NaN is not better */
        {5, 0.25},   {5, 0.25},   {5, 0.125},    {5, 0.125}, {5, 0.125},
        {5, 0.0625}, {1, 0.0625}, {0.9, 0.0625},
    };
    for (size_t i = 0; i < COUNT(story); i++) {
        gm_schedule_epoch(&schedule, story[i].loss);
        double eta = gm_schedule_lr(&schedule, 10 * i);
        if (eta != story[i].expected)
            fail_msg("after epoch %zu: eta %g, not %g", i, eta, story[i].expected);
    }

    training = ask("plateau", 100, -1, 0.1, 1);
    schedule = create(&training, 1, 10);
    tell(&schedule, (const double[]){2, 2, 2}, 3);
    assert_close(gm_schedule_lr(&schedule, 30), 0.01, 1e-15,
                 "eta after two epochs that were no better");

    /* No other schedule listens. */
    for (size_t s = 0; gm_schedule_name(s); s++) {
        training = ask(gm_schedule_name(s), 100, -1, -1, -1);
        schedule = create(&training, 1, 10);
        double before = gm_schedule_lr(&schedule, 500);
        tell(&schedule, (const double[]){2, 2, 2, 2, 2, 2, 2}, 7);
        assert_int_equal(gm_schedule_lr(&schedule, 500) != before,
                         strcmp(gm_schedule_name(s), "plateau") == 0);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        double warmup, factor, epochs;
        const char *message;
    } bad[] = {
        {"one_cycle", 1, -1, -1, "warm-up must be in [0, 1), found 1"},
        {"constant", 1.5, -1, -1, "warm-up must be in [0, 1), found 1.5"},
        {"constant", NAN, -1, -1, "warm-up must be in [0, 1), found nan"},
        {"step", -1, 1.25, -1,
         "schedule step needs a factor in [0, 1] and epochs above 0, found 1.25"},
        {"step", -1, NAN, -1, "schedule step needs a factor in [0, 1]"},
        {"exponential", -1, -1, 0, "epochs above 0, found 0.95 and 0"},
        {"plateau", -1, -1, 0, "schedule plateau needs a factor in [0, 1] and epochs above 0"},
        {"step", -1, -1, INFINITY, "epochs above 0, found 0.1 and inf"},
        {"step", -1, -1, NAN, "epochs above 0, found 0.1 and"},
        {"cosin", -1, -1, -1, "unknown schedule 'cosin'; did you mean 'cosine'?"},
    };
    for (size_t i = 0; i < COUNT(bad); i++) {
        gemmlp_training training =
            ask(bad[i].name, 10, bad[i].warmup, bad[i].factor, bad[i].epochs);
        struct schedule schedule;
        gemmlp_error error = {.message = ""};
        if (gm_schedule_init(&schedule, &training, 1, 10, &error) != GEMMLP_INVALID_ARGUMENT)
            fail_msg("accepted: what should say '%s' (case %zu)", bad[i].message, i);
        assert_int_equal(error.status, GEMMLP_INVALID_ARGUMENT);
        if (!strstr(error.message, bad[i].message))
            fail_msg("'%s' does not say '%s'", error.message, bad[i].message);
    }
    gemmlp_training training = ask("none", 10, -1, -1, -1);
    struct schedule schedule;
    gemmlp_error error;
    assert_int_equal(gm_schedule_init(&schedule, &training, 1, 10, &error),
                     GEMMLP_INVALID_ARGUMENT);
    for (size_t s = 0; gm_schedule_name(s); s++)
        assert_non_null(strstr(error.message, gm_schedule_name(s)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),   cmocka_unit_test(test_table),
        cmocka_unit_test(test_bounds),   cmocka_unit_test(test_plateau),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
