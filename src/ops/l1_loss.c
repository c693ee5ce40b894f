/* l1_loss: the mean over elements of |a - b|. */
#include "kernels/eltwise.h"
#include "kernels/loss.h"
#include "ops/op.h"

enum { POWER = 1 };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  for (int i = 0; i < 2; i++) VG_TRY(vg_expect_float(c->in[i], "l1_loss", i + 1));
  VG_TRY(vg_expect_same(c->in[0], c->in[1], "l1_loss"));
  if (vg_tensor_count(c->in[0]) == 0) return vg_fail(VG_ESHAPE, "l1_loss: the inputs are empty");
  vg_loss_shape(out, dtype);
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  double loss;
  VG_TRY(vg_distance_run(&loss, c->in[0], c->in[1], POWER));
  vg_f32(out)[0] = (float)loss;
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  double dloss = (double)vg_f32(dout)[0];
  if (din[0]) vg_distance_grad(din[0], c->in[0], c->in[1], POWER, dloss);
  if (din[1]) vg_distance_grad(din[1], c->in[0], c->in[1], POWER, -dloss);
  return VG_OK;
}

const vg_op vg_op_l1_loss = {
  .name = "l1_loss", .doc = "a, b of one shape -> the mean over elements of |a - b|", .min_in = 2, .max_in = 2, .keeps_in = 3,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
