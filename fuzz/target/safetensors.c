#include "fuzz.h"
#include "tensor/safetensors.h"

void fuzz_safetensors(const uint8_t *data, size_t size);
void fuzz_safetensors(const uint8_t *data, size_t size) {
  vg_bundle b = { 0 };
  fuzz_check(vg_safetensors_read(&b, fuzz_file(data, size)), VG_OK);
  vg_bundle_clear(&b);
}
