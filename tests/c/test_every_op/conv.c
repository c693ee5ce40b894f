/* Sums of products: conv2d, linear, matmul. */
#include "proof.h"

/* --- conv2d ----------------------------------------------------------------------------------------------------------------------------- */

typedef struct conv { int64_t n, h, w, ci, co, kh, kw, stride[2], pad[2], dil, groups, ho, wo; } conv;

static conv conv_of(const model *m) {
  const int64_t *x = m->in[0].shape.dim, *w = m->in[1].shape.dim;
  conv c = { x[0], x[1], x[2], x[3], w[0], w[1], w[2], { 0, 0 }, { 0, 0 }, (int64_t)named(m, "dil"), (int64_t)named(m, "groups"), 0, 0 };
  c.stride[0] = (int64_t)named(m, "stride");
  c.stride[1] = named(m, "stride_w") < 1 ? c.stride[0] : (int64_t)named(m, "stride_w");
  c.pad[0] = (int64_t)named(m, "pad");
  c.pad[1] = named(m, "pad_w") < 0 ? c.pad[0] : (int64_t)named(m, "pad_w");
  c.ho = (c.h + 2 * c.pad[0] - c.dil * (c.kh - 1) - 1) / c.stride[0] + 1;
  c.wo = (c.w + 2 * c.pad[1] - c.dil * (c.kw - 1) - 1) / c.stride[1] + 1;
  return c;
}
static void conv_shape(vg_shape *out, const model *m) {
  conv c = conv_of(m);
  *out = VG_SHAPE(c.n, c.ho, c.wo, c.co);
}
static double conv_at(const model *m, const conv *c, int64_t n, int64_t y, int64_t x, int64_t o) {
  int64_t deep = c->ci / c->groups, first = o / (c->co / c->groups) * deep;
  double sum = m->n_in > 2 && m->in[2].v ? m->in[2].v[o] : 0;
  for (int64_t r = 0; r < c->kh; r++)
    for (int64_t q = 0; q < c->kw; q++) {
      int64_t h = y * c->stride[0] - c->pad[0] + r * c->dil, w = x * c->stride[1] - c->pad[1] + q * c->dil;
      if (h < 0 || h >= c->h || w < 0 || w >= c->w) continue;
      const double *from = m->in[0].v + ((n * c->h + h) * c->w + w) * c->ci + first, *weight = m->in[1].v + ((o * c->kh + r) * c->kw + q) * deep;
      for (int64_t i = 0; i < deep; i++) sum += from[i] * weight[i];
    }
  return sum;
}
static void conv2d(double *y, const model *m) {
  conv c = conv_of(m);
  for (int64_t n = 0; n < c.n; n++)
    for (int64_t h = 0; h < c.ho; h++)
      for (int64_t w = 0; w < c.wo; w++)
        for (int64_t o = 0; o < c.co; o++) *y++ = conv_at(m, &c, n, h, w, o);
}
static double conv_terms(const model *m) {
  const int64_t *w = m->in[1].shape.dim;
  return (double)(w[1] * w[2] * w[3]);
}
/* Multiply-adds count the products with padding, too. */
static int64_t conv_macs(const model *m) { return vg_shape_count(&m->out) * (int64_t)conv_terms(m); }

