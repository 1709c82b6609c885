/* test_checkpoint.c: a run that is stopped anywhere and resumed gives the bits of one that was not;
 * which of the checkpoints in a directory is taken; and what is no checkpoint, or a model too.
 * Damaged ones are in test_checkpoint_damage.c, those of other conditions in
 * test_checkpoint_mismatch.c. */
#define _POSIX_C_SOURCE 200809L
#include "subjects.h"

#include "io/safetensors.h"
#include "train/trainer.h"

/* ---- two runs that must be one ---- */

/* NaN is equal to NaN here, for it is what does not apply. */
static bool same_real(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

static void assert_same_metrics(const gemmlp_metrics *a, const gemmlp_metrics *b)
{
    assert_int_equal(a->examples, b->examples);
    assert_true(same_real(a->loss, b->loss) && same_real(a->accuracy, b->accuracy));
    assert_true(same_real(a->rmse, b->rmse) && same_real(a->r2, b->r2));
}

static void assert_same_progress(const gemmlp_progress *a, const gemmlp_progress *b)
{
    assert_int_equal(a->epoch, b->epoch);
    assert_int_equal(a->epochs, b->epochs);
    assert_int_equal(a->step, b->step);
    assert_int_equal(a->steps_per_epoch, b->steps_per_epoch);
    assert_int_equal(a->best_epoch, b->best_epoch);
    assert_true(a->learning_rate == b->learning_rate);
    assert_int_equal(a->finished, b->finished);
    assert_int_equal(a->epoch_completed, b->epoch_completed);
    assert_same_metrics(&a->train, &b->train);
    assert_same_metrics(&a->valid, &b->valid);
}

/* Stopped after `stop` steps and resumed with everything new, against a run in one go. */
static void check_resume(const struct subject *s, size_t stop)
{
    gemmlp_progress undisturbed, resumed;
    gemmlp_model *one_go = model_for(s, 1), *first = model_for(s, 1), *second = model_for(s, 1);
    gemmlp_trainer *trainer = start(s, one_go);
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &undisturbed);
    gemmlp_trainer_free(trainer);

    trainer = start(s, first);
    run_to(trainer, stop);
    save(trainer, at("c"));
    gemmlp_progress before, after;
    gemmlp_trainer_progress(trainer, &before);
    gemmlp_trainer_free(trainer);
    trainer = resume(s, second, at("c"), stop % 2 ? &s->training : NULL);
    gemmlp_trainer_progress(trainer, &after);
    assert_same_progress(&before, &after);
    assert_true(after.train_seconds == before.train_seconds);
    assert_true(same_parameters(first, second));
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &resumed);
    gemmlp_trainer_free(trainer);
    assert_same_progress(&undisturbed, &resumed);
    assert_same_files(one_go, second);
    gemmlp_model_free(one_go);
    gemmlp_model_free(first);
    gemmlp_model_free(second);
}

static void test_every_optimizer_and_schedule(void **state)
{
    (void)state;
    const char *optimizer, *schedule;
    size_t stop = 0;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)); o++)
        for (size_t c = 0; (schedule = gemmlp_name(GEMMLP_SCHEDULES, c)); c++)
            for (int dropout = 0; dropout < 2; dropout++) {
                struct subject s = subject_of(optimizer, schedule);
                subject_data(&s);
                s.use_valid = c % 2 ? s.valid.data : NULL;
                s.dropout = dropout ? 0.3 : 0;
                s.smoothing = dropout ? 0 : 0.1;
                s.training.clip_norm = dropout && o % 2 ? 0.1 : 0;
                s.training.l2 = 1e-3;
                s.training.general_path = dropout && o % 2 == 0;
                check_resume(&s, stop++ % (4 * STEPS + 1)); /* anywhere, also at 0 and at the end */
                subject_free(&s);
            }
}

static void test_every_step(void **state)
{
    (void)state;
    for (size_t stop = 0; stop <= 4 * STEPS; stop++) {
        struct subject s = subject_of("adam", "one_cycle");
        const double weights[CLASSES] = {1, 2.5, 0.3};
        subject_data(&s);
        s.use_valid = s.valid.data;
        s.dropout = 0.2;
        s.training.class_weights = weights;
        check_resume(&s, stop);
        subject_free(&s);
    }
}

