/* report_read.c: a report that was written as json or jsonl, back from its file.
 *
 * In: a file, which may be damaged or no report at all. Out: a report whose keys have their types,
 * or a sentence that says where it has not. */
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "report_private.h"

/* A file that is larger is no report: a sample takes 23 bytes in the longest form. */
enum { MAX_BYTES = 256 << 20, MAX_RECORDS = 10000 };

static const struct bench_key roof_keys[] = {
    {'I', "threads"},
    {'s', "precision"},
    {'s', "instruction_set"},
    {'r', "peak_gflops"},
    {'r', "bandwidth_gbytes"},
    {'r', "peak_gflops_min"},
    {'r', "bandwidth_gbytes_min"},
    {0, NULL},
};

/* ---- types ----------------------------------------------------------------------------------- */

/* A number, 0 or more. */
static bool is_amount(const json_t *value)
{
    return json_is_number(value) && json_number_value(value) >= 0;
}

static bool all_numbers(json_t *value)
{
    const char *key;
    json_t *element;
    json_object_foreach(value, key, element)
    {
        if (!is_amount(element)) {
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(value); i++) {
        if (!is_amount(json_array_get(value, i))) {
            return false;
        }
    }
    return true;
}

static bool all_of_type(const json_t *array, json_type type)
{
    for (size_t i = 0; i < json_array_size(array); i++) {
        if (json_typeof(json_array_get(array, i)) != type) {
            return false;
        }
    }
    return true;
}

/* NULL where `value` is of the type, else what was expected. */
static const char *expected(json_t *value, char type)
{
    switch (tolower((unsigned char)type)) {
    case 's':
        return json_is_string(value) ? NULL : "a string";
    case 'i':
        return json_is_integer(value) && is_amount(value) ? NULL : "a whole number, 0 or more";
    case 'r':
        return is_amount(value) ? NULL : "a number, 0 or more";
    case 'b':
        return json_is_boolean(value) ? NULL : "true or false";
    case 'o':
        return json_is_object(value) && all_numbers(value) ? NULL : "an object of numbers";
    case 'a':
        return json_is_array(value) && all_numbers(value) ? NULL : "an array of numbers";
    case 't':
        return json_is_array(value) && all_of_type(value, JSON_STRING) ? NULL
                                                                       : "an array of strings";
    default:
        return json_is_array(value) && all_of_type(value, JSON_OBJECT) ? NULL
                                                                       : "an array of objects";
    }
}

static const char *found(const json_t *value)
{
    static const char *const types[] = {
        [JSON_OBJECT] = "an object", [JSON_ARRAY] = "an array", [JSON_STRING] = "a string",
        [JSON_INTEGER] = "a number", [JSON_REAL] = "a number",  [JSON_TRUE] = "true",
        [JSON_FALSE] = "false",      [JSON_NULL] = "null"};
    return value ? types[json_typeof(value)] : "none";
}

/* `where` is "" or "record 3: ". */
static gemmlp_status check_keys(const char *path, const char *where, const json_t *object,
                                const struct bench_key *keys, gemmlp_error *error)
{
    for (; keys->name; keys++) {
        json_t *value = json_object_get(object, keys->name);
        bool checked = value || isupper((unsigned char)keys->type);
        const char *wanted = checked ? expected(value, keys->type) : NULL;
        if (wanted) {
            const char *minus = json_is_number(value) && !is_amount(value) ? " below 0" : "";
            return gm_fail(error, GEMMLP_BAD_DATA,
                           "%s: not a benchmark report: %s\"%s\": expected %s, found %s%s", path,
                           where, keys->name, wanted, found(value), minus);
        }
    }
    return GEMMLP_OK;
}

static gemmlp_status check_list(const char *path, const char *name, const json_t *list,
                                const struct bench_key *keys, gemmlp_error *error)
{
    const size_t count = json_array_size(list);
    if (count > MAX_RECORDS) {
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: at most %d %ss are read, found %zu", path,
                       (int)MAX_RECORDS, name, count);
    }
    gemmlp_status status = GEMMLP_OK;
    for (size_t i = 0; status == GEMMLP_OK && i < count; i++) {
        char where[32];
        snprintf(where, sizeof where, "%s %zu: ", name, i + 1);
        status = check_keys(path, where, json_array_get(list, i), keys, error);
    }
    return status;
}

static gemmlp_status check_report(const char *path, const json_t *report, gemmlp_error *error)
{
    gemmlp_status status = check_keys(path, "", report, bench_report_keys, error);
    if (status == GEMMLP_OK) {
        status = check_list(path, "roof", json_object_get(report, "roofs"), roof_keys, error);
    }
    if (status == GEMMLP_OK) {
        status = check_list(path, "record", json_object_get(report, "records"), bench_record_keys,
                            error);
    }
    return status;
}

