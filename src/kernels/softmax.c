#include "kernels/softmax.h"

#include "kernels/activation.h"

/* Rows handed over at once: about 8k numbers. */
static int64_t rows_of_block(int64_t n) { return n < 8192 ? 8192 / n : 1; }
static void *at(const vg_tensor *t, int64_t i) { return (char *)vg_tensor_data(t) + (size_t)i * vg_dtype_size(t->dtype); }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }
static int64_t last_axis(const vg_tensor *t) { return t->shape.rank ? t->shape.dim[t->shape.rank - 1] : 1; }

void vg_softmax(vg_tensor *y, const vg_tensor *x, bool log) {
  int64_t n = last_axis(x), rows = n ? vg_tensor_count(x) / n : 0, block = n ? rows_of_block(n) : 1;
#pragma omp parallel for schedule(static) if (rows > block)
  for (int64_t r = 0; r < rows; r += block)
    VG_DISPATCH(softmax)(at(y, r * n), at(x, r * n), least(block, rows - r), n, x->dtype == VG_BF16, log);
}

vg_status vg_softmax_backward(vg_tensor *dx, const vg_tensor *dy, const vg_tensor *y, bool log) {
  int64_t n = last_axis(y), rows = n ? vg_tensor_count(y) / n : 0, block = n ? rows_of_block(n) : 1;
  vg_tensor *work;
  VG_TRY(vg_grad_begin(&work, dx, y));
#pragma omp parallel for schedule(static) if (rows > block)
  for (int64_t r = 0; r < rows; r += block)
    VG_DISPATCH(softmax_grad)(at(work, r * n), at(dy, r * n), at(y, r * n), least(block, rows - r), n, y->dtype == VG_BF16, log);
  return vg_grad_finish(work, dx);
}
