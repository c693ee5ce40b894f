/* Depthwise convolution, both instruction sets against plain loops, over kernels, strides, dilations, channel tails and small images. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kernels/depthwise.h"
#include "kernels/ref/depthwise_ref.h"

static uint32_t state = 12345;
static float draw(void) {
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 8) / (float)(1 << 23) - 1.0f;
}

static void *random_values(vg_dtype dtype, int64_t n) {
  void *p = malloc((size_t)n * 4 + 4);
  assert_non_null(p);
  for (int64_t i = 0; i < n; i++) {
    if (dtype == VG_BF16) ((uint16_t *)p)[i] = vg_f32_to_bf16(draw());
    else ((float *)p)[i] = draw();
  }
  return p;
}

static double value(vg_dtype dtype, const void *p, int64_t i) {
  return dtype == VG_BF16 ? vg_bf16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

/* `terms`: products in one sum, each at most 1 in size. bf16 results are rounded once: half a unit of 2^-8, doubled for double rounding. */
static void compare(const char *what, const vg_dw_shape *s, vg_dtype dtype, const void *got, const void *want, int64_t n, double terms) {
  for (int64_t i = 0; i < n; i++) {
    double a = value(dtype, got, i), b = value(dtype, want, i);
    double tolerance = 3e-7 * (terms + 8) + (dtype == VG_BF16 ? fabs(b) / 128 : 0);
    if (!(fabs(a - b) <= tolerance))
      fail_msg("%s %s n=%d h=%d w=%d c=%d k=%dx%d stride=%d pad=%d dil=%d: element %d is %g, expected %g", what, vg_dtype_name(dtype), (int)s->n,
               (int)s->h, (int)s->w, (int)s->c, s->kh, s->kw, s->stride, s->pad, s->dil, (int)i, a, b);
  }
}

