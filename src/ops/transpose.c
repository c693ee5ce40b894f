/* transpose: two axes swapped. */
#include "kernels/layout.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "axis_a", .required = true, .integer = true }, { "axis_b", .required = true, .integer = true }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  VG_TRY(vg_expect_axis(x, c->arg[0], "transpose"));
  VG_TRY(vg_expect_axis(x, c->arg[1], "transpose"));
  int a = (int)c->arg[0], b = (int)c->arg[1];
  *out = x->shape;
  out->dim[a] = x->shape.dim[b];
  out->dim[b] = x->shape.dim[a];
  *dtype = x->dtype;
  return VG_OK;
}

static void swap(vg_tensor *y, const vg_tensor *x, const vg_call *c) {
  int64_t dims[5];
  int a = (int)c->arg[0], b = (int)c->arg[1];
  vg_swap_dims(dims, &x->shape, a < b ? a : b, a < b ? b : a);
  vg_swap_axes(vg_tensor_data(y), vg_tensor_data(x), dims, vg_dtype_size(x->dtype));
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  swap(out, c->in[0], c);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_tensor *g;
  if (!din[0]) return VG_OK;
  VG_TRY(vg_as_dtype(&g, dout, din[0]->dtype));
  swap(din[0], g, c);
  vg_tensor_release(g);
  return VG_OK;
}

const vg_op vg_op_transpose = {
  .name = "transpose", .doc = "x -> axis_a and axis_b swapped", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
