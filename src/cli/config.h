/* config.h: options from an INI file, below those of the command line.
 *
 *   ; mnist.ini, for gemmlp train --config mnist.ini
 *   [network]
 *   hidden = 512,256
 *   [optimizer]
 *   lr = 0.002
 *
 * Keys are the long options. Sections may have any name: they are for the reader. */
#ifndef CLI_CONFIG_H
#define CLI_CONFIG_H

#include "cli/args.h"

/* False: a message "FILE:LINE: …" has been printed and *code is the exit code. */
bool cli_config_read(struct args *args, const char *path, int *code);

#endif
