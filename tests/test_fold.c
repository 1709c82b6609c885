/* test_fold.c: the update that is folded into its matrix product beside the general path: the
 * same trajectory. Compiled for float and, with -DGEMMLP_F64, for double. */
#include "sides.h"

static void compare_paths(size_t net, size_t i, const char *optimizer)
{
    gemmlp_training training = training_of(i, optimizer), general = training;
    struct side folded_side, general_side;
    struct examples e;
    general.general_path = true;
    side_create(&folded_side, net, &training);
    side_create(&general_side, net, &general);
    assert_fold(folded_side.step.optimizer, &training);
    assert_fold(general_side.step.optimizer, &general);
    assert_int_equal(folded_side.model->slab_size, general_side.model->slab_size);
    examples_fill(&e, net, folded_side.model->layers[folded_side.model->layer_count - 1].n_out);
    struct difference d = {0};
    for (size_t step = 0; step < STEPS; step++) {
        side_step(&folded_side, &e, training.lr);
        side_step(&general_side, &e, training.lr);
    }
    for (size_t k = 0; k < folded_side.model->slab_size; k++) {
        difference_add(&d, (double)folded_side.model->slab[k], (double)general_side.model->slab[k]);
    }
    assert_at_most(difference_relative(&d), tolerance_of(net, &training), optimizer);
    side_free(&folded_side);
    side_free(&general_side);
}

static void test_fold(void **state)
{
    (void)state;
    static const char *const folding[] = {"sgd", "momentum"};
    for (size_t o = 0; o < COUNT(folding); o++) {
        for (size_t net = 0; net < COUNT(nets); net++) {
            for (size_t i = 0; i < COUNT(cases); i++) {
                compare_paths(net, i, folding[o]);
            }
        }
    }
}

/* A learning rate that changes from step to step, as schedules make it. */
static void test_fold_with_changing_rate(void **state)
{
    (void)state;
    for (size_t o = 0; o < 2; o++) {
        gemmlp_training training = training_of(1, o ? "momentum" : "sgd"), general = training;
        struct side sides[2];
        struct examples e;
        general.general_path = true;
        side_create(&sides[0], 0, &training);
        side_create(&sides[1], 0, &general);
        examples_fill(&e, 0, 4);
        for (size_t step = 0; step < STEPS; step++) {
            const double lr = 0.001 * (double)(1 + step % 37);
            assert_close(side_step(&sides[0], &e, lr), side_step(&sides[1], &e, lr), TOLERANCE,
                         "C");
        }
        side_free(&sides[0]);
        side_free(&sides[1]);
    }
}

/* Where the product would round at the size of the weights too often, or the penalty cannot be part
 * of it. */
static void test_where_sgd_folds(void **state)
{
    (void)state;
    const struct optimizer_rule *sgd, *momentum;
    gemmlp_error error;
    gemmlp_training training = gemmlp_training_default();
    assert_int_equal(optimizer_find("sgd", &sgd, &error), GEMMLP_OK);
    assert_int_equal(optimizer_find("momentum", &momentum, &error), GEMMLP_OK);
    training.batch = 1024;
    assert_int_equal(optimizer_fold(sgd, &training), FOLD_INTO_WEIGHTS);
    training.batch = 1025;
    assert_int_equal(optimizer_fold(sgd, &training), FOLD_NONE);
    assert_int_equal(optimizer_fold(momentum, &training), FOLD_INTO_SLOT);
    training.batch = 1;
    training.l1 = 0.1;
    assert_int_equal(optimizer_fold(sgd, &training), FOLD_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fold),
        cmocka_unit_test(test_fold_with_changing_rate),
        cmocka_unit_test(test_where_sgd_folds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
