/* conv2d: 2-D cross-correlation over [N, H, W, C], dense, grouped, dilated, depthwise.
 *   Ho = (H + 2*pad - dil*(Kh-1) - 1) / stride + 1.   pad_w and stride_w are those of the width where they differ (1x7 kernels); -1: the same. */
#include "ops/conv2d.h"

#include "base/alloc.h"
#include "kernels/gemm.h"

enum { STRIDE, PAD, DIL, GROUPS, STRIDE_W, PAD_W };
static const vg_arg ARGS[] = {
  { .name = "stride", .def = 1, .min = 1, .max = 64, .integer = true },    { .name = "pad", .def = 0, .min = 0, .max = 1024, .integer = true },
  { .name = "dil", .def = 1, .min = 1, .max = 1024, .integer = true },     { .name = "groups", .def = 1, .min = 1, .max = 1 << 20, .integer = true },
  { .name = "stride_w", .def = -1, .min = -1, .max = 64, .integer = true }, { .name = "pad_w", .def = -1, .min = -1, .max = 1024, .integer = true },
  { 0 }
};

static int64_t out_size(int64_t in, int64_t k, int stride, int pad, int dil) {
  int64_t room = in + 2 * pad - dil * (k - 1) - 1;
  return room < 0 ? 0 : room / stride + 1;
}

vg_conv_shape vg_conv2d_shape(const vg_call *c) {
  const int64_t *x = c->in[0]->shape.dim, *w = c->in[1]->shape.dim;
  vg_conv_shape s = { .n = x[0], .h = x[1], .w = x[2], .ci = x[3], .co = w[0], .kh = (int)w[1], .kw = (int)w[2] };
  s.stride_h = (int)c->arg[STRIDE];
  s.stride_w = c->arg[STRIDE_W] < 1 ? s.stride_h : (int)c->arg[STRIDE_W];
  s.pad_h = (int)c->arg[PAD];
  s.pad_w = c->arg[PAD_W] < 0 ? s.pad_h : (int)c->arg[PAD_W];
  s.dil = (int)c->arg[DIL];
  s.groups = (int)c->arg[GROUPS];
  s.ho = out_size(s.h, s.kh, s.stride_h, s.pad_h, s.dil);
  s.wo = out_size(s.w, s.kw, s.stride_w, s.pad_w, s.dil);
  return s;
}

static vg_status check_dtypes(const vg_call *c) {
  for (int i = 0; i < 2; i++)
    if (c->in[i]->dtype != VG_F32 && c->in[i]->dtype != VG_BF16)
      return vg_fail(VG_EARG, "conv2d: input and weight must be f32 or bf16, got %s", vg_dtype_name(c->in[i]->dtype));
  if (c->in[0]->dtype == VG_F32 && c->in[1]->dtype == VG_BF16) return vg_fail(VG_EARG, "conv2d: the weight is bf16 but the input is f32");
  return VG_OK;
}

static vg_status check_bias(const vg_tensor *bias, int64_t co) {
  char text[VG_SHAPE_TEXT];
  if (bias->dtype != VG_F32 && bias->dtype != VG_BF16)
    return vg_fail(VG_EARG, "conv2d: bias must be f32 or bf16, got %s", vg_dtype_name(bias->dtype));
  if (bias->shape.rank != 1 || bias->shape.dim[0] != co)
    return vg_fail(VG_ESHAPE, "conv2d: bias must be [%lld] for that weight, got %s", (long long)co, vg_shape_text(text, &bias->shape));
  return VG_OK;
}

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  const vg_tensor *x = c->in[0], *w = c->in[1];
  char xs[VG_SHAPE_TEXT], ws[VG_SHAPE_TEXT];
  if (x->shape.rank != 4) return vg_fail(VG_ESHAPE, "conv2d: input must be [N, H, W, C], got %s", vg_shape_text(xs, &x->shape));
  if (w->shape.rank != 4) return vg_fail(VG_ESHAPE, "conv2d: weight must be [Cout, Kh, Kw, Cin/groups], got %s", vg_shape_text(ws, &w->shape));
  VG_TRY(check_dtypes(c));
  vg_conv_shape s = vg_conv2d_shape(c);
  for (int i = 0; i < 4; i++)
    if (x->shape.dim[i] < 1 || w->shape.dim[i] < 1)
      return vg_fail(VG_ESHAPE, "conv2d: no axis may be empty, got input %s and weight %s", vg_shape_text(xs, &x->shape),
                     vg_shape_text(ws, &w->shape));
  if (s.ci % s.groups != 0 || s.co % s.groups != 0)
    return vg_fail(VG_ESHAPE, "conv2d: groups = %d must divide the channels of input (%lld) and output (%lld)", s.groups, (long long)s.ci,
                   (long long)s.co);
  if (w->shape.dim[3] != s.ci / s.groups)
    return vg_fail(VG_ESHAPE, "conv2d: input has %lld channels in %d groups, weight wants %lld channels a group", (long long)s.ci, s.groups,
                   (long long)w->shape.dim[3]);
  if (s.ho < 1 || s.wo < 1)
    return vg_fail(VG_ESHAPE, "conv2d: kernel %dx%d with dil %d does not fit in input %s with pad %d and %d", s.kh, s.kw, s.dil,
                   vg_shape_text(xs, &x->shape), s.pad_h, s.pad_w);
  if (c->n_in > 2 && c->in[2]) VG_TRY(check_bias(c->in[2], s.co));
  *out = VG_SHAPE(s.n, s.ho, s.wo, s.co);
  *dtype = x->dtype;
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  const vg_tensor *x = c->in[0], *w = c->in[1], *bias = c->n_in > 2 ? c->in[2] : NULL;
  vg_conv_shape s = vg_conv2d_shape(c);
  float *b = NULL;
  if (bias) {
    VG_TRY(vg_block_get((void **)&b, (size_t)s.co * sizeof *b));
    vg_convert(VG_F32, b, bias->dtype, vg_tensor_data(bias), s.co);
  }
  vg_status status = vg_conv_forward(&s, x->dtype, vg_tensor_data(out), vg_tensor_data(x), w->dtype, vg_tensor_data(w), b);
  vg_block_put(b);
  return status;
}

