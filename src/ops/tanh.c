/* tanh: the hyperbolic tangent of x. */
#include "kernels/activation.h"
#include "ops/same_shape.h"

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_act_forward(out, c->in[0], VG_ACT_TANH, 0);
  return VG_OK;
}
static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  return vg_act_backward(din[0], dout, c->out, VG_ACT_TANH, 0);
}
const vg_op vg_op_tanh = {
  .name = "tanh", .doc = "x -> the hyperbolic tangent of x", .min_in = 1, .max_in = 1, .flags = VG_OP_KEEPS_OUT, .keeps_in = 0,
  .shape = vg_same_shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
