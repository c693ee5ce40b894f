/* max_pool: the largest element of each window; padding never wins. Its gradient goes to the first of equal elements. */
#include "ops/pool_shape.h"

static const vg_arg ARGS[] = { VG_POOL_ARGS, { 0 } };

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_pool_shape s = vg_pool_shape_of(c);
  if (c->wants_backward) VG_TRY(vg_tensor_new(&c->saved[0], vg_pool_arg_dtype(s.kernel), &out->shape));
  VG_DISPATCH(max_pool)(&s, out->dtype, vg_tensor_data(out), c->saved[0] ? vg_tensor_data(c->saved[0]) : NULL, vg_tensor_data(c->in[0]));
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  vg_pool_shape s = vg_pool_shape_of(c);
  vg_tensor *to;
  VG_TRY(vg_pool_target(&to, din[0], add, &s));
  void *dx = vg_tensor_data(to), *dy = vg_tensor_data(dout), *arg = vg_tensor_data(c->saved[0]);
  if (add && to == din[0]) VG_DISPATCH(max_pool_rows_backward)(&s, to->dtype, dx, dout->dtype, dy, arg, true);
  else VG_DISPATCH(max_pool_backward)(&s, to->dtype, dx, dout->dtype, dy, arg);
  vg_pool_finish(to, din[0]);
  return VG_OK;
}

const vg_op vg_op_max_pool = { .name = "max_pool", .doc = "x [N,H,W,C] -> [N,Ho,Wo,C]; stride 0 = kernel", .min_in = 1, .max_in = 1, .args = ARGS,
                               .flags = VG_OP_ACCUMULATES, .shape = vg_pool_window_shape, .forward = forward, .backward = backward,
                               .macs = vg_op_zero_macs };
