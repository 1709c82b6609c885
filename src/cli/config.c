/* config.c: see config.h. inih splits the lines; the rows of args.h know the keys. */
#define _POSIX_C_SOURCE 200809L
#include "cli/config.h"

#include <errno.h>
#include <ini.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/names.h"
#include "cli/report.h"

struct reading {
    struct args *args;
    FILE *file;
    size_t line;        /* being read, from 1 */
    size_t error_line;  /* of the first error; 0: none */
    char message[1024]; /* what was wrong there */
    bool out_of_memory;
};

static void fail_here(struct reading *reading, const char *message)
{
    if (!reading->error_line) {
        reading->error_line = reading->line;
        snprintf(reading->message, sizeof reading->message, "%s", message);
    }
}

/* inih's handlers are not told the line, and it would cut long ones and join indented ones. */
static char *read_line(char *line, int size, void *user)
{
    struct reading *reading = user;
    memset(line, '\n', (size_t)size); /* so that the last zero is the one that fgets wrote */
    if (reading->error_line || !fgets(line, size, reading->file)) {
        return NULL;
    }
    reading->line++;
    size_t end = (size_t)size - 1;
    while (line[end] != '\0') {
        end--;
    }
    if (strlen(line) != end) {
        fail_here(reading, "line has a zero byte: expected a text");
        return NULL;
    }
    if (!strchr(line, '\n') && !feof(reading->file)) {
        char message[96];
        snprintf(message, sizeof message, "line is longer than the %d characters there may be",
                 size - 2);
        fail_here(reading, message);
        return NULL;
    }
    size_t blanks = strspn(line, " \t");
    memmove(line, line + blanks, strlen(line + blanks) + 1);
    return line;
}

static bool is_quoted(const char *text)
{
    size_t length = strlen(text);
    return length >= 2 && (*text == '"' || *text == '\'') && text[length - 1] == *text;
}

/* The values of options point into argv; those of a file must live as long. */
static char *keep(struct args *args, const char *text)
{
    char **texts = realloc(args->texts, (args->text_count + 1) * sizeof *texts);
    if (!texts) {
        return NULL;
    }
    args->texts = texts;
    char *copy = strdup(text);
    if (copy) {
        args->texts[args->text_count++] = copy;
    }
    return copy;
}

/* Habits of other formats that leave their marks in a value. */
static const char *hint_for(const char *text)
{
    return is_quoted(text)      ? "; values are written without quotes"
           : strstr(text, " #") ? "; a comment behind a value begins with ' ;'"
                                : "";
}

static int take_value(void *user, const char *section, const char *name, const char *text)
{
    struct reading *reading = user;
    struct arg_slot *slot = cli_arg_find(reading->args, name);
    char message[1024];
    (void)section;
    if (!slot || slot->arg->not_in_config) {
        cli_unknown_name("option", name, "", cli_arg_name_at, reading->args, message,
                         sizeof message);
        if (slot) {
            snprintf(message, sizeof message, "'%s' is for the command line only", name);
        }
        fail_here(reading, message);
        return 0;
    }
    if (slot->config_line) {
        snprintf(message, sizeof message, "'%s' stands in line %zu already", name,
                 slot->config_line);
        fail_here(reading, message);
        return 0;
    }
    if (is_quoted(text) && slot->arg->kind == ARG_STRING) {
        snprintf(message, sizeof message, "%s: found %.200s%s", name, text, hint_for(text));
        fail_here(reading, message);
        return 0;
    }
    const char *copy = keep(reading->args, text);
    if (!copy) {
        reading->out_of_memory = true;
        return 0;
    }
    /* A value that the command line overrides must be valid all the same. */
    union {
        bool flag;
        size_t size;
        double real;
        const char *text;
        struct arg_list list;
    } overridden;
    void *value = slot->text ? (void *)&overridden : slot->value;
    char reason[900];
    if (!cli_arg_set(slot->arg, value, copy, reason, sizeof reason)) {
        snprintf(message, sizeof message, "%s: %s%s", name, reason, hint_for(copy));
        fail_here(reading, message);
        return 0;
    }
    slot->config_line = reading->line;
    slot->given = slot->text ? slot->text : copy;
    return 1;
}

bool cli_config_read(struct args *args, const char *path, int *code)
{
    struct reading reading = {.args = args, .file = fopen(path, "r")};
    if (!reading.file && errno == ENOMEM) {
        *code = cli_failed_memory(path);
        return false;
    }
    if (!reading.file) {
        *code = cli_usage(args->command, "%s: %s", path, strerror(errno));
        return false;
    }
    errno = 0;
    int bad_line = ini_parse_stream(read_line, &reading, take_value, &reading);
    int read_error = ferror(reading.file) ? errno : 0;
    fclose(reading.file);
    if (read_error) {
        *code = cli_usage(args->command, "%s: %s", path, strerror(read_error));
    } else if (bad_line == -2 || reading.out_of_memory) {
        *code = cli_failed_memory(path);
    } else if (reading.error_line && (bad_line <= 0 || (size_t)bad_line >= reading.error_line)) {
        *code = cli_usage(args->command, "%s:%zu: %s", path, reading.error_line, reading.message);
    } else if (bad_line > 0) {
        *code =
            cli_usage(args->command, "%s:%d: expected 'option = value', a [section] or a ; comment",
                      path, bad_line);
    } else {
        return true;
    }
    return false;
}
