#include "data/dataset.h"
#include "fuzz.h"

void fuzz_cifar(const uint8_t *data, size_t size);
void fuzz_cifar(const uint8_t *data, size_t size) {
  vg_dataset *d = NULL;
  const char *file = fuzz_file(data, size);
  fuzz_check(vg_read_cifar10(&d, "cifar10", &file, 1), VG_OK);
  vg_dataset_release(d);
}
