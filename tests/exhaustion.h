/* exhaustion.h: for tests of failing memory: a data set and a model, and the sweep: a call of the
 * library is made with its k-th allocation failing, for every k, and with all from the k-th on,
 * until it succeeds without having met a failure. Each time it must say so in a sentence, leave
 * nothing behind and leave its arguments usable; afterwards it must do what it did before. */
#ifndef GM_TEST_EXHAUSTION_H
#define GM_TEST_EXHAUSTION_H

#include "files.h"

#include <malloc.h>
#include <stdint.h>

#include "failing_malloc.h"

enum { EXAMPLES = 60, FEATURES = 6, CLASSES = 3 };

static uint8_t pixels[EXAMPLES * FEATURES];
static int32_t labels[EXAMPLES];
static float targets[EXAMPLES * CLASSES];
static const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                     .features = FEATURES,
                                     .outputs = CLASSES,
                                     .x_u8 = pixels,
                                     .labels = labels};
static gemmlp_dataset *data;
static gemmlp_model *model;
static const char *const names[] = {"a", "b", "c"};
static const gemmlp_layer layers[] = {
    {.n_out = 8, .init = "orthogonal", .dropout = 0.2}, {.n_out = 5, .activation = "gelu"}, {0}};
static const gemmlp_network network = {.layer_count = 3, .layers = layers, .label_smoothing = 0.1};

static inline int create_all(void **state)
{
    uint64_t random = 1;
    /* Freed memory is kept: that the kernel takes it back, and clears it for the next of some
     * thousand tries, takes longer than the tries. 32 MiB is the most that is allowed. */
    if (!mallopt(M_MMAP_THRESHOLD, 32 << 20) || !mallopt(M_TRIM_THRESHOLD, 1 << 30))
        return -1;
    if (make_directory(state) != 0)
        return -1;
    for (size_t i = 0; i < EXAMPLES; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        for (size_t k = 0; k < FEATURES; k++)
            pixels[i * FEATURES + k] =
                (uint8_t)(k % CLASSES == i % CLASSES ? 200 : 50 * random_uniform(&random));
        targets[i * CLASSES + i % CLASSES] = 1;
    }
    return gemmlp_dataset_wrap(&arrays, &data, NULL) != GEMMLP_OK ||
           gemmlp_model_create(&network, data, &model, NULL) != GEMMLP_OK ||
           gemmlp_model_set_class_names(model, names, NULL) != GEMMLP_OK ||
           gemmlp_model_save(model, at("model"), NULL) != GEMMLP_OK;
}

static inline int free_all(void **state)
{
    gemmlp_model_free(model);
    gemmlp_dataset_free(data);
    return remove_directory(state);
}

/* ---- the sweep ------------------------------------------------------------------------------- */

/* Does it once, frees what it made, and checks that nothing was made where it failed. */
typedef gemmlp_status (*operation)(const void *how, gemmlp_error *error);

enum { MOST = 5000 }; /* allocations of one call: more is a loop without end */

/* One try; true: it went through without a failure. */
static inline bool try(const char *what, operation operate, const void *how, size_t first,
                       size_t last)
{
    gemmlp_error error = {0};
    failing_malloc_start(first, last);
    const gemmlp_status status = operate(how, &error);
    failing_malloc_stop();
    if (failing_malloc_live() != 0)
        fail_msg("%s, allocations %zu to %zu fail: %ld blocks are left", what, first, last,
                 failing_malloc_live());
    if (!failing_malloc_failed()) {
        if (status != GEMMLP_OK)
            fail_msg("%s without a failure: %s", what, error.message);
        return true;
    }
    /* A call may get along without what it did not get, but not claim another cause. */
    if (status != GEMMLP_OK && (status != GEMMLP_OUT_OF_MEMORY || error.status != status ||
                                *error.message == '\0' || strchr(error.message, '\n')))
        fail_msg("%s, allocations %zu to %zu fail: %s: '%s'", what, first, last,
                 gemmlp_status_name(status), error.message);
    return false;
}

/* At least `least` allocations must have been there to fail: a sweep of nothing proves nothing. */
static inline void sweep(const char *what, operation operate, const void *how, size_t least)
{
    for (int i = 0; i < 2; i++) /* what runtimes keep for good is there then */
        assert_int_equal(operate(how, NULL), GEMMLP_OK);
    size_t k = 1;
    while (!try(what, operate, how, k, k))
        assert_true(++k < MOST);
    if (k - 1 < least)
        fail_msg("%s: only %zu allocations, expected %zu", what, k - 1, least);
    for (k = 1; !try(what, operate, how, k, SIZE_MAX); k++)
        assert_true(k < MOST);
}

#endif
