/* FNV-1a, 64 bit: names, streams and architecture hashes. Checksums of files use XXH3 where they are written. */
#ifndef VG_BASE_HASH_H
#define VG_BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define VG_FNV_START UINT64_C(0xcbf29ce484222325)

static inline uint64_t vg_hash_fnv(uint64_t h, const void *data, size_t bytes) {
  const unsigned char *p = data;
  for (size_t i = 0; i < bytes; i++) h = (h ^ p[i]) * UINT64_C(0x100000001b3);
  return h;
}

#endif
