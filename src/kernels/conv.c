/* Convolution on oneDNN's primitives. Activations are described as channels-last and used where they are; the weights' layout is left to
 * the library, and weights are reordered in each call (they are small, and a copy kept would go stale with each optimiser step).
 * Depthwise shapes go to the kernels of depthwise.h, some 1x1 kernels to a matrix product (product_is_faster). */
#include "kernels/conv.h"

#include <string.h>

#include "base/alloc.h"
#include "base/threads.h"
#include "kernels/depthwise.h"
#include "kernels/gemm.h"
#include "kernels/narrow.h"
#include "kernels/onednn.h"
#include "kernels/simd.h"

typedef enum direction { FORWARD = 1, BACKWARD_DATA, BACKWARD_WEIGHTS } direction;

typedef struct problem {
  const vg_conv_shape *s;
  direction dir;
  vg_dtype dtype, w_type;
  bool bias;
  vg_act act;               /* after the sum, forward only: none, relu or relu6 */
  bool add;                 /* BACKWARD_DATA of a depthwise shape */
} problem;

int64_t vg_conv_macs(const vg_conv_shape *s) { return s->n * s->ho * s->wo * s->co * (s->ci / s->groups) * s->kh * s->kw; }

static vg_status describe_activations(vg__prim *p, const vg_conv_shape *s, dnnl_data_type_t type) {
  dnnl_dims_t src = { s->n, s->ci, s->h, s->w }, dst = { s->n, s->co, s->ho, s->wo };
  VG_TRY(vg__dnnl_check(dnnl_memory_desc_init_by_tag(&p->src, 4, src, type, dnnl_nhwc), "convolution input"));
  return vg__dnnl_check(dnnl_memory_desc_init_by_tag(&p->dst, 4, dst, type, dnnl_nhwc), "convolution output");
}

static vg_status describe_weights(dnnl_memory_desc_t *d, const vg_conv_shape *s, dnnl_data_type_t type, bool any) {
  int g = s->groups;
  dnnl_dims_t dense = { s->co, s->ci, s->kh, s->kw }, grouped = { g, s->co / g, s->ci / g, s->kh, s->kw };
  dnnl_format_tag_t tag = any ? dnnl_format_tag_any : g > 1 ? dnnl_gohwi : dnnl_ohwi;
  return vg__dnnl_check(dnnl_memory_desc_init_by_tag(d, g > 1 ? 5 : 4, g > 1 ? grouped : dense, type, tag), "convolution weights");
}

static vg_status describe_operation(dnnl_convolution_desc_t *desc, const vg__prim *p, const problem *q, direction dir,
                                    const dnnl_memory_desc_t *weights) {
  const vg_conv_shape *s = q->s;
  dnnl_dims_t strides = { s->stride_h, s->stride_w }, dil = { s->dil - 1, s->dil - 1 }, pad = { s->pad_h, s->pad_w };
  dnnl_alg_kind_t direct = dnnl_convolution_direct;
  dnnl_status_t status;
  if (dir == FORWARD)
    status = dnnl_dilated_convolution_forward_desc_init(desc, dnnl_forward_training, direct, &p->src, weights, q->bias ? &p->bias : NULL, &p->dst,
                                                        strides, dil, pad, pad);
  else if (dir == BACKWARD_DATA)
    status = dnnl_dilated_convolution_backward_data_desc_init(desc, direct, &p->src, weights, &p->dst, strides, dil, pad, pad);
  else
    status = dnnl_dilated_convolution_backward_weights_desc_init(desc, direct, &p->src, weights, NULL, &p->dst, strides, dil, pad, pad);
  return vg__dnnl_check(status, "describing a convolution");
}

/* max(x, 0), or a clip to [0, 6], as part of the convolution. */
static vg_status attach_activation(dnnl_primitive_attr_t attr, vg_act act) {
  if (act == VG_ACT_NONE) return VG_OK;
  dnnl_post_ops_t ops;
  VG_TRY(vg__dnnl_check(dnnl_post_ops_create(&ops), "creating post-operations"));
  dnnl_status_t s = act == VG_ACT_RELU ? dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_relu, 0, 0)
                                       : dnnl_post_ops_append_eltwise(ops, 1, dnnl_eltwise_clip, 0, 6);
  if (s == dnnl_success) s = dnnl_primitive_attr_set_post_ops(attr, ops);
  dnnl_post_ops_destroy(ops);
  return vg__dnnl_check(s, "attaching an activation");
}

