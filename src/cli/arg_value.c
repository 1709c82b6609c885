/* arg_value.c: the text of one option becomes its value, whether it was given on the command line
 * or in a --config file. */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/names.h"
#include "cli/numbers.h"

static const struct {
    const char *expected;
    double lower, upper; /* the upper bound is excluded */
    bool lower_excluded;
} ranges[] = {
    [RANGE_POSITIVE] = {"a number above 0", 0, 1e300, true},
    [RANGE_NOT_NEGATIVE] = {"a number from 0 up", 0, 1e300, false},
    [RANGE_SHARE] = {"a number from 0 to less than 1", 0, 1, false},
    [RANGE_ANY] = {"a number", -1e300, 1e300, false},
};

static bool set_size(const struct arg *arg, size_t *value, const char *text, char *message,
                     size_t size)
{
    size_t number;
    if (!cli_parse_size(text, &number) || number < arg->lower || number > arg->upper) {
        snprintf(message, size, "expected a whole number from %zu to %zu, found '%s'", arg->lower,
                 arg->upper, text);
        return false;
    }
    *value = number;
    return true;
}

static bool set_real(const struct arg *arg, double *value, const char *text, char *message,
                     size_t size)
{
    double number;
    if (!cli_parse_real(text, &number) || number < ranges[arg->range].lower ||
        number >= ranges[arg->range].upper ||
        (ranges[arg->range].lower_excluded && number <= ranges[arg->range].lower)) {
        snprintf(message, size, "expected %s, found '%s'", ranges[arg->range].expected, text);
        return false;
    }
    *value = number;
    return true;
}

static bool set_name(const struct arg *arg, const char **value, const char *text, char *message,
                     size_t size)
{
    if (arg->extra && arg->kind == ARG_NAME && strcmp(text, arg->extra) == 0) {
        *value = arg->extra;
        return true;
    }
    if (arg->path_of && strchr(text, '/')) {
        *value = text;
        return true;
    }
    const char *found = cli_registry_find(arg->registry, text);
    if (!found) {
        cli_unknown_name(cli_registry_singular(arg->registry), text, "", cli_registry_name_at,
                         &arg->registry, message, size);
        if (arg->extra && arg->kind == ARG_NAME) {
            cli_append(message, size, ", %s", arg->extra);
        }
        if (arg->path_of) {
            cli_append(message, size, ", or the path of %s", arg->path_of);
        }
        return false;
    }
    *value = found;
    return true;
}

static bool set_choice(const struct arg *arg, const char **value, const char *text, char *message,
                       size_t size)
{
    size_t length = strlen(text);
    for (const char *word = arg->value; word; word = strchr(word, '|')) {
        word += *word == '|';
        if (length > 0 && strcspn(word, "|") == length && strncmp(word, text, length) == 0) {
            *value = text;
            return true;
        }
    }
    snprintf(message, size, "expected %s, found '%s'", arg->value, text);
    return false;
}

static bool set_flag(bool *value, const char *text, char *message, size_t size)
{
    static const char *const words[][2] = {{"no", "yes"}, {"false", "true"}, {"off", "on"}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        for (int truth = 0; truth < 2; truth++) {
            if (strcmp(text, words[i][truth]) == 0) {
                *value = truth;
                return true;
            }
        }
    }
    snprintf(message, size, "expected yes or no, found '%s'", text);
    return false;
}

/* Appends first, first + step … up to last, or first, first * factor …: "64-1024*2". */
static bool add_range(const struct arg *arg, struct arg_list *list, const char *item, char *message,
                      size_t size)
{
    char text[64];
    size_t first, last, step = 1;
    snprintf(text, sizeof text, "%s", item);
    char *dash = strchr(text, '-');
    if (dash) {
        *dash++ = '\0';
    }
    char *by = dash ? strpbrk(dash, "+*") : NULL;
    const bool times = by && *by == '*';
    if (by) {
        *by++ = '\0';
    }
    if (!cli_parse_size(text, &first) || !cli_parse_size(dash ? dash : text, &last) ||
        (by && !cli_parse_size(by, &step)) || first < arg->lower || last > arg->upper ||
        first > last || step < 1 + (size_t)times || (times && first == 0)) {
        snprintf(
            message, size,
            "expected whole numbers from %zu to %zu, or ranges such as %zu-%zu, first-last+step, "
            "first-last*factor; found '%s'",
            arg->lower, arg->upper, arg->lower, arg->lower + 3, item);
        return false;
    }
    for (size_t value = first; value <= last;) {
        if (list->count == ARG_LIST_CAPACITY) {
            snprintf(message, size, "expected at most %d values", ARG_LIST_CAPACITY);
            return false;
        }
        list->items[list->count++].size = value;
        if (times ? value > last / step : value > SIZE_MAX - step) {
            break;
        }
        value = times ? value * step : value + step;
    }
    return true;
}

static bool add_item(const struct arg *arg, struct arg_list *list, const char *item, char *message,
                     size_t size)
{
    if (arg->kind == ARG_RANGES) {
        return add_range(arg, list, item, message, size);
    }
    if (list->count == ARG_LIST_CAPACITY) {
        snprintf(message, size, "expected at most %d values", ARG_LIST_CAPACITY);
        return false;
    }
    const size_t at = list->count++;
    return arg->kind == ARG_SIZES   ? set_size(arg, &list->items[at].size, item, message, size)
           : arg->kind == ARG_REALS ? set_real(arg, &list->items[at].real, item, message, size)
                                    : set_name(arg, &list->items[at].name, item, message, size);
}

static bool set_list(const struct arg *arg, struct arg_list *list, const char *text, char *message,
                     size_t size)
{
    list->count = 0;
    if (arg->extra && strcmp(text, arg->extra) == 0) {
        return true;
    }
    size_t number = 0;
    for (const char *start = text;; start += strcspn(start, ",") + 1) {
        char item[64];
        size_t length = strcspn(start, ",");
        snprintf(item, sizeof item, "%.*s", length < sizeof item ? (int)length : 63, start);
        number++;
        if (!add_item(arg, list, item, message, size)) {
            if (number > 1 || start[length] == ',') {
                cli_append(message, size, " (value %zu of '%s')", number, text);
            }
            return false;
        }
        if (start[length] == '\0') {
            return true;
        }
    }
}

bool cli_arg_set(const struct arg *arg, void *value, const char *text, char *message, size_t size)
{
    switch (arg->kind) {
    case ARG_FLAG:
        return set_flag(value, text, message, size);
    case ARG_SIZE:
        return set_size(arg, value, text, message, size);
    case ARG_REAL:
        return set_real(arg, value, text, message, size);
    case ARG_CHOICE:
        return set_choice(arg, value, text, message, size);
    case ARG_NAME:
        return set_name(arg, value, text, message, size);
    case ARG_SIZES:
    case ARG_REALS:
    case ARG_NAMES:
    case ARG_RANGES:
        return set_list(arg, value, text, message, size);
    case ARG_STRING:
        break;
    }
    if (text[0] == '\0') {
        snprintf(message, size, "expected %s, found nothing", arg->value);
        return false;
    }
    *(const char **)value = text;
    return true;
}
