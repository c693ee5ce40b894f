/* leaky_relu: x where x > 0, slope * x elsewhere. Maas, Hannun & Ng 2013. */
#include "kernels/activation.h"
#include "ops/same_shape.h"

/* A slope below 0 would hide the sign of x, which backward reads from the output. */
static const vg_arg ARGS[] = { { .name = "slope", .def = 0.01, .min = 0, .max = 1e6 }, { 0 } };

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_act_forward(out, c->in[0], VG_ACT_LEAKY, (float)c->arg[0]);
  return VG_OK;
}
static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  return vg_act_backward(din[0], dout, c->out, VG_ACT_LEAKY, (float)c->arg[0]);
}
const vg_op vg_op_leaky_relu = {
  .name = "leaky_relu", .doc = "x -> x above 0, slope * x below", .min_in = 1, .max_in = 1, .args = ARGS, .flags = VG_OP_KEEPS_OUT,
  .shape = vg_same_shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