static vg_status make_conv(vg__prim *p, const void *spec) {
  const problem *q = spec;
  dnnl_data_type_t type = vg__dnnl_type(q->dtype);
  bool is_dw = q->dir == BACKWARD_WEIGHTS;
  dnnl_primitive_attr_t attr = NULL;
  dnnl_primitive_desc_t hint = NULL, pd = NULL;
  dnnl_convolution_desc_t desc;
  dnnl_memory_desc_t any, any_hint;
  dnnl_dims_t bias_dims = { q->s->co };
  vg_status status = VG_OK;
  VG_GOTO(vg__dnnl_attr(&attr));
  VG_GOTO(attach_activation(attr, q->act));
  VG_GOTO(describe_activations(p, q->s, type));
  VG_GOTO(describe_weights(&p->user_weights, q->s, vg__dnnl_type(q->w_type), false));
  VG_GOTO(describe_weights(&any, q->s, is_dw ? dnnl_f32 : type, true));
  VG_GOTO(describe_weights(&any_hint, q->s, type, true));
  VG_GOTO(vg__dnnl_check(dnnl_memory_desc_init_by_tag(&p->bias, 1, bias_dims, dnnl_f32, dnnl_a), "convolution bias"));
  if (q->dir != FORWARD) {      /* backward primitives ask for a forward one as a hint */
    VG_GOTO(describe_operation(&desc, p, q, FORWARD, &any_hint));
    VG_GOTO(vg__prim_create(NULL, &hint, &desc, NULL, attr));
  }
  VG_GOTO(describe_operation(&desc, p, q, q->dir, &any));
  VG_GOTO(vg__prim_create(&p->main, &pd, &desc, hint, attr));
  p->weights = *dnnl_primitive_desc_query_md(pd, is_dw ? dnnl_query_diff_weights_md : dnnl_query_weights_md, 0);
  p->scratch = *dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
  p->writes_weights = is_dw;
  VG_GOTO(is_dw ? vg__prim_add_side(p, &p->weights, &p->user_weights) : vg__prim_add_side(p, &p->user_weights, &p->weights));
done:
  if (pd) dnnl_primitive_desc_destroy(pd);
  if (hint) dnnl_primitive_desc_destroy(hint);
  if (attr) dnnl_primitive_attr_destroy(attr);
  return status;
}

static vg_status get_conv(vg__prim **out, const problem *q) {
  const vg_conv_shape *s = q->s;
  vg__prim_key key = { { 'c', q->dir, q->dtype, q->w_type, q->bias, s->n, s->h, s->w, s->ci, s->ho, s->wo, s->co, s->kh, s->kw, s->stride_h,
                         s->stride_w, s->pad_h, s->pad_w, s->dil, s->groups, vg_threads(), q->act } };
  return vg__prim_get(out, &key, make_conv, q);
}

/* Runs one direction; `w` is read, or written when the direction is BACKWARD_WEIGHTS. `src` and `dst` are the gradients where these are meant. */
static vg_status run(const problem *q, void *src, void *dst, void *w, const float *bias) {
  static const int SRC[] = { 0, DNNL_ARG_SRC, DNNL_ARG_DIFF_SRC, DNNL_ARG_SRC };
  static const int WEIGHTS[] = { 0, DNNL_ARG_WEIGHTS, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_WEIGHTS };
  static const int DST[] = { 0, DNNL_ARG_DST, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_DST };
  vg__prim *p = NULL;
  void *own = NULL;
  vg_status status = VG_OK;
  VG_TRY(get_conv(&p, q));
  if (p->side) {
    VG_GOTO(vg_block_get(&own, dnnl_memory_desc_get_size(&p->weights)));
    if (!p->writes_weights) VG_GOTO(vg__prim_run_side(p, own, w));
  }
  const vg__prim_arg args[] = { { SRC[q->dir], &p->src, src }, { WEIGHTS[q->dir], &p->weights, own ? own : w }, { DST[q->dir], &p->dst, dst },
                                { DNNL_ARG_BIAS, &p->bias, (void *)bias } };
  VG_GOTO(vg__prim_run(p, q->bias ? 4 : 3, args));
  if (own && p->writes_weights) VG_GOTO(vg__prim_run_side(p, w, own));
done:
  vg_block_put(own);
  vg__prim_release(p);
  return status;
}

