/* scale: factor * x + bias, with two numbers. */
#include "kernels/eltwise.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "factor", .required = true }, { "bias", .def = 0 }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  *out = c->in[0]->shape;
  *dtype = c->in[0]->dtype;
  return vg_expect_float(c->in[0], "scale", 1);
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_unary_run(out, c->in[0], VG_SCALE, c->arg[0], c->arg[1]);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (din[0]) vg_unary_grad(din[0], dout, NULL, VG_SCALE, c->arg[0]);
  return VG_OK;
}

static bool passes_grad(const vg_call *c) { return c->arg[0] == 1; }

const vg_op vg_op_scale = {
  .name = "scale", .doc = "x -> factor * x + bias", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs, .passes_grad = passes_grad,
};
