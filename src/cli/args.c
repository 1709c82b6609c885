/* args.c: the command line of a subcommand, by getopt_long over the rows of its tables. */
#define _GNU_SOURCE
#include "cli/args.h"

#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "cli/config.h"
#include "cli/names.h"
#include "cli/report.h"

const struct arg cli_common_rows[CLI_COMMON_ROWS] = {
    {"json", 0, ARG_FLAG, NULL, offsetof(struct common_options, json),
     .help = "print the results as one JSON object"},
    {"quiet", 'q', ARG_FLAG, NULL, offsetof(struct common_options, quiet),
     .help = "no progress and no remarks on stderr"},
    {"help", 'h', ARG_FLAG, NULL, offsetof(struct common_options, help), .not_in_config = true,
     .help = "print this"},
};

const char *cli_arg_name_at(const void *list, size_t index)
{
    const struct args *args = list;
    return index < args->slot_count ? args->slots[index].arg->name : NULL;
}

struct arg_slot *cli_arg_find(const struct args *args, const char *name)
{
    for (size_t i = 0; i < args->slot_count; i++) {
        if (strcmp(args->slots[i].arg->name, name) == 0) {
            return &args->slots[i];
        }
    }
    return NULL;
}

bool cli_arg_given(const struct args *args, const char *name)
{
    const struct arg_slot *slot = cli_arg_find(args, name);
    return slot && slot->given;
}

bool cli_arg_recall(struct args *args, const char *name, const char *text, char *message,
                    size_t size)
{
    struct arg_slot *slot = cli_arg_find(args, name);
    if (!slot) {
        cli_unknown_name("option", name, "--", cli_arg_name_at, args, message, size);
        return false;
    }
    if (!slot->given && cli_arg_set(slot->arg, slot->value, text, message, size)) {
        slot->given = text;
    }
    return slot->given != NULL;
}

static bool make_slots(struct args *args)
{
    size_t count = 0;
    for (size_t g = 0; g < args->group_count; g++) {
        count += args->groups[g].count;
    }
    args->slots = calloc(count, sizeof *args->slots);
    if (!args->slots) {
        return false;
    }
    for (size_t g = 0; g < args->group_count; g++) {
        for (size_t i = 0; i < args->groups[g].count; i++) {
            const struct arg *arg = &args->groups[g].rows[i];
            args->slots[args->slot_count++] =
                (struct arg_slot){arg, (char *)args->groups[g].target + arg->offset, NULL, 0, NULL};
        }
    }
    return true;
}

/* A word with blanks is the value of an option whose value is a list of words. */
static bool looks_like_option(const char *word)
{
    return strncmp(word, "--", 2) == 0 && word[strcspn(word, " =")] != ' ';
}

/* getopt_long would take abbreviations, which break scripts when an option is added; so that every
 * long option is looked up here first. Its value may stand in the next word. */
static bool check_names(const struct args *args, int argc, char **argv, int *code)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (!looks_like_option(argv[i])) {
            continue;
        }
        char name[64], message[1024];
        size_t length = strcspn(argv[i] + 2, "=");
        length = length < sizeof name ? length : sizeof name - 1;
        memcpy(name, argv[i] + 2, length);
        name[length] = '\0';
        if (!cli_arg_find(args, name)) {
            cli_unknown_name("option", name, "--", cli_arg_name_at, args, message, sizeof message);
            *code = cli_usage(args->command, "%s", message);
            return false;
        }
    }
    return true;
}

static bool take_option(struct args *args, struct arg_slot *slot, const char *text,
                        bool separate_word, int *code)
{
    char message[1024];
    const char *name = slot->arg->name;
    if (!text) {
        text = "yes"; /* a flag */
    } else if (separate_word && looks_like_option(text)) {
        *code = cli_usage(args->command, "--%s: expected %s, found the option '%s'", name,
                          slot->arg->value, text);
        return false;
    }
    if (!cli_arg_set(slot->arg, slot->value, text, message, sizeof message)) {
        *code = cli_usage(args->command, "--%s: %s", name, message);
        return false;
    }
    slot->text = slot->given = text;
    return true;
}

