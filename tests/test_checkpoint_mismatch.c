/* test_checkpoint_mismatch.c: a checkpoint of other data, settings or machine is told, and resumed
 * only by whoever allows it. */
#define _POSIX_C_SOURCE 200809L
#include "subjects.h"

static void assert_mismatch(const struct subject *s, const gemmlp_checkpoint *c, const char *says)
{
    gemmlp_model *model = model_for(s, 1);
    gemmlp_trainer *trainer;
    gemmlp_error error = {0};
    assert_failed(gemmlp_trainer_resume(model, s->train.data, s->use_valid, &s->training, c, false,
                                        &trainer, &error),
                  &error, GEMMLP_MISMATCH, says);
    assert_null(trainer);
    error = (gemmlp_error){0};
    gemmlp_trainer_resume(model, s->train.data, s->use_valid, &s->training, c, true, &trainer,
                          &error);
    assert_string_equal(error.message, "");
    assert_non_null(strstr(gemmlp_trainer_mismatch(trainer), says));
    gemmlp_progress p;
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &p);
    assert_true(p.finished && isfinite(p.train.loss) && p.train.examples == EXAMPLES);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
}

static void test_mismatches(void **state)
{
    (void)state;
    struct subject s;
    gemmlp_checkpoint *c;
    gemmlp_error error;
    a_checkpoint(&s);
    const struct subject original = s;
    assert_int_equal(gemmlp_checkpoint_open(at("c"), &c, NULL), GEMMLP_OK);
    s.training.compute.threads = 2;
    assert_mismatch(&s, c, "threads was 1, is 2");
    s.training.compute = (gemmlp_compute){.threads = 1, .provider = "reference"};
    assert_mismatch(&s, c, "provider was \"");
    s.training = original.training;
    s.training.lr = 0.007;
    assert_mismatch(&s, c, "training.lr was 0.005, is 0.007");
    s.training = original.training;
    s.training.batch = 30; /* the running epoch starts again */
    assert_mismatch(&s, c, "training.batch was 20, is 30");
    s.training = original.training;
    s.training.epochs = 8; /* plateau takes no notice */
    gemmlp_model *model = model_for(&s, 1);
    gemmlp_trainer *trainer;
    assert_int_equal(gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, false,
                                           &trainer, NULL),
                     GEMMLP_OK);
    gemmlp_trainer_free(trainer);
    s.training.epochs = 2;
    assert_failed(gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, false,
                                        &trainer, &error),
                  &error, GEMMLP_INVALID_ARGUMENT, "has completed 2 epochs");
    s.training = original.training;
    s.training.optimizer = "sgd";
    assert_failed(gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, true,
                                        &trainer, &error),
                  &error, GEMMLP_INVALID_ARGUMENT, "is of optimizer adam");
    gemmlp_model_free(model);
    s.training = original.training;
    s.dropout = 0.1;
    assert_mismatch(&s, c, "network.layers[0].dropout was 0.0, is 0.1");
    s.dropout = 0;
    s.train.labels[17] = (s.train.labels[17] + 1) % CLASSES;
    assert_mismatch(&s, c, "data.train.crc32 was ");
    s.train.labels[17] = (s.train.labels[17] + 2) % CLASSES;
    s.valid.x[5] += 1;
    assert_mismatch(&s, c, "data.valid.crc32 was ");
    s.valid.x[5] -= 1;
    s.use_valid = NULL;
    s.training.patience = 0;
    assert_mismatch(&s, c, "data.valid was ");
    gemmlp_checkpoint_free(c);
    subject_free(&s);
}

/* A rate that is laid out over all epochs is another one when there are more. */
static void test_schedules_to_the_end(void **state)
{
    (void)state;
    static const char *const schedules[] = {"one_cycle", "cosine", "step", "constant"};
    for (size_t i = 0; i < 4; i++) {
        struct subject s = subject_of("sgd", schedules[i]);
        gemmlp_checkpoint *c;
        subject_data(&s);
        s.training.warmup = i == 3 ? 0.5 : -1;
        gemmlp_model *model = model_for(&s, 1);
        gemmlp_trainer *trainer = start(&s, model);
        run_to(trainer, 3);
        save(trainer, at("c"));
        gemmlp_trainer_free(trainer);
        gemmlp_model_free(model);
        assert_int_equal(gemmlp_checkpoint_open(at("c"), &c, NULL), GEMMLP_OK);
        s.training.epochs = 9;
        assert_mismatch(&s, c, "training.epochs was 4, is 9");
        gemmlp_checkpoint_free(c);
        subject_free(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_mismatches),
        IN_DIRECTORY(test_schedules_to_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
