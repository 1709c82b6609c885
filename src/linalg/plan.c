/* plan.c: see plan.h. */
#define _POSIX_C_SOURCE 200809L
#include "linalg/plan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "io/atomic_file.h"
#include "io/json_text.h"

/* What a file may hold: far more than any user's networks have products. Each choice is an object
 * in an array in an object, has 11 members, and is looked for among those before it. */
enum { MAX_CHOICES = 10000, MAX_BYTES = 16 << 20, VERSION = 1, MAX_THREADS = 4096 };
static const struct json_limits limits = {.depth = 3, .values = 12 * MAX_CHOICES + 1000};

void gm_plan_machine(struct plan *plan, const struct gemm_provider *provider)
{
    gemmlp_machine machine;
    gemmlp_machine_get(&machine);
    snprintf(plan->machine, sizeof plan->machine, "%s, %s, gemmlp %s, %s, %s", machine.cpu,
             machine.instruction_set, GEMMLP_VERSION, provider->version, provider->kernel);
}

void gm_plan_free(struct plan *plan)
{
    free(plan->choices);
    *plan = (struct plan){0};
}

static bool same_problem(const struct gemm_problem *a, const struct gemm_problem *b)
{
    return a->precision == b->precision && a->transpose_a == b->transpose_a &&
           a->transpose_b == b->transpose_b && a->m == b->m && a->n == b->n && a->k == b->k;
}

static struct plan_choice *find(const struct plan *plan, const struct gemm_problem *problem,
                                int limit)
{
    for (size_t i = 0; i < plan->count; i++)
        if (plan->choices[i].limit == limit && same_problem(&plan->choices[i].problem, problem))
            return &plan->choices[i];
    return NULL;
}

const struct plan_choice *gm_plan_find(const struct plan *plan, const struct gemm_problem *problem,
                                       int limit)
{
    return find(plan, problem, limit);
}

static size_t *examples_of(struct gemm_problem *problem)
{
    return problem->transpose_a ? &problem->k : &problem->m;
}

const struct plan_choice *gm_plan_find_near(const struct plan *plan,
                                            const struct gemm_problem *problem, int limit)
{
    const struct plan_choice *best = find(plan, problem, limit);
    for (size_t i = 0; !best && i < plan->count; i++) {
        struct gemm_problem like = plan->choices[i].problem, wanted = *problem;
        const size_t a = *examples_of(&like), b = *examples_of(&wanted);
        *examples_of(&like) = b;
        if (plan->choices[i].limit == limit && same_problem(&like, &wanted) && a / 4 <= b &&
            b / 4 <= a)
            best = &plan->choices[i];
    }
    return best;
}

static gemmlp_status append(struct plan *plan, const struct plan_choice *choice,
                            gemmlp_error *error)
{
    struct plan_choice *known = find(plan, &choice->problem, choice->limit);
    if (!known && (plan->count & (plan->count - 1)) == 0) { /* room for the next power of two */
        const size_t room = plan->count ? 2 * plan->count : 1;
        struct plan_choice *grown = realloc(plan->choices, room * sizeof *grown);
        if (!grown)
            return gm_fail_memory(error, "a plan", room * sizeof *grown);
        plan->choices = grown;
    }
    if (!known)
        known = &plan->choices[plan->count++];
    *known = *choice;
    known->problem.lda = known->problem.ldb = known->problem.ldc = 0;
    return GEMMLP_OK;
}

gemmlp_status gm_plan_add(struct plan *plan, const struct plan_choice *choice, gemmlp_error *error)
{
    plan->changed = true;
    return append(plan, choice, error);
}

/* ---- from JSON ---- */

static bool is_size(const json_t *value, size_t most, size_t *size)
{
    const json_int_t number = json_integer_value(value);
    *size = (size_t)number;
    return number >= 1 && (uintmax_t)number <= most;
}

static bool is_text(const json_t *value, size_t size)
{
    const char *text = json_string_value(value);
    return text && strlen(text) < size;
}

