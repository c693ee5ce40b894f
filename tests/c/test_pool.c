/* Pools against plain loops, f32 and bf16, both instruction sets; the operators through their table entry. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/ref/pool_ref.h"
#include "ops/op.h"

static uint32_t state = 99;
/* Eighths in [-4, 4): exact in bf16, with many ties. */
static float draw(void) {
  state = state * 1664525u + 1013904223u;
  return (float)(state >> 26) / 8.0f - 4.0f;
}

static float *values(int64_t n) {
  float *p = malloc((size_t)n * sizeof *p + 1);
  assert_non_null(p);
  for (int64_t i = 0; i < n; i++) p[i] = draw();
  return p;
}

static void *as(vg_dtype dtype, const float *x, int64_t n) {
  void *p = malloc((size_t)n * 4 + 1);
  assert_non_null(p);
  if (dtype == VG_F32) memcpy(p, x, (size_t)n * 4);
  else for (int64_t i = 0; i < n; i++) ((uint16_t *)p)[i] = vg_f32_to_bf16(x[i]);
  return p;
}

static void compare(const char *what, const vg_pool_shape *s, vg_dtype dtype, const void *got, const float *want, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    float a = dtype == VG_F32 ? ((const float *)got)[i] : vg_bf16_to_f32(((const uint16_t *)got)[i]);
    if (!(fabsf(a - want[i]) <= 1e-5f * (1 + fabsf(want[i])) + (dtype == VG_BF16 ? fabsf(want[i]) / 128 : 0)))
      fail_msg("%s %s %dx%dx%dx%d kernel=%d stride=%d pad=%d count_pad=%d: element %d is %g, expected %g", what, vg_dtype_name(dtype), (int)s->n,
               (int)s->h, (int)s->w, (int)s->c, s->kernel, s->stride, s->pad, s->count_pad, (int)i, a, want[i]);
  }
}

#define CALL(wide, name) VG_SIMD_OF(wide, name)

