/* info.h: the pages of `gemmlp info`, as text or as JSON; each returns an exit code. */
#ifndef CLI_INFO_H
#define CLI_INFO_H

#include <stdbool.h>

#include "cli/command.h"
#include "gemmlp.h"

struct cost_options {
    size_t batch;
    const char *optimizer, *precision;
};

/* model and path NULL: a network that is only being considered. */
int cli_info_network(const struct command *command, const gemmlp_network *network,
                     const gemmlp_model *model, const char *path, const struct cost_options *cost,
                     bool json);
/* test NULL: there is none. */
int cli_info_data(const struct command *command, const gemmlp_dataset *train,
                  const gemmlp_dataset *test, bool json);
int cli_info_machine(bool json);
int cli_info_plan(const struct command *command, bool json);

#endif
