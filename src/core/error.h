/* error.h: how a failure is told. `return gm_fail(error, GEMMLP_BAD_DATA, "%s: …", path);` */
#ifndef GM_ERROR_H
#define GM_ERROR_H

#include "core/portability.h"
#include "gemmlp.h"

/* Writes status and message into *error (NULL is allowed); returns status. */
gemmlp_status gm_fail(gemmlp_error *error, gemmlp_status status, const char *format, ...)
    GM_PRINTF(3, 4);

/* One line for allocation failures: what could not be had, and how much of it. */
gemmlp_status gm_fail_memory(gemmlp_error *error, const char *what, size_t bytes);

/* Where one attempt after another may fail and the last succeed, each tells its reason to a `why` of
 * the caller's, who hands on that of the last when none has; returns its status. */
gemmlp_status gm_hand_on(gemmlp_error *error, const gemmlp_error *why);

/* A registry is a static const table of rows with names; name_at(i) is NULL past the last.
 * *index = the row called `name`, or "unknown activation 'rleu'; did you mean 'relu'? valid: …". */
gemmlp_status gm_find_name(const char *kind, const char *name, const char *(*name_at)(size_t),
                           size_t *index, gemmlp_error *error);

#endif