static void check(const vg_pool_shape *s, bool max, vg_dtype dtype, bool wide) {
  int64_t in = s->n * s->h * s->w * s->c, out = s->n * s->ho * s->wo * s->c;
  float *x = values(in), *g = values(out), *want = values(out), *dwant = values(in);
  void *src = as(dtype, x, in), *grad = as(dtype, g, out), *got = malloc((size_t)out * 4), *dgot = malloc((size_t)in * 4);
  void *arg = malloc((size_t)out * 4);
  vg_ref_pool(s, max, want, x);
  vg_ref_pool_backward(s, max, dwant, x, g);
  if (max) CALL(wide, max_pool)(s, dtype, got, arg, src);
  else CALL(wide, avg_pool)(s, dtype, got, src);
  compare(max ? "max" : "avg", s, dtype, got, want, out);
  for (int other = 0; other < 2; other++) {          /* the gradient of a leaf is f32 whatever the rest is */
    vg_dtype to = other ? VG_F32 : dtype;
    if (max) CALL(wide, max_pool_backward)(s, to, dgot, dtype, grad, arg);
    else CALL(wide, avg_pool_backward)(s, to, dgot, dtype, grad);
    compare(max ? "max backward" : "avg backward", s, to, dgot, dwant, in);
  }
  void *all[] = { x, g, want, dwant, src, grad, got, dgot, arg };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void check_all(vg_pool_shape s) {
  for (int i = 0; i < 12; i++) {
    s.count_pad = i % 3 == 2;
    bool wide = i >= 6;
    if (!wide || vg_cpu_has_avx512()) check(&s, i % 3 == 0, i / 3 % 2 ? VG_BF16 : VG_F32, wide);
  }
}

static void test_windows(void **unused) {
  (void)unused;
  static const int64_t channels[] = { 1, 3, 16, 17, 24, 40, 70, 128 };
  for (int kernel = 1; kernel <= 7; kernel++)
    for (int stride = 1; stride <= 3; stride++)
      for (int pad = 0; pad <= kernel / 2; pad += kernel > 3 ? kernel / 2 : 1)
        for (int ceil = 0; ceil < 2; ceil++) {
          int64_t h = 6 + stride, w = 11, c = channels[(kernel * 3 + stride + ceil) % 8];
          int64_t ho = vg_pool_out(h, kernel, stride, pad, ceil), wo = vg_pool_out(w, kernel, stride, pad, ceil);
          assert_true(ho > 0 && wo > 0);
          check_all((vg_pool_shape){ 1 + kernel % 2, h, w, c, ho, wo, kernel, stride, pad, false });
        }
  check_all((vg_pool_shape){ 1, 20, 18, 5, 2, 2, 17, 3, 0, false });     /* positions beyond a byte */
}

/* The last window of ceil mode starts inside the image or the left padding. */
static void test_sizes(void **unused) {
  (void)unused;
  assert_int_equal(vg_pool_out(111, 3, 2, 0, true), 55);     /* SqueezeNet 1.1 at 224: 111, 55, 27, 13 */
  assert_int_equal(vg_pool_out(109, 3, 2, 0, true), 54);     /* SqueezeNet 1.0: 109, 54, 27, 13 */
  assert_int_equal(vg_pool_out(54, 3, 2, 0, true), 27);
  assert_int_equal(vg_pool_out(54, 3, 2, 0, false), 26);
  assert_int_equal(vg_pool_out(112, 3, 2, 1, false), 56);
  assert_int_equal(vg_pool_out(4, 2, 3, 1, true), 2);
  assert_int_equal(vg_pool_out(3, 1, 3, 0, true), 1);        /* a second window would start at 3 */
  assert_int_equal(vg_pool_out(2, 3, 1, 0, true), 0);
}

static vg_tensor *tensor(vg_dtype dtype, const vg_shape *shape) {
  vg_tensor *t;
  assert_int_equal(vg_tensor_new(&t, dtype, shape), VG_OK);
  for (int64_t i = 0; i < vg_tensor_count(t); i++) vg_tensor_set(t, i, draw());
  return t;
}

/* Global pools equal a window over the whole image. */
static void test_global(void **unused) {
  (void)unused;
  vg_shape shape = VG_SHAPE(3, 5, 5, 70);
  vg_pool_shape whole = { 3, 5, 5, 70, 1, 1, 5, 1, 0, false };
  for (int i = 0; i < 4; i++) {
    bool max = i & 1;
    vg_dtype dtype = i & 2 ? VG_BF16 : VG_F32;
    vg_tensor *x = tensor(dtype, &shape), *y, *dx, *x32;
    vg_call c = { .n_in = 1, .in = { x }, .wants_backward = true };
    vg_op_defaults(&c, vg_op_find(max ? "global_max_pool" : "global_avg_pool"));
    assert_int_equal(vg_op_run(&y, &c), VG_OK);
    assert_true(vg_shape_is_equal(&y->shape, &VG_SHAPE(3, 70)));
    assert_int_equal(vg_tensor_cast(&x32, x, VG_F32), VG_OK);
    float want[3 * 70], g[3 * 70], dwant[3 * 25 * 70];
    vg_ref_pool(&whole, max, want, vg_f32(x32));
    compare("global", &whole, dtype, vg_tensor_data(y), want, 3 * 70);
    vg_tensor *dy = tensor(dtype, &y->shape);
    for (int k = 0; k < 3 * 70; k++) g[k] = (float)vg_tensor_get(dy, k);
    vg_ref_pool_backward(&whole, max, dwant, vg_f32(x32), g);
    assert_int_equal(vg_tensor_like(&dx, x), VG_OK);
    assert_int_equal(c.op->backward(&dx, 0, dy, &c), VG_OK);
    compare("global backward", &whole, dtype, vg_tensor_data(dx), dwant, 3 * 25 * 70);
    vg_call_clear(&c);
    vg_tensor *all[] = { x, y, dx, dy, x32 };
    for (int k = 0; k < 5; k++) vg_tensor_release(all[k]);
  }
}

/* The mean over window (y, x) of size x size, by the definition. */
static float adaptive_mean(const vg_tensor *t, int64_t n, int64_t y, int64_t x, int64_t channel, int64_t size) {
  const int64_t *d = t->shape.dim;
  double sum = 0;
  int count = 0;
  for (int64_t h = 0; h < d[1]; h++)
    for (int64_t w = 0; w < d[2]; w++) {
      bool inside = (h + 1) * size > y * d[1] && h * size < (y + 1) * d[1] && (w + 1) * size > x * d[2] && w * size < (x + 1) * d[2];
      sum += inside ? vg_tensor_get(t, ((n * d[1] + h) * d[2] + w) * d[3] + channel) : 0;
      count += inside;
    }
  return (float)(sum / count);
}

static double inner(const vg_tensor *a, const vg_tensor *b) {
  double sum = 0;
  for (int64_t i = 0; i < vg_tensor_count(a); i++) sum += vg_tensor_get(a, i) * vg_tensor_get(b, i);
  return sum;
}

/* Windows that divide the image and that do not; the gradient is the transpose: <dy, A x> = <dx, x>. */
static void test_adaptive(void **unused) {
  (void)unused;
  static const int64_t sizes[] = { 1, 2, 3, 6, 7 };
  for (int i = 0; i < 10; i++) {
    vg_dtype dtype = i % 2 ? VG_BF16 : VG_F32;
    int64_t size = sizes[i / 2];
    vg_tensor *x = tensor(dtype, &VG_SHAPE(2, 6, 5, 9)), *y, *dx;
    vg_call c = { .n_in = 1, .in = { x }, .wants_backward = true };
    vg_op_defaults(&c, vg_op_find("adaptive_avg_pool"));
    c.arg[0] = (double)size;
    assert_int_equal(vg_op_run(&y, &c), VG_OK);
    assert_true(vg_shape_is_equal(&y->shape, &VG_SHAPE(2, size, size, 9)));
    for (int64_t k = 0; k < vg_tensor_count(y); k++) {
      float want = adaptive_mean(x, k / (size * size * 9), k / (size * 9) % size, k / 9 % size, k % 9, size), got = (float)vg_tensor_get(y, k);
      if (fabsf(got - want) > (dtype == VG_BF16 ? 0.02f : 1e-5f)) fail_msg("size %d, element %d: %g, expected %g", (int)size, (int)k, got, want);
    }
    vg_tensor *dy = tensor(dtype, &y->shape);
    assert_int_equal(vg_tensor_like(&dx, x), VG_OK);
    assert_int_equal(c.op->backward(&dx, 0, dy, &c), VG_OK);
    double forth = inner(dy, y), back = inner(dx, x);
    if (fabs(forth - back) > (dtype == VG_BF16 ? 1 : 1e-3)) fail_msg("size %d: <dy, Ax> = %g, <dx, x> = %g", (int)size, forth, back);
    vg_tensor *all[] = { x, y, dx, dy };
    for (int k = 0; k < 4; k++) vg_tensor_release(all[k]);
  }
}

static void test_operators(void **unused) {
  (void)unused;
  vg_tensor *x, *y, *dy, *dx;
  assert_int_equal(vg_tensor_new(&x, VG_F32, &VG_SHAPE(1, 2, 4, 1)), VG_OK);
  for (int i = 0; i < 8; i++) vg_tensor_set(x, i, i % 3);             /* 0 1 2 0 / 1 2 0 1 */
  vg_call c = { .n_in = 1, .in = { x }, .wants_backward = true };
  vg_op_defaults(&c, vg_op_find("max_pool"));
  c.arg[0] = 2;
  assert_int_equal(vg_op_run(&y, &c), VG_OK);
  assert_true(vg_shape_is_equal(&y->shape, &VG_SHAPE(1, 1, 2, 1)));
  assert_int_equal(c.saved[0]->dtype, VG_U8);
  assert_float_equal(vg_tensor_get(y, 0), 2, 0);
  assert_float_equal(vg_tensor_get(y, 1), 2, 0);
  dy = tensor(VG_F32, &y->shape);
  assert_int_equal(vg_tensor_like(&dx, x), VG_OK);
  assert_int_equal(c.op->backward(&dx, 0, dy, &c), VG_OK);
  assert_float_equal(vg_tensor_get(dx, 5), vg_tensor_get(dy, 0), 0);
  assert_float_equal(vg_tensor_get(dx, 2), vg_tensor_get(dy, 1), 0);
  assert_float_equal(vg_tensor_get(dx, 0), 0, 0);
  vg_call_clear(&c);
  c.wants_backward = false;
  vg_tensor_release(y);
  vg_tensor_set(x, 1, NAN);
  assert_int_equal(vg_op_run(&y, &c), VG_OK);
  assert_null(c.saved[0]);
  assert_true(isnan(vg_tensor_get(y, 0)));
  vg_tensor_release(y);
  c.arg[2] = 2;
  assert_int_equal(vg_op_run(&y, &c), VG_EARG);
  assert_string_equal(vg_message(), "max_pool: pad must be at most half of kernel 2, got 2");
  c.arg[0] = 5;
  c.arg[2] = 0;
  assert_int_equal(vg_op_run(&y, &c), VG_ESHAPE);
  assert_string_equal(vg_message(), "max_pool: kernel 5 with pad 0 does not fit into [1, 2, 4, 1]");
  vg_tensor *all[] = { x, dy, dx };
  for (int k = 0; k < 3; k++) vg_tensor_release(all[k]);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_windows), cmocka_unit_test(test_sizes), cmocka_unit_test(test_global),
                                      cmocka_unit_test(test_adaptive), cmocka_unit_test(test_operators) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
