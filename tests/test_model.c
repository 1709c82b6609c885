/* test_model.c: a model in its file: what is saved is what is loaded, bit for bit; a save that
 * fails leaves what was there. */
#define _GNU_SOURCE
#include "model_files.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- round trip ------------------------------------------------------------------------------ */

static void assert_same_network(const gemmlp_network *a, const gemmlp_network *b)
{
    assert_int_equal(a->n_in, b->n_in);
    assert_int_equal(a->layer_count, b->layer_count);
    assert_int_equal(a->task, b->task);
    assert_string_equal(a->loss, b->loss);
    assert_true(a->label_smoothing == b->label_smoothing);
    assert_string_equal(a->preprocess, b->preprocess);
    assert_true(a->seed == b->seed);
    for (size_t l = 0; l < a->layer_count; l++) {
        assert_int_equal(a->layers[l].n_out, b->layers[l].n_out);
        assert_string_equal(a->layers[l].activation, b->layers[l].activation);
        assert_string_equal(a->layers[l].init, b->layers[l].init);
        assert_true(a->layers[l].dropout == b->layers[l].dropout);
    }
}

static void test_round_trip(void **state)
{
    (void)state;
    static const char *const names[OUTPUTS] = {"na\u00efve", "\u65e5\u672c\u8a9e", "\U0001F600",
                                               ""};
    static const gemmlp_task tasks[] = {GEMMLP_CLASSIFY, GEMMLP_REGRESS, GEMMLP_MULTILABEL};
    static struct examples e;
    static struct bytes first, second;
    for (size_t t = 0; t < 3; t++) {
        for (int named = 0; named < 2; named++) {
            float before[EXAMPLES * OUTPUTS], after[EXAMPLES * OUTPUTS];
            examples_create(&e, tasks[t]);
            gemmlp_model *model = model_create(e.data);
            if (named) {
                assert_int_equal(gemmlp_model_set_class_names(model, names, NULL), GEMMLP_OK);
            }
            save(model);
            read_bytes(path, &first);
            gemmlp_model *loaded = load();
            save(loaded);
            read_bytes(path, &second);
            assert_same_network(gemmlp_model_network(model), gemmlp_model_network(loaded));
            for (size_t j = 0; j < OUTPUTS; j++) {
                const char number[] = {(char)('0' + j), '\0'};
                assert_string_equal(gemmlp_model_class_name(loaded, j), named ? names[j] : number);
            }
            assert_null(gemmlp_model_class_name(loaded, OUTPUTS));
            assert_int_equal(gemmlp_model_predict(model, e.data, 0, EXAMPLES, NULL, before, NULL),
                             GEMMLP_OK);
            assert_int_equal(gemmlp_model_predict(loaded, e.data, 0, EXAMPLES, NULL, after, NULL),
                             GEMMLP_OK);
            assert_memory_equal(before, after, sizeof before);
            assert_int_equal(first.size, second.size);
            assert_memory_equal(first.at, second.at, first.size);
            gemmlp_model_free(loaded);
            gemmlp_model_free(model);
            gemmlp_dataset_free(e.data);
        }
    }
}

/* A name that JSON cannot hold is refused early or not at all, but never saved as a broken file. */
static void test_names_that_are_not_utf8(void **state)
{
    (void)state;
    static const char *const names[OUTPUTS] = {"a", "\xff\xfe", "c", "d"};
    static struct examples e;
    gemmlp_error error = {0};
    examples_create(&e, GEMMLP_CLASSIFY);
    gemmlp_model *model = model_create(e.data);
    gemmlp_status status = gemmlp_model_set_class_names(model, names, &error);
    if (status == GEMMLP_OK) {
        status = gemmlp_model_save(model, path, &error);
    }
    if (status == GEMMLP_OK) {
        gemmlp_model_free(load());
    } else {
        assert_int_equal(status, GEMMLP_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "UTF-8"));
    }
    gemmlp_model_free(model);
    gemmlp_dataset_free(e.data);
}

/* ---- a save that fails ----------------------------------------------------------------------- */

static void assert_save_fails(const gemmlp_model *model, const char *to, int cause)
{
    gemmlp_error error = {0};
    assert_int_equal(gemmlp_model_save(model, to, &error), GEMMLP_IO);
    if (!strstr(error.message, to) || !strstr(error.message, strerror(cause))) {
        fail_msg("%s or '%s' is not in: %s", to, strerror(cause), error.message);
    }
}

static void test_save_that_fails(void **state)
{
    (void)state;
    static struct examples e;
    static struct bytes before, after;
    char to[96];
    small_file(&before);
    examples_create(&e, GEMMLP_REGRESS);
    gemmlp_model *model = model_create(e.data);

    if (access("/dev/full", W_OK) == 0) {
        assert_save_fails(model, "/dev/full", ENOSPC);
        struct stat status;
        assert_true(stat("/dev/full", &status) == 0 && S_ISCHR(status.st_mode));
    }
    assert_save_fails(model, directory, EISDIR);
    snprintf(to, sizeof to, "%s/no/such/directory", directory);
    assert_save_fails(model, to, ENOENT);
    snprintf(to, sizeof to, "%s/model", path);
    assert_save_fails(model, to, ENOTDIR);
    if (geteuid() != 0) { /* who may write everywhere has no such directory */
        assert_int_equal(chmod(directory, 0500), 0);
        assert_save_fails(model, path, EACCES);
        assert_int_equal(chmod(directory, 0700), 0);
    }

    /* A file that must not grow beyond 100 bytes, as on a full disk. */
    struct rlimit limit, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    small = (struct rlimit){.rlim_cur = 100, .rlim_max = limit.rlim_max};
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    gemmlp_error error = {0};
    gemmlp_status status = gemmlp_model_save(model, path, &error);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, GEMMLP_IO);
    assert_non_null(strstr(error.message, path));
    assert_non_null(strstr(error.message, strerror(EFBIG)));

    read_bytes(path, &after);
    assert_int_equal(after.size, before.size);
    assert_memory_equal(after.at, before.at, before.size);
    unlink(path);
    assert_int_equal(rmdir(directory), 0); /* nothing else was left there */
    assert_int_equal(mkdir(directory, 0700), 0);
    gemmlp_model_free(model);
    gemmlp_dataset_free(e.data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_names_that_are_not_utf8),
        cmocka_unit_test(test_save_that_fails),
    };
    return cmocka_run_group_tests(tests, make_directory, remove_directory);
}
