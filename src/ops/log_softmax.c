/* log_softmax: x - log sum exp(x) over the last axis. */
#include "kernels/softmax.h"
#include "ops/same_shape.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_same_shape(out, dtype, c));
  return out->rank ? VG_OK : vg_fail(VG_ESHAPE, "log_softmax: x needs at least 1 axis");
}
static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_softmax(out, c->in[0], true);
  return VG_OK;
}
static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  return vg_softmax_backward(din[0], dout, c->out, true);
}
const vg_op vg_op_log_softmax = {
  .name = "log_softmax", .doc = "x [..., C] -> x - log sum exp(x) over the last axis", .min_in = 1, .max_in = 1, .flags = VG_OP_KEEPS_OUT,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
