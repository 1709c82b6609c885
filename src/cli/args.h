/* args.h: the options of a subcommand as tables of rows. One parser serves the command line and the
 * --config file, and the help text is generated from the same rows.
 *
 *   static const struct arg rows[] = {
 *       {"batch", 0, ARG_SIZE, "N", offsetof(struct options, batch), .lower = 1, .upper = 1000000,
 *        .help = "examples per step"},
 *   };
 *
 * A target holds the defaults before cli_args_parse; help prints what it finds there. */
#ifndef CLI_ARGS_H
#define CLI_ARGS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "cli/command.h"
#include "gemmlp.h"

enum arg_kind {
    ARG_FLAG,   /* bool */
    ARG_SIZE,   /* size_t in [lower, upper] */
    ARG_REAL,   /* double in `range`; a negative default means that the library chooses */
    ARG_STRING, /* const char * */
    ARG_CHOICE, /* const char *: one of the words of the placeholder, "f32|bf16" */
    ARG_NAME,   /* const char *: a name of `registry`, the word `extra`, or a path if `path_of` */
    ARG_SIZES,  /* struct arg_list, comma-separated; or the word `extra`: an empty list */
    ARG_REALS,  /* likewise */
    ARG_NAMES,  /* likewise */
    ARG_RANGES, /* likewise, of sizes; an item may be first-last, first-last+step, first-last*factor */
};

enum arg_range { RANGE_POSITIVE, RANGE_NOT_NEGATIVE, RANGE_SHARE /* [0, 1) */, RANGE_ANY };

struct arg {
    const char *name; /* long option without dashes; also the key in a --config file */
    char letter;      /* short option, 0: none */
    enum arg_kind kind;
    const char *value; /* placeholder in the help, NULL for flags */
    size_t offset;     /* of the value in the target of the group */
    size_t lower, upper;
    enum arg_range range;
    gemmlp_registry registry;
    const char *extra;
    const char *path_of; /* what a value with a '/' is the path of; NULL: no paths */
    bool not_in_config;
    const char *help;
};

enum { ARG_LIST_CAPACITY = 256 };

struct arg_list {
    size_t count;
    union {
        size_t size;
        double real;
        const char *name; /* static, of the registry */
    } items[ARG_LIST_CAPACITY];
};

/* Rows that belong together, under one heading, with one target. */
struct arg_group {
    const char *title;
    const struct arg *rows;
    size_t count;
    void *target;
};

/* Fits every count that is also written as a JSON integer. */
#define ARG_SIZE_LIMIT  (SIZE_MAX / 2)
#define ARG_COUNT_LIMIT ((size_t)1000000000)
#define ARG_GROUP(title, rows, target)                                                             \
    {                                                                                              \
        title, rows, sizeof(rows) / sizeof *(rows), target                                         \
    }

/* A row with its target, and where its value came from. */
struct arg_slot {
    const struct arg *arg;
    void *value;
    const char *text;   /* as it stands on the command line; NULL: it does not */
    size_t config_line; /* 0: not in the --config file */
    const char
        *given; /* the text that it has its value from, wherever it stands; NULL: a default */
};

struct args {
    const struct command *command;
    const struct arg_group *groups;
    size_t group_count;
    const char *operand_name; /* "MODEL"; NULL: takes none */
    bool operand_required;
    bool many_operands;            /* takes one and more */
    void (*help_of_operand)(void); /* prints a section of the help, may be NULL */

    const char *operand; /* the first; NULL: not given */
    char **operands;     /* (operand_count), in argv */
    size_t operand_count;
    struct arg_slot *slots;
    size_t slot_count;
    char **texts; /* values that came from the --config file */
    size_t text_count;
};

/* The options every subcommand has. */
struct common_options {
    bool json, quiet, help;
};
#define CLI_COMMON_ROWS 3
extern const struct arg cli_common_rows[CLI_COMMON_ROWS];

/* True: go on. False: *code is how the program ends; help or a message has been printed. */
bool cli_args_parse(struct args *args, int argc, char **argv, int *code);
void cli_args_free(struct args *args);

/* Whether the option was given on the command line or in the --config file, or recalled. */
bool cli_arg_given(const struct args *args, const char *name);

/* Gives an option that was not given the value of `text`, which must live as long as the options
 * do; false: `message` says what was expected and found. */
bool cli_arg_recall(struct args *args, const char *name, const char *text, char *message,
                    size_t size);

/* The slot of an option, NULL when the subcommand has no such option. */
struct arg_slot *cli_arg_find(const struct args *args, const char *name);
/* Writes the value of `text` to *value; false: `message` says what was expected and found. */
bool cli_arg_set(const struct arg *arg, void *value, const char *text, char *message, size_t size);
/* Names of the slots, for cli_unknown_name; `list` is a struct args. */
const char *cli_arg_name_at(const void *list, size_t index);

/* help.c: the help of a subcommand, on stdout. */
void cli_help(const struct args *args);

#endif
