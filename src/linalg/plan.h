/* plan.h: which provider, on how many threads, is to compute which product: what the planner
 * (planner.h) has found, and the file that keeps it from run to run.
 *
 * The file holds one JSON object: {"gemmlp_plan": 1, "choices": [...]}, each choice with the
 * machine and the versions that it was found on. Those of other machines are kept, not used. */
#ifndef GM_PLAN_H
#define GM_PLAN_H

#include <jansson.h>

#include "linalg/gemm.h"

struct plan_choice {
    struct gemm_problem problem; /* leading dimensions 0: they are not told apart */
    int limit;                   /* threads there were to choose from */
    char provider[32];
    int threads;
    double seconds; /* of the product when it was timed; of a smaller one where `shrunk` */
    bool shrunk;
    bool used; /* by a product of this provider; not in the file */
};

struct plan {
    char machine[512]; /* CPU and versions */
    struct plan_choice *choices;
    size_t count;
    bool changed; /* since it was read */
};

/* Fills in the machine: this one, and the provider's versions. */
void gm_plan_machine(struct plan *plan, const struct gemm_provider *provider);
/* Reads the choices for the plan's machine; there are none where there is no file. */
gemmlp_status gm_plan_read(struct plan *plan, const char *path, gemmlp_error *error);
/* Replaces the file: these choices, and those of the file that are for other machines or products.
 * Makes its directory. */
gemmlp_status gm_plan_write(struct plan *plan, const char *path, gemmlp_error *error);
/* What a file with these choices alone, or with those of them that were used, would hold; NULL: out
 * of memory. */
json_t *gm_plan_json(const struct plan *plan, bool only_used);
/* Adds the choices for the plan's machine of a text that holds what a file does; `path` says in
 * messages where it stands. */
gemmlp_status gm_plan_parse(struct plan *plan, const char *text, const char *path,
                            gemmlp_error *error);
/* NULL: none yet. */
const struct plan_choice *gm_plan_find(const struct plan *plan, const struct gemm_problem *problem,
                                       int limit);
/* Or else that of a product with a quarter to four times the examples: as for the last batch of an
 * epoch, which is not worth an answer of its own. */
const struct plan_choice *gm_plan_find_near(const struct plan *plan,
                                            const struct gemm_problem *problem, int limit);
gemmlp_status gm_plan_add(struct plan *plan, const struct plan_choice *choice, gemmlp_error *error);
void gm_plan_free(struct plan *plan);

#endif
