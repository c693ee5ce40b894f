/* drop_path: in training a whole sample is 0 with probability p, else divided by 1 - p. Larsson et al. 2016, arXiv:1605.07648.
 * A second input, one number, multiplies p: how much of it is in force now. Zoph et al. 2018, arXiv:1707.07012, let p grow over the training. */
#include "kernels/eltwise.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "p", .required = true, .min = 0, .max = 1 }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_expect_float(c->in[0], "drop_path", 1));
  if (c->in[0]->shape.rank < 1) return vg_fail(VG_ESHAPE, "drop_path: the input has no batch axis");
  if (c->in[1] && (c->in[1]->dtype != VG_F32 || vg_tensor_count(c->in[1]) != 1))
    return vg_fail(VG_ESHAPE, "drop_path: input 2, the share of p, must be one number of f32");
  *out = c->in[0]->shape;
  *dtype = c->in[0]->dtype;
  return VG_OK;
}

static double rate(const vg_call *c) { return c->in[1] ? c->arg[0] * vg_tensor_get(c->in[1], 0) : c->arg[0]; }
static bool is_idle(const vg_call *c) { return !c->train || rate(c) == 0; }

/* y = x * factor of its sample, the factors drawn from a copy of the call's stream. */
static vg_status drop(vg_tensor *y, const vg_tensor *x, const vg_call *c) {
  vg_tensor *factor;
  vg_shape s = { .rank = x->shape.rank };
  vg_rng rng = c->rng;
  double p = rate(c);
  if (!(p >= 0 && p <= 1)) return vg_fail(VG_EARG, "drop_path: p times input 2 must be in [0, 1], got %g", p);
  for (int i = 0; i < s.rank; i++) s.dim[i] = i == 0 ? x->shape.dim[0] : 1;
  VG_TRY(vg_tensor_new(&factor, VG_F32, &s));
  for (int64_t i = 0; i < s.dim[0]; i++) vg_f32(factor)[i] = vg_rng_uniform(&rng) < p ? 0.0f : (float)(1 / (1 - p));
  vg_binary_run(y, x, factor, VG_MUL);
  vg_tensor_release(factor);
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) { return is_idle(c) ? vg_tensor_assign(out, c->in[0]) : drop(out, c->in[0], c); }

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (!din[0]) return VG_OK;
  return is_idle(c) ? vg_tensor_assign(din[0], dout) : drop(din[0], dout, c);
}

const vg_op vg_op_drop_path = {
  .name = "drop_path", .doc = "x [N,...], share? [1] -> x with samples dropped with probability p * share, in training", .min_in = 1, .max_in = 2,
  .args = ARGS, .flags = VG_OP_RANDOM, .keeps_in = 2, .no_grad_in = 2, .shape = shape, .forward = forward, .backward = backward,
  .macs = vg_op_zero_macs, .passes_grad = is_idle,
};
