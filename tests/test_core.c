/* test_core.c: errors and names, checked sizes, and the arena. */
#include "support.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/arena.h"
#include "core/checked.h"
#include "core/error.h"

/* ---- errors and names ------------------------------------------------------------------------ */

static void test_status_names(void **state)
{
    (void)state;
    assert_string_equal(gemmlp_status_name(GEMMLP_OK), "OK");
    assert_string_equal(gemmlp_status_text(GEMMLP_OK), "success");
    assert_string_equal(gemmlp_status_name(GEMMLP_BAD_DATA), "BAD_DATA");
    assert_string_equal(gemmlp_status_text(GEMMLP_BAD_DATA), "a data file is not usable");
    assert_string_equal(gemmlp_status_name(GEMMLP_UNSUPPORTED), "UNSUPPORTED");
    for (int i = GEMMLP_OK; i <= GEMMLP_MISMATCH; i++)
        for (int j = GEMMLP_OK; j < i; j++)
            assert_string_not_equal(gemmlp_status_text((gemmlp_status)i),
                                    gemmlp_status_text((gemmlp_status)j));
    const int strange[] = {GEMMLP_MISMATCH + 1, 1000, -1};
    for (size_t i = 0; i < COUNT(strange); i++) {
        assert_string_equal(gemmlp_status_name((gemmlp_status)strange[i]), "UNKNOWN");
        assert_string_equal(gemmlp_status_text((gemmlp_status)strange[i]), "unknown status");
    }
}

static void test_fail(void **state)
{
    (void)state;
    gemmlp_error error;
    assert_int_equal(gm_fail(&error, GEMMLP_IO, "%s: %d", "file", 7), GEMMLP_IO);
    assert_int_equal(error.status, GEMMLP_IO);
    assert_string_equal(error.message, "file: 7");
    assert_int_equal(gm_fail(NULL, GEMMLP_BAD_MODEL, "nobody listens"), GEMMLP_BAD_MODEL);

    /* A message that fits exactly, and longer ones: cut, and terminated. */
    char text[3000];
    memset(text, 'x', sizeof text);
    const size_t room = sizeof error.message - 1;
    for (size_t length = room - 1; length<sizeof text; length += length> room ? 977 : 1) {
        struct {
            gemmlp_error error;
            char guard[8];
        } box;
        memset(&box, 'g', sizeof box);
        gm_fail(&box.error, GEMMLP_IO, "%.*s", (int)length, text);
        assert_int_equal(strlen(box.error.message), length < room ? length : room);
        assert_memory_equal(box.guard, "gggggggg", 8);
    }

    assert_int_equal(gm_fail_memory(&error, "a slab", 2500000), GEMMLP_OUT_OF_MEMORY);
    assert_string_equal(error.message, "no memory for a slab: 2500000 bytes (2.5 MB)");
}

static const char *colour_at(size_t index)
{
    static const char *const colours[] = {"red", "green", "blue", "ultramarine"};
    return index < COUNT(colours) ? colours[index] : NULL;
}

static const char *many_at(size_t index)
{
    static char name[16];
    snprintf(name, sizeof name, "name-%zu", index);
    return index < 500 ? name : NULL;
}

