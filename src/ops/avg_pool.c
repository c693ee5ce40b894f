/* avg_pool: the mean of each window, over the elements inside the image, or with count_pad over the padding's zeros too. */
#include "ops/pool_shape.h"

static const vg_arg ARGS[] = { VG_POOL_ARGS, { "count_pad", .def = 0, .max = 1, .integer = true }, { 0 } };

static vg_pool_shape windows(const vg_call *c) {
  vg_pool_shape s = vg_pool_shape_of(c);
  s.count_pad = c->arg[4] != 0;
  return s;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_pool_shape s = windows(c);
  VG_DISPATCH(avg_pool)(&s, out->dtype, vg_tensor_data(out), vg_tensor_data(c->in[0]));
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  vg_pool_shape s = windows(c);
  vg_tensor *to;
  VG_TRY(vg_pool_target(&to, din[0], add, &s));
  if (add && to == din[0]) VG_DISPATCH(avg_pool_rows_backward)(&s, to->dtype, vg_tensor_data(to), dout->dtype, vg_tensor_data(dout), true);
  else VG_DISPATCH(avg_pool_backward)(&s, to->dtype, vg_tensor_data(to), dout->dtype, vg_tensor_data(dout));
  vg_pool_finish(to, din[0]);
  return VG_OK;
}

const vg_op vg_op_avg_pool = { .name = "avg_pool", .doc = "x [N,H,W,C] -> [N,Ho,Wo,C]; stride 0 = kernel", .min_in = 1, .max_in = 1, .args = ARGS,
                               .flags = VG_OP_ACCUMULATES, .shape = vg_pool_window_shape, .forward = forward, .backward = backward,
                               .macs = vg_op_zero_macs };
