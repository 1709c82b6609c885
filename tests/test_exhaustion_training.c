/* test_exhaustion_training.c: memory runs out at every place where it can while a model predicts,
 * is measured or trained, and while checkpoints are saved and resumed. */
#define _GNU_SOURCE
#include "exhaustion.h"

#include <sys/stat.h>

static const gemmlp_compute one_thread = {.threads = 1, .provider = "native"};

/* ---- computing ------------------------------------------------------------------------------- */

static gemmlp_status predict(const void *how, gemmlp_error *error)
{
    static float wanted[EXAMPLES * CLASSES];
    static bool known;
    float out[EXAMPLES * CLASSES];
    const gemmlp_status status = gemmlp_model_predict(model, data, 0, EXAMPLES, how, out, error);
    if (status == GEMMLP_OK && !known)
        memcpy(wanted, out, sizeof wanted);
    known = known || status == GEMMLP_OK;
    if (status == GEMMLP_OK)
        assert_memory_equal(out, wanted, sizeof wanted);
    return status;
}

static gemmlp_status evaluate(const void *how, gemmlp_error *error)
{
    size_t confusion[CLASSES * CLASSES];
    gemmlp_metrics metrics;
    const gemmlp_status status =
        gemmlp_model_evaluate(model, data, how, &metrics, confusion, error);
    if (status == GEMMLP_OK)
        assert_int_equal(metrics.examples, EXAMPLES);
    return status;
}

static gemmlp_status train(const void *how, gemmlp_error *error)
{
    gemmlp_model *trained;
    gemmlp_trainer *trainer;
    gemmlp_status status = gemmlp_model_load(at("model"), &trained, error);
    if (status != GEMMLP_OK)
        return status;
    status = gemmlp_trainer_create(trained, data, data, how, &trainer, error);
    assert_true((status == GEMMLP_OK) == (trainer != NULL));
    for (gemmlp_progress progress = {0}; status == GEMMLP_OK && !progress.finished;) {
        status = gemmlp_trainer_run(trainer, 0, error);
        gemmlp_trainer_progress(trainer, &progress);
    }
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(trained);
    return status;
}

static gemmlp_status train_at_once(const void *how, gemmlp_error *error)
{
    gemmlp_model *trained;
    gemmlp_status status = gemmlp_model_load(at("model"), &trained, error);
    if (status != GEMMLP_OK)
        return status;
    status = gemmlp_train(trained, data, data, how, NULL, error);
    /* It may be used whatever happened. */
    gemmlp_model_weights(trained, 0)[0] = 1;
    gemmlp_model_free(trained);
    return status;
}

static const double weights[CLASSES] = {1, 2, 0.5};

static gemmlp_training training_by(const char *optimizer, const gemmlp_compute *compute)
{
    gemmlp_training training = gemmlp_training_default();
    training.optimizer = optimizer;
    training.batch = 25;
    training.epochs = 2;
    training.patience = 1;
    training.compute = *compute;
    return training;
}

static void test_computing(void **state)
{
    (void)state;
    static const gemmlp_compute computes[] = {
        {.threads = 1, .provider = "native"},
        {.threads = 2, .provider = "openblas"},
        {.threads = 1, .provider = "reference"},
        {.threads = 1, .provider = "reference", .precision = "bf16"},
    };
    const char *optimizer;
    for (size_t i = 0; i < sizeof computes / sizeof *computes; i++) {
        gemmlp_training training = training_by("adam", &computes[i]);
        training.class_weights = weights;
        sweep(computes[i].provider, evaluate, &computes[i], 3);
        sweep(computes[i].provider, train_at_once, &training, 25);
    }
    static char plan[512];
    snprintf(plan, sizeof plan, "%s", at("plan"));
    const gemmlp_compute planned = {.threads = 1, .plan = plan};
    const gemmlp_training by_plan = training_by("adam", &planned);
    sweep("a plan", evaluate, &planned, 50);
    sweep("training by a plan", train, &by_plan, 80);
    sweep("predicting", predict, &one_thread, 3);
    for (size_t i = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, i)) != NULL; i++) {
        gemmlp_training training = training_by(optimizer, &one_thread);
        sweep(optimizer, train, &training, 25);
        training.general_path = true;
        training.clip_norm = 1;
        sweep(optimizer, train, &training, 25);
    }
}

/* ---- checkpoints ----------------------------------------------------------------------------- */

/* A training in the middle of its second epoch, as a checkpoint has it, and where that is kept. */
static gemmlp_training checkpointed;
static char kept[512]; /* a directory in the other one */

/* By calls that allocate nothing: whether the only checkpoint there is that of `step`, whole. */
static void assert_kept(size_t step)
{
    char path[600];
    struct stat status;
    snprintf(path, sizeof path, "%s/step-%09zu.safetensors", kept, step);
    assert_int_equal(stat(path, &status), 0);
}