static void test_find_name(void **state)
{
    (void)state;
    static const struct {
        const char *asked, *message;
    } cases[] = {
        {"gren",
         "unknown colour 'gren'; did you mean 'green'? valid: red, green, blue, ultramarine"},
        {"Blue",
         "unknown colour 'Blue'; did you mean 'blue'? valid: red, green, blue, ultramarine"},
        {"gleem",
         "unknown colour 'gleem'; did you mean 'green'? valid: red, green, blue, ultramarine"},
        {"rde", "unknown colour 'rde'; did you mean 'red'? valid: red, green, blue, ultramarine"},
        {"ultramain", "unknown colour 'ultramain'; did you mean 'ultramarine'? valid: red, green, "
                      "blue, ultramarine"},
        /* Three edits away from the nearest: no guess. */
        {"ultrama", "unknown colour 'ultrama'; valid: red, green, blue, ultramarine"},
        {"", "unknown colour ''; valid: red, green, blue, ultramarine"},
    };
    gemmlp_error error;
    size_t index = 99;
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(gm_find_name("colour", colour_at(i), colour_at, &index, &error),
                         GEMMLP_OK);
        assert_int_equal(index, i);
    }
    for (size_t i = 0; i < COUNT(cases); i++) {
        assert_int_equal(gm_find_name("colour", cases[i].asked, colour_at, &index, &error),
                         GEMMLP_INVALID_ARGUMENT);
        assert_int_equal(error.status, GEMMLP_INVALID_ARGUMENT);
        assert_string_equal(error.message, cases[i].message);
    }
    assert_int_equal(gm_find_name("colour", "gren", colour_at, &index, NULL),
                     GEMMLP_INVALID_ARGUMENT);

    /* Names of any length, and more of them than a message holds. */
    char longest[4000];
    memset(longest, 'x', sizeof longest);
    for (size_t length = 60; length < sizeof longest; length += length < 70 ? 1 : 1000) {
        longest[length] = '\0';
        gm_find_name("colour", longest, colour_at, &index, &error);
        assert_non_null(strstr(error.message, "xx'; valid: red, green, blue, ultramarine"));
        gm_find_name("thing", longest, many_at, &index, &error);
        assert_non_null(strstr(error.message, "'; valid: name-0, name-1, "));
        longest[length] = 'x';
    }
}

