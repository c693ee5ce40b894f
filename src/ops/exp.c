/* exp: e^x, element by element. */
#include "kernels/eltwise.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  *out = c->in[0]->shape;
  *dtype = c->in[0]->dtype;
  return vg_expect_float(c->in[0], "exp", 1);
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_unary_run(out, c->in[0], VG_EXP, 0, 0);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (din[0]) vg_unary_grad(din[0], dout, c->out, VG_EXP, 0);
  return VG_OK;
}

const vg_op vg_op_exp = {
  .name = "exp", .doc = "x -> e^x", .min_in = 1, .max_in = 1, .flags = VG_OP_KEEPS_OUT,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
