/* log_mend.h: the end of a log that a run left which was killed. */
#ifndef CLI_LOG_MEND_H
#define CLI_LOG_MEND_H

#include "cli/train.h"

/* The log is open to be appended to. A last line that was torn goes. Where the log was `bytes` long
 * when the checkpoint `from` was saved (-1: there is none), what the run has written since goes
 * too, but for the line that tells of that checkpoint. False: see errno. */
bool cli_log_mend(struct run_log *log, long long bytes, const gemmlp_checkpoint *from);

#endif
