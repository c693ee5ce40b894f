#include "data/dataset.h"
#include "fuzz.h"

void fuzz_idx(const uint8_t *data, size_t size);
void fuzz_idx(const uint8_t *data, size_t size) {
  vg_tensor *x = NULL;
  fuzz_check(vg_read_idx_tensor(&x, fuzz_file(data, size)), VG_OK);
  vg_tensor_release(x);
}