/* False: it is no choice. */
static bool parse_choice(const json_t *object, struct plan_choice *choice)
{
    static const char *const operations[] = {"NN", "NT", "TN", "TT"};
    const char *operation = json_string_value(json_object_get(object, "operation"));
    const char *precision = json_string_value(json_object_get(object, "precision"));
    const json_t *provider = json_object_get(object, "provider");
    const json_t *seconds = json_object_get(object, "seconds");
    size_t limit, threads, op = 0, p = 0;
    *choice = (struct plan_choice){.seconds = json_number_value(seconds)};
    while (op < 4 && operation && strcmp(operations[op], operation) != 0)
        op++;
    while (p < GEMM_PRECISIONS && precision && strcmp(gm_gemm_precisions[p], precision) != 0)
        p++;
    if (!operation || op == 4 || !precision || p == GEMM_PRECISIONS || !json_is_number(seconds) ||
        !is_text(provider, sizeof choice->provider) ||
        !is_size(json_object_get(object, "m"), SIZE_MAX / 2, &choice->problem.m) ||
        !is_size(json_object_get(object, "n"), SIZE_MAX / 2, &choice->problem.n) ||
        !is_size(json_object_get(object, "k"), SIZE_MAX / 2, &choice->problem.k) ||
        !is_size(json_object_get(object, "threads_limit"), MAX_THREADS, &limit) ||
        !is_size(json_object_get(object, "threads"), limit, &threads) ||
        !is_text(json_object_get(object, "machine"), SIZE_MAX))
        return false;
    choice->problem.precision = (enum gemm_precision)p;
    choice->problem.transpose_a = op & 2;
    choice->problem.transpose_b = op & 1;
    choice->limit = (int)limit;
    choice->threads = (int)threads;
    choice->shrunk = json_is_true(json_object_get(object, "shrunk"));
    strcpy(choice->provider, json_string_value(provider));
    return true;
}

static json_t *choice_object(const struct plan *plan, const struct plan_choice *c)
{
    static const char *const operations[2][2] = {{"NN", "NT"}, {"TN", "TT"}};
    return json_pack("{s:s, s:s, s:s, s:I, s:I, s:I, s:i, s:s, s:i, s:f, s:b}", "machine",
                     plan->machine, "precision", gm_gemm_precisions[c->problem.precision],
                     "operation", operations[c->problem.transpose_a][c->problem.transpose_b], "m",
                     (json_int_t)c->problem.m, "n", (json_int_t)c->problem.n, "k",
                     (json_int_t)c->problem.k, "threads_limit", c->limit, "provider", c->provider,
                     "threads", c->threads, "seconds", c->seconds, "shrunk", (int)c->shrunk);
}

/* All bytes of a regular file, at most MAX_BYTES of them; *text is NULL where there is no file. */
static gemmlp_status read_text(const char *path, char **text, size_t *length, gemmlp_error *error)
{
    struct stat info;
    *text = NULL;
    *length = 0;
    const int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); /* a pipe must not hang */
    if (descriptor < 0 && errno == ENOENT)
        return GEMMLP_OK;
    FILE *file = descriptor >= 0 ? fdopen(descriptor, "rb") : NULL;
    if (!file || fstat(descriptor, &info) != 0) {
        const int cause = errno;
        if (file)
            fclose(file);
        else if (descriptor >= 0)
            close(descriptor);
        return cause == ENOMEM
                   ? gm_fail_memory(error, path, 0)
                   : gm_fail(error, GEMMLP_IO, "%s: could not read: %s", path, strerror(cause));
    }
    gemmlp_status status = GEMMLP_OK;
    if (!S_ISREG(info.st_mode))
        status = gm_fail(error, GEMMLP_IO, "%s: could not read: is not a regular file", path);
    else if (info.st_size > MAX_BYTES)
        status = gm_fail(error, GEMMLP_BAD_DATA,
                         "%s: not a plan: has %lld bytes; expected at most %d MiB", path,
                         (long long)info.st_size, MAX_BYTES >> 20);
    else if (!(*text = malloc((size_t)info.st_size + 1)))
        status = gm_fail_memory(error, path, (size_t)info.st_size + 1);
    else {
        *length = fread(*text, 1, (size_t)info.st_size, file);
        if (ferror(file))
            status = gm_fail(error, GEMMLP_IO, "%s: could not read: %s", path, strerror(errno));
    }
    fclose(file);
    return status;
}

/* *choices = the array of a plan. */
static gemmlp_status parse_choices(const char *text, size_t length, const char *path,
                                   json_t **choices, gemmlp_error *error)
{
    struct json_fault fault;
    json_t *whole = gm_json_parse(text, length, limits, &fault);
    if (!whole && fault.out_of_memory)
        return gm_fail_memory(error, path, length);
    if (!whole && fault.line == 0)
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: not a plan: %s", path, fault.text);
    if (!whole)
        return gm_fail(error, GEMMLP_BAD_DATA, "%s: not a plan: line %d, column %d: %s", path,
                       fault.line, fault.column, fault.text);
    *choices = json_incref(json_object_get(whole, "choices"));
    const json_int_t version = json_integer_value(json_object_get(whole, "gemmlp_plan"));
    json_decref(whole);
    if (version == VERSION && json_is_array(*choices) && json_array_size(*choices) <= MAX_CHOICES)
        return GEMMLP_OK;
    json_decref(*choices);
    *choices = NULL;
    return gm_fail(error, GEMMLP_BAD_DATA,
                   "%s: not a plan: expected \"gemmlp_plan\": %d and at most %d \"choices\"", path,
                   VERSION, MAX_CHOICES);
}

