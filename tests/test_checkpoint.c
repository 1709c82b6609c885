/* test_checkpoint.c: a run that is stopped anywhere and resumed gives the bits of one that was not; and a
 * checkpoint that is damaged, hostile or of other conditions is told. */
#define _POSIX_C_SOURCE 200809L
#include "clouds.h"
#include "files.h"

#include <sys/stat.h>

#include "io/safetensors.h"
#include "train/trainer.h"

enum { BATCH = 20, STEPS = 5 /* an epoch: 4 of 20 and one of 10 */ };

/* ---- two runs that must be one ---- */

struct subject {
    struct clouds train, valid;
    const gemmlp_dataset *use_valid; /* or NULL */
    gemmlp_training training;
    double dropout, smoothing;
};

static struct subject subject_of(const char *optimizer, const char *schedule)
{
    struct subject s = {.training = training_of(optimizer, -1, BATCH, 4)};
    s.training.schedule = schedule;
    s.training.seed = 7;
    return s;
}

static void subject_data(struct subject *s)
{
    clouds_create(&s->train, 1, 1.2);
    clouds_create(&s->valid, 2, 1.2);
}

static void subject_free(struct subject *s)
{
    gemmlp_dataset_free(s->train.data);
    gemmlp_dataset_free(s->valid.data);
}

static gemmlp_model *model_for(const struct subject *s, uint64_t seed)
{
    const gemmlp_layer layers[] = {{.n_out = 8, .activation = "tanh", .dropout = s->dropout}, {0}};
    const gemmlp_network network = {
        .layer_count = 2, .layers = layers, .label_smoothing = s->smoothing, .seed = seed};
    gemmlp_model *model;
    assert_int_equal(gemmlp_model_create(&network, s->train.data, &model, NULL), GEMMLP_OK);
    return model;
}

static gemmlp_trainer *start(const struct subject *s, gemmlp_model *model)
{
    return trainer_of(model, s->train.data, s->use_valid, &s->training);
}

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

static void run_to(gemmlp_trainer *trainer, size_t step)
{
    gemmlp_progress p;
    gemmlp_trainer_progress(trainer, &p);
    while (!p.finished && p.step < step) {
        assert_int_equal(gemmlp_trainer_run_until(trainer, step, INFINITY, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &p);
        assert_true(p.step <= step);
    }
}

static void save(gemmlp_trainer *trainer, const char *path)
{
    gemmlp_error error = {0};
    gemmlp_trainer_save(trainer, path, "a note", &error);
    assert_string_equal(error.message, "");
}

/* training NULL: that of the checkpoint. */
static gemmlp_trainer *resume(const struct subject *s, gemmlp_model *model, const char *path,
                              const gemmlp_training *training)
{
    gemmlp_checkpoint *checkpoint;
    gemmlp_trainer *trainer;
    gemmlp_error error = {0};
    gemmlp_checkpoint_open(path, &checkpoint, &error);
    assert_string_equal(error.message, "");
    assert_string_equal(gemmlp_checkpoint_note(checkpoint), "a note");
    assert_string_equal(gemmlp_checkpoint_path(checkpoint), path);
    gemmlp_trainer_resume(model, s->train.data, s->use_valid, training, checkpoint, false, &trainer,
                          &error);
    assert_string_equal(error.message, "");
    assert_string_equal(gemmlp_trainer_mismatch(trainer), "");
    gemmlp_checkpoint_free(checkpoint);
    return trainer;
}

/* The model's file, byte by byte. */
static void assert_same_files(const gemmlp_model *a, const gemmlp_model *b)
{
    static unsigned char one[1 << 16], other[1 << 16];
    assert_int_equal(gemmlp_model_save(a, at("a"), NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_save(b, at("b"), NULL), GEMMLP_OK);
    const size_t size = get_file(at("a"), one, sizeof one);
    assert_int_equal(get_file(at("b"), other, sizeof other), size);
    assert_true(size > 0 && size < sizeof one);
    assert_memory_equal(one, other, size);
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
    gemmlp_progress whole, parts;
    s->training.patience = patience;
    gemmlp_training twice = s->training;
    twice.epochs = 2 * s->training.epochs;
    gemmlp_model *one_go = model_for(s, 1), *first = model_for(s, 1), *second = model_for(s, 1);
    gemmlp_trainer *trainer = trainer_of(one_go, s->train.data, s->use_valid, &twice);
    run_to(trainer, SIZE_MAX);
    gemmlp_trainer_progress(trainer, &whole);
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
    assert_same_progress(&whole, &parts);
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

/* ---- damage ---- */

static unsigned char whole[1 << 16], changed[1 << 16];

static size_t a_checkpoint(struct subject *s)
{
    *s = subject_of("adam", "plateau");
    subject_data(s);
    s->use_valid = s->valid.data;
    s->training.patience = 3;
    for (size_t i = 0; i < EXAMPLES; i++) /* the more is learnt, the worse: the best is the first */
        s->valid.labels[i] = (s->valid.labels[i] + 1) % CLASSES;
    gemmlp_model *model = model_for(s, 1);
    gemmlp_trainer *trainer = start(s, model);
    run_to(trainer, 2 * STEPS + 2);
    save(trainer, at("c"));
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
    const size_t size = get_file(at("c"), whole, sizeof whole);
    assert_true(size > 1000 && size < sizeof whole);
    return size;
}

static void test_damage(void **state)
{
    (void)state;
    struct subject s;
    gemmlp_checkpoint *c;
    const size_t size = a_checkpoint(&s);
    size_t refused = 0;
    for (size_t i = 0; i < size; i++) { /* each byte, one bit of it */
        memcpy(changed, whole, size);
        changed[i] ^= (unsigned char)(1 << i % 8);
        put_file(at("d"), changed, size);
        gemmlp_error error = {0};
        refused += gemmlp_checkpoint_open(at("d"), &c, &error) == GEMMLP_BAD_MODEL;
        assert_null(c);
        assert_non_null(strstr(error.message, at("d")));
    }
    assert_int_equal(refused, size);
    for (size_t length = 0; length < size; length += 1 + length / 50) {
        put_file(at("d"), whole, length);
        assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_BAD_MODEL);
        memset(changed, 0, size); /* a file that has its size, but not all of its blocks */
        memcpy(changed, whole, length);
        put_file(at("d"), changed, size);
        assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_BAD_MODEL);
    }
    memcpy(changed, whole, size);
    changed[size] = 0;
    put_file(at("d"), changed, size + 1);
    assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_BAD_MODEL);
    put_file(at("d"), whole, size);
    assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_OK);
    gemmlp_checkpoint_free(c);
    subject_free(&s);
}

