/* kl_loss: KL(teacher || student) of softened logits times T^2, mean over the batch. Hinton, Vinyals & Dean 2015, arXiv:1503.02531. */
#include "kernels/eltwise.h"
#include "kernels/loss.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "temperature", .def = 1, .min = 1e-3, .max = 1e6 }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_expect_logits(c->in[0], "kl_loss", 1));
  VG_TRY(vg_expect_float(c->in[1], "kl_loss", 2));
  VG_TRY(vg_expect_same(c->in[0], c->in[1], "kl_loss"));
  vg_loss_shape(out, dtype);
  return VG_OK;
}

/* saved[0] = softmax(student) - softmax(teacher): all that the gradient needs. */
static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *diff;
  double loss;
  VG_TRY(vg_tensor_new(&diff, VG_F32, &c->in[0]->shape));
  vg_status s = vg_kl_run(&loss, diff, c->in[0], c->in[1], c->arg[0]);
  if (s == VG_OK) vg_f32(out)[0] = (float)loss;
  if (s == VG_OK && c->wants_backward) c->saved[0] = diff;
  else vg_tensor_release(diff);
  return s;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  double factor = (double)vg_f32(dout)[0] * c->arg[0] / (double)c->in[0]->shape.dim[0];
  if (din[0]) vg_unary_run(din[0], c->saved[0], VG_SCALE, factor, 0);
  return VG_OK;
}

const vg_op vg_op_kl_loss = {
  .name = "kl_loss", .doc = "student logits [N,K], teacher logits [N,K] -> T^2 * mean KL(teacher || student)", .min_in = 2, .max_in = 2,
  .args = ARGS, .no_grad_in = 2,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