static void test_checked(void **state)
{
    (void)state;
    static const size_t max = SIZE_MAX, root = (size_t)1 << sizeof(size_t) * 4;
    const struct {
        size_t a, b;
        bool sum_fits, product_fits;
    } cases[] = {
        {0, 0, true, true},
        {max, 0, true, true},
        {0, max, true, true},
        {max, 1, false, true},
        {1, max, false, true},
        {max - 1, 1, true, true},
        {max, max, false, false},
        {max / 2, 2, true, true},
        {max / 2 + 1, 2, true, false},
        {2, max / 2 + 1, true, false},
        {root, root, true, false},
        {root - 1, root + 1, true, true},
        {root, root - 1, true, true},
        {max / 2 + 1, max / 2 + 1, false, false},
        {max / 2 + 1, max / 2, true, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        size_t a = cases[i].a, b = cases[i].b, sum = 7, product = 7;
        assert_int_equal(gm_add(a, b, &sum), cases[i].sum_fits);
        assert_int_equal(sum, cases[i].sum_fits ? a + b : SIZE_MAX);
        assert_int_equal(gm_mul(a, b, &product), cases[i].product_fits);
        assert_int_equal(product, cases[i].product_fits ? a * b : SIZE_MAX);
    }
}

/* ---- arena ----------------------------------------------------------------------------------- */

enum { BUFFERS = 6 };

/* Sizes that are no multiples of the alignment, and none at all. */
static void lay_out(struct arena *arena, size_t large, void *buffers[BUFFERS])
{
    buffers[0] = gm_arena_take(arena, 3, sizeof(double));
    buffers[1] = gm_arena_take(arena, 1, 1);
    buffers[2] = gm_arena_take(arena, 0, sizeof(float));
    buffers[3] = gm_arena_take(arena, large, sizeof(float));
    buffers[4] = gm_arena_take(arena, 64, 1);
    buffers[5] = gm_arena_take(arena, 65, 1);
}

static void check_arena(size_t large, size_t alignment, bool slab)
{
    const size_t bytes[BUFFERS] = {24, 1, 0, large * sizeof(float), 64, 65};
    struct arena arena = {.slab = slab};
    gemmlp_error error;
    void *buffers[BUFFERS];
    lay_out(&arena, large, buffers);
    for (size_t i = 0; i < BUFFERS; i++)
        assert_null(buffers[i]);
    const size_t counted = arena.used;
    assert_true(counted >= 24 + 1 + large * sizeof(float) + 64 + 65);
    assert_int_equal(counted % GM_ALIGNMENT, 0);

    assert_int_equal(gm_arena_allocate(&arena, "a test", &error), GEMMLP_OK);
    assert_int_equal((uintptr_t)arena.base % alignment, 0);
    assert_true(arena.capacity >= counted);
    assert_int_equal(arena.used, 0);
    lay_out(&arena, large, buffers);
    assert_int_equal(arena.used, counted);
    const unsigned char *end = arena.base;
    for (size_t i = 0; i < BUFFERS; i++) {
        unsigned char *start = buffers[i];
        assert_int_equal((uintptr_t)start % GM_ALIGNMENT, 0);
        assert_true(start >= end); /* so that no two overlap */
        for (size_t j = 0; j < bytes[i]; j++)
            if (start[j] != 0)
                fail_msg("byte %zu of buffer %zu is not zero", j, i);
        memset(start, 0xff, bytes[i]);
        end = start + bytes[i];
    }
    assert_true(end <= arena.base + counted);
    gm_arena_free(&arena);
    assert_null(arena.base);
    assert_int_equal(arena.used, 0);
    gm_arena_free(&arena); /* of an arena that holds nothing */
}

/* The allocator is likely to hand out memory that was in use before: zeroing is not left to
 * luck. */
static void test_arena(void **state)
{
    (void)state;
    const size_t huge = (size_t)2 << 20;
    for (int round = 0; round < 3; round++) {
        for (int slab = 0; slab < 2; slab++) {
            check_arena(0, GM_ALIGNMENT, slab);
            check_arena(1000, GM_ALIGNMENT, slab);
            check_arena(huge / sizeof(float), huge, slab);
            check_arena(3 * huge / sizeof(float) + 1, huge, slab);
        }
    }
}

/* A slab is swept from end to end, so its pads must be readable zeros. */
static void test_arena_slab(void **state)
{
    (void)state;
    struct arena arena = {.slab = true};
    void *buffers[BUFFERS];
    lay_out(&arena, 17, buffers);
    assert_int_equal(gm_arena_allocate(&arena, "a slab", NULL), GEMMLP_OK);
    lay_out(&arena, 17, buffers);
    for (size_t i = 0; i < arena.used; i++)
        assert_int_equal(arena.base[i], 0);
    gm_arena_free(&arena);

    struct arena empty = {0};
    assert_int_equal(gm_arena_allocate(&empty, "nothing", NULL), GEMMLP_OK);
    assert_non_null(empty.base);
    gm_arena_free(&empty);
}

static void test_arena_overflow(void **state)
{
    (void)state;
    static const size_t half = SIZE_MAX / 2 + 1;
    const struct {
        size_t count[2], size;
        bool overflow; /* while counting; otherwise while allocating */
    } cases[] = {
        {{half, 0}, 2, true},     /* in the product */
        {{half, half}, 1, true},  /* in the sum */
        {{SIZE_MAX, 0}, 1, true}, /* in the padding */
        {{half, 0}, 1, false},    /* more than any object can have */
        {{half / 2, half / 2}, 1, false},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct arena arena = {0};
        gemmlp_error error = {0};
        gm_arena_take(&arena, cases[i].count[0], cases[i].size);
        gm_arena_take(&arena, cases[i].count[1], cases[i].size);
        gm_arena_take(&arena, 1, 1); /* what fits afterwards does not heal it */
        assert_int_equal(arena.overflow, cases[i].overflow);
        assert_int_equal(gm_arena_allocate(&arena, "the workspace", &error), GEMMLP_OUT_OF_MEMORY);
        assert_non_null(strstr(error.message, "the size of the workspace overflows"));
        assert_null(arena.base);
        gm_arena_free(&arena);
    }
#ifndef GM_SANITIZED /* which ends the process instead */
    struct arena arena = {0};
    gemmlp_error error = {0};
    gm_arena_take(&arena, half / 4, 1);
    assert_int_equal(gm_arena_allocate(&arena, "the workspace", &error), GEMMLP_OUT_OF_MEMORY);
    assert_non_null(strstr(error.message, "no memory for the workspace: "));
    assert_null(arena.base);
#endif
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_status_names),   cmocka_unit_test(test_fail),
        cmocka_unit_test(test_find_name),      cmocka_unit_test(test_checked),
        cmocka_unit_test(test_arena),          cmocka_unit_test(test_arena_slab),
        cmocka_unit_test(test_arena_overflow),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
