/* json_text.h: JSON as text, whole or not at all. */
#ifndef GM_JSON_TEXT_H
#define GM_JSON_TEXT_H

#include <jansson.h>

/* Compact, zero-terminated, to be freed; NULL when memory has run out, or when json is NULL.
 * Printed into memory of the right size, for json_dumps (2.14) loses a name in silence where its
 * buffer cannot grow. */
char *gm_json_text(const json_t *json);

#endif
