/* info_plan.c: gemmlp info --plan: which provider computes which product on this machine. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/data_options.h"
#include "cli/info.h"
#include "cli/report.h"
#include "cli/terminal.h"
#include "io/json_text.h"
#include "linalg/planner.h"

static void print_plan(const struct plan *plan, const char *path)
{
    static const char *const operations[2][2] = {{"NN", "NT"}, {"TN", "TT"}};
    char shown[4096];
    printf("%-16s%s\n", "plan", path[0] ? cli_printable(path, shown, sizeof shown) : "not kept");
    printf("%-16s%s\n", "of", cli_printable(plan->machine, shown, sizeof shown));
    printf("%-16s%zu\n", "products", plan->count);
    if (plan->count == 0) {
        return;
    }
    printf("\n  op precision        m        n        k   provider   threads       time\n");
    for (size_t i = 0; i < plan->count; i++) {
        const struct plan_choice *c = &plan->choices[i];
        const struct gemm_problem *p = &c->problem;
        printf("  %s %-9s %8zu %8zu %8zu   %-10s %2d of %2d %8.1f µs%s\n",
               operations[p->transpose_a][p->transpose_b], gm_gemm_precisions[p->precision], p->m,
               p->n, p->k, cli_printable(c->provider, shown, sizeof shown), c->threads, c->limit,
               1e6 * c->seconds, c->shrunk ? ", of a smaller one" : "");
    }
}

int cli_info_plan(const struct command *command, bool json)
{
    struct gemm_provider *provider;
    gemmlp_error error;
    const char *path = cli_plan_path();
    if (gm_planner_open(path, &provider, &error) != GEMMLP_OK) {
        return cli_failed_input(command, &error);
    }
    const struct plan *plan = gm_planner_plan(provider);
    int code = EXIT_CODE_DONE;
    if (!json) {
        print_plan(plan, path);
    } else {
        json_t *whole = gm_plan_json(plan, false);
        char *text = gm_json_text(whole);
        code = text ? EXIT_CODE_DONE : cli_failed_memory("the plan");
        if (text) {
            puts(text);
        }
        free(text);
        json_decref(whole);
    }
    gm_gemm_close(provider);
    return code;
}
