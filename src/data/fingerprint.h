/* fingerprint.h: whether data are the data of another day. */
#ifndef GM_FINGERPRINT_H
#define GM_FINGERPRINT_H

#include "data/dataset.h"

/* A CRC-32 over all examples in order, features and targets, whatever the number of threads. */
gemmlp_status gm_fingerprint(const gemmlp_dataset *dataset, uint32_t *out, gemmlp_error *error);

#endif
