/* child.c: see child.h. */
#define _GNU_SOURCE
#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench.h"
#include "core/cpu.h"

extern char **environ;

enum { LINE_LIMIT = 64 << 20 };

/* ---- environment ---- */

/* Variables that a child must not inherit, but for how threads wait and which kernels are chosen:
 * whoever sets those wants them. */
static bool inherited(const char *variable)
{
    static const char *const kept[] = {
        "OMP_WAIT_POLICY=", "OPENBLAS_CORETYPE=", "OPENBLAS_L2_SIZE="};
    static const char *const dropped[] = {"OMP_",      "GOMP_", "KMP_",  "MKL_",       "BLIS_",
                                          "OPENBLAS_", "GOTO_", "ATLAS", "LD_PRELOAD="};
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++)
        if (strncmp(variable, kept[i], strlen(kept[i])) == 0)
            return true;
    for (size_t i = 0; i < sizeof dropped / sizeof *dropped; i++)
        if (strncmp(variable, dropped[i], strlen(dropped[i])) == 0)
            return false;
    return true;
}

/* MKL beside GNU OpenMP must be told so before it is loaded, BLIS how many threads there are. */
static const char *const thread_variables[] = {"OMP_NUM_THREADS=%d", "BLIS_NUM_THREADS=%d",
                                               "MKL_NUM_THREADS=%d", "OPENBLAS_NUM_THREADS=%d",
                                               "MKL_THREADING_LAYER=GNU"};
enum { THREAD_VARIABLES = sizeof thread_variables / sizeof *thread_variables };

struct environment {
    char **variables;
    char texts[THREAD_VARIABLES][48];
};

static bool make_environment(struct environment *environment, int threads)
{
    size_t count = 0, n = 0;
    while (environ[count])
        count++;
    environment->variables = calloc(count + THREAD_VARIABLES + 1, sizeof *environment->variables);
    if (!environment->variables)
        return false;
    for (size_t i = 0; i < count; i++)
        if (inherited(environ[i]))
            environment->variables[n++] = environ[i];
    for (size_t i = 0; i < THREAD_VARIABLES; i++) {
        snprintf(environment->texts[i], sizeof environment->texts[i], thread_variables[i], threads);
        environment->variables[n++] = environment->texts[i];
    }
    return true;
}

/* ---- process ---- */

struct process {
    pid_t pid;
    int output, errors; /* read ends of its stdout and stderr */
};

/* 0, or the number of the error. */
static int spawn(const char *const *words, char *const *environment, int output, int errors,
                 pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    int code = posix_spawn_file_actions_init(&actions);
    if (code)
        return code;
    code = posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
    if (!code)
        code = posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    if (!code)
        code = posix_spawn(pid, "/proc/self/exe", &actions, NULL, (char *const *)(uintptr_t)words,
                           environment);
    posix_spawn_file_actions_destroy(&actions);
    return code;
}

static int start(const char *const *words, char *const *environment, struct process *process)
{
    int output[2], errors[2];
    if (pipe2(output, O_CLOEXEC) != 0)
        return errno;
    if (pipe2(errors, O_CLOEXEC) != 0) {
        const int code = errno;
        close(output[0]);
        close(output[1]);
        return code;
    }
    const int code = spawn(words, environment, output[1], errors[1], &process->pid);
    close(output[1]);
    close(errors[1]);
    process->output = output[0];
    process->errors = errors[0];
    if (code) {
        close(output[0]);
        close(errors[0]);
    }
    return code;
}

/* ---- reading ---- */

struct lines {
    char *text;
    size_t length, room;
};

/* Appends what can be read; false at the end of the file, or without memory. */
static bool read_some(int descriptor, struct lines *lines)
{
    if (lines->room - lines->length < 4096) {
        const size_t room = lines->room ? 2 * lines->room : 16384;
        char *grown = room <= LINE_LIMIT ? realloc(lines->text, room) : NULL;
        if (!grown)
            return false;
        lines->text = grown;
        lines->room = room;
    }
    const ssize_t n =
        read(descriptor, lines->text + lines->length, lines->room - lines->length - 1);
    if (n > 0)
        lines->length += (size_t)n;
    return n > 0 || (n < 0 && errno == EINTR);
}

