/* argmax: where the largest is, counted from 0 along one axis or over all elements; the first of equals. */
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
  VG_TRY(vg_expect_float(x, "argmax", 1));
  VG_TRY(vg_reduced_shape(out, &x->shape, (int)c->arg[0], c->arg[1] != 0, "argmax"));
  int64_t length = vg_span_of(&x->shape, (int)c->arg[0]).length;
  if (length == 0 || length > INT32_MAX) return vg_fail(VG_ESHAPE, "argmax: cannot number %lld elements", (long long)length);
  *dtype = VG_I32;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  vg_max_run(NULL, out, c->in[0], vg_span_of(&c->in[0]->shape, (int)c->arg[0]));
  return VG_OK;
}

const vg_op vg_op_argmax = {
  .name = "argmax", .doc = "x -> i32, where its largest is along `axis`, counted from 0", .min_in = 1, .max_in = 1, .args = ARGS,
  .flags = VG_OP_NO_GRAD, .shape = shape, .forward = forward, .macs = vg_op_zero_macs,
};
