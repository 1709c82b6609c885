/* doubts.h: what speaks against the figures of a report, put into the report, so that whoever is
 * handed a table, a file or a picture of it is told.
 *
 *   machine, activity, roofs -> "warnings" of the report      records -> "doubts" of each of them
 *
 * Both are arrays of sentences, and are not there where there is nothing to say. */
#ifndef BENCH_DOUBTS_H
#define BENCH_DOUBTS_H

#include <jansson.h>
#include <stdbool.h>

#include "machine.h"

/* Of a finished report. False: out of memory. */
bool bench_doubt(json_t *report, const struct bench_machine *machine,
                 const struct bench_activity *activity);

#endif
