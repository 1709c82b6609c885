/* providers.h: providers of matrix products as the command shows them. */
#ifndef CLI_PROVIDERS_H
#define CLI_PROVIDERS_H

#include "cli/record.h"

/* "OpenBLAS 0.3.21 (Zen)" */
void cli_provider_title(const gemmlp_provider_info *info, char *text, size_t size);

/* What a provider is, asked in a child process: the library is not loaded into this one, whose own
 * should be the only BLAS. Call it before any OpenMP threads run. */
gemmlp_status cli_provider_probe(const char *name, gemmlp_provider_info *info, gemmlp_error *error);

/* All that there are, as lines on stdout and as an array under "providers". */
void cli_print_providers(void);
void cli_record_providers(struct record *whole);

#endif
