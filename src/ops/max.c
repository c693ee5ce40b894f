/* max: the largest over one axis, or over all elements; the gradient goes to its first occurrence. */
#include "kernels/eltwise.h"
#include "kernels/layout.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static const vg_arg ARGS[] = {
  { "axis", .def = -1, .min = -1, .max = VG_MAX_RANK, .integer = true },
  { "keep", .def = 0, .min = 0, .max = 1, .integer = true },
  { 0 },
};

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  VG_TRY(vg_expect_float(x, "max", 1));
  VG_TRY(vg_reduced_shape(out, &x->shape, (int)c->arg[0], c->arg[1] != 0, "max"));
  if (vg_span_of(&x->shape, (int)c->arg[0]).length == 0) return vg_fail(VG_ESHAPE, "max: nothing to take the largest of");
  *dtype = x->dtype;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_tensor *where = NULL;
  if (c->wants_backward) VG_TRY(vg_tensor_new(&where, VG_I32, &out->shape));
  vg_max_run(out, where, c->in[0], vg_span_of(&c->in[0]->shape, (int)c->arg[0]));
  c->saved[0] = where;
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  if (!din[0]) return VG_OK;
  vg_span s = vg_span_of(&c->in[0]->shape, (int)c->arg[0]);
  vg_zero(din[0]);
  for (int64_t i = 0, n = s.outer * s.inner; i < n; i++)
    vg_tensor_set(din[0], (i / s.inner * s.length + vg_i32(c->saved[0])[i]) * s.inner + i % s.inner, vg_tensor_get(dout, i));
  return VG_OK;
}

const vg_op vg_op_max = {
  .name = "max", .doc = "x -> its largest over `axis`, or over all elements; keep = 1 leaves the axis with extent 1", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
