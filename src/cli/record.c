/* record.c: see record.h. */
#include "cli/record.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/report.h"

/* 15 digits give back every decimal number that a user typed; 17 would print 0.1 as
 * 0.10000000000000001. */
#define DUMP_FLAGS JSON_REAL_PRECISION(15)

json_t *cli_json_text(const char *text)
{
    json_t *value = json_string(text);
    if (value) {
        return value;
    }
    size_t length = strlen(text);
    char *ascii = malloc(length + 1);
    if (!ascii) {
        return NULL;
    }
    for (size_t i = 0; i <= length; i++) {
        ascii[i] = (unsigned char)text[i] < 0x80 ? text[i] : '?';
    }
    value = json_string(ascii);
    free(ascii);
    return value;
}

struct record cli_record_begin(void)
{
    json_t *object = json_object();
    return (struct record){object, object == NULL};
}

void cli_record_json(struct record *record, const char *key, json_t *value)
{
    if (json_object_set_new(record->object, key, value) != 0) {
        record->failed = true;
    }
}

void cli_record_append(struct record *record, json_t *array, json_t *value)
{
    if (json_array_append_new(array, value) != 0) {
        record->failed = true;
    }
}

void cli_record_text(struct record *record, const char *key, const char *value)
{
    if (value) {
        cli_record_json(record, key, cli_json_text(value));
    }
}

void cli_record_size(struct record *record, const char *key, size_t value)
{
    cli_record_json(record, key, json_integer((json_int_t)value));
}

void cli_record_real(struct record *record, const char *key, double value)
{
    if (isfinite(value)) {
        cli_record_json(record, key, json_real(value));
    }
}

void cli_record_bool(struct record *record, const char *key, bool value)
{
    cli_record_json(record, key, json_boolean(value));
}

void cli_record_metrics(struct record *record, const char *prefix, const gemmlp_metrics *metrics)
{
    const struct {
        const char *name;
        double value;
    } rows[] = {
        {"loss", metrics->loss},
        {"accuracy", metrics->accuracy},
        {"rmse", metrics->rmse},
        {"r2", metrics->r2},
    };
    if (metrics->examples == 0) {
        return;
    }
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        char key[32];
        snprintf(key, sizeof key, "%s%s", prefix, rows[i].name);
        cli_record_real(record, key, rows[i].value);
    }
}

void cli_record_classes(struct record *record, const gemmlp_model *model, size_t classes)
{
    json_t *names = json_array();
    for (size_t i = 0; i < classes; i++) {
        cli_record_append(record, names, cli_json_text(gemmlp_model_class_name(model, i)));
    }
    cli_record_json(record, "classes", names);
}

json_t *cli_record_take(struct record *record)
{
    json_t *object = record->object;
    record->object = NULL;
    if (record->failed) {
        json_decref(object);
        object = NULL;
    }
    return object;
}

/* As gm_json_text does it, so that nothing is lost in silence where memory is short. Frees the
 * object. */
static char *dump(struct record *record, size_t flags)
{
    json_t *object = cli_record_take(record);
    size_t length = object ? json_dumpb(object, NULL, 0, flags) : 0;
    char *text = length ? malloc(length + 1) : NULL;
    if (text && json_dumpb(object, text, length, flags) != length) {
        free(text);
        text = NULL;
    }
    if (text) {
        text[length] = '\0';
    }
    json_decref(object);
    return text;
}

char *cli_record_line(struct record *record)
{
    return dump(record, JSON_COMPACT | DUMP_FLAGS);
}

int cli_record_print(struct record *record)
{
    char *text = dump(record, DUMP_FLAGS);
    if (!text) {
        return cli_failed_memory("the results as JSON");
    }
    puts(text);
    free(text);
    return EXIT_CODE_DONE;
}

static void print_value(const char *prefix, const char *name, double value, int digits,
                        const char *unit)
{
    char label[32];
    snprintf(label, sizeof label, "%s%s", prefix, name);
    if (!isnan(value)) {
        printf("%-16s%.*f%s\n", label, digits, value, unit);
    }
}

void cli_print_metrics(const char *prefix, const gemmlp_metrics *metrics)
{
    if (metrics->examples > 0) {
        print_value(prefix, "accuracy", 100 * metrics->accuracy, 2, " %");
        print_value(prefix, "rmse", metrics->rmse, 6, "");
        print_value(prefix, "r2", metrics->r2, 4, "");
        print_value(prefix, "loss", metrics->loss, 4, "");
    }
}
