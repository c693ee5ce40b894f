/* SHA-256 (FIPS 180-4), for what somebody else must be able to compute: a script's identity, the hashes of a content policy. */
#ifndef VG_BASE_SHA256_H
#define VG_BASE_SHA256_H

#include <stddef.h>
#include <stdint.h>

enum { VG_SHA256_BYTES = 32 };

/* digest [32] of the data. */
void vg_sha256(uint8_t *digest, const void *data, size_t bytes);

#endif
