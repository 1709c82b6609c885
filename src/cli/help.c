/* help.c: the help of a subcommand, generated from its rows: an example first, then the options
 * with their defaults, then the names that there are. */
#include <stdio.h>
#include <string.h>

#include "cli/args.h"
#include "cli/names.h"

enum { HELP_COLUMN = 30, HELP_WIDTH = 96 };

/* Words of `text` from column HELP_COLUMN on, broken at HELP_WIDTH. */
static void print_wrapped(const char *text)
{
    size_t column = HELP_COLUMN;
    for (const char *word = text; *word;) {
        size_t length = strcspn(word, " ");
        if (column > HELP_COLUMN && column + 1 + length > HELP_WIDTH) {
            printf("\n%*s", HELP_COLUMN, "");
            column = HELP_COLUMN;
        } else if (column > HELP_COLUMN) {
            putchar(' ');
            column++;
        }
        printf("%.*s", (int)length, word);
        column += length;
        word += length;
        word += strspn(word, " ");
    }
    putchar('\n');
}

static void append_list(const struct arg *arg, const struct arg_list *list, char *text, size_t size)
{
    cli_append(text, size, "%s", list->count ? " (default " : "");
    for (size_t i = 0; i < list->count; i++) {
        cli_append(text, size, "%s", i ? "," : "");
        if (arg->kind == ARG_SIZES || arg->kind == ARG_RANGES) {
            cli_append(text, size, "%zu", list->items[i].size);
        } else if (arg->kind == ARG_REALS) {
            cli_append(text, size, "%g", list->items[i].real);
        } else {
            cli_append(text, size, "%s", list->items[i].name);
        }
    }
    cli_append(text, size, "%s", list->count ? ")" : "");
}

static void append_default(const struct arg_slot *slot, char *text, size_t size)
{
    const struct arg *arg = slot->arg;
    switch (arg->kind) {
    case ARG_FLAG:
        break;
    case ARG_SIZE:
        if (*(const size_t *)slot->value > 0 || arg->lower == 0) {
            cli_append(text, size, " (default %zu)", *(const size_t *)slot->value);
        }
        break;
    case ARG_REAL:
        if (*(const double *)slot->value >= 0) {
            cli_append(text, size, " (default %g)", *(const double *)slot->value);
        }
        break;
    case ARG_STRING:
    case ARG_CHOICE:
    case ARG_NAME:
        if (*(const char *const *)slot->value) {
            cli_append(text, size, " (default %s)", *(const char *const *)slot->value);
        }
        break;
    case ARG_SIZES:
    case ARG_REALS:
    case ARG_NAMES:
    case ARG_RANGES:
        append_list(arg, slot->value, text, size);
        break;
    }
}

static void print_option(const struct arg_slot *slot)
{
    const struct arg *arg = slot->arg;
    char left[96] = "  ", text[1024] = "";
    cli_append(left, sizeof left, "%s%c%s--%s", arg->letter ? "-" : " ",
               arg->letter ? arg->letter : ' ', arg->letter ? ", " : "  ", arg->name);
    if (arg->value) {
        cli_append(left, sizeof left, " %s", arg->value);
    }
    cli_append(text, sizeof text, "%s", arg->help);
    append_default(slot, text, sizeof text);
    if (strlen(left) + 2 > HELP_COLUMN) {
        printf("%s\n%*s", left, HELP_COLUMN, "");
    } else {
        printf("%-*s", HELP_COLUMN, left);
    }
    print_wrapped(text);
}

static void print_registry(gemmlp_registry registry)
{
    const char *name;
    printf("\n%s\n", cli_registry_plural(registry));
    for (size_t i = 0; (name = gemmlp_name(registry, i)); i++) {
        printf("  %-*s  ", HELP_COLUMN - 4, name);
        print_wrapped(gemmlp_description(registry, i));
    }
}

void cli_help(const struct args *args)
{
    const struct command *command = args->command;
    unsigned long used = 0; /* registries, a bit each */
    printf("  gemmlp %s\n\n%s\n\nusage: gemmlp %s %s\n", command->example, command->summary,
           command->name, command->synopsis);
    if (args->help_of_operand) {
        args->help_of_operand();
    }
    for (size_t g = 0, slot = 0; g < args->group_count; g++) {
        printf("\n%s\n", args->groups[g].title);
        for (size_t i = 0; i < args->groups[g].count; i++, slot++) {
            const struct arg *arg = args->slots[slot].arg;
            print_option(&args->slots[slot]);
            if (arg->kind == ARG_NAME || arg->kind == ARG_NAMES) {
                used |= 1UL << arg->registry;
            }
        }
    }
    for (int registry = 0; used >> registry; registry++) {
        if (used >> registry & 1) {
            print_registry((gemmlp_registry)registry);
        }
    }
}
