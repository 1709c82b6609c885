/* json_text.c: see json_text.h. */
#include "io/json_text.h"

#include <stdlib.h>

char *gm_json_text(const json_t *json)
{
    const size_t flags = JSON_COMPACT | JSON_REAL_PRECISION(17);
    const size_t length = json ? json_dumpb(json, NULL, 0, flags) : 0;
    char *text = length > 0 ? malloc(length + 1) : NULL;
    if (text && json_dumpb(json, text, length, flags) != length) {
        free(text);
        return NULL;
    }
    if (text)
        text[length] = '\0';
    return text;
}
