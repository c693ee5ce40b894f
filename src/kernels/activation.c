#include "kernels/activation.h"

/* Elements handed to a thread at once: 64 KiB of f32, so that what is read stays in the second-level cache. */
enum { CHUNK = 1 << 14 };

static void *at(const vg_tensor *t, int64_t i) { return (char *)vg_tensor_data(t) + (size_t)i * vg_dtype_size(t->dtype); }
static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void vg_act_forward(vg_tensor *y, const vg_tensor *x, vg_act act, float slope) {
  int64_t n = vg_tensor_count(x);
#pragma omp parallel for schedule(static) if (n > CHUNK)
  for (int64_t i = 0; i < n; i += CHUNK)
    VG_DISPATCH(act_forward)(at(y, i), at(x, i), least(CHUNK, n - i), x->dtype == VG_BF16, act, slope);
}

bool vg_act_reads_out(vg_act act) {
  return act != VG_ACT_HSWISH && act != VG_ACT_HSIGMOID && act != VG_ACT_SWISH;
}

vg_status vg_act_backward(vg_tensor *dx, const vg_tensor *dy, const vg_tensor *kept, vg_act act, float slope) {
  int64_t n = vg_tensor_count(dy);
  vg_tensor *work;
  VG_TRY(vg_grad_begin(&work, dx, dy));
#pragma omp parallel for schedule(static) if (n > CHUNK)
  for (int64_t i = 0; i < n; i += CHUNK)
    VG_DISPATCH(act_backward)(at(work, i), at(dy, i), at(kept, i), least(CHUNK, n - i), dy->dtype == VG_BF16, act, slope);
  return vg_grad_finish(work, dx);
}

vg_status vg_grad_begin(vg_tensor **work, vg_tensor *dx, const vg_tensor *x) {
  if (dx->dtype != x->dtype) return vg_tensor_like(work, x);
  *work = dx;
  return VG_OK;
}

vg_status vg_grad_finish(vg_tensor *work, vg_tensor *dx) {
  if (work == dx) return VG_OK;
  vg_status s = vg_tensor_assign(dx, work);
  vg_tensor_release(work);
  return s;
}
