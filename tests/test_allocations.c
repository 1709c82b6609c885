/* test_allocations.c: training allocates nothing once it runs, and what was allocated is freed.
 *
 * malloc and its kin are defined here, over glibc's own, and so stand before those of the C library
 * for every object of the process: the static library, OpenBLAS and the OpenMP runtime too. Which
 * of them called is told by the return address. A sanitizer has its own interposition: skipped
 * there, and without glibc. */
#define _GNU_SOURCE
#include "support.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "core/portability.h"
#include "gemmlp.h"

#if defined(__GLIBC__) && !defined(GM_SANITIZED)
#define INTERPOSED 1
/* Inlined, they would take their caller's caller for the one that calls. */
#define NOINLINE __attribute__((noinline))

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *memory);
void *memalign(size_t alignment, size_t size);
#endif

/* Calls while `counting`, and blocks that were not there before and are not freed yet. */
static atomic_bool counting;
static atomic_size_t calls_of_library, calls_of_others;
static atomic_long live;

#ifdef INTERPOSED
static _Thread_local bool inside; /* dladdr may allocate */

/* The library is linked into this executable: what lies elsewhere is the BLAS, the OpenMP runtime
 * or the C library. */
static void note(const void *caller)
{
    static const char anchor;
    if (!counting || inside) {
        return;
    }
    Dl_info from, here;
    inside = true;
    const bool known = dladdr(caller, &from) && dladdr(&anchor, &here);
    inside = false;
    if (known && from.dli_fbase == here.dli_fbase) {
        calls_of_library++;
    } else {
        calls_of_others++;
    }
}

static void *born(void *memory)
{
    live += counting && memory;
    return memory;
}

NOINLINE void *malloc(size_t size)
{
    note(__builtin_return_address(0));
    return born(__libc_malloc(size));
}

NOINLINE void *calloc(size_t count, size_t size)
{
    note(__builtin_return_address(0));
    return born(__libc_calloc(count, size));
}

NOINLINE void *realloc(void *old, size_t size)
{
    note(__builtin_return_address(0));
    return old ? __libc_realloc(old, size) : born(__libc_malloc(size));
}

NOINLINE void *memalign(size_t alignment, size_t size)
{
    note(__builtin_return_address(0));
    return born(__libc_memalign(alignment, size));
}

NOINLINE void *aligned_alloc(size_t alignment, size_t size)
{
    note(__builtin_return_address(0));
    return born(__libc_memalign(alignment, size));
}

NOINLINE int posix_memalign(void **out, size_t alignment, size_t size)
{
    note(__builtin_return_address(0));
    *out = born(__libc_memalign(alignment, size));
    return *out ? 0 : ENOMEM;
}

NOINLINE void free(void *memory)
{
    live -= counting && memory;
    __libc_free(memory);
}
#endif

static void start_counting(void)
{
    calls_of_library = calls_of_others = 0;
    live = 0;
    counting = true;
}

#ifdef INTERPOSED
#define SKIP_WITHOUT_INTERPOSITION() ((void)0)
#else
#define SKIP_WITHOUT_INTERPOSITION()                                                               \
    do {                                                                                           \
        print_message("# malloc belongs to a sanitizer, or is not glibc's: skipped\n");            \
        skip();                                                                                    \
    } while (0)
#endif

/* ---- the counter counts ---------------------------------------------------------------------- */

static void test_counter(void **state)
{
    (void)state;
    SKIP_WITHOUT_INTERPOSITION();
    void *volatile kept[6];
    void *aligned = NULL;
    start_counting();
    kept[0] = malloc(10);
    kept[1] = calloc(2, 5);
    kept[2] = realloc(NULL, 5);
    kept[2] = realloc(kept[2], 5000);
    kept[3] = aligned_alloc(64, 64);
    const int failed = posix_memalign(&aligned, 64, 10);
    kept[4] = aligned;
    kept[5] = strdup("a call of the C library");
    counting = false;
    assert_int_equal(failed, 0);
    assert_int_equal(calls_of_library, 6);
    assert_int_equal(calls_of_others, 1);
    assert_int_equal(live, 6);
    start_counting();
    for (size_t i = 0; i < 6; i++) {
        free(kept[i]);
    }
    counting = false;
    assert_int_equal(live, -6);
}

/* ---- training -------------------------------------------------------------------------------- */

enum { FEATURES = 20, CLASSES = 4, EXAMPLES = 333 };

struct data {
    float x[EXAMPLES * FEATURES];
    int32_t labels[EXAMPLES];
    gemmlp_dataset *set;
};

static void data_create(struct data *d)
{
    uint64_t random = 6;
    fill_f32(d->x, EXAMPLES * FEATURES, 5, -1, 1);
    for (size_t i = 0; i < EXAMPLES; i++) {
        d->labels[i] = (int32_t)(CLASSES * random_uniform(&random));
    }
    const gemmlp_arrays arrays = {.examples = EXAMPLES,
                                  .features = FEATURES,
                                  .outputs = CLASSES,
                                  .x_f32 = d->x,
                                  .labels = d->labels};
    assert_int_equal(gemmlp_dataset_wrap(&arrays, &d->set, NULL), GEMMLP_OK);
}

static gemmlp_model *model_of(const gemmlp_dataset *data)
{
    const gemmlp_layer layers[] = {
        {.n_out = 170, .dropout = 0.2}, {.n_out = 40, .activation = "gelu", .dropout = 0.1}, {0}};
    const gemmlp_network network = {.layer_count = 3, .layers = layers, .label_smoothing = 0.1};
    gemmlp_model *model;
    assert_int_equal(gemmlp_model_create(&network, data, &model, NULL), GEMMLP_OK);
    return model;
}

