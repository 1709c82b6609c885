/* signals.c: see signals.h. The handler does nothing but what POSIX allows it to. */
#define _XOPEN_SOURCE 700
#include "cli/signals.h"

#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

static const struct {
    int number;
    const char *name;
} signals[] = {
    {SIGINT, "SIGINT"},   {SIGTERM, "SIGTERM"}, {SIGUSR1, "SIGUSR1"},
    {SIGXCPU, "SIGXCPU"}, {SIGHUP, "SIGHUP"},
};

enum { SIGNALS = sizeof signals / sizeof *signals };

/* timeout(1) sends its signal to the process and to the group that it is in: what comes so soon is
 * the same request. */
static const double same_request = 0.1; /* seconds */

static volatile sig_atomic_t caught;
static struct timespec when; /* written before `caught`, read after it */

static double seconds_since(struct timespec then)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - then.tv_sec) + 1e-9 * (double)(now.tv_nsec - then.tv_nsec);
}

static void end_by(int number)
{
    struct sigaction action = {.sa_handler = SIG_DFL};
    sigset_t set;
    sigemptyset(&action.sa_mask);
    sigaction(number, &action, NULL);
    sigemptyset(&set);
    sigaddset(&set, number);
    sigprocmask(SIG_UNBLOCK, &set, NULL);
    raise(number);
}

/* Above its soft limit a process gets SIGXCPU every second: no reason to be impatient. */
static void handle(int number)
{
    if (!caught) {
        clock_gettime(CLOCK_MONOTONIC, &when);
        caught = number;
    } else if (number != SIGXCPU && seconds_since(when) > same_request)
        end_by(number);
}

void cli_signals_catch(bool ignored_too)
{
    struct sigaction action = {.sa_handler = handle, .sa_flags = SA_RESTART}, before;
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < SIGNALS; i++) /* one handler at a time */
        sigaddset(&action.sa_mask, signals[i].number);
    for (size_t i = 0; i < SIGNALS; i++) {
        const int number = signals[i].number;
        const bool leave = number == SIGHUP || !ignored_too;
        if (!(leave && sigaction(number, NULL, &before) == 0 && before.sa_handler == SIG_IGN))
            sigaction(number, &action, NULL);
    }
}

int cli_signals_caught(void)
{
    return caught;
}

const char *cli_signal_name(int signal)
{
    for (size_t i = 0; i < SIGNALS; i++)
        if (signals[i].number == signal)
            return signals[i].name;
    return "a signal";
}

void cli_signals_die(int signal)
{
    end_by(signal);
    _exit(128 + signal); /* it is blocked, or the like */
}