static gemmlp_status open_checkpoint(const void *how, gemmlp_error *error)
{
    gemmlp_checkpoint *checkpoint;
    const gemmlp_status status = gemmlp_checkpoint_open(how, &checkpoint, error);
    assert_true((status == GEMMLP_OK) == (checkpoint != NULL));
    gemmlp_checkpoint_free(checkpoint);
    return status;
}

/* Lack of memory is no reason to go back to an older one, or to say that there is none. */
static gemmlp_status find_newest(const void *how, gemmlp_error *error)
{
    gemmlp_checkpoint *checkpoint;
    gemmlp_progress progress;
    const gemmlp_status status = gemmlp_checkpoint_newest(how, &checkpoint, error);
    assert_true((status == GEMMLP_OK) == (checkpoint != NULL));
    if (checkpoint) {
        gemmlp_checkpoint_progress(checkpoint, &progress);
        assert_int_equal(progress.step, 4);
    }
    gemmlp_checkpoint_free(checkpoint);
    return status;
}

/* What the calls below get. It is made before a sweep and lives through it: failing memory while a
 * model is loaded or trained and while a checkpoint is opened has sweeps of its own. */
static gemmlp_model *trained, *resumed;
static gemmlp_trainer *middle; /* of `trained`, in its second epoch */
static gemmlp_checkpoint *opened;

static void begin_training(void)
{
    assert_int_equal(gemmlp_model_load(at("model"), &trained, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_trainer_create(trained, data, data, &checkpointed, &middle, NULL),
                     GEMMLP_OK);
    for (int i = 0; i < 4; i++)
        assert_int_equal(gemmlp_trainer_run(middle, 0, NULL), GEMMLP_OK);
}

static void end_training(void)
{
    gemmlp_trainer_free(middle);
    gemmlp_model_free(trained);
}

static gemmlp_status save_checkpoint(const void *how, gemmlp_error *error)
{
    (void)how;
    return gemmlp_trainer_save(middle, at("c"), "a note", error);
}

static gemmlp_status keep_checkpoint(const void *how, gemmlp_error *error)
{
    (void)how;
    const gemmlp_status status = gemmlp_trainer_checkpoint(middle, kept, 2, "a note", error);
    assert_kept(4); /* the old or the new one */
    return status;
}

/* `how` NULL: with the settings of the checkpoint. */
static gemmlp_status resume(const void *how, gemmlp_error *error)
{
    gemmlp_trainer *trainer;
    gemmlp_progress progress = {0};
    gemmlp_status status =
        gemmlp_trainer_resume(resumed, data, data, how, opened, false, &trainer, error);
    assert_true((status == GEMMLP_OK) == (trainer != NULL));
    if (trainer) { /* at the step where it was, without a difference */
        gemmlp_trainer_progress(trainer, &progress);
        assert_int_equal(progress.step, 4);
        assert_string_equal(gemmlp_trainer_mismatch(trainer), "");
        status = gemmlp_trainer_run(trainer, 0, error);
    }
    gemmlp_trainer_free(trainer);
    return status;
}

static void test_checkpoints(void **state)
{
    (void)state;
    char path[600], plan[512];
    snprintf(kept, sizeof kept, "%s", at("kept"));
    snprintf(path, sizeof path, "%s", at("c"));
    snprintf(plan, sizeof plan, "%s", at("plan"));
    const gemmlp_compute computes[] = {
        one_thread,
        {.threads = 1, .provider = "reference", .precision = "bf16"},
        {.threads = 1, .plan = plan},
    };
    for (size_t i = 0; i < sizeof computes / sizeof *computes; i++) {
        checkpointed = training_by(i ? "momentum" : "adam", &computes[i]);
        checkpointed.class_weights = weights;
        begin_training();
        sweep("saving a checkpoint", save_checkpoint, NULL, 50);
        end_training();
        sweep("opening a checkpoint", open_checkpoint, path, 50);
        assert_int_equal(gemmlp_checkpoint_open(path, &opened, NULL), GEMMLP_OK);
        assert_int_equal(gemmlp_model_load(at("model"), &resumed, NULL), GEMMLP_OK);
        sweep("resuming", resume, NULL, 100);
        sweep("resuming by settings", resume, &checkpointed, 100);
        gemmlp_checkpoint_free(opened);
        gemmlp_model_free(resumed);
    }
    checkpointed = training_by("adam", &one_thread);
    begin_training();
    assert_int_equal(gemmlp_trainer_checkpoint(middle, kept, 2, NULL, NULL), GEMMLP_OK);
    sweep("keeping a checkpoint", keep_checkpoint, NULL, 50);
    end_training();
    sweep("the newest checkpoint", find_newest, kept, 50);
    snprintf(path, sizeof path, "%s/step-%09d.safetensors", kept, 4);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(rmdir(kept), 0); /* nothing else was left there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_computing),
        cmocka_unit_test(test_checkpoints),
    };
    return cmocka_run_group_tests(tests, create_all, free_all);
}