static bool is_dense_1x1(const vg_conv_shape *s) { return s->kh == 1 && s->kw == 1 && s->groups == 1; }
static bool is_product(const vg_conv_shape *s) {
  return is_dense_1x1(s) && s->stride_h == 1 && s->stride_w == 1 && s->pad_h == 0 && s->pad_w == 0;
}

/* Where oneDNN 2.6.3 gives wrong numbers, found by comparing some ten thousand shapes with plain loops (tests/c/test_many_shapes.c):
 *   bf16 data gradient of a 1x1 kernel with an odd number of output channels, when its pixels come in blocks of 30: all values
 *   bf16 weight gradient where the stride is wider than the image: kernel columns that see nothing but padding read what lies behind
 *   f32 weight gradient of a strided 1x1 kernel without AVX512, channels no multiple of 8: some values, and it may write out of bounds */
static bool data_gradient_is_wrong(const problem *q) { return q->dir == BACKWARD_DATA && q->dtype == VG_BF16 && is_product(q->s) && q->s->co % 2; }
static bool bf16_weights_are_wrong(const problem *q) { return q->dir == BACKWARD_WEIGHTS && q->dtype == VG_BF16 && q->s->stride_w > q->s->w; }
static bool f32_weights_are_wrong(const problem *q) {
  bool is_strided = q->s->stride_h > 1 || q->s->stride_w > 1;
  return q->dir == BACKWARD_WEIGHTS && q->dtype == VG_F32 && !vg_cpu_has_avx512() && q->s->kh == 1 && q->s->kw == 1 && is_strided && q->s->ci / q->s->groups % 8;
}

/* The weight gradient of a strided 1x1 kernel by plain loops: rare, and right. */
static void plain_1x1_weights(const vg_conv_shape *s, float *dw, const float *src, const float *ddst) {
  int64_t deep = s->ci / s->groups, wide = s->co / s->groups, pixels = s->ho * s->wo;
#pragma omp parallel for schedule(static) if (vg_conv_macs(s) > 1 << 18)
  for (int64_t o = 0; o < s->co; o++) {
    float *row = dw + o * deep;
    memset(row, 0, (size_t)deep * sizeof *row);
    for (int64_t p = 0; p < s->n * pixels; p++) {
      int64_t h = p % pixels / s->wo * s->stride_h - s->pad_h, w = p % s->wo * s->stride_w - s->pad_w;
      if (h < 0 || w < 0 || h >= s->h || w >= s->w) continue;
      const float *x = src + ((p / pixels * s->h + h) * s->w + w) * s->ci + o / wide * deep;
      float g = ddst[p * s->co + o];
      for (int64_t i = 0; i < deep; i++) row[i] += g * x[i];
    }
  }
}

/* By oneDNN, in a type that it computes in. */
static vg_status run_native(const problem *q, void *src, void *dst, void *w, const float *bias) {
  if (!f32_weights_are_wrong(q)) return run(q, src, dst, w, bias);
  plain_1x1_weights(q->s, w, src, dst);
  return VG_OK;
}

