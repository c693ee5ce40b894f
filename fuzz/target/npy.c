/* What is read is printed and read again: the same bytes. */
#include <string.h>

#include "base/alloc.h"
#include "fuzz.h"
#include "tensor/npy.h"

static void print_again(const vg_tensor *x) {
  void *first, *second;
  size_t n, m;
  vg_tensor *y;
  if (vg_npy_print(&first, &n, x) != VG_OK || vg_npy_parse(&y, first, n, "printed") != VG_OK || vg_npy_print(&second, &m, y) != VG_OK)
    fuzz_fail("%s", vg_message());
  if (n != m || memcmp(first, second, n) != 0) fuzz_fail("printed and read again it is another tensor");
  vg_free(first);
  vg_free(second);
  vg_tensor_release(y);
}

void fuzz_npy(const uint8_t *data, size_t size);
void fuzz_npy(const uint8_t *data, size_t size) {
  vg_tensor *x = NULL;
  vg_status s = vg_npy_parse(&x, data, size, "numbers");
  fuzz_check(s, VG_OK);
  if (s == VG_OK) print_again(x);
  vg_tensor_release(x);
}
