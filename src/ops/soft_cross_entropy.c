/* soft_cross_entropy: -sum of q log softmax(x) for a distribution q a row (mixup, distillation), mean over the batch. */
#include "kernels/eltwise.h"
#include "kernels/loss.h"
#include "ops/op.h"

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_expect_logits(c->in[0], "soft_cross_entropy", 1));
  VG_TRY(vg_expect_float(c->in[1], "soft_cross_entropy", 2));
  VG_TRY(vg_expect_same(c->in[0], c->in[1], "soft_cross_entropy"));
  vg_loss_shape(out, dtype);
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *prob;
  double loss;
  VG_TRY(vg_tensor_new(&prob, VG_F32, &c->in[0]->shape));
  vg_status s = vg_soft_cross_entropy_run(&loss, prob, c->in[0], c->in[1]);
  if (s == VG_OK) vg_f32(out)[0] = (float)loss;
  if (s == VG_OK && c->wants_backward) c->saved[0] = prob;
  else vg_tensor_release(prob);
  return s;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (din[0]) vg_soft_cross_entropy_grad(din[0], c->saved[0], c->in[1], (double)vg_f32(dout)[0]);
  return VG_OK;
}

const vg_op vg_op_soft_cross_entropy = {
  .name = "soft_cross_entropy", .doc = "logits [N,K], target probabilities [N,K] -> mean loss", .min_in = 2, .max_in = 2,
  .keeps_in = 2, .no_grad_in = 2,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
