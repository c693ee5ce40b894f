/* slice: begin, begin + step, ... below end along one axis. */
#include "kernels/layout.h"
#include "kernels/reduce.h"
#include "ops/op.h"

static const vg_arg ARGS[] = {
  { "axis", .required = true, .integer = true }, { "begin", .def = 0, .integer = true }, { "end", .required = true, .integer = true },
  { "step", .def = 1, .min = 1, .integer = true }, { 0 },
};
enum { AXIS, BEGIN, END, STEP };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0];
  VG_TRY(vg_expect_axis(x, c->arg[AXIS], "slice"));
  int axis = (int)c->arg[AXIS];
  double begin = c->arg[BEGIN], end = c->arg[END];
  if (begin < 0 || end <= begin || end > (double)x->shape.dim[axis])
    return vg_fail(VG_ESHAPE, "slice: elements %g to %g of an axis of %lld", begin + 1, end, (long long)x->shape.dim[axis]);
  *out = x->shape;
  out->dim[axis] = ((int64_t)end - (int64_t)begin - 1) / (int64_t)c->arg[STEP] + 1;
  *dtype = x->dtype;
  return VG_OK;
}

/* Copies between the whole tensor and its slice; `back`: into the whole. */
static void move(vg_tensor *whole, vg_tensor *part, const vg_call *c, bool back) {
  int axis = (int)c->arg[AXIS];
  vg_span w = vg_span_of(&whole->shape, axis), p = vg_span_of(&part->shape, axis);
  int64_t unit = w.inner * (int64_t)vg_dtype_size(whole->dtype), step = (int64_t)c->arg[STEP];
  char *big = (char *)vg_tensor_data(whole) + (int64_t)c->arg[BEGIN] * unit, *small = vg_tensor_data(part);
  if (step == 1) {
    if (back) vg_copy_rows(big, w.length * unit, small, p.length * unit, w.outer, p.length * unit);
    else vg_copy_rows(small, p.length * unit, big, w.length * unit, w.outer, p.length * unit);
    return;
  }
  for (int64_t o = 0; o < w.outer; o++, big += w.length * unit, small += p.length * unit) {
    if (back) vg_copy_rows(big, step * unit, small, unit, p.length, unit);
    else vg_copy_rows(small, unit, big, step * unit, p.length, unit);
  }
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  move(c->in[0], out, c, false);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_tensor *g;
  if (!din[0]) return VG_OK;
  VG_TRY(vg_as_dtype(&g, dout, din[0]->dtype));
  vg_zero(din[0]);
  move(din[0], g, c, true);
  vg_tensor_release(g);
  return VG_OK;
}

const vg_op vg_op_slice = {
  .name = "slice", .doc = "x -> its elements begin, begin + step, ... before end along `axis`", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
