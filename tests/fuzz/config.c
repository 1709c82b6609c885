/* config.c: fuzzes the reader of --config files, over one option of every kind. Messages are made
 * as the command makes them, but not printed: this file stands for report.c. */
#include "fuzz.h"

#include <stdarg.h>
#include <string.h>

#include "cli/args.h"
#include "cli/report.h"

static size_t messages;

static void keep_message(const char *format, va_list arguments)
{
    char message[4096];
    FUZZ_REQUIRE(vsnprintf(message, sizeof message, format, arguments) > 0);
    messages++;
}

void cli_complain(const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    keep_message(format, arguments);
    va_end(arguments);
}

int cli_usage(const struct command *command, const char *format, ...)
{
    (void)command;
    va_list arguments;
    va_start(arguments, format);
    keep_message(format, arguments);
    va_end(arguments);
    return EXIT_CODE_USAGE;
}

int cli_failed_memory(const char *what)
{
    cli_complain("out of memory: %s", what);
    return EXIT_CODE_FAILED;
}

void cli_help(const struct args *args)
{
    (void)args;
}

struct options {
    bool flag;
    size_t size;
    double positive, share, any;
    const char *text, *choice, *name, *provider, *config;
    struct arg_list sizes, reals, names, ranges;
};

static const struct arg rows[] = {
    {"flag", 0, ARG_FLAG, NULL, offsetof(struct options, flag), .help = ""},
    {"epochs", 0, ARG_SIZE, "N", offsetof(struct options, size), .lower = 1,
     .upper = ARG_COUNT_LIMIT, .help = ""},
    {"lr", 0, ARG_REAL, "X", offsetof(struct options, positive), .range = RANGE_POSITIVE,
     .help = ""},
    {"warmup", 0, ARG_REAL, "X", offsetof(struct options, share), .range = RANGE_SHARE, .help = ""},
    {"any", 0, ARG_REAL, "X", offsetof(struct options, any), .range = RANGE_ANY, .help = ""},
    {"model", 0, ARG_STRING, "FILE", offsetof(struct options, text), .help = ""},
    {"precision", 0, ARG_CHOICE, "f32|bf16", offsetof(struct options, choice), .help = ""},
    {"loss", 0, ARG_NAME, "NAME", offsetof(struct options, name), .registry = GEMMLP_LOSSES,
     .extra = "auto", .help = ""},
    {"provider", 0, ARG_NAME, "NAME", offsetof(struct options, provider),
     .registry = GEMMLP_PROVIDERS, .path_of = "a library", .help = ""},
    {"hidden", 0, ARG_SIZES, "N,…", offsetof(struct options, sizes), .lower = 1,
     .upper = ARG_COUNT_LIMIT, .extra = "none", .help = ""},
    {"dropout", 0, ARG_REALS, "X,…", offsetof(struct options, reals), .range = RANGE_SHARE,
     .help = ""},
    {"activation", 0, ARG_NAMES, "NAME,…", offsetof(struct options, names),
     .registry = GEMMLP_ACTIVATIONS, .help = ""},
    {"threads", 0, ARG_RANGES, "N,…", offsetof(struct options, ranges), .lower = 1, .upper = 4096,
     .help = ""},
    {"config", 0, ARG_STRING, "FILE", offsetof(struct options, config), .not_in_config = true,
     .help = ""},
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct command command = {.name = "train"};
    struct options options = {0};
    const struct arg_group groups[] = {ARG_GROUP("all", rows, &options)};
    struct args args = {.command = &command, .groups = groups, .group_count = 1};
    const char *path = fuzz_path(0, "file.ini");
    char name[] = "train", option[] = "--config", argument[600];
    char *argv[] = {name, option, argument, NULL};
    int code = EXIT_CODE_DONE;
    snprintf(argument, sizeof argument, "%s", path);
    fuzz_write(path, data, size);
    messages = 0;
    const bool good = cli_args_parse(&args, 3, argv, &code);
    FUZZ_REQUIRE(good ? messages == 0 : messages == 1 && code == EXIT_CODE_USAGE);
    FUZZ_REQUIRE(args.text_count < args.slot_count);
    FUZZ_REQUIRE(options.sizes.count <= ARG_LIST_CAPACITY &&
                 options.ranges.count <= ARG_LIST_CAPACITY &&
                 options.names.count <= ARG_LIST_CAPACITY);
    cli_args_free(&args);
    return 0;
}
