/* upsample: height and width times an integer; the corners of the images coincide, not the centres of the corner pixels. */
#include "kernels/eltwise.h"
#include "kernels/layout.h"
#include "ops/op.h"

static const vg_arg ARGS[] = {
  { "factor", .required = true, .min = 1, .max = 64, .integer = true },
  { "mode", .def = 0, .max = 1, .integer = true, .words = "nearest bilinear" },
  { 0 },
};

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_expect_float(c->in[0], "upsample", 1));
  VG_TRY(vg_expect_nhwc(c->in[0], "upsample"));
  *out = c->in[0]->shape;
  out->dim[1] *= (int64_t)c->arg[0];
  out->dim[2] *= (int64_t)c->arg[0];
  *dtype = c->in[0]->dtype;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_upsample_run(out, c->in[0], (int64_t)c->arg[0], c->arg[1] == 1);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  return din[0] ? vg_upsample_grad(din[0], dout, (int64_t)c->arg[0], c->arg[1] == 1) : VG_OK;
}

const vg_op vg_op_upsample = {
  .name = "upsample", .doc = "x [N,H,W,C] -> [N,H*factor,W*factor,C], nearest or bilinear", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