static void take_lines(struct lines *lines, bench_take_line *take, void *context)
{
    char *end;
    while (lines->length > 0 && (end = memchr(lines->text, '\n', lines->length))) {
        const size_t used = (size_t)(end + 1 - lines->text);
        *end = '\0';
        take(context, lines->text);
        memmove(lines->text, lines->text + used, lines->length - used);
        lines->length -= used;
    }
}

/* What the child complained of last. One that a library ended has no such line: then the last of
 * all, which may be the library's. */
static void keep_message(struct lines *errors, char *message, size_t size)
{
    static const char prefix[] = "gemmlp: ", warning[] = "gemmlp: warning: ";
    const char *complaint = NULL, *last = NULL;
    char *rest;
    if (errors->length == 0)
        return;
    errors->text[errors->length] = '\0';
    for (char *line = strtok_r(errors->text, "\r\n", &rest); line;
         line = strtok_r(NULL, "\r\n", &rest)) {
        if (strncmp(line, warning, strlen(warning)) == 0)
            continue;
        if (strncmp(line, prefix, strlen(prefix)) == 0)
            complaint = line + strlen(prefix);
        last = line;
    }
    if (complaint)
        snprintf(message, size, "%s", complaint);
    else if (last)
        snprintf(message, size, "it ended without a complaint, after the line '%s'", last);
}

/* Reads until both streams are closed; false: it was killed, and child->end says why. */
static bool follow(const struct process *process, size_t timeout, bench_take_line *take,
                   void *context, struct bench_child *child)
{
    struct lines output = {0}, errors = {0};
    struct pollfd streams[2] = {{process->output, POLLIN, 0}, {process->errors, POLLIN, 0}};
    double heard = gm_seconds();
    bool alive = true;
    while (alive && (streams[0].fd >= 0 || streams[1].fd >= 0)) {
        const int ready = poll(streams, 2, 200);
        if (ready > 0) {
            heard = gm_seconds();
            for (int i = 0; i < 2; i++)
                if (streams[i].revents && !read_some(streams[i].fd, i ? &errors : &output))
                    streams[i].fd = -1;
            take_lines(&output, take, context);
        }
        if (bench_interrupted || gm_seconds() - heard > (double)timeout) {
            child->end = bench_interrupted ? CHILD_INTERRUPTED : CHILD_HUNG;
            kill(process->pid, SIGKILL);
            alive = false;
        }
    }
    keep_message(&errors, child->message, sizeof child->message);
    free(output.text);
    free(errors.text);
    return alive;
}

static void finish(const struct process *process, struct bench_child *child)
{
    int status = 0;
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (child->end == CHILD_HUNG || child->end == CHILD_INTERRUPTED)
        return;
    if (WIFSIGNALED(status)) {
        child->end = CHILD_CRASHED;
        child->code = WTERMSIG(status);
        snprintf(child->message, sizeof child->message, "ended by signal %d (%s)", child->code,
                 strsignal(child->code));
    } else {
        child->code = WEXITSTATUS(status);
        child->end = child->code == 0 ? CHILD_DONE : CHILD_FAILED;
    }
}

void bench_child_run(const char *const *words, int threads, size_t timeout, bench_take_line *take,
                     void *context, struct bench_child *child)
{
    struct environment environment = {0};
    struct process process;
    *child = (struct bench_child){.end = CHILD_FAILED};
    const int code = make_environment(&environment, threads)
                         ? start(words, environment.variables, &process)
                         : ENOMEM;
    free(environment.variables);
    if (code) {
        snprintf(child->message, sizeof child->message, "no process could be started: %s",
                 strerror(code));
        return;
    }
    if (!follow(&process, timeout, take, context, child) && child->end == CHILD_HUNG)
        snprintf(child->message, sizeof child->message, "nothing was heard of it for %zu s: killed",
                 timeout);
    close(process.output);
    close(process.errors);
    finish(&process, child);
}
