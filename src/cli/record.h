/* record.h: a JSON object while it is filled. A value that could not be had (no memory) is
 * remembered and told once, at the end; a value that does not apply (NULL, NaN, infinity) leaves
 * its key out. */
#ifndef CLI_RECORD_H
#define CLI_RECORD_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

#include "gemmlp.h"

struct record {
    json_t *object;
    bool failed;
};

struct record cli_record_begin(void);
void cli_record_text(struct record *record, const char *key, const char *value);
void cli_record_size(struct record *record, const char *key, size_t value);
void cli_record_real(struct record *record, const char *key, double value);
void cli_record_bool(struct record *record, const char *key, bool value);
/* loss, and accuracy or rmse and r2, each with the prefix. */
void cli_record_metrics(struct record *record, const char *prefix, const gemmlp_metrics *metrics);
/* "classes": the names. */
void cli_record_classes(struct record *record, const gemmlp_model *model, size_t classes);
/* Any value, which is taken over; NULL counts as out of memory. */
void cli_record_json(struct record *record, const char *key, json_t *value);

/* Appends to an array that will go into the record; likewise. */
void cli_record_append(struct record *record, json_t *array, json_t *value);

/* The object, to be put into another; NULL when anything failed. */
json_t *cli_record_take(struct record *record);
/* One line without its end, freed by the caller; NULL when memory was short. Frees the object. */
char *cli_record_line(struct record *record);
/* Prints the object on stdout, frees it, returns an exit code. */
int cli_record_print(struct record *record);

/* For people: one line on stdout for each measured value; nothing when there are no examples. */
void cli_print_metrics(const char *prefix, const gemmlp_metrics *metrics);

/* A JSON string, also of a path that is not UTF-8: its bytes are shown as '?' then. */
json_t *cli_json_text(const char *text);

#endif
