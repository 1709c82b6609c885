/* providers.c: see providers.h. */
#define _POSIX_C_SOURCE 200809L
#include "cli/providers.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/names.h"

void cli_provider_title(const gemmlp_provider_info *info, char *text, size_t size)
{
    text[0] = '\0';
    cli_append(text, size, "%s", info->version);
    if (info->kernel[0]) {
        cli_append(text, size, " (%s)", info->kernel);
    }
}

/* What the child says. */
struct answer {
    gemmlp_provider_info info;
    gemmlp_error error;
};

/* Fails when the child dies first, or says only half. */
static bool receive(int from, struct answer *answer)
{
    size_t have = 0;
    while (have < sizeof *answer) {
        ssize_t n = read(from, (char *)answer + have, sizeof *answer - have);
        if (n <= 0) {
            return false;
        }
        have += (size_t)n;
    }
    return true;
}

enum { PATIENCE = 20 /* seconds, for a library that hangs */ };

/* What a library has to say on standard output is none of ours: it goes to standard error. */
static void answer_and_exit(const char *name, int to)
{
    alarm(PATIENCE);
    dup2(STDERR_FILENO, STDOUT_FILENO);
    struct answer answer = {.error.status = GEMMLP_OK};
    gemmlp_provider_info_get(name, 1, &answer.info, &answer.error);
    _exit(write(to, &answer, sizeof answer) != (ssize_t)sizeof answer);
}

gemmlp_status cli_provider_probe(const char *name, gemmlp_provider_info *info, gemmlp_error *error)
{
    struct answer answer = {
        .error = {GEMMLP_UNSUPPORTED, "its library ended the process that loaded it"}};
    int ends[2];
    if (pipe(ends) != 0) {
        *error = (gemmlp_error){GEMMLP_IO, "no pipe to a child process could be made"};
        return error->status;
    }
    fflush(stdout); /* else what waits there would be written by the child too */
    pid_t child = fork();
    if (child == 0) {
        close(ends[0]);
        answer_and_exit(name, ends[1]);
    }
    close(ends[1]);
    struct answer received;
    if (child > 0 && receive(ends[0], &received)) {
        answer = received;
    }
    close(ends[0]);
    if (child > 0) {
        waitpid(child, NULL, 0);
    } else {
        answer.error = (gemmlp_error){GEMMLP_IO, "no child process could be started"};
    }
    *info = answer.info;
    *error = answer.error;
    return error->status;
}

void cli_print_providers(void)
{
    const char *name;
    printf("providers\n");
    for (size_t i = 0; (name = gemmlp_name(GEMMLP_PROVIDERS, i)); i++) {
        gemmlp_provider_info info;
        gemmlp_error error;
        char title[256];
        if (cli_provider_probe(name, &info, &error) != GEMMLP_OK) {
            printf("  %-22snot installed\n", name);
            continue;
        }
        cli_provider_title(&info, title, sizeof title);
        printf("  %-22s%s%s%s\n", name, title, info.path[0] ? ", " : "", info.path);
    }
}

/* A text that may be empty: then its key is left out. */
static void record_known(struct record *record, const char *key, const char *text)
{
    cli_record_text(record, key, text[0] ? text : NULL);
}

void cli_record_providers(struct record *whole)
{
    const char *name;
    json_t *providers = json_array();
    for (size_t i = 0; (name = gemmlp_name(GEMMLP_PROVIDERS, i)); i++) {
        gemmlp_provider_info info;
        gemmlp_error error;
        struct record record = cli_record_begin();
        const bool installed = cli_provider_probe(name, &info, &error) == GEMMLP_OK;
        cli_record_text(&record, "name", name);
        cli_record_bool(&record, "installed", installed);
        if (installed) {
            record_known(&record, "version", info.version);
            record_known(&record, "kernel", info.kernel);
            record_known(&record, "path", info.path);
        } else {
            cli_record_text(&record, "message", error.message);
        }
        cli_record_append(whole, providers, cli_record_take(&record));
    }
    cli_record_json(whole, "providers", providers);
}
