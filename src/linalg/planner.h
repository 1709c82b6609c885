/* planner.h: each product by the provider, and on as many threads, as are fastest for it.
 *
 * As FFTW plans its transforms, a product is timed when it is prepared: with every provider that is
 * there, on all threads and on one (a small product is slower on two). What was found is kept in a
 * plan (plan.h), and in its file.
 *
 *   gm_gemm_prepare -> in the plan? else time the candidates -> gm_gemm_prepare of the best
 */
#ifndef GM_PLANNER_H
#define GM_PLANNER_H

#include "linalg/gemm.h"
#include "linalg/plan.h"

/* path: of the plan's file; "": none, what is found is forgotten. */
gemmlp_status gm_planner_open(const char *path, struct gemm_provider **out, gemmlp_error *error);
/* Writes what was found since to the file, if there is one. Any provider is allowed. */
gemmlp_status gm_planner_save(const struct gemm_provider *provider, gemmlp_error *error);
/* Before anything is prepared: the choices of `text` (gm_plan_json) take the place of the plan,
 * which then has no file; unless there are none for this machine and these versions. Any provider
 * is allowed; `where` says in messages where the text stands. */
gemmlp_status gm_planner_recall(struct gemm_provider *provider, const char *text, const char *where,
                                gemmlp_error *error);
/* The plan of a provider of gm_planner_open; NULL for others. */
const struct plan *gm_planner_plan(const struct gemm_provider *provider);

#endif
