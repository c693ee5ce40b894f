#include "base/alloc.h"
#include "data/image.h"
#include "fuzz.h"

void fuzz_jpeg(const uint8_t *data, size_t size);
void fuzz_jpeg(const uint8_t *data, size_t size) {
  vg_image image = { 0 };
  if (size < 3 || data[0] != 0xff || data[1] != 0xd8) return;
  fuzz_check(vg_image_decode(&image, data, size, "picture"), VG_OK);
  vg_free(image.rgb);
}