/* By the planner, on two threads: the choices are those of the checkpoint, with the very times that
 * were measured when they were made; and to save does not disturb. */
static void test_planned(void **state)
{
    (void)state;
    for (size_t stop = 3; stop < 9; stop += 4) {
        struct subject s = subject_of("momentum", "cosine");
        struct safetensors *before, *after;
        subject_data(&s);
        s.use_valid = s.valid.data;
        s.training.compute = (gemmlp_compute){.threads = 2, .plan = ""};
        gemmlp_model *first = model_for(&s, 1), *second = model_for(&s, 1);
        gemmlp_trainer *one_go = start(&s, first);
        run_to(one_go, stop);
        save(one_go, at("c"));
        gemmlp_trainer *resumed = resume(&s, second, at("c"), stop == 3 ? &s.training : NULL);
        save(resumed, at("d"));
        assert_int_equal(gm_safetensors_open(at("c"), &before, NULL), GEMMLP_OK);
        assert_int_equal(gm_safetensors_open(at("d"), &after, NULL), GEMMLP_OK);
        const char *plan = gm_safetensors_metadata(before, "plan");
        assert_non_null(plan);
        assert_non_null(strstr(plan, "\"seconds\":"));
        assert_string_equal(gm_safetensors_metadata(after, "plan"), plan);
        gm_safetensors_close(before);
        gm_safetensors_close(after);
        run_to(one_go, SIZE_MAX);
        run_to(resumed, SIZE_MAX);
        assert_same_files(first, second);
        gemmlp_trainer_free(one_go);
        gemmlp_trainer_free(resumed);
        gemmlp_model_free(first);
        gemmlp_model_free(second);
        subject_free(&s);
    }
}

/* Labels that cannot be learnt: the best is early, and the run goes back to it. */
static void test_early_stopping(void **state)
{
    (void)state;
    struct subject s = subject_of("adam", "plateau");
    uint64_t random = 3;
    subject_data(&s);
    for (size_t i = 0; i < EXAMPLES; i++) {
        s.train.labels[i] = (int32_t)(3 * random_uniform(&random));
        s.valid.labels[i] = (int32_t)(3 * random_uniform(&random));
    }
    s.use_valid = s.valid.data;
    s.training.lr = 0.02;
    s.training.schedule_epochs = 2;
    s.training.patience = 4;
    s.training.epochs = 200;
    gemmlp_model *model = model_for(&s, 1);
    gemmlp_trainer *trainer = start(&s, model);
    gemmlp_progress p;
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &p);
    assert_true(p.epoch < 200 && p.best_epoch == p.epoch - 4);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    for (size_t stop = 0; stop <= p.step + 1; stop++)
        check_resume(&s, stop);
    subject_free(&s);
}

/* N epochs, then N more, against 2N in one go. */
static void check_more(struct subject *s, size_t patience)
{
    gemmlp_progress at_once, parts;
    s->training.patience = patience;
    gemmlp_training twice = s->training;
    twice.epochs = 2 * s->training.epochs;
    gemmlp_model *one_go = model_for(s, 1), *first = model_for(s, 1), *second = model_for(s, 1);
    gemmlp_trainer *trainer = trainer_of(one_go, s->train.data, s->use_valid, &twice);
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &at_once);
    gemmlp_trainer_free(trainer);
    trainer = start(s, first);
    run_to(trainer, SIZE_MAX);
    save(trainer, at("c"));
    gemmlp_trainer_free(trainer);
    trainer = resume(s, second, at("c"), &twice);
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &parts);
    gemmlp_trainer_free(trainer);
    assert_int_equal(parts.epoch, twice.epochs);
    assert_same_progress(&at_once, &parts);
    assert_same_files(one_go, second);
    gemmlp_model_free(one_go);
    gemmlp_model_free(first);
    gemmlp_model_free(second);
}

