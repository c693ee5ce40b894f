#include "kernels/pool.h"

int64_t vg_pool_out(int64_t in, int kernel, int stride, int pad, bool ceil) {
  int64_t room = in + 2 * (int64_t)pad - kernel;
  if (room < 0) return 0;
  int64_t out = (room + (ceil ? stride - 1 : 0)) / stride + 1;
  if (ceil && (out - 1) * stride >= in + pad) out--;
  return out;
}

vg_dtype vg_pool_arg_dtype(int kernel) { return kernel <= 16 ? VG_U8 : VG_I32; }
