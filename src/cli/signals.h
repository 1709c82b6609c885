/* signals.h: a signal that asks a run to stop is remembered, and looked for between two steps. */
#ifndef CLI_SIGNALS_H
#define CLI_SIGNALS_H

#include <stdbool.h>

/* From here on SIGINT, SIGTERM, SIGUSR1, SIGXCPU and SIGHUP are remembered; a second one ends the
 * process at once, as it would have without this. Left alone is an ignored SIGHUP (nohup), and
 * unless `ignored_too` every other that is ignored (SIGINT, of a shell's background job). */
void cli_signals_catch(bool ignored_too);
/* The signal that came; 0: none. */
int cli_signals_caught(void);
/* "SIGTERM" */
const char *cli_signal_name(int signal);
/* Ends the process by the signal, so that whoever waits for it sees what has happened. */
void cli_signals_die(int signal);

#endif