/* Writes what is in `changed` with a checksum that is right. */
static void seal(size_t size)
{
    uint32_t crc = 0xFFFFFFFFu;
    for (size_t i = 0; i < size - 4; i++) {
        crc ^= changed[i];
        for (int bit = 0; bit < 8; bit++)
            crc = crc & 1 ? crc >> 1 ^ 0xEDB88320u : crc >> 1;
    }
    crc = ~crc;
    memcpy(changed + size - 4, &crc, 4);
    put_file(at("d"), changed, size);
}

/* Replaces the first `from` behind the header's start by `to`, keeps the length of the header by blanks
 * at its end, and gives the file a checksum that is right. */
static void forge(size_t size, const char *from, const char *to)
{
    uint64_t length;
    memcpy(&length, whole, 8);
    memcpy(changed, whole, 8);
    const char *header = (const char *)whole + 8;
    const char *place = NULL;
    for (size_t i = 0; !place && i + strlen(from) <= length; i++)
        if (memcmp(header + i, from, strlen(from)) == 0)
            place = header + i;
    if (!place)
        fail_msg("%s is not in the header", from);
    const size_t before = (size_t)(place - header), rest = length - before - strlen(from);
    const size_t used = before + strlen(to) + rest;
    unsigned char *out = changed + 8;
    memcpy(out, header, before);
    memcpy(out + before, to, strlen(to));
    memcpy(out + before + strlen(to), place + strlen(from), rest);
    const size_t padded = used > length ? length + (used - length + 7) / 8 * 8 : length;
    memset(out + used, ' ', padded - used);
    const uint64_t prefix = padded;
    memcpy(changed, &prefix, 8);
    memcpy(out + padded, whole + 8 + length, size - 8 - length);
    const size_t end = 8 + padded + size - 8 - length;
    seal(end);
}