/* What getopt_long needs, made from the rows. letters has room for two characters per slot. */
static void make_getopt(const struct args *args, struct option *options, char *letters)
{
    *letters++ = ':'; /* tell a missing value from an unknown option */
    for (size_t i = 0; i < args->slot_count; i++) {
        const struct arg *arg = args->slots[i].arg;
        int argument = arg->kind == ARG_FLAG ? optional_argument : required_argument;
        options[i] = (struct option){arg->name, argument, NULL, 256 + (int)i};
        if (arg->letter) {
            *letters++ = arg->letter;
            if (argument == required_argument) {
                *letters++ = ':';
            }
        }
    }
    *letters = '\0';
}

static struct arg_slot *slot_of(const struct args *args, int found)
{
    if (found >= 256) {
        return &args->slots[found - 256];
    }
    for (size_t i = 0; i < args->slot_count; i++) {
        if (args->slots[i].arg->letter == found) {
            return &args->slots[i];
        }
    }
    return NULL;
}

static bool take_options(struct args *args, int argc, char **argv, const struct option *options,
                         const char *letters, int *code)
{
    opterr = 0;
    optind = 0; /* glibc and musl: start over */
    for (;;) {
        int found = getopt_long(argc, argv, letters, options, NULL);
        if (found == -1) {
            return true;
        }
        struct arg_slot *slot = slot_of(args, found == ':' ? optopt : found);
        if (found == ':' && slot) {
            *code = cli_usage(args->command, "--%s: expected %s, found nothing", slot->arg->name,
                              slot->arg->value);
            return false;
        }
        if (!slot && optopt == 0) { /* a word with blanks, which check_names let pass */
            *code = cli_usage(args->command, "unknown option '%s'", argv[optind - 1]);
            return false;
        }
        if (!slot) {
            *code =
                cli_usage(args->command,
                          "unknown option '-%c'; long options are written with two dashes", optopt);
            return false;
        }
        bool separate_word = optarg && optarg == argv[optind - 1];
        if (!take_option(args, slot, optarg, separate_word, code)) {
            return false;
        }
    }
}

static bool take_operand(struct args *args, int argc, char **argv, int *code)
{
    if (optind < argc && args->operand_name) {
        args->operands = argv + optind;
        args->operand_count = args->many_operands ? (size_t)(argc - optind) : 1;
        args->operand = argv[optind];
        optind += (int)args->operand_count;
    }
    if (optind < argc) {
        *code = cli_usage(args->command, "unexpected argument '%s'", argv[optind]);
        return false;
    }
    if (args->operand_required && !args->operand) {
        *code = cli_usage(args->command, "%s is missing", args->operand_name);
        return false;
    }
    return true;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            return true;
        }
    }
    return false;
}

bool cli_args_parse(struct args *args, int argc, char **argv, int *code)
{
    if (!make_slots(args)) {
        *code = cli_failed_memory("the options");
        return false;
    }
    if (wants_help(argc, argv)) {
        cli_help(args);
        *code = EXIT_CODE_DONE;
        return false;
    }
    struct option *options = calloc(args->slot_count + 1, sizeof *options);
    char *letters = malloc(2 * args->slot_count + 2);
    bool good = options && letters;
    if (good) {
        make_getopt(args, options, letters);
        good = check_names(args, argc, argv, code) &&
               take_options(args, argc, argv, options, letters, code) &&
               take_operand(args, argc, argv, code);
    } else {
        *code = cli_failed_memory("the options");
    }
    free(options);
    free(letters);
    const struct arg_slot *config = good ? cli_arg_find(args, "config") : NULL;
    const char *path = config ? *(const char **)config->value : NULL;
    return good && (!path || cli_config_read(args, path, code));
}

void cli_args_free(struct args *args)
{
    for (size_t i = 0; i < args->text_count; i++) {
        free(args->texts[i]);
    }
    free(args->texts);
    free(args->slots);
    args->texts = NULL;
    args->slots = NULL;
    args->text_count = args->slot_count = 0;
}