static void test_more_epochs(void **state)
{
    (void)state;
    static const char *const schedules[] = {"constant", "exponential", "step", "plateau"};
    const char *optimizer;
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)); o++)
        for (size_t c = 0; c < 4; c++) {
            struct subject s = subject_of(optimizer, schedules[c]);
            subject_data(&s);
            s.dropout = 0.2;
            s.training.schedule_epochs = 2;
            check_more(&s, 0);
            s.use_valid = s.valid.data;
            s.training.lr = 1e-4; /* gets better all the time, or nearly so: goes on to the end */
            check_more(&s, 50);
            s.training.lr =
                0.3; /* goes back to its best after N, where the uninterrupted one goes on */
            check_more(&s, 50);
            subject_free(&s);
        }
}

/* ---- directories ---- */

static void test_directory(void **state)
{
    (void)state;
    struct subject s = subject_of("adam", "constant");
    gemmlp_checkpoint *c;
    gemmlp_error error = {0};
    subject_data(&s);
    gemmlp_model *model = model_for(&s, 1);
    gemmlp_trainer *trainer = start(&s, model);
    assert_int_equal(gemmlp_checkpoint_newest(at("none"), &c, NULL), GEMMLP_OK);
    assert_null(c);
    assert_int_equal(gemmlp_checkpoint_newest(directory, &c, NULL), GEMMLP_OK);
    assert_null(c);
    /* Names that are no checkpoints, and what a process left behind that has died. */
    put_file(at("step-1.safetensors"), "x", 1);
    put_file(at("step-0000000x1.safetensors"), "x", 1);
    put_file(at("step-000000099.safetensors~"), "x", 1);
    put_file(at(".step-000000003.safetensors.999999999-0.tmp"), "x", 1);
    for (size_t step = 1; step <= 6; step++) {
        run_to(trainer, step);
        gemmlp_trainer_checkpoint(trainer, directory, 3, NULL, &error);
        assert_string_equal(error.message, "");
        assert_int_equal(count_entries(), 3 + (step < 3 ? step : 3));
        assert_int_equal(gemmlp_checkpoint_newest(directory, &c, NULL), GEMMLP_OK);
        gemmlp_progress p;
        gemmlp_checkpoint_progress(c, &p);
        assert_int_equal(p.step, step);
        assert_string_equal(gemmlp_checkpoint_passed_over(c), "");
        assert_null(gemmlp_checkpoint_note(c));
        gemmlp_checkpoint_free(c);
    }
    /* Two of three are damaged; then a step further takes their place. */
    put_file(at("step-000000006.safetensors"), "", 0);
    assert_int_equal(truncate(at("step-000000005.safetensors"), 700), 0);
    assert_int_equal(gemmlp_checkpoint_newest(directory, &c, NULL), GEMMLP_OK);
    assert_string_equal(gemmlp_checkpoint_path(c), at("step-000000004.safetensors"));
    assert_non_null(strstr(gemmlp_checkpoint_passed_over(c), "step-000000006.safetensors: "));
    gemmlp_trainer *again;
    gemmlp_trainer_resume(model, s.train.data, NULL, NULL, c, false, &again, &error);
    assert_string_equal(error.message, "");
    gemmlp_checkpoint_free(c);
    run_to(again, 5);
    gemmlp_trainer_checkpoint(again, directory, 1, NULL, &error);
    assert_string_equal(error.message, "");
    assert_int_equal(count_entries(), 3 + 1);
    put_file(at("step-000000005.safetensors"), "{}", 2);
    assert_failed(gemmlp_checkpoint_newest(directory, &c, &error), &error, GEMMLP_BAD_MODEL,
                  "none of its 1 checkpoints is sound");
    assert_null(c);
    assert_failed(gemmlp_trainer_checkpoint(again, directory, 0, NULL, &error), &error,
                  GEMMLP_INVALID_ARGUMENT, "at least 1");
    gemmlp_trainer_free(again);
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    subject_free(&s);
}

/* ---- divergence, and models ---- */

/* An update may spoil what only the next step would meet, or a memory of the optimizer: that is no
 * checkpoint, and does not take the place of one. */