/* The whole file: *choices is its array, an empty one where there is no file. */
static gemmlp_status load(const char *path, json_t **choices, gemmlp_error *error)
{
    char *text;
    size_t length;
    *choices = NULL;
    gemmlp_status status = read_text(path, &text, &length, error);
    if (status != GEMMLP_OK || !text) {
        free(text);
        if (status == GEMMLP_OK && !(*choices = json_array()))
            status = gm_fail_memory(error, path, 0);
        return status;
    }
    status = parse_choices(text, length, path, choices, error);
    free(text);
    return status;
}

static bool is_for(const json_t *object, const struct plan *plan)
{
    return strcmp(json_string_value(json_object_get(object, "machine")), plan->machine) == 0;
}

/* Those for the plan's machine; frees the array. */
static gemmlp_status append_all(struct plan *plan, json_t *choices, const char *path,
                                gemmlp_error *error)
{
    gemmlp_status status = GEMMLP_OK;
    for (size_t i = 0; status == GEMMLP_OK && i < json_array_size(choices); i++) {
        const json_t *object = json_array_get(choices, i);
        struct plan_choice choice;
        if (!parse_choice(object, &choice))
            status = gm_fail(error, GEMMLP_BAD_DATA, "%s: not a plan: choice %zu is none", path, i);
        else if (is_for(object, plan))
            status = append(plan, &choice, error);
    }
    json_decref(choices);
    return status;
}

gemmlp_status gm_plan_read(struct plan *plan, const char *path, gemmlp_error *error)
{
    json_t *choices;
    gemmlp_status status = load(path, &choices, error);
    return status == GEMMLP_OK ? append_all(plan, choices, path, error) : status;
}

gemmlp_status gm_plan_parse(struct plan *plan, const char *text, const char *path,
                            gemmlp_error *error)
{
    json_t *choices;
    gemmlp_status status = parse_choices(text, strlen(text), path, &choices, error);
    return status == GEMMLP_OK ? append_all(plan, choices, path, error) : status;
}

/* ---- to JSON ---- */

/* Our choices, and of the file's those that ours do not replace, as many as a file may hold. NULL:
 * no memory. */
static json_t *merged(const struct plan *plan, const json_t *choices, bool only_used)
{
    json_t *array = json_array();
    bool done = array != NULL;
    for (size_t i = 0; i < json_array_size(choices); i++) {
        json_t *object = json_array_get(choices, i);
        struct plan_choice choice;
        if (parse_choice(object, &choice) && json_array_size(array) + plan->count < MAX_CHOICES &&
            !(is_for(object, plan) && find(plan, &choice.problem, choice.limit)))
            done = done && json_array_append(array, object) == 0;
    }
    for (size_t i = 0; i < plan->count; i++)
        if (plan->choices[i].used || !only_used)
            done =
                done && json_array_append_new(array, choice_object(plan, &plan->choices[i])) == 0;
    json_t *whole = done ? json_pack("{s:i, s:O}", "gemmlp_plan", VERSION, "choices", array) : NULL;
    json_decref(array);
    return whole;
}

json_t *gm_plan_json(const struct plan *plan, bool only_used)
{
    return merged(plan, NULL, only_used);
}

gemmlp_status gm_plan_write(struct plan *plan, const char *path, gemmlp_error *error)
{
    json_t *choices;
    struct atomic_file file;
    gm_make_directories(path);
    gemmlp_status status = load(path, &choices, error);
    if (status != GEMMLP_OK)
        return status;
    json_t *whole = merged(plan, choices, false);
    char *text = gm_json_text(whole);
    json_decref(choices);
    json_decref(whole);
    if (!text)
        return gm_fail_memory(error, path, 0);
    status = gm_atomic_open(&file, path, error);
    if (status == GEMMLP_OK) {
        fputs(text, file.stream);
        putc('\n', file.stream);
        status = gm_atomic_commit(&file, error);
    }
    free(text);
    plan->changed = status != GEMMLP_OK;
    return status;
}