static void check(const vg_dw_shape *s, vg_dtype dtype, bool avx512) {
  int64_t in = s->n * s->h * s->w * s->c, out = s->n * s->ho * s->wo * s->c, nw = s->c * s->kh * s->kw;
  double taps = s->kh * s->kw;
  void *src = random_values(dtype, in), *grad = random_values(dtype, out), *weight = random_values(dtype, nw);
  void *got = random_values(dtype, out), *want = random_values(dtype, out);
  float *bias = random_values(VG_F32, s->c);
  for (vg_act act = VG_ACT_NONE; act <= VG_ACT_RELU6; act++) {
    static const char *const NAMES[] = { "forward", "forward with relu", "forward with relu6" };
    bias[0] = act == VG_ACT_RELU6 ? 6 : bias[0];
    vg_ref_depthwise_forward(s, dtype, want, src, weight, bias, act);
    assert_int_equal(VG_SIMD_OF(avx512, depthwise_forward)(s, dtype, got, src, weight, bias, act), VG_OK);
    compare(NAMES[act], s, dtype, got, want, out, taps + (act == VG_ACT_RELU6 ? 6 : 0));
  }

  void *dgot = random_values(dtype, in), *dwant = random_values(dtype, in);
  for (int add = 0; add < 2; add++) {
    if (add) memcpy(dgot, dwant, (size_t)in * (dtype == VG_BF16 ? 2 : 4));
    vg_ref_depthwise_backward_data(s, dtype, dwant, grad, weight, add);
    assert_int_equal(VG_SIMD_OF(avx512, depthwise_backward_data)(s, dtype, dgot, grad, weight, add), VG_OK);
    compare(add ? "backward data, added" : "backward data", s, dtype, dgot, dwant, in, (1 + add) * taps);
  }

  float *wgot = random_values(VG_F32, nw), *wwant = random_values(VG_F32, nw), *again = random_values(VG_F32, nw);
  vg_ref_depthwise_backward_weight(s, dtype, wwant, src, grad);
  for (int i = 0; i < 2; i++)
    assert_int_equal(VG_SIMD_OF(avx512, depthwise_backward_weight)(s, dtype, i ? again : wgot, src, grad),
                     VG_OK);
  compare("backward weight", s, VG_F32, wgot, wwant, nw, (double)(s->n * s->ho * s->wo));
  assert_memory_equal(wgot, again, (size_t)nw * 4);
  void *all[] = { src, grad, weight, got, want, dgot, dwant, wgot, wwant, again, bias };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

/* False when the window does not fit. */
static bool make(vg_dw_shape *s, int64_t n, int64_t h, int64_t w, int64_t c, int kh, int kw, int stride, int pad, int dil) {
  *s = (vg_dw_shape){ n, h, w, c, 0, 0, kh, kw, stride, pad, dil };
  int64_t y = h + 2 * pad - dil * (kh - 1) - 1, x = w + 2 * pad - dil * (kw - 1) - 1;
  if (y < 0 || x < 0) return false;
  s->ho = y / stride + 1;
  s->wo = x / stride + 1;
  return true;
}

static void check_all(const vg_dw_shape *s) {
  for (int d = 0; d < 2; d++) {
    check(s, d ? VG_BF16 : VG_F32, false);
    if (vg_cpu_has_avx512()) check(s, d ? VG_BF16 : VG_F32, true);
  }
}

static void test_kernels(void **unused) {
  (void)unused;
  static const int64_t channels[] = { 1, 3, 4, 8, 16, 17, 24, 40 };
  vg_dw_shape s;
  for (int k = 1; k <= 7; k++)
    for (int stride = 1; stride <= 3; stride++)
      for (int dil = 1; dil <= 3; dil++)
        for (int same = 0; same < 2; same++)
          for (int i = 0; i < 8; i++) {
            int pad = same ? dil * (k - 1) / 2 : k % 3;
            if (make(&s, 1 + k % 2, 7 + stride, 9, channels[i], k, k, stride, pad, dil)) check_all(&s);
          }
}

static void test_shapes(void **unused) {
  (void)unused;
  static const struct { int n, h, w, c, kh, kw, stride, pad, dil; } cases[] = {
    { 1, 2, 2, 5, 5, 5, 1, 2, 1 },    /* image smaller than the kernel */
    { 1, 1, 1, 16, 3, 3, 2, 1, 1 },   { 2, 3, 1, 17, 3, 3, 1, 2, 2 },  { 1, 5, 5, 8, 1, 1, 1, 2, 1 },   /* pad beyond the kernel */
    { 3, 6, 33, 20, 3, 5, 1, 2, 1 },  { 1, 33, 6, 20, 5, 2, 2, 2, 2 }, { 2, 17, 31, 33, 3, 3, 2, 1, 1 }, { 5, 4, 4, 130, 3, 3, 1, 1, 1 },
    { 1, 12, 40, 200, 7, 7, 1, 3, 1 }, { 1, 9, 9, 4, 2, 2, 4, 0, 1 },  { 2, 16, 16, 16, 5, 5, 1, 4, 2 }, { 1, 20, 20, 18, 3, 3, 5, 7, 3 },
    { 1, 40, 40, 3, 31, 31, 1, 15, 1 }, { 1, 24, 24, 3, 3, 3, 16, 1, 1 }, { 1, 3, 100, 16, 3, 3, 1, 1, 1 }, { 2, 8, 8, 16, 3, 3, 2, 0, 2 },
  };
  vg_dw_shape s;
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
    assert_true(make(&s, cases[i].n, cases[i].h, cases[i].w, cases[i].c, cases[i].kh, cases[i].kw, cases[i].stride, cases[i].pad, cases[i].dil));
    check_all(&s);
  }
}

/* Too large for the vector kernels, or no memory for their scratch: the plain kernels answer. */
static void test_fallback(void **unused) {
  (void)unused;
  vg_dw_shape s;
  float src[36 * 36] = { 0 }, grad[36 * 36] = { 0 }, weight[33 * 33], dw[33 * 33], dsrc[36 * 36];
  assert_true(make(&s, 1, 36, 36, 1, 33, 33, 1, 0, 1));
  for (int i = 0; i < 33 * 33; i++) weight[i] = (float)i;
  src[0] = grad[0] = 1;
  float out[16];
  vg_depthwise_forward(&s, VG_F32, out, src, weight, NULL, VG_ACT_NONE);
  assert_float_equal(out[0], 0, 0);
  vg_depthwise_backward_data(&s, VG_F32, dsrc, grad, weight, false);
  assert_float_equal(dsrc[1], 1, 0);
  assert_int_equal(vg_depthwise_backward_weight(&s, VG_F32, dw, src, grad), VG_OK);
  assert_float_equal(dw[0], 1, 0);
  assert_true(make(&s, 1, 4, 4, 1, 3, 3, 1, 1, 1));
  vg_alloc_fail_at(1, 1);
  vg_depthwise_forward(&s, VG_F32, out, src, weight, NULL, VG_ACT_NONE);
  assert_int_equal(vg_depthwise_backward_weight(&s, VG_F32, dw, src, grad), VG_ENOMEM);
  vg_alloc_fail_at(0, 0);
  assert_float_equal(out[0], 4, 0);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_kernels), cmocka_unit_test(test_shapes), cmocka_unit_test(test_fallback) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