static const char *const CONV_CASES[] = {
  /* dense: kernels, strides, paddings, dilations, sides that differ */
  "1,5,5,3 4,3,3,3", "2,5,4,3 4,3,3,3 4 pad=1", "2,7,9,5 7,3,3,5 7 stride=2 pad=1", "1,1,1,4 3,1,1,4 3", "1,6,6,4 4,5,5,4 pad=2",
  "1,8,8,2 3,7,7,2 3 stride=2 pad=3",
  "1,9,7,4 4,3,3,4 pad=2 dil=2", "1,9,9,3 2,5,5,3 2 stride=2 pad=4 dil=2", "1,10,10,2 2,3,3,2 pad=3 dil=3 stride=3", "1,4,4,2 2,4,4,2 stride=4",
  "2,3,3,1 1,3,3,1",
  "1,6,11,4 5,1,7,4 5 pad=0 pad_w=3", "1,11,6,4 5,7,1,4 pad=3 pad_w=0", "1,8,8,3 4,3,3,3 stride=1 stride_w=2 pad=1", "1,6,6,3 2,2,2,3 2 stride=2",
  "1,5,6,3 4,2,3,3 pad=1",
  "1,4,4,17 33,1,1,17 33", "2,3,3,16 16,1,1,16", "2,4,4,8 24,1,1,8 stride=2", "1,3,3,2 2,3,3,2 pad=5", "3,2,2,20 10,1,1,20 10@f",
  /* groups, depthwise, depthwise with two outputs a channel */
  "2,5,5,8 16,3,3,2 16 groups=4 pad=1", "1,5,7,6 6,3,3,3 groups=2 pad=1", "1,6,6,4 4,3,3,2 4 stride=2 pad=2 dil=2 groups=2",
  "2,4,4,12 6,1,1,4 groups=3",
  "2,5,5,4 4,3,3,1 4 groups=4 pad=1", "1,7,7,17 17,3,3,1 groups=17 stride=2 pad=1", "1,8,8,10 10,5,5,1 10@f groups=10 stride=2 pad=2",
  "1,9,9,3 3,3,3,1 groups=3 pad=2 dil=2",
  "1,5,5,6 12,3,3,1 12 groups=6 pad=1", "1,6,9,5 5,1,5,1 groups=5 pad=0 pad_w=2", "1,8,8,4 4,3,3,1 4 groups=4 stride=2 stride_w=1 pad=1",
  "1,7,7,16 16,7,7,1 groups=16 pad=3",
  "2,3,3,1 1,3,3,1 1 pad=1", "1,6,6,33 33,3,3,1 groups=33 pad=1",
  /* f32 weights with bf16 activations, as parameters without a shadow are */
  "2,5,5,6 8,3,3,6@f 8@f pad=1", "2,5,5,6 6,3,3,1@f 6@f pad=1 groups=6", "1,4,4,8 12,1,1,8@f", NULL
};
static const refusal CONV_REFUSALS[] = {
  { "4,4 4,3,3,6", VG_ESHAPE, "conv2d: input must be [N, H, W, C], got [4, 4]" },
  { "1,4,4,6 4,6", VG_ESHAPE, "conv2d: weight must be [Cout, Kh, Kw, Cin/groups], got [4, 6]" },
  { "1,4,4,6@i3 4,3,3,6", VG_EARG, "conv2d: input and weight must be f32 or bf16, got i32" },
  { "1,4,4,6 4,3,3,6@b", VG_EARG, "conv2d: input and weight must be f32 or bf16, got u8" },
  { "1,4,4,6 4,3,3,6@h", VG_EARG, "conv2d: the weight is bf16 but the input is f32" },
  { "0,4,4,6 4,3,3,6", VG_ESHAPE, "conv2d: no axis may be empty, got input [0, 4, 4, 6] and weight [4, 3, 3, 6]" },
  { "1,4,4,6 0,3,3,6", VG_ESHAPE, "conv2d: no axis may be empty, got input [1, 4, 4, 6] and weight [0, 3, 3, 6]" },
  { "1,4,4,6 4,0,3,6", VG_ESHAPE, "conv2d: no axis may be empty, got input [1, 4, 4, 6] and weight [4, 0, 3, 6]" },
  { "1,4,4,6 4,3,3,6 groups=4", VG_ESHAPE, "conv2d: groups = 4 must divide the channels of input (6) and output (4)" },
  { "1,4,4,6 4,3,3,6 groups=2", VG_ESHAPE, "conv2d: input has 6 channels in 2 groups, weight wants 6 channels a group" },
  { "1,4,4,6 4,5,5,6", VG_ESHAPE, "conv2d: kernel 5x5 with dil 1 does not fit in input [1, 4, 4, 6] with pad 0 and 0" },
  { "1,4,4,6 4,3,3,6 dil=3 pad=1", VG_ESHAPE, "conv2d: kernel 3x3 with dil 3 does not fit in input [1, 4, 4, 6] with pad 1 and 1" },
  { "1,4,4,6 4,3,3,6 3", VG_ESHAPE, "conv2d: bias must be [4] for that weight, got [3]" },
  { "1,4,4,6 4,3,3,6 4,1", VG_ESHAPE, "conv2d: bias must be [4] for that weight, got [4, 1]" },
  { "1,4,4,6 4,3,3,6 4@i2", VG_EARG, "conv2d: bias must be f32 or bf16, got i32" }, { 0 }
};

/* --- linear ------------------------------------------------------------------------------------------------------------------------------- */

