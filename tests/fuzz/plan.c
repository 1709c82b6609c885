/* plan.c: fuzzes the reader of plans (which provider computes which product), and the writer that
 * keeps what it finds in the file: what it wrote must be read again. */
#include "fuzz.h"

#include <string.h>

#include "linalg/plan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *path = fuzz_path(0, "plan.json");
    struct plan plan = {.machine = "m"}, again = {.machine = "m"};
    gemmlp_error error = {0};
    fuzz_write(path, data, size);
    gemmlp_status status = gm_plan_read(&plan, path, &error);
    FUZZ_REQUIRE(status == GEMMLP_OK || status == GEMMLP_BAD_DATA);
    FUZZ_REQUIRE(status == GEMMLP_OK || strlen(error.message) > 0);
    for (size_t i = 0; i < plan.count; i++) {
        const struct plan_choice *choice = &plan.choices[i];
        FUZZ_REQUIRE(choice->threads >= 1 && choice->threads <= choice->limit);
        FUZZ_REQUIRE(gm_plan_find(&plan, &choice->problem, choice->limit) == choice);
        FUZZ_REQUIRE(gm_plan_find_near(&plan, &choice->problem, choice->limit) == choice);
    }
    if (status == GEMMLP_OK) {
        const struct plan_choice more = {.problem = {.m = 3, .n = 4, .k = 5},
                                         .limit = 2,
                                         .provider = "native",
                                         .threads = 1,
                                         .seconds = 1e-6};
        FUZZ_REQUIRE(gm_plan_add(&plan, &more, NULL) == GEMMLP_OK);
        FUZZ_REQUIRE(gm_plan_write(&plan, path, NULL) == GEMMLP_OK);
        FUZZ_REQUIRE(gm_plan_read(&again, path, NULL) == GEMMLP_OK);
        FUZZ_REQUIRE(again.count == plan.count);
    }
    gm_plan_free(&plan);
    gm_plan_free(&again);
    return 0;
}
