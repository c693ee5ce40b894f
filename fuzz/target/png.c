/* The checksums of the chunks are put right first, or nearly every changed file would end there. */
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

#include "base/alloc.h"
#include "data/image.h"
#include "fuzz.h"

static const uint8_t SIGNATURE[8] = { 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n' };

static uint32_t big_endian(const uint8_t *p) { return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3]; }

/* A chunk: length, type, data, checksum of type and data. */
static void mend_sums(uint8_t *p, size_t size) {
  for (size_t at = sizeof SIGNATURE; size - at >= 12;) {
    size_t n = big_endian(p + at);
    if (n > size - at - 12) return;
    uint32_t sum = (uint32_t)crc32(crc32(0, NULL, 0), p + at + 4, (unsigned)n + 4);
    for (int i = 0; i < 4; i++) p[at + 8 + n + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    at += n + 12;
  }
}

void fuzz_png(const uint8_t *data, size_t size);
void fuzz_png(const uint8_t *data, size_t size) {
  vg_image image = { 0 };
  if (size < sizeof SIGNATURE || memcmp(data, SIGNATURE, sizeof SIGNATURE) != 0) return;
  uint8_t *copy = malloc(size);
  if (!copy) fuzz_fail("no memory");
  memcpy(copy, data, size);
  mend_sums(copy, size);
  fuzz_check(vg_image_decode(&image, copy, size, "picture"), VG_OK);
  vg_free(image.rgb);
  free(copy);
}
