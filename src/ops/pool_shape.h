/* What the pooling operators share: options and shape rules. Their first four arguments are kernel, stride, pad, ceil. */
#ifndef VG_OPS_POOL_SHAPE_H
#define VG_OPS_POOL_SHAPE_H

#include "kernels/pool.h"
#include "ops/op.h"

#define VG_POOL_ARGS                                                \
  { "kernel", .min = 1, .max = 4096, .integer = true, .required = true }, \
  { "stride", .def = 0, .max = 4096, .integer = true },             \
  { "pad", .def = 0, .max = 2048, .integer = true },                \
  { "ceil", .def = 0, .max = 1, .integer = true }

static inline vg_status vg_pool_check_input(const vg_call *c) {
  const vg_tensor *x = c->in[0];
  char text[VG_SHAPE_TEXT];
  if (x->shape.rank != 4)
    return vg_fail(VG_ESHAPE, "%s: expected x of shape [N, H, W, C], got %s", c->op->name, vg_shape_text(text, &x->shape));
  if (x->shape.dim[1] < 1 || x->shape.dim[2] < 1)
    return vg_fail(VG_ESHAPE, "%s: expected an image of at least one pixel, got %s", c->op->name, vg_shape_text(text, &x->shape));
  if (x->dtype != VG_F32 && x->dtype != VG_BF16)
    return vg_fail(VG_EARG, "%s: expected x of dtype f32 or bf16, got %s", c->op->name, vg_dtype_name(x->dtype));
  return VG_OK;
}

/* The windows of a checked call. */
static inline vg_pool_shape vg_pool_shape_of(const vg_call *c) {
  const int64_t *d = c->in[0]->shape.dim;
  int kernel = (int)c->arg[0], stride = c->arg[1] == 0 ? kernel : (int)c->arg[1], pad = (int)c->arg[2];
  bool ceil = c->arg[3] != 0;
  return (vg_pool_shape){ d[0], d[1], d[2], d[3], vg_pool_out(d[1], kernel, stride, pad, ceil), vg_pool_out(d[2], kernel, stride, pad, ceil),
                          kernel, stride, pad, false };
}

static inline vg_status vg_pool_window_shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_pool_check_input(c));
  char text[VG_SHAPE_TEXT];
  if (2 * c->arg[2] > c->arg[0])
    return vg_fail(VG_EARG, "%s: pad must be at most half of kernel %g, got %g", c->op->name, c->arg[0], c->arg[2]);
  vg_pool_shape s = vg_pool_shape_of(c);
  if (s.ho < 1 || s.wo < 1)
    return vg_fail(VG_ESHAPE, "%s: kernel %d with pad %d does not fit into %s", c->op->name, s.kernel, s.pad,
                   vg_shape_text(text, &c->in[0]->shape));
  *out = VG_SHAPE(s.n, s.ho, s.wo, s.c);
  *dtype = c->in[0]->dtype;
  return VG_OK;
}

/* Adding is for windows that go a row at a time; others through a copy. */
static inline vg_status vg_pool_target(vg_tensor **to, vg_tensor *din, unsigned add, const vg_pool_shape *s) {
  if (!(add & 1) || VG_DISPATCH(pool_fits_rows)(s)) {
    *to = vg_tensor_retain(din);
    return VG_OK;
  }
  return vg_tensor_like(to, din);
}

static inline void vg_pool_finish(vg_tensor *to, vg_tensor *din) {
  if (to != din) vg_tensor_accumulate(din, to);
  vg_tensor_release(to);
}

static inline vg_status vg_pool_global_shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_pool_check_input(c));
  *out = VG_SHAPE(c->in[0]->shape.dim[0], c->in[0]->shape.dim[3]);
  *dtype = c->in[0]->dtype;
  return VG_OK;
}

#endif
