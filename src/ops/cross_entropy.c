/* cross_entropy: softmax and negative log likelihood of a label a row, mean over the batch; label smoothing of Szegedy et al. 2016. */
#include "kernels/loss.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "smoothing", .def = 0, .min = 0, .max = 1 }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0], *labels = c->in[1];
  char text[VG_SHAPE_TEXT];
  VG_TRY(vg_expect_logits(x, "cross_entropy", 1));
  if (labels->dtype != VG_I32) return vg_fail(VG_EARG, "cross_entropy: labels must be i32, got %s", vg_dtype_name(labels->dtype));
  if (labels->shape.rank != 1 || labels->shape.dim[0] != x->shape.dim[0])
    return vg_fail(VG_ESHAPE, "cross_entropy: expected %lld labels, one a row, got %s", (long long)x->shape.dim[0], vg_shape_text(text, &labels->shape));
  vg_loss_shape(out, dtype);
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *prob;
  double loss;
  VG_TRY(vg_tensor_new(&prob, VG_F32, &c->in[0]->shape));
  vg_status s = vg_cross_entropy_run(&loss, prob, c->in[0], c->in[1], c->arg[0]);
  if (s == VG_OK) vg_f32(out)[0] = (float)loss;
  if (s == VG_OK && c->wants_backward) c->saved[0] = prob;
  else vg_tensor_release(prob);
  return s;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (din[0]) vg_cross_entropy_grad(din[0], c->saved[0], c->in[1], c->arg[0], (double)vg_f32(dout)[0]);
  return VG_OK;
}

const vg_op vg_op_cross_entropy = {
  .name = "cross_entropy", .doc = "logits [N,K], labels i32 [N] counted from 0 -> mean loss", .min_in = 2, .max_in = 2, .args = ARGS,
  .keeps_in = 2, .no_grad_in = 2,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