/* With a right checksum, each field is still checked. */
static void test_hostile(void **state)
{
    (void)state;
    static const struct {
        const char *from, *to;
        gemmlp_status status;
        const char *says;
    } cases[] = {
        {"\"checkpoint\":\"1\"", "\"checkpoint\":\"2\"", GEMMLP_UNSUPPORTED, "version 1 expected"},
        {"\"checkpoint\":\"1\"", "\"checkpainT\":\"1\"", GEMMLP_BAD_MODEL, "lacks 'checkpoint'"},
        {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":\\\"adax\\\"", GEMMLP_BAD_MODEL,
         "'optimizer'"},
        {"\\\"optimizer\\\":\\\"adam\\\"", "\\\"optimizer\\\":7", GEMMLP_BAD_MODEL, "'optimizer'"},
        {"\\\"schedule\\\":\\\"plateau\\\"", "\\\"schedule\\\":\\\"\\\"", GEMMLP_BAD_MODEL,
         "'schedule'"},
        {"\\\"batch\\\":20", "\\\"batch\\\":0", GEMMLP_BAD_MODEL, "'batch'"},
        {"\\\"batch\\\":20", "\\\"batch\\\":-1", GEMMLP_BAD_MODEL, "'batch'"},
        {"\\\"batch\\\":20", "\\\"batch\\\":9223372036854775807", GEMMLP_MISMATCH,
         "training.batch"},
        {"\\\"batch\\\":20", "\\\"batch\\\":92233720368547758070", GEMMLP_BAD_MODEL, "training"},
        {"\\\"epochs\\\":4", "\\\"epochs\\\":{}", GEMMLP_BAD_MODEL, "'epochs'"},
        {"\\\"seed\\\":\\\"7\\\"", "\\\"seed\\\":\\\"-7\\\"", GEMMLP_BAD_MODEL, "'seed'"},
        {"\\\"seed\\\":\\\"7\\\"", "\\\"seed\\\":\\\"8\\\"", GEMMLP_MISMATCH,
         "training.seed was \"8\", is \"7\""},
        {"\\\"threads\\\":1", "\\\"threads\\\":0", GEMMLP_BAD_MODEL, "'threads'"},
        {"\\\"threads\\\":1", "\\\"threads\\\":99999", GEMMLP_BAD_MODEL, "'threads'"},
        {"\\\"threads\\\":1", "\\\"threads\\\":3", GEMMLP_MISMATCH, "threads was 3, is 1"},
        {"\\\"epoch\\\":2", "\\\"epoch\\\":3", GEMMLP_BAD_MODEL, "'step'"},
        {"\\\"step\\\":12", "\\\"step\\\":1", GEMMLP_BAD_MODEL, "'step'"},
        {"\\\"step\\\":12", "\\\"step\\\":null", GEMMLP_BAD_MODEL, "'step'"},
        {"\\\"steps_per_epoch\\\":5", "\\\"steps_per_epoch\\\":0", GEMMLP_BAD_MODEL,
         "'steps_per_epoch'"},
        {"\\\"finished\\\":false", "\\\"finished\\\":true", GEMMLP_BAD_MODEL, "'finished'"},
        {"\\\"finished\\\":false", "\\\"finished\\\":0", GEMMLP_BAD_MODEL, "'finished'"},
        {"\\\"plateau_scale\\\":1.0", "\\\"plateau_scale\\\":1.5", GEMMLP_BAD_MODEL,
         "'plateau_scale'"},
        {"\\\"plateau_scale\\\":1.0", "\\\"plateau_scale\\\":1e999", GEMMLP_BAD_MODEL, "state"},
        {"\\\"tally\\\":{", "\\\"tally\\\":[],\\\"x\\\":{", GEMMLP_BAD_MODEL, "'examples'"},
        {"\\\"tally\\\":{", "\\\"x\\\":[[{}]],\\\"tally\\\":{", GEMMLP_BAD_MODEL,
         "metadata state nests deeper than 2 levels"},
        {"\"state\":\"{", "\"state\":\"[]\",\"x\":\"{", GEMMLP_BAD_MODEL,
         "metadata state is no JSON object"},
        {"\\\"batch\\\":20", "\\\"batch\\\":20,\\\"batch\\\":20", GEMMLP_BAD_MODEL,
         "metadata training is no JSON object: duplicate object key"},
        {"\\\"valid\\\":{\\\"examples\\\":90,\\\"loss",
         "\\\"valid\\\":{\\\"examples\\\":-9,\\\"loss", GEMMLP_BAD_MODEL, "'examples'"},
        {"\"optimizer.slot1.layers.0.weight\"", "\"optimizer.slotI.layers.0.weight\"",
         GEMMLP_BAD_MODEL, "there is no tensor optimizer.slot1.layers.0.weight"},
        {"\"best.layers.1.bias\"", "\"best.layers.1.bigs\"", GEMMLP_BAD_MODEL,
         "there is no tensor best.layers.1.bias"},
        {"\"good.layers.1.bias\":{\"dtype\":\"F32\"", "\"good.layers.1.bias\":{\"dtype\":\"I32\"",
         GEMMLP_BAD_MODEL, "good.layers.1.bias should be F32"},
        {"\\\"state\\\":", "\\\"state\\\":", GEMMLP_OK, ""},
    };
    struct subject s;
    const size_t size = a_checkpoint(&s);
    gemmlp_model *model = model_for(&s, 1), *same = model_for(&s, 1);
    for (size_t i = 0; i < sizeof cases / sizeof *cases - 1; i++) {
        gemmlp_checkpoint *c;
        gemmlp_trainer *trainer = NULL;
        gemmlp_error error = {0};
        forge(size, cases[i].from, cases[i].to);
        gemmlp_status status = gemmlp_checkpoint_open(at("d"), &c, &error);
        if (status == GEMMLP_OK) {
            status = gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, false,
                                           &trainer, &error);
            assert_null(trainer);
        }
        gemmlp_checkpoint_free(c);
        assert_failed(status, &error, cases[i].status, cases[i].says);
        assert_true(same_parameters(model, same)); /* as they were before */
    }
    gemmlp_model_free(model);
    gemmlp_model_free(same);
    subject_free(&s);
}

