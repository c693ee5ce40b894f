/* linear: y[..., o] = sum over k of x[..., k] * w[o, k] + bias[o]. */
#include "base/alloc.h"
#include "kernels/gemm.h"
#include "ops/op.h"

static bool is_float(const vg_tensor *t) { return t->dtype == VG_F32 || t->dtype == VG_BF16; }

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0], *w = c->in[1], *bias = c->n_in > 2 ? c->in[2] : NULL;
  char xs[VG_SHAPE_TEXT], ws[VG_SHAPE_TEXT];
  if (x->shape.rank < 1) return vg_fail(VG_ESHAPE, "linear: input must be [..., K], got one number");
  if (w->shape.rank != 2) return vg_fail(VG_ESHAPE, "linear: weight must be [Out, K], got %s", vg_shape_text(ws, &w->shape));
  if (x->shape.dim[x->shape.rank - 1] != w->shape.dim[1])
    return vg_fail(VG_ESHAPE, "linear: the last axis of input %s must be the %lld of weight %s", vg_shape_text(xs, &x->shape),
                   (long long)w->shape.dim[1], vg_shape_text(ws, &w->shape));
  if (!is_float(x) || !is_float(w))
    return vg_fail(VG_EARG, "linear: input and weight must be f32 or bf16, got %s and %s", vg_dtype_name(x->dtype), vg_dtype_name(w->dtype));
  if (bias && (bias->shape.rank != 1 || bias->shape.dim[0] != w->shape.dim[0]))
    return vg_fail(VG_ESHAPE, "linear: bias must be [%lld] for that weight, got %s", (long long)w->shape.dim[0], vg_shape_text(xs, &bias->shape));
  if (bias && !is_float(bias)) return vg_fail(VG_EARG, "linear: bias must be f32 or bf16, got %s", vg_dtype_name(bias->dtype));
  *out = x->shape;
  out->dim[out->rank - 1] = w->shape.dim[0];
  *dtype = x->dtype;
  return VG_OK;
}

/* A weight or bias in another dtype: itself, or a cast. Owned by the caller. */
static vg_status weight_as(vg_tensor **out, vg_tensor *w, vg_dtype dtype) {
  if (w->dtype != dtype) return vg_tensor_cast(out, w, dtype);
  *out = vg_tensor_retain(w);
  return VG_OK;
}

/* All axes of x but the last. */
static int64_t rows_of(const vg_tensor *x) {
  int64_t rows = 1;
  for (int i = 0; i < x->shape.rank - 1; i++) rows *= x->shape.dim[i];
  return rows;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  int64_t n = c->in[1]->shape.dim[0], k = c->in[1]->shape.dim[1];
  vg_tensor *x = c->in[0], *w = NULL, *bias = NULL;
  vg_status status;
  VG_GOTO(weight_as(&w, c->in[1], x->dtype));
  if (c->n_in > 2 && c->in[2]) VG_GOTO(weight_as(&bias, c->in[2], VG_F32));
  VG_GOTO(vg_affine(x->dtype, out->dtype, rows_of(x), n, k, vg_tensor_data(x), vg_tensor_data(w), bias ? vg_f32(bias) : NULL, vg_tensor_data(out)));
done:
  vg_tensor_release(w);
  vg_tensor_release(bias);
  return status;
}

static vg_status backward_bias(vg_tensor *dbias, const vg_tensor *dout) {
  int64_t n = vg_tensor_count(dbias);
  float *sum;
  VG_TRY(vg_block_get((void **)&sum, (size_t)n * sizeof *sum));
  vg_status s = vg_column_sum(sum, dout->dtype, vg_tensor_data(dout), n ? vg_tensor_count(dout) / n : 0, n);
  if (s == VG_OK) vg_convert(dbias->dtype, vg_tensor_data(dbias), VG_F32, sum, n);
  vg_block_put(sum);
  return s;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  int64_t n = c->in[1]->shape.dim[0], k = c->in[1]->shape.dim[1], m = rows_of(dout);
  vg_dtype t = dout->dtype;
  if (din[0]) {
    vg_tensor *w;
    VG_TRY(weight_as(&w, c->in[1], t));
    vg_status s = vg_gemm(t, din[0]->dtype, false, false, m, k, n, 1, vg_tensor_data(dout), vg_tensor_data(w), 0, vg_tensor_data(din[0]));
    vg_tensor_release(w);
    if (s != VG_OK) return s;
  }
  if (din[1])
    VG_TRY(vg_gemm(t, din[1]->dtype, true, false, n, k, m, 1, vg_tensor_data(dout), vg_tensor_data(c->in[0]), 0, vg_tensor_data(din[1])));
  if (c->n_in > 2 && din[2]) VG_TRY(backward_bias(din[2], dout));
  return VG_OK;
}

static int64_t macs(const vg_shape *out, const vg_call *c) { return vg_shape_count(out) * c->in[1]->shape.dim[1]; }

const vg_op vg_op_linear = {
  .name = "linear", .doc = "x [...,K], w [Out,K], bias? [Out] -> [...,Out]",
  .min_in = 2, .max_in = 3, .keeps_in = 1 | 2, .shape = shape, .forward = forward, .backward = backward, .macs = macs
};