/* bf16 activations where the CPU cannot: f32 copies of both, the result converted back. The written one need not be copied in. */
static vg_status run_through_f32(const problem *q, void *src, void *dst, void *w, const float *bias) {
  int64_t n_src = q->s->n * q->s->h * q->s->w * q->s->ci, n_dst = q->s->n * q->s->ho * q->s->wo * q->s->co;
  int64_t n_w = q->s->co * q->s->kh * q->s->kw * (q->s->ci / q->s->groups);
  problem f = *q;
  float *fs = NULL, *fd = NULL, *fw = NULL;
  vg_status status = VG_OK;
  f.dtype = f.w_type = VG_F32;
  VG_GOTO(vg_block_get((void **)&fs, (size_t)n_src * sizeof *fs));
  VG_GOTO(vg_block_get((void **)&fd, (size_t)n_dst * sizeof *fd));
  VG_GOTO(vg_block_get((void **)&fw, (size_t)n_w * sizeof *fw));
  if (q->dir != BACKWARD_DATA) vg_convert(VG_F32, fs, VG_BF16, src, n_src);
  if (q->dir != FORWARD) vg_convert(VG_F32, fd, VG_BF16, dst, n_dst);
  if (q->dir != BACKWARD_WEIGHTS) vg_convert(VG_F32, fw, q->w_type, w, n_w);
  VG_GOTO(run_native(&f, fs, fd, fw, bias));
  if (q->dir == FORWARD) vg_convert(VG_BF16, dst, VG_F32, fd, n_dst);
  if (q->dir == BACKWARD_DATA) vg_convert(VG_BF16, src, VG_F32, fs, n_src);
  if (q->dir == BACKWARD_WEIGHTS) vg_convert(q->w_type, w, VG_F32, fw, n_w);
done:
  vg_block_put(fs);
  vg_block_put(fd);
  vg_block_put(fw);
  return status;
}

bool vg_conv_is_depthwise(const vg_conv_shape *s) {
  return s->groups > 1 && s->groups == s->ci && s->ci == s->co && s->stride_h == s->stride_w && s->pad_h == s->pad_w;
}

/* Depthwise kernels read weights of the activations' type and write f32 gradients; other types pass through a copy. */
static vg_status run_depthwise(const problem *q, void *src, void *dst, void *w, const float *bias) {
  const vg_conv_shape *s = q->s;
  vg_dw_shape d = { s->n, s->h, s->w, s->ci, s->ho, s->wo, s->kh, s->kw, s->stride_h, s->pad_h, s->dil };
  int64_t n_w = s->co * s->kh * s->kw;
  vg_dtype wanted = q->dir == BACKWARD_WEIGHTS ? VG_F32 : q->dtype;
  void *own = NULL;
  vg_status status = VG_OK;
  if (q->w_type != wanted) VG_TRY(vg_block_get(&own, (size_t)n_w * vg_dtype_size(wanted)));
  if (own && q->dir != BACKWARD_WEIGHTS) vg_convert(wanted, own, q->w_type, w, n_w);
  void *weights = own ? own : w;
  if (q->dir == FORWARD) vg_depthwise_forward(&d, q->dtype, dst, src, weights, bias, q->act);
  if (q->dir == BACKWARD_DATA) vg_depthwise_backward_data(&d, q->dtype, src, dst, weights, q->add);
  if (q->dir == BACKWARD_WEIGHTS) VG_GOTO(vg_depthwise_backward_weight(&d, q->dtype, weights, src, dst));
  if (own && q->dir == BACKWARD_WEIGHTS) vg_convert(q->w_type, w, wanted, own, n_w);
done:
  vg_block_put(own);
  return status;
}

/* A dense 1x1 kernel with stride 1 is a product of [N*H*W, Ci] and [Ci, Co]. bf16 stays with the convolution: the product was up to 10 % faster
 * in some weight gradients, and up to 45 % slower in other shapes. The rule for f32 is fitted to 25 shapes on two cores of one CPU (Zen 5, 32 MiB
 * of level 3 cache), GFLOP/s of convolution against product: backward data mostly equal to twice as fast, but 360 against 287 for 32->192 at
 * 64x32x32; backward weights 132 against 246 where the activations leave the cache, 258 against 400 with few rows, but 432 against 213 in
 * between with few channels; forward 160 against 287 for 144->24 at 64x32x32, 67 against 191 for 64 rows, mostly slower elsewhere. */
static bool product_is_faster(const problem *q, bool bias) {
  const vg_conv_shape *s = q->s;
  if (!is_product(s)) return false;
  if (data_gradient_is_wrong(q)) return true;
  if (q->dtype != VG_F32 || q->w_type != VG_F32 || bias || !vg_cpu_has_avx512()) return false;
  int64_t rows = s->n * s->h * s->w, narrow = s->ci < s->co ? s->ci : s->co;
  bool is_large = rows * (s->ci + s->co) > (5 << 20);     /* 20 MiB */
  if (q->dir == BACKWARD_DATA) return true;
  if (q->dir == BACKWARD_WEIGHTS) return is_large || rows <= 4096 || narrow >= 64;
  return rows <= 64 || (is_large && s->co <= 32 && s->ci > 2 * s->co);
}

