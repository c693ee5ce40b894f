/* mean: over one axis, or over all elements. */
#include "kernels/eltwise.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static const vg_arg ARGS[] = {
  { "axis", .def = -1, .min = -1, .max = VG_MAX_RANK, .integer = true },
  { "keep", .def = 0, .min = 0, .max = 1, .integer = true },
  { 0 },
};

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  *dtype = x->dtype;
  VG_TRY(vg_expect_float(x, "mean", 1));
  VG_TRY(vg_reduced_shape(out, &x->shape, (int)c->arg[0], c->arg[1] != 0, "mean"));
  if (vg_span_of(&x->shape, (int)c->arg[0]).length == 0) return vg_fail(VG_ESHAPE, "mean: nothing to take the mean of");
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_span s = vg_span_of(&c->in[0]->shape, (int)c->arg[0]);
  return vg_sum_run(out, c->in[0], s, 1.0 / (double)s.length);
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (!din[0]) return VG_OK;
  vg_span s = vg_span_of(&c->in[0]->shape, (int)c->arg[0]);
  vg_spread(din[0], dout, s, 1.0 / (double)s.length);
  return VG_OK;
}

const vg_op vg_op_mean = {
  .name = "mean", .doc = "x -> its mean over `axis`, or over all elements; keep = 1 leaves the axis with extent 1", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
