/* concat: up to 16 tensors of one type side by side along an axis. */
#include "kernels/layout.h"
#include "ops/op.h"

static const vg_arg ARGS[] = { { "axis", .required = true, .integer = true }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *first = c->in[0];
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  VG_TRY(vg_expect_axis(first, c->arg[0], "concat"));
  int axis = (int)c->arg[0];
  vg_shape s = first->shape;
  for (int i = 1; i < c->n_in; i++) {
    const vg_tensor *x = c->in[i];
    if (!x) return vg_fail(VG_EARG, "concat: input %d is missing", i + 1);
    if (x->dtype != first->dtype)
      return vg_fail(VG_EARG, "concat: input %d is %s, input 1 is %s", i + 1, vg_dtype_name(x->dtype), vg_dtype_name(first->dtype));
    vg_shape like = x->shape;
    if (like.rank == s.rank) like.dim[axis] = first->shape.dim[axis];
    if (!vg_shape_is_equal(&like, &first->shape))
      return vg_fail(VG_ESHAPE, "concat: input %d is %s and does not fit beside %s", i + 1, vg_shape_text(a, &x->shape), vg_shape_text(b, &first->shape));
    s.dim[axis] += x->shape.dim[axis];
  }
  *out = s;
  *dtype = first->dtype;
  return VG_OK;
}

/* Bytes of one tensor between two steps of the axes before `axis`. */
static int64_t run_bytes(const vg_shape *s, int axis, vg_dtype dtype) {
  int64_t n = (int64_t)vg_dtype_size(dtype);
  for (int i = axis; i < s->rank; i++) n *= s->dim[i];
  return n;
}

static int64_t outer_of(const vg_shape *s, int axis) {
  int64_t n = 1;
  for (int i = 0; i < axis; i++) n *= s->dim[i];
  return n;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  int axis = (int)c->arg[0];
  int64_t rows = outer_of(&out->shape, axis), whole = run_bytes(&out->shape, axis, out->dtype), at = 0;
  for (int i = 0; i < c->n_in; i++) {
    int64_t run = run_bytes(&c->in[i]->shape, axis, out->dtype);
    vg_copy_rows((char *)vg_tensor_data(out) + at, whole, vg_tensor_data(c->in[i]), run, rows, run);
    at += run;
  }
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  int axis = (int)c->arg[0];
  int64_t rows = outer_of(&dout->shape, axis), before = 0;
  for (int i = 0; i < c->n_in; i++) {
    const vg_shape *s = &c->in[i]->shape;
    int64_t places = run_bytes(s, axis, VG_U8);           /* elements */
    if (din[i]) {
      vg_tensor *g;
      VG_TRY(vg_as_dtype(&g, dout, din[i]->dtype));
      int64_t size = (int64_t)vg_dtype_size(g->dtype);
      vg_copy_rows(vg_tensor_data(din[i]), places * size, (char *)vg_tensor_data(g) + before * size, run_bytes(&dout->shape, axis, g->dtype), rows, places * size);
      vg_tensor_release(g);
    }
    before += places;
  }
  return VG_OK;
}

const vg_op vg_op_concat = {
  .name = "concat", .doc = "x1, x2, ... -> side by side along `axis`", .min_in = 1, .max_in = VG_MAX_IN, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