static vg_status run_product(const problem *q, void *src, void *dst, void *w) {
  const vg_conv_shape *s = q->s;
  int64_t rows = s->n * s->h * s->w, n_w = s->co * s->ci;
  if (q->dir == BACKWARD_WEIGHTS) return vg_gemm(q->dtype, q->w_type, true, false, s->co, s->ci, rows, 1, dst, src, 0, w);
  void *own = NULL;
  if (q->w_type != q->dtype) {
    VG_TRY(vg_block_get(&own, (size_t)n_w * vg_dtype_size(q->dtype)));
    vg_convert(q->dtype, own, q->w_type, w, n_w);
    w = own;
  }
  vg_status status = q->dir == FORWARD ? vg_gemm(q->dtype, q->dtype, false, true, rows, s->co, s->ci, 1, src, w, 0, dst)
                                       : vg_gemm(q->dtype, q->dtype, false, false, rows, s->ci, s->co, 1, dst, w, 0, src);
  vg_block_put(own);
  return status;
}

/* Against oneDNN, 32x32x32 pixels, one core of a Zen 5: 4 channels forward 0.010 against 0.041 ms in f32, 0.016 against 0.028 in bf16; 8 channels
 * 0.031 against 0.055 in f32, but 0.047 against 0.036 in bf16; 16 lose in both. */
static bool is_narrow(const problem *q, bool bias) {
  int64_t c = q->s->ci;
  return is_product(q->s) && c == q->s->co && !bias && (c == 1 || c == 2 || c == 4 || (c == 8 && q->dtype == VG_F32));
}

/* Few channels: our own kernels, with the weights as f32. */
static void run_narrow(const problem *q, void *src, void *dst, void *w) {
  int64_t channels = q->s->ci, rows = q->s->n * q->s->h * q->s->w, n = channels * channels;
  float wide[VG_NARROW_MOST * VG_NARROW_MOST];
  bool bf16 = q->dtype == VG_BF16;
  if (q->dir == BACKWARD_WEIGHTS) {
    VG_DISPATCH(narrow_weights)(wide, dst, src, rows, channels, bf16);
    vg_convert(q->w_type, w, VG_F32, wide, n);
    return;
  }
  vg_convert(VG_F32, wide, q->w_type, w, n);
  if (q->dir == FORWARD) VG_DISPATCH(narrow_product)(dst, src, wide, rows, channels, bf16, false);
  else VG_DISPATCH(narrow_product)(src, dst, wide, rows, channels, bf16, true);
}

static vg_status dispatch(const problem *q, void *src, void *dst, void *w, const float *bias) {
  if (vg_conv_is_depthwise(q->s)) return run_depthwise(q, src, dst, w, bias);
  if (is_narrow(q, bias != NULL)) {
    run_narrow(q, src, dst, w);
    return VG_OK;
  }
  if (product_is_faster(q, bias != NULL)) return run_product(q, src, dst, w);
  if (q->dtype == VG_BF16 && (!vg__dnnl_has_bf16() || bf16_weights_are_wrong(q))) return run_through_f32(q, src, dst, w, bias);
  if (q->dtype == VG_F32 && q->w_type == VG_BF16 && !vg__dnnl_has_bf16()) {
    return vg_fail(VG_EBACKEND, "conv2d: bf16 weights with f32 activations need a CPU with AVX512");
  }
  return run_native(q, src, dst, w, bias);
}

vg_status vg_conv_forward(const vg_conv_shape *s, vg_dtype dtype, void *dst, const void *src, vg_dtype w_type, const void *w,
                          const float *bias) {
  problem q = { s, FORWARD, dtype, w_type, bias != NULL, VG_ACT_NONE, false };
  return dispatch(&q, (void *)src, dst, (void *)w, bias);
}

vg_status vg_conv_backward_data(const vg_conv_shape *s, vg_dtype dtype, void *dsrc, const void *ddst, vg_dtype w_type, const void *w, bool add) {
  problem q = { s, BACKWARD_DATA, dtype, w_type, false, VG_ACT_NONE, add };
  return dispatch(&q, dsrc, (void *)ddst, (void *)w, NULL);
}

