/* sub: a - b with numpy's broadcasting. */
#include "kernels/eltwise.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) { return vg_binary_shape(out, dtype, c->in[0], c->in[1], "sub"); }

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_binary_run(out, c->in[0], c->in[1], VG_SUB);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  (void)c;
  if (din[0]) VG_TRY(vg_sum_to(din[0], dout));
  if (din[1]) {
    VG_TRY(vg_sum_to(din[1], dout));
    vg_unary_run(din[1], din[1], VG_NEG, 0, 0);
  }
  return VG_OK;
}

const vg_op vg_op_sub = {
  .name = "sub", .doc = "a, b -> a - b, with broadcasting", .min_in = 2, .max_in = 2,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