/* With everything that could want memory: dropout, a validation set, patience, class weights, a
 * shorter last batch. */
static gemmlp_training training_of(const char *optimizer, double clip_norm, bool general_path)
{
    static const double class_weights[CLASSES] = {1, 2, 0.5, 1};
    gemmlp_training t = gemmlp_training_default();
    t.optimizer = optimizer;
    t.batch = 100;
    t.epochs = 6;
    t.patience = 2;
    t.clip_norm = clip_norm;
    t.l2 = 1e-3;
    t.class_weights = class_weights;
    t.general_path = general_path;
    return t;
}

static void assert_runs_without_allocation(const struct data *d, const gemmlp_training *training)
{
    gemmlp_model *model = model_of(d->set);
    gemmlp_trainer *trainer;
    gemmlp_progress p = {0};
    assert_int_equal(gemmlp_trainer_create(model, d->set, d->set, training, &trainer, NULL),
                     GEMMLP_OK);
    /* In the first epoch the OpenMP runtime starts its threads. */
    gemmlp_status status = gemmlp_trainer_run(trainer, INFINITY, NULL);
    start_counting();
    while (status == GEMMLP_OK && !p.finished) {
        status = gemmlp_trainer_run(trainer, p.epoch % 2 ? INFINITY : 0, NULL);
        gemmlp_trainer_progress(trainer, &p);
    }
    counting = false;
    assert_int_equal(status, GEMMLP_OK);
    assert_true(p.epoch > 2);
    if (calls_of_library != 0) {
        fail_msg("%s: %zu allocations while training", training->optimizer,
                 (size_t)calls_of_library);
    }
    gemmlp_trainer_free(trainer);
    gemmlp_model_free(model);
}

static void test_training_allocates_nothing(void **state)
{
    (void)state;
    SKIP_WITHOUT_INTERPOSITION();
    static struct data d;
    const char *optimizer;
    data_create(&d);
    for (size_t o = 0; (optimizer = gemmlp_name(GEMMLP_OPTIMIZERS, o)) != NULL; o++) {
        for (int i = 0; i < 4; i++) {
            gemmlp_training training = training_of(optimizer, i == 1 ? 0.01 : 0, i == 2);
            training.compute.threads = 1 + i / 3;
            assert_runs_without_allocation(&d, &training);
        }
    }
    gemmlp_dataset_free(d.set);
}

/* ---- everything is freed --------------------------------------------------------------------- */

static void use_everything(const struct data *d)
{
    gemmlp_dataset *first, *second;
    gemmlp_model *model = model_of(d->set);
    gemmlp_explanation *explanation;
    gemmlp_metrics metrics;
    gemmlp_error error;
    gemmlp_weight_index largest[5];
    size_t found;
    float out[CLASSES];
    static const char *const names[CLASSES] = {"a", "b", "c", "d"};
    gemmlp_training training = training_of("adam", 1, false);
    assert_int_equal(gemmlp_dataset_split(d->set, 0.3, 1, &first, &second, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_train(model, first, second, &training, NULL, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_evaluate(model, second, NULL, &metrics, NULL, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_predict(model, second, 3, 1, NULL, out, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_explain(model, second, 0, 1, 2, 3, 0, 0, &explanation, NULL),
                     GEMMLP_OK);
    gemmlp_explanation_free(explanation);
    assert_int_equal(gemmlp_largest_gradients(model, second, 0, 1, 5, largest, &found, NULL),
                     GEMMLP_OK);
    assert_int_equal(gemmlp_gradcheck(gemmlp_model_network(model),
                                      &(gemmlp_gradcheck_options){.samples = 3},
                                      &(gemmlp_gradcheck_report){0}, NULL),
                     GEMMLP_OK);
    assert_int_equal(gemmlp_model_set_class_names(model, names, NULL), GEMMLP_OK);
    assert_int_equal(gemmlp_model_set_class_names(model, names, NULL), GEMMLP_OK);
    /* And what is refused half way. */
    training.lr = NAN;
    assert_int_equal(gemmlp_train(model, first, second, &training, NULL, &error),
                     GEMMLP_INVALID_ARGUMENT);
    assert_int_equal(gemmlp_explain(model, second, 0, 9, 2, 3, 0, 0, &explanation, NULL),
                     GEMMLP_INVALID_ARGUMENT);
    gemmlp_model_free(model);
    gemmlp_dataset_free(first);
    gemmlp_dataset_free(second);
}

static void test_everything_is_freed(void **state)
{
    (void)state;
    SKIP_WITHOUT_INTERPOSITION();
    static struct data d;
    data_create(&d);
    use_everything(&d); /* what runtimes keep for good is there now */
    long kept[3];
    for (size_t i = 0; i < 3; i++) {
        start_counting();
        use_everything(&d);
        counting = false;
        kept[i] = live;
    }
    /* Nothing is left; what a runtime might exchange for something larger is not left each time. */
    assert_true(kept[0] == 0 || (kept[1] == 0 && kept[2] == 0));
    assert_true(calls_of_library > 50);
    gemmlp_dataset_free(d.set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_counter),
        cmocka_unit_test(test_training_allocates_nothing),
        cmocka_unit_test(test_everything_is_freed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
