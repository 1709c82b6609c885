/* test_caller.c: what a call leaves as it was: the number of threads of its caller, and their
 * floating-point control. */
#include "clouds.h"

#include <omp.h>

#include "core/portability.h"

static unsigned control_of_thread(int thread)
{
    unsigned control = 0;
#pragma omp parallel num_threads(2)
    if (omp_get_thread_num() == thread) {
        control = gm_float_control_get();
    }
    return control;
}

static void test_threads_are_as_before(void **state)
{
    (void)state;
    struct clouds c;
    gemmlp_progress p;
    clouds_create(&c, 1, 1);
    const unsigned before = gm_float_control_get();
    const int threads = omp_get_max_threads();
    const unsigned worker = control_of_thread(1);
    /* Not yet spoilt by another call: this test is alone in its process. */
    assert_int_not_equal(before, GM_FLUSH_TO_ZERO(before));
    assert_int_not_equal(worker, GM_FLUSH_TO_ZERO(worker));
    omp_set_num_threads(3);
    gemmlp_model *model = activated_model("relu", c.data, 64, 0.1, 1);
    gemmlp_training training = training_of("adam", 0.01, 30, 2);
    for (int i = 1; i <= 2; i++) {
        gemmlp_explanation *explanation;
        gemmlp_weight_index largest;
        size_t found;
        training.compute.threads = i;
        train(model, c.data, c.data, &training);
        assert_int_equal(omp_get_max_threads(), 3);
        evaluate(model, c.data, NULL);
        assert_int_equal(gemmlp_explain(model, c.data, 0, 0, 0, 0, 0, 0, &explanation, NULL),
                         GEMMLP_OK);
        gemmlp_explanation_free(explanation);
        assert_int_equal(gemmlp_largest_gradients(model, c.data, 0, GEMMLP_ALL_LAYERS, 1, &largest,
                                                  &found, NULL),
                         GEMMLP_OK);
        assert_int_equal(gemmlp_gradcheck(gemmlp_model_network(model),
                                          &(gemmlp_gradcheck_options){.samples = 5},
                                          &(gemmlp_gradcheck_report){0}, NULL),
                         GEMMLP_OK);
        assert_int_equal(omp_get_max_threads(), 3);
        assert_int_equal(CONTROL_BITS(gm_float_control_get()), CONTROL_BITS(before));
        assert_int_equal(CONTROL_BITS(control_of_thread(1)), CONTROL_BITS(worker));
    }
    training = training_of("sgd", 1e30, 30, 2); /* also after a failure */
    assert_diverges(model, c.data, &training, &p);
    assert_int_equal(omp_get_max_threads(), 3);
    assert_int_equal(CONTROL_BITS(gm_float_control_get()), CONTROL_BITS(before));
    assert_int_equal(CONTROL_BITS(control_of_thread(1)), CONTROL_BITS(worker));
    omp_set_num_threads(threads);
    gemmlp_model_free(model);
    gemmlp_dataset_free(c.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_threads_are_as_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
