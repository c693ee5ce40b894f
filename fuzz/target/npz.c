#include "fuzz.h"
#include "tensor/npz.h"

void fuzz_npz(const uint8_t *data, size_t size);
void fuzz_npz(const uint8_t *data, size_t size) {
  vg_bundle b = { 0 };
  fuzz_check(vg_npz_read(&b, fuzz_file(data, size)), VG_OK);
  vg_bundle_clear(&b);
}
