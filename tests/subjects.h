/* subjects.h: for tests of checkpoints: a subject, which is data, settings and a network; runs of
 * it that stop at any step, are saved and resumed; and the bytes of a checkpoint in mid-epoch. */
#ifndef GM_TEST_SUBJECTS_H
#define GM_TEST_SUBJECTS_H

#include "clouds.h"
#include "files.h"

enum { BATCH = 20, STEPS = 5 /* an epoch: 4 of 20 and one of 10 */ };

struct subject {
    struct clouds train, valid;
    const gemmlp_dataset *use_valid; /* or NULL */
    gemmlp_training training;
    double dropout, smoothing;
};

static inline struct subject subject_of(const char *optimizer, const char *schedule)
{
    struct subject s = {.training = training_of(optimizer, -1, BATCH, 4)};
    s.training.schedule = schedule;
    s.training.seed = 7;
    return s;
}

static inline void subject_data(struct subject *s)
{
    clouds_create(&s->train, 1, 1.2);
    clouds_create(&s->valid, 2, 1.2);
}

static inline void subject_free(struct subject *s)
{
    gemmlp_dataset_free(s->train.data);
    gemmlp_dataset_free(s->valid.data);
}

static inline gemmlp_model *model_for(const struct subject *s, uint64_t seed)
{
    const gemmlp_layer layers[] = {{.n_out = 8, .activation = "tanh", .dropout = s->dropout}, {0}};
    const gemmlp_network network = {
        .layer_count = 2, .layers = layers, .label_smoothing = s->smoothing, .seed = seed};
    gemmlp_model *model;
    assert_int_equal(gemmlp_model_create(&network, s->train.data, &model, NULL), GEMMLP_OK);
    return model;
}

static inline gemmlp_trainer *start(const struct subject *s, gemmlp_model *model)
{
    return trainer_of(model, s->train.data, s->use_valid, &s->training);
}

static inline void run_to(gemmlp_trainer *trainer, size_t step)
{
    gemmlp_progress p;
    gemmlp_trainer_progress(trainer, &p);
    while (!p.finished && p.step < step) {
        assert_int_equal(gemmlp_trainer_run_until(trainer, step, INFINITY, NULL), GEMMLP_OK);
        gemmlp_trainer_progress(trainer, &p);
        assert_true(p.step <= step);
    }
}

static inline void save(gemmlp_trainer *trainer, const char *path)
{
    gemmlp_error error = {0};
    gemmlp_trainer_save(trainer, path, "a note", &error);
    assert_string_equal(error.message, "");
}

/* training NULL: that of the checkpoint. */
static inline gemmlp_trainer *resume(const struct subject *s, gemmlp_model *model, const char *path,
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
static inline void assert_same_files(const gemmlp_model *a, const gemmlp_model *b)
{
    static unsigned char one[1 << 16], other[1 << 16];
    assert_int_equal(gemmlp_model_save(a, at("a"), NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_save(b, at("b"), NULL), GEMMLP_OK);
    const size_t size = get_file(at("a"), one, sizeof one);
    assert_int_equal(get_file(at("b"), other, sizeof other), size);
    assert_true(size > 0 && size < sizeof one);
    assert_memory_equal(one, other, size);
}

/* The bytes of what a_checkpoint has saved. */
static unsigned char whole[1 << 16];

/* At "c": in the third epoch, with a best and a last good model. Returns its size. */
static inline size_t a_checkpoint(struct subject *s)
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

#endif