/* ---- text ------------------------------------------------------------------------------------ */

struct reader {
    const char *path;
    char *text;
    size_t length, at;
    int line; /* line ends before text[at] */
};

static void advance(struct reader *r, size_t end)
{
    for (; r->at < end; r->at++) {
        r->line += r->text[r->at] == '\n';
    }
}

static bool at_end(struct reader *r)
{
    size_t end = r->at;
    while (end < r->length && r->text[end] && strchr(" \t\r\n", r->text[end])) {
        end++;
    }
    advance(r, end);
    return r->at == r->length;
}

static gemmlp_status next_value(struct reader *r, json_t **value, gemmlp_error *error)
{
    json_error_t where;
    *value = json_loadb(r->text + r->at, r->length - r->at,
                        JSON_REJECT_DUPLICATES | JSON_DISABLE_EOF_CHECK, &where);
    if (*value) {
        advance(r, r->at + (size_t)where.position);
        return GEMMLP_OK;
    }
    if (json_error_code(&where) == json_error_out_of_memory) {
        return gm_fail_memory(error, r->path, r->length);
    }
    return gm_fail(error, GEMMLP_BAD_DATA, "%s: not a benchmark report: line %d, column %d: %s",
                   r->path, r->line + where.line, where.column, where.text);
}

/* json: one object. jsonl: the object without its records, then these, then perhaps, where records
 * were written as they came, what was known at the end only: an object that is no record. */
static gemmlp_status read_values(struct reader *r, json_t **report, gemmlp_error *error)
{
    gemmlp_status status = next_value(r, report, error);
    if (status != GEMMLP_OK || !json_is_object(*report)) {
        return status; /* an array has no keys, and is told so */
    }
    if (json_object_get(*report, "records")) {
        return at_end(r) ? GEMMLP_OK
                         : gm_fail(error, GEMMLP_BAD_DATA,
                                   "%s: not a benchmark report: line %d: expected the end of the "
                                   "file after the report, found more text",
                                   r->path, r->line + 1);
    }
    json_t *records = json_array();
    bool done = json_object_set_new(*report, "records", records) == 0;
    while (done && status == GEMMLP_OK && !at_end(r) && json_array_size(records) <= MAX_RECORDS) {
        json_t *value;
        status = next_value(r, &value, error);
        if (status == GEMMLP_OK && json_is_object(value) && !json_object_get(value, "case")) {
            done = json_object_update(*report, value) == 0;
            json_decref(value);
        } else {
            done = status != GEMMLP_OK || json_array_append_new(records, value) == 0;
        }
    }
    return done ? status : gm_fail_memory(error, r->path, r->length);
}

/* The whole file, at most MAX_BYTES. */
static gemmlp_status read_text(struct reader *r, gemmlp_error *error)
{
    FILE *file = fopen(r->path, "rb");
    if (!file) {
        return gm_fail(error, GEMMLP_IO, "%s: %s", r->path, strerror(errno));
    }
    gemmlp_status status = GEMMLP_OK;
    size_t room = 1 << 15;
    bool grown = true;
    errno = 0;
    while (grown && r->length <= MAX_BYTES && !feof(file) && !ferror(file)) {
        room = 2 * room < MAX_BYTES ? 2 * room : MAX_BYTES + 1;
        char *text = realloc(r->text, room);
        grown = text != NULL;
        if (grown) {
            r->text = text;
            r->length += fread(text + r->length, 1, room - r->length, file);
        }
    }
    if (!grown) {
        status = gm_fail_memory(error, r->path, room);
    } else if (ferror(file)) {
        status = gm_fail(error, GEMMLP_IO, "%s: %s", r->path, strerror(errno));
    } else if (r->length > MAX_BYTES) {
        status = gm_fail(error, GEMMLP_BAD_DATA,
                         "%s: not a benchmark report: expected at most %d MiB, found more", r->path,
                         MAX_BYTES >> 20);
    }
    fclose(file);
    return status;
}

gemmlp_status bench_report_read(const char *path, json_t **out, gemmlp_error *error)
{
    struct reader r = {.path = path};
    json_t *report = NULL;
    *out = NULL;
    gemmlp_status status = read_text(&r, error);
    if (status == GEMMLP_OK) {
        status = read_values(&r, &report, error);
    }
    if (status == GEMMLP_OK) {
        status = check_report(path, report, error);
    }
    free(r.text);
    if (status == GEMMLP_OK) {
        *out = report;
    } else {
        json_decref(report);
    }
    return status;
}
