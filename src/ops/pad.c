/* pad: a border of one value around height, width and channels. */
#include "kernels/layout.h"
#include "ops/op.h"

enum { TOP, BOTTOM, LEFT, RIGHT, CHANNELS_BEGIN, CHANNELS_END, VALUE, WIDEST = 1 << 24 };
static const vg_arg ARGS[] = {
  { "top", .max = WIDEST, .integer = true },
  { "bottom", .max = WIDEST, .integer = true },
  { "left", .max = WIDEST, .integer = true },
  { "right", .max = WIDEST, .integer = true },
  { "channels_begin", .max = WIDEST, .integer = true },
  { "channels_end", .max = WIDEST, .integer = true },
  { "value", .def = 0 },
  { 0 },
};

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_expect_nhwc(c->in[0], "pad"));
  *out = c->in[0]->shape;
  *dtype = c->in[0]->dtype;
  for (int i = 0; i < 3; i++) out->dim[i + 1] += (int64_t)c->arg[2 * i] + (int64_t)c->arg[2 * i + 1];
  return VG_OK;
}

/* Copies between the inside of `wide` and `narrow`; `back`: out of the inside. */
static void move(vg_tensor *wide, vg_tensor *narrow, const vg_call *c, bool back) {
  const int64_t *n = narrow->shape.dim, *w = wide->shape.dim;
  int64_t size = (int64_t)vg_dtype_size(wide->dtype), run = n[3] * size;
#pragma omp parallel for schedule(static) collapse(2) if (n[0] * n[1] * n[2] * run > 262144)
  for (int64_t b = 0; b < n[0]; b++)
    for (int64_t h = 0; h < n[1]; h++) {
      char *in = (char *)vg_tensor_data(narrow) + (b * n[1] + h) * n[2] * run;
      int64_t pixel = (b * w[1] + h + (int64_t)c->arg[TOP]) * w[2] + (int64_t)c->arg[LEFT];
      char *out = (char *)vg_tensor_data(wide) + (pixel * w[3] + (int64_t)c->arg[CHANNELS_BEGIN]) * size;
      bool joined = w[3] == n[3];                         /* no channels added: a row of pixels is one run */
      int64_t rows = joined ? 1 : n[2], bytes = joined ? n[2] * run : run;
      if (back) vg_copy_rows(in, bytes, out, w[3] * size, rows, bytes);
      else vg_copy_rows(out, w[3] * size, in, bytes, rows, bytes);
    }
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  if (c->arg[VALUE] == 0) vg_zero(out);
  else vg_tensor_fill(out, c->arg[VALUE]);
  move(out, c->in[0], c, false);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  vg_tensor *g;
  if (!din[0]) return VG_OK;
  VG_TRY(vg_as_dtype(&g, dout, din[0]->dtype));
  move(g, din[0], c, true);
  vg_tensor_release(g);
  return VG_OK;
}

const vg_op vg_op_pad = {
  .name = "pad", .doc = "x [N,H,W,C] -> with a border of `value`", .min_in = 1, .max_in = 1, .args = ARGS,
  .shape = shape, .forward = forward, .backward = backward, .macs = vg_op_zero_macs,
};