static void test_spoilt(void **state)
{
    (void)state;
    static const char *const optimizers[] = {"sgd", "adam"};
    for (size_t i = 0; i < 2; i++) {
        struct subject s = subject_of(optimizers[i], "constant");
        gemmlp_error error = {0};
        gemmlp_checkpoint *c;
        subject_data(&s);
        gemmlp_model *model = model_for(&s, 1);
        gemmlp_trainer *trainer = start(&s, model);
        run_to(trainer, 2);
        save(trainer, at("c"));
        if (i == 0)
            gemmlp_model_biases(model, 1)[0] = INFINITY;
        else
            trainer->step.optimizer->slots[1][0] = INFINITY;
        assert_failed(gemmlp_trainer_save(trainer, at("c"), NULL, &error), &error, GEMMLP_DIVERGED,
                      "after step 2 not all that it holds is finite");
        assert_int_equal(gemmlp_checkpoint_open(at("c"), &c, NULL), GEMMLP_OK);
        gemmlp_checkpoint_free(c);
        gemmlp_trainer_free(trainer);
        gemmlp_model_free(model);
        subject_free(&s);
    }
}

/* NaN after a resume in mid-epoch leads back to the last completed epoch, as without it. */
static void test_divergence(void **state)
{
    (void)state;
    static float good[ROOM], end[ROOM];
    struct subject s = subject_of("sgd", "constant");
    gemmlp_error error = {0};
    subject_data(&s);
    gemmlp_model *model = model_for(&s, 1), *other = model_for(&s, 1);
    gemmlp_trainer *trainer = start(&s, model);
    run_to(trainer, STEPS);
    const size_t count = parameters_of(model, good);
    run_to(trainer, STEPS + 2);
    save(trainer, at("c"));
    gemmlp_trainer_free(trainer);
    trainer = resume(&s, other, at("c"), NULL);
    gemmlp_model_weights(other, 0)[0] = NAN;
    assert_failed(gemmlp_trainer_run(trainer, INFINITY, &error), &error, GEMMLP_DIVERGED,
                  "those after epoch 1");
    parameters_of(other, end);
    assert_memory_equal(end, good, count * sizeof *good);
    assert_failed(gemmlp_trainer_save(trainer, at("d"), NULL, &error), &error, GEMMLP_DIVERGED,
                  "no checkpoint of a failed training");
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    gemmlp_model_free(other);
    subject_free(&s);
}

/* What opens models opens a checkpoint; and a model is none. */
static void test_is_a_model(void **state)
{
    (void)state;
    struct subject s;
    gemmlp_model *loaded, *model;
    gemmlp_checkpoint *c;
    gemmlp_error error;
    a_checkpoint(&s);
    assert_int_equal(gemmlp_model_load(at("c"), &loaded, NULL), GEMMLP_OK);
    model = model_for(&s, 1);
    gemmlp_trainer *trainer = resume(&s, model, at("c"), NULL), *again;
    assert_same_files(model, loaded);
    gemmlp_trainer_free(trainer);
    again = resume(&s, loaded, at("c"), NULL); /* one that was loaded from it */
    gemmlp_trainer_free(again);
    assert_int_equal(gemmlp_model_save(model, at("m"), NULL), GEMMLP_OK);
    assert_failed(gemmlp_checkpoint_open(at("m"), &c, &error), &error, GEMMLP_BAD_MODEL,
                  "does not end with a tensor checksum.crc32");
    assert_failed(gemmlp_checkpoint_open(at("none"), &c, &error), &error, GEMMLP_IO, "none");
    gemmlp_model_free(model);
    gemmlp_model_free(loaded);
    subject_free(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        IN_DIRECTORY(test_every_optimizer_and_schedule),
        IN_DIRECTORY(test_every_step),
        IN_DIRECTORY(test_planned),
        IN_DIRECTORY(test_early_stopping),
        IN_DIRECTORY(test_more_epochs),
        IN_DIRECTORY(test_directory),
        IN_DIRECTORY(test_spoilt),
        IN_DIRECTORY(test_divergence),
        IN_DIRECTORY(test_is_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
