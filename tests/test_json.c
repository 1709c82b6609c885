/* test_json.c: foreign JSON within limits, and what is said of a text that is none. */
#include "support.h"

#include <stdlib.h>
#include <string.h>

#include "io/json_text.h"

static const struct json_limits limits = {.depth = 3, .values = 10};

static json_t *parse(const char *text, struct json_fault *fault)
{
    /* Exactly as many bytes as are told, so that a sanitizer sees one too many being read. */
    const size_t length = strlen(text);
    char *exact = malloc(length ? length : 1);
    assert_non_null(exact);
    memcpy(exact, text, length);
    json_t *value = gm_json_parse(exact, length, limits, fault);
    free(exact);
    return value;
}

static void test_good(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "{}",
        "[]",
        " [ ] \n",
        "[1,2,3,4,5,6,7,8,9,10]",
        "{\"a\":{\"b\":[1,-2.5e3,true,null]}}",
        "[\"[[[[\\\"{{{{,,,,,,,,,,,,\",\"\\\\\",\"\\u00e9\"]",
        "[\"a string that is much longer than the sixteen characters that a lexer begins with\"]",
        "[0.1234567890123456789012345678901234567890]",
    };
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct json_fault fault;
        json_t *value = parse(texts[i], &fault), *expected = json_loads(texts[i], 0, NULL);
        if (!value)
            fail_msg("%s: %s", texts[i], fault.text);
        assert_true(json_equal(value, expected));
        json_decref(value);
        json_decref(expected);
    }
}

static void test_bad(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int line, column;
        const char *message;
    } cases[] = {
        {"[[[[]]]]", 0, 0, "nests deeper than 3 levels"},
        {"{\"a\":[{\"b\":[]}]}", 0, 0, "nests deeper than 3 levels"},
        {"[1,2,3,4,5,6,7,8,9,10,11]", 0, 0, "has more than 10 values"},
        {"[{},{},{},{},{},{}]", 0, 0, "has more than 10 values"},
        {"", 1, 1, "expected"},
        {"1", 1, 1, "one object or array expected"},
        {"\"a\"", 1, 1, "one object or array expected"},
        {"{},{}", 1, 3, "the end expected"},
        {"{}]", 1, 3, "the end expected"},
        {"{} \n[]", 2, 1, "the end expected"},
        {"{\"a\":1", 1, 6, "unexpected end within a value"},
        {"{\n\"a", 2, 2, "unexpected end within a string"},
        {"{\n\"a\\\"", 2, 4, "unexpected end within a string"},
        {"{\n\"a\": x}", 2, 6, "invalid token"},
        {"{\"a\":1,\"a\":2}", 1, 10, "duplicate object key"},
        {"{\"a\":1e999}", 1, 10, "real number overflow"},
        {"[\"\x01\"]", 1, 2, "control character 0x1"},
        {"[\"\xff\"]", 1, 2, "unable to decode byte 0xff"},
        {"[\"\\u0000\"]", 1, 9, "\\u0000 is not allowed"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct json_fault fault;
        json_t *value = parse(cases[i].text, &fault);
        if (value || fault.out_of_memory || !strstr(fault.text, cases[i].message) ||
            fault.line != cases[i].line || fault.column != cases[i].column)
            fail_msg("%s: %s line %d, column %d", cases[i].text, fault.text, fault.line,
                     fault.column);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