vg_status vg_conv_backward_weights(const vg_conv_shape *s, vg_dtype dtype, vg_dtype dw_type, void *dw, const void *src, const void *ddst) {
  problem q = { s, BACKWARD_WEIGHTS, dtype, dw_type, false, VG_ACT_NONE, false };
  return dispatch(&q, (void *)src, (void *)ddst, dw, NULL);
}

/* --- fixed weights ------------------------------------------------------------------------------------------------------------------- */

/* The primitive for one shape, and the weights as it wants them: `packed`, or those of the layer when it takes them as they are. */
typedef struct fixed_shape {
  vg_conv_shape s;
  int threads;
  vg__prim *prim;
  void *packed;
  struct fixed_shape *next;
} fixed_shape;

struct vg_conv_fixed {
  vg_tensor *w, *bias;        /* one reference each */
  size_t bytes;
  vg_act act;
  fixed_shape *shapes;
};

vg_status vg_conv_fixed_new(vg_conv_fixed **out, vg_tensor *w, vg_tensor *bias, vg_act act) {
  vg_conv_fixed *f;
  if (act > VG_ACT_RELU6) return vg_fail(VG_EARG, "convolution: only relu and relu6 can be part of it");
  VG_TRY(VG_NEW(&f));
  *f = (vg_conv_fixed){ .w = vg_tensor_retain(w), .bias = vg_tensor_retain(bias), .act = act };
  *out = f;
  return VG_OK;
}

void vg_conv_fixed_free(vg_conv_fixed *f) {
  if (!f) return;
  while (f->shapes) {
    fixed_shape *gone = f->shapes;
    f->shapes = gone->next;
    vg_block_put(gone->packed);
    vg__prim_release(gone->prim);
    vg_free(gone);
  }
  vg_tensor_release(f->w);
  vg_tensor_release(f->bias);
  vg_free(f);
}

size_t vg_conv_fixed_bytes(const vg_conv_fixed *f) { return f->bytes; }

static vg_status fill_fixed(fixed_shape *x, vg_conv_fixed *f, const problem *q) {
  VG_TRY(get_conv(&x->prim, q));
  if (!x->prim->side) return VG_OK;
  size_t bytes = dnnl_memory_desc_get_size(&x->prim->weights);
  VG_TRY(vg_block_get(&x->packed, bytes));
  f->bytes += bytes;
  return vg__prim_run_side(x->prim, x->packed, vg_f32(f->w));
}

static vg_status fixed_for(fixed_shape **out, vg_conv_fixed *f, const problem *q) {
  for (fixed_shape *x = f->shapes; x; x = x->next)
    if (x->threads == vg_threads() && memcmp(&x->s, q->s, sizeof x->s) == 0) {
      *out = x;
      return VG_OK;
    }
  fixed_shape *x;
  VG_TRY(VG_NEW(&x));
  memcpy(&x->s, q->s, sizeof x->s);
  x->threads = vg_threads();
  vg_status status = fill_fixed(x, f, q);
  if (status != VG_OK) {
    vg_block_put(x->packed);
    vg__prim_release(x->prim);
    vg_free(x);
    return status;
  }
  x->next = f->shapes;
  *out = f->shapes = x;
  return VG_OK;
}

vg_status vg_conv_fixed_run(vg_conv_fixed *f, const vg_conv_shape *s, float *dst, const float *src) {
  problem q = { s, FORWARD, VG_F32, VG_F32, true, f->act, false };
  fixed_shape *x;
  if (vg_conv_is_depthwise(s)) return run_depthwise(&q, (void *)src, dst, vg_f32(f->w), vg_f32(f->bias));
  VG_TRY(fixed_for(&x, f, &q));
  void *w = x->packed ? x->packed : vg_f32(f->w);
  const vg__prim_arg args[] = { { DNNL_ARG_SRC, &x->prim->src, (void *)src }, { DNNL_ARG_WEIGHTS, &x->prim->weights, w },
                                { DNNL_ARG_DST, &x->prim->dst, dst }, { DNNL_ARG_BIAS, &x->prim->bias, vg_f32(f->bias) } };
  return vg__prim_run(x->prim, 4, args);
}