static void linear_shape(vg_shape *out, const model *m) {
  *out = m->in[0].shape;
  out->dim[out->rank - 1] = m->in[1].shape.dim[0];
}
static void linear(double *y, const model *m) {
  int64_t n = m->in[1].shape.dim[0], k = m->in[1].shape.dim[1];
  for (int64_t i = 0, count = vg_shape_count(&m->out); i < count; i++) {
    y[i] = m->n_in > 2 && m->in[2].v ? m->in[2].v[i % n] : 0;
    for (int64_t j = 0; j < k; j++) y[i] += m->in[0].v[i / n * k + j] * m->in[1].v[i % n * k + j];
  }
}
static double linear_terms(const model *m) { return (double)m->in[1].shape.dim[1] + 1; }
static int64_t linear_macs(const model *m) { return vg_shape_count(&m->out) * m->in[1].shape.dim[1]; }
static const char *const LINEAR_CASES[] = {
  "4,6 3,6 3", "4,6 3,6", "6 3,6 3", "1,1 1,1 1", "2,3,5 7,5 7", "2,3,5 7,5 7@f", "2,1,2,1,2,3 4,3", "3,17 16,17 16", "3,16 17,16",
  "5,33 31,33 31", "1,100 10,100 10", "17,1 1,1", "64,8 2,8 2", "2,3 5,3@f 5@f", "4,6 3,6 3@f", "0,3 2,3 2", "2,0 3,0 3", "3,2 0,2 0", "3,2 0,2",
  "2,0,3 4,3 4", "16,64 64,64 64", "3,200 100,200 100", NULL
};
static const refusal LINEAR_REFUSALS[] = {
  { ". 4,3", VG_ESHAPE, "linear: input must be [..., K], got one number" },
  { "2,3 3", VG_ESHAPE, "linear: weight must be [Out, K], got [3]" },
  { "2,3 4,5", VG_ESHAPE, "linear: the last axis of input [2, 3] must be the 5 of weight [4, 5]" },
  { "2,3@i4 4,3", VG_EARG, "linear: input and weight must be f32 or bf16, got i32 and f32" },
  { "2,3 4,3@b", VG_EARG, "linear: input and weight must be f32 or bf16, got f32 and u8" },
  { "2,3 4,3 3", VG_ESHAPE, "linear: bias must be [4] for that weight, got [3]" },
  { "2,3 4,3 4@i2", VG_EARG, "linear: bias must be f32 or bf16, got i32" }, { 0 }
};

/* --- matmul ------------------------------------------------------------------------------------------------------------------------------- */

static void matmul_shape(vg_shape *out, const model *m) {
  *out = m->in[0].shape;
  out->dim[out->rank - 1] = m->in[1].shape.dim[m->in[1].shape.rank - 1];
}
static int64_t inner_of(const model *m) { return m->in[0].shape.dim[m->in[0].shape.rank - 1]; }
static void matmul(double *y, const model *m) {
  const vg_shape *b = &m->in[1].shape;
  int64_t k = inner_of(m), n = b->dim[b->rank - 1], rows = m->out.dim[m->out.rank - 2], count = vg_shape_count(&m->out);
  for (int64_t i = 0; i < count; i++) {
    const double *right = m->in[1].v + (b->rank == 2 ? 0 : i / n / rows * k * n);
    y[i] = 0;
    for (int64_t j = 0; j < k; j++) y[i] += m->in[0].v[i / n * k + j] * right[j * n + i % n];
  }
}
static double matmul_terms(const model *m) { return (double)inner_of(m) + 1; }
static int64_t matmul_macs(const model *m) { return vg_shape_count(&m->out) * inner_of(m); }
static const char *const MATMUL_CASES[] = {
  "3,4 4,5", "1,1 1,1", "1,7 7,1", "7,1 1,7", "2,3,4 4,5", "2,3,4 2,4,5", "2,2,3,4 2,2,4,5", "2,2,3,4 4,5", "2,1,2,1,3,4 2,1,2,1,4,2",
  "17,16 16,15", "16,17 17,33", "33,31 31,2", "4,100 100,3", "1,3,1 1,1,4", "3,0 0,4", "0,3 3,4", "3,4 4,0", "0,3,4 0,4,5", "0,3,4 4,5",
  "2,3,0 2,0,4", "5,5 5,5 same", "2,4,4 2,4,4 same", "48,64 64,40", NULL
};
static const refusal MATMUL_REFUSALS[] = {
  { "2,3 3", VG_ESHAPE, "matmul: both sides need two axes or more, got [2, 3] and [3]" },
  { "2,3 3,3,3", VG_ESHAPE, "matmul: the leading axes must be equal or the right side have two axes, got [2, 3] and [3, 3, 3]" },
  { "2,3,4 3,4,5", VG_ESHAPE, "matmul: the leading axes must be equal or the right side have two axes, got [2, 3, 4] and [3, 4, 5]" },
  { "2,3 4,5", VG_ESHAPE, "matmul: the last axis of the left side must be the last but one of the right, got [2, 3] and [4, 5]" },
  { "2,3 3,2@h", VG_EARG, "matmul: both sides must be f32 or both bf16, got f32 and bf16" },
  { "2,3@i4 3,2@i4", VG_EARG, "matmul: both sides must be f32 or both bf16, got i32 and i32" }, { 0 }
};

const proof CONV_PROOFS[] = {
  { .op = "conv2d", .cases = CONV_CASES, .refusals = CONV_REFUSALS, .shape = conv_shape, .formula = conv2d, .macs = conv_macs, .terms = conv_terms },
  { .op = "linear", .cases = LINEAR_CASES, .refusals = LINEAR_REFUSALS, .shape = linear_shape, .formula = linear, .macs = linear_macs,
    .terms = linear_terms },
  { .op = "matmul", .cases = MATMUL_CASES, .refusals = MATMUL_REFUSALS, .shape = matmul_shape, .formula = matmul, .macs = matmul_macs,
    .terms = matmul_terms },
  { 0 }
};
