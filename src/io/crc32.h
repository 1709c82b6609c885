/* crc32.h: the CRC-32 of gzip, of large blocks on all threads. It misses no burst of up to 32 bits,
 * and one in 2^32 of other damages; it is no protection against intent. */
#ifndef GM_CRC32_H
#define GM_CRC32_H

#include <stddef.h>
#include <stdint.h>

/* Of what `crc` is the CRC of, followed by `size` bytes; 0 is that of nothing. Allocates
 * nothing. */
uint32_t gm_crc32(uint32_t crc, const void *data, size_t size);

#endif
