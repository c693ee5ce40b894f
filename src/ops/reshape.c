/* reshape: the same elements in another shape; one extent may be -1 and is worked out. */
#include "kernels/layout.h"
#include "ops/op.h"

static const vg_arg ARGS[] = {
  { "rank", .required = true, .max = VG_MAX_RANK, .integer = true },
  { "d0", .def = 1, .integer = true },
  { "d1", .def = 1, .integer = true },
  { "d2", .def = 1, .integer = true },
  { "d3", .def = 1, .integer = true },
  { "d4", .def = 1, .integer = true },
  { "d5", .def = 1, .integer = true },
  { 0 },
};

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  int64_t known = 1, count = vg_tensor_count(x);
  int open = -1;
  vg_shape s = { .rank = (int)c->arg[0] };
  for (int i = 0; i < s.rank; i++) {
    double d = c->arg[1 + i];
    if (d < -1 || d > 1e15 || (d == -1 && open >= 0)) return vg_fail(VG_EARG, "reshape: extent %d is %g; one may be -1, the others at least 0", i + 1, d);
    s.dim[i] = (int64_t)d;
    if (d == -1) open = i;
    else if (__builtin_mul_overflow(known, s.dim[i], &known)) return vg_fail(VG_EARG, "reshape: the extents are too large");
  }
  if (open >= 0 && known > 0 && count % known == 0) s.dim[open] = count / known;
  else if (open >= 0 || known != count)
    return vg_fail(VG_ESHAPE, "reshape: %s does not fit into %s", vg_shape_text(a, &x->shape), vg_shape_text(b, &s));
  *out = s;
  *dtype = x->dtype;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) { return vg_tensor_assign(out, c->in[0]); }

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  (void)c;
  return din[0] ? vg_tensor_assign(din[0], dout) : VG_OK;
}

const vg_op vg_op_reshape = {
  .name = "reshape", .doc = "x -> the same elements as [d0, d1, ...]", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