/* Weights of fewer classes than there are must not be read beyond their end, whoever passes them. */
static void test_hostile_weights(void **state)
{
    (void)state;
    struct subject s;
    const size_t size = a_checkpoint(&s);
    gemmlp_model *model = model_for(&s, 1);
    gemmlp_checkpoint *c;
    gemmlp_trainer *trainer;
    gemmlp_training training;
    gemmlp_error error = {0};
    forge(size, "\\\"batch\\\":20", "\\\"batch\\\":20,\\\"class_weights\\\":[1.0]");
    assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, &error), GEMMLP_OK);
    gemmlp_checkpoint_settings(c, &training);
    const gemmlp_training *const settings[] = {NULL, &training};
    for (size_t i = 0; i < 2; i++) {
        const gemmlp_status status = gemmlp_trainer_resume(model, s.train.data, s.use_valid,
                                                           settings[i], c, true, &trainer, &error);
        assert_failed(status, &error, GEMMLP_BAD_MODEL, "weights of 1 classes, expected 3");
        assert_null(trainer);
    }
    gemmlp_checkpoint_free(c);
    gemmlp_model_free(model);
    subject_free(&s);
}

/* An element that is not finite, wherever it stands: refused, and the model is as it was. */
static void test_not_finite(void **state)
{
    (void)state;
    static const char *const names[] = {"layers.1.bias", "good.layers.1.bias",
                                        "best.layers.0.weight", "optimizer.slot1.layers.1.weight",
                                        "preprocess.offset"};
    struct subject s;
    const size_t size = a_checkpoint(&s);
    gemmlp_model *model = model_for(&s, 1), *same = model_for(&s, 1);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        struct safetensors *file;
        gemmlp_checkpoint *c;
        gemmlp_trainer *trainer;
        gemmlp_error error;
        const float bad = i % 2 ? NAN : INFINITY;
        assert_int_equal(gm_safetensors_open(at("c"), &file, NULL), GEMMLP_OK);
        const struct safetensor *tensor = gm_safetensors_find(file, names[i]);
        assert_non_null(tensor);
        memcpy(changed, whole, size);
        memcpy(changed + tensor->offset + tensor->bytes - sizeof bad, &bad, sizeof bad);
        gm_safetensors_close(file);
        seal(size);
        assert_int_equal(gemmlp_checkpoint_open(at("d"), &c, NULL), GEMMLP_OK);
        assert_failed(gemmlp_trainer_resume(model, s.train.data, s.use_valid, &s.training, c, true,
                                            &trainer, &error),
                      &error, GEMMLP_BAD_MODEL, "is not finite");
        assert_null(trainer);
        assert_true(same_parameters(model, same));
        assert_same_files(model, same);
        gemmlp_checkpoint_free(c);
    }
    gemmlp_model_free(model);
    gemmlp_model_free(same);
    subject_free(&s);
}

/* ---- other conditions ---- */

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
        IN_DIRECTORY(test_damage),
        IN_DIRECTORY(test_hostile),
        IN_DIRECTORY(test_hostile_weights),
        IN_DIRECTORY(test_not_finite),
        IN_DIRECTORY(test_mismatches),
        IN_DIRECTORY(test_schedules_to_the_end),
        IN_DIRECTORY(test_spoilt),
        IN_DIRECTORY(test_divergence),
        IN_DIRECTORY(test_is_a_model),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