static vg_status backward_bias(vg_tensor *dbias, const vg_tensor *dout, int64_t co) {
  float *sum;
  VG_TRY(vg_block_get((void **)&sum, (size_t)co * sizeof *sum));
  vg_status s = vg_column_sum(sum, dout->dtype, vg_tensor_data(dout), vg_tensor_count(dout) / co, co);
  if (s == VG_OK) vg_convert(dbias->dtype, vg_tensor_data(dbias), VG_F32, sum, co);
  vg_block_put(sum);
  return s;
}

static vg_status backward_weight(vg_tensor *dw, const vg_tensor *dout, const vg_tensor *x, const vg_conv_shape *s) {
  return vg_conv_backward_weights(s, x->dtype, dw->dtype, vg_tensor_data(dw), vg_tensor_data(x), vg_tensor_data(dout));
}

/* The input's gradient may be f32 (a leaf) while dout is bf16; `add` only where it is not, of a depthwise shape. */
static vg_status backward_input(vg_tensor *dx, const vg_tensor *dout, const vg_tensor *w, const vg_conv_shape *s, bool add) {
  int64_t n = vg_tensor_count(dx);
  void *own = NULL;
  if (dx->dtype != dout->dtype) VG_TRY(vg_block_get(&own, (size_t)n * vg_dtype_size(dout->dtype)));
  void *to = own ? own : vg_tensor_data(dx);
  vg_status status = vg_conv_backward_data(s, dout->dtype, to, vg_tensor_data(dout), w->dtype, vg_tensor_data(w), add);
  if (status == VG_OK && own) vg_convert(dx->dtype, vg_tensor_data(dx), dout->dtype, own, n);
  vg_block_put(own);
  return status;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  vg_conv_shape s = vg_conv2d_shape(c);
  bool adds_itself = din[0] && din[0]->dtype == dout->dtype && vg_conv_is_depthwise(&s);
  for (int i = 0; i < c->n_in; i++) {
    bool adds = add >> i & 1, through_own = adds && (i > 0 || !adds_itself);
    vg_tensor *d = din[i];
    vg_status status = VG_OK;
    if (!din[i]) continue;
    if (through_own) VG_TRY(vg_tensor_like(&d, din[i]));
    if (i == 0) status = backward_input(d, dout, c->in[1], &s, adds && !through_own);
    if (i == 1) status = backward_weight(d, dout, c->in[0], &s);
    if (i == 2) status = backward_bias(d, dout, s.co);
    if (through_own) {
      if (status == VG_OK) vg_tensor_accumulate(din[i], d);
      vg_tensor_release(d);
    }
    VG_TRY(status);
  }
  return VG_OK;
}

/* The input for the weight's gradient, the weight for the input's. */
static unsigned reads(const vg_call *c, unsigned wanted) {
  (void)c;
  return (wanted & 2 ? 1u : 0) | (wanted & 1 ? 2u : 0);
}

static int64_t macs(const vg_shape *out, const vg_call *c) {
  (void)out;
  vg_conv_shape s = vg_conv2d_shape(c);
  return vg_conv_macs(&s);
}

const vg_op vg_op_conv2d = {
  .name = "conv2d", .doc = "x [N,H,W,Ci], w [Co,Kh,Kw,Ci/groups], bias? [Co] -> [N,Ho,Wo,Co]",
  .min_in = 2, .max_in = 3, .args = ARGS, .flags = VG_OP_ACCUMULATES, .keeps_in = 1 | 2, .shape = shape, .forward = forward,
  .backward = backward, .macs = macs, .reads = reads
};
