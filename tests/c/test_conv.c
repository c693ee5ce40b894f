/* Convolution against plain loops over many shapes, the same bits twice, gradients through the op, refusals with their messages. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "base/alloc.h"
#include "kernels/onednn.h"
#include "kernels/ref/conv_ref.h"
#include "kernels/simd.h"
#include "tape/tape.h"

/* n h w ci co kh kw stride pad dil groups */
static const int CASES[][11] = {
  { 1, 5, 5, 3, 4, 3, 3, 1, 1, 1, 1 },   { 2, 7, 9, 5, 7, 3, 3, 2, 1, 1, 1 },    { 3, 8, 8, 16, 16, 3, 3, 1, 1, 1, 1 },
  { 2, 8, 8, 16, 32, 3, 3, 2, 1, 1, 1 }, { 2, 9, 7, 8, 8, 3, 3, 1, 2, 2, 1 },    { 2, 9, 9, 8, 12, 5, 5, 2, 4, 2, 1 },
  { 1, 6, 6, 24, 40, 1, 1, 1, 0, 1, 1 }, { 2, 7, 7, 24, 17, 1, 1, 2, 0, 1, 1 },  { 2, 8, 8, 8, 16, 3, 3, 1, 1, 1, 4 },
  { 1, 5, 7, 6, 6, 3, 3, 1, 1, 1, 2 },   { 2, 8, 8, 16, 16, 3, 3, 1, 1, 1, 16 }, { 2, 9, 9, 10, 10, 5, 5, 2, 2, 1, 10 },
  { 2, 8, 8, 12, 12, 3, 3, 1, 2, 2, 12 }, { 1, 8, 8, 6, 12, 3, 3, 1, 1, 1, 6 },  { 2, 1, 1, 20, 30, 1, 1, 1, 0, 1, 1 },
  { 9, 24, 24, 20, 10, 1, 1, 1, 0, 1, 1 }, { 2, 6, 11, 4, 5, 1, 7, 1, 3, 1, 1 },  { 1, 4, 4, 2, 2, 4, 4, 4, 0, 1, 1 },    { 1, 3, 3, 1, 1, 3, 3, 1, 0, 1, 1 },
};
enum { N_CASES = sizeof CASES / sizeof *CASES };

static vg_conv_shape shape_of(const int *c) {
  vg_conv_shape s = { .n = c[0], .h = c[1], .w = c[2], .ci = c[3], .co = c[4], .kh = c[5], .kw = c[6], .stride_h = c[7], .stride_w = c[7],
                      .pad_h = c[5] == 1 ? 0 : c[8], .pad_w = c[8], .dil = c[9], .groups = c[10] };
  s.ho = (s.h + 2 * s.pad_h - s.dil * (s.kh - 1) - 1) / s.stride_h + 1;
  s.wo = (s.w + 2 * s.pad_w - s.dil * (s.kw - 1) - 1) / s.stride_w + 1;
  return s;
}

static vg_tensor *filled(vg_dtype dtype, int64_t n, unsigned seed) {
  vg_tensor *t;
  assert_int_equal(vg_tensor_new(&t, dtype, &VG_SHAPE(n)), VG_OK);
  for (int64_t i = 0; i < n; i++) {
    seed = seed * 1664525u + 1013904223u;
    vg_tensor_set(t, i, (double)(seed >> 8) / (1 << 23) - 1);
  }
  return t;
}

static vg_tensor *as_f32(const vg_tensor *t) {
  vg_tensor *f;
  assert_int_equal(vg_tensor_cast(&f, t, VG_F32), VG_OK);
  return f;
}

static void assert_close(const char *what, int which, const vg_tensor *got, const float *want, double tol) {
  for (int64_t i = 0; i < vg_tensor_count(got); i++) {
    double g = vg_tensor_get(got, i);
    if (!(fabs(g - want[i]) <= tol * (1 + fabs(want[i]))))
      fail_msg("case %d, %s, %s element %lld: got %g, want %g, tolerance %g", which, what, vg_dtype_name(got->dtype), (long long)i, g, want[i], tol);
  }
}

/* Products are at most 1 and sums run over K of them: the error of f32 grows like sqrt(K); a bf16 result is rounded to 8 bits at the end. */
static double tolerance(vg_dtype result, int64_t k) { return result == VG_BF16 ? 1.0 / 128 : 1e-5 * sqrt((double)k); }

static void compare(int which, vg_dtype t) {
  vg_conv_shape s = shape_of(CASES[which]);
  int64_t nx = s.n * s.h * s.w * s.ci, ny = s.n * s.ho * s.wo * s.co, kk = s.kh * s.kw * (s.ci / s.groups), nw = s.co * kk;
  vg_tensor *x = filled(t, nx, 1), *w = filled(t, nw, 2), *dy = filled(t, ny, 3), *b = filled(VG_F32, s.co, 4);
  vg_tensor *y = filled(t, ny, 5), *dx = filled(t, nx, 6), *dw = filled(VG_F32, nw, 7);
  vg_tensor *fx = as_f32(x), *fw = as_f32(w), *fdy = as_f32(dy), *want = filled(VG_F32, nx + ny + nw, 8);

  vg_ref_conv_forward(&s, vg_f32(want), vg_f32(fx), vg_f32(fw), vg_f32(b));
  assert_int_equal(vg_conv_forward(&s, t, vg_tensor_data(y), vg_tensor_data(x), t, vg_tensor_data(w), vg_f32(b)), VG_OK);
  assert_close("forward", which, y, vg_f32(want), tolerance(t, kk));
  vg_ref_conv_forward(&s, vg_f32(want), vg_f32(fx), vg_f32(fw), NULL);
  assert_int_equal(vg_conv_forward(&s, t, vg_tensor_data(y), vg_tensor_data(x), VG_F32, vg_tensor_data(fw), NULL), VG_OK);
  assert_close("forward without bias", which, y, vg_f32(want), tolerance(t, kk));
  vg_ref_conv_backward_data(&s, vg_f32(want), vg_f32(fdy), vg_f32(fw));
  assert_int_equal(vg_conv_backward_data(&s, t, vg_tensor_data(dx), vg_tensor_data(dy), t, vg_tensor_data(w), false), VG_OK);
  assert_close("backward data", which, dx, vg_f32(want), tolerance(t, s.kh * s.kw * (s.co / s.groups)));
  vg_ref_conv_backward_weights(&s, vg_f32(want), vg_f32(fx), vg_f32(fdy));
  if (t == VG_BF16) {      /* a weight that is no leaf has a bf16 gradient */
    assert_int_equal(vg_conv_backward_weights(&s, t, t, vg_tensor_data(w), vg_tensor_data(x), vg_tensor_data(dy)), VG_OK);
    assert_close("backward weights in bf16", which, w, vg_f32(want), tolerance(VG_BF16, 1));
  }
  assert_int_equal(vg_conv_backward_weights(&s, t, VG_F32, vg_tensor_data(dw), vg_tensor_data(x), vg_tensor_data(dy)), VG_OK);
  assert_close("backward weights", which, dw, vg_f32(want), tolerance(VG_F32, s.n * s.ho * s.wo));

  vg_tensor *const all[] = { x, w, dy, b, y, dx, dw, fx, fw, fdy, want };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) vg_tensor_release(all[i]);
}

static void test_f32(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) compare(i, VG_F32);
}

static void test_bf16(void **state) {
  (void)state;
  for (int i = 0; i < N_CASES; i++) compare(i, VG_BF16);
}

static void test_same_bits_twice(void **state) {
  (void)state;
  vg_conv_shape s = shape_of((const int[]){ 8, 16, 16, 16, 32, 3, 3, 1, 1, 1, 1 });
  int64_t nx = s.n * s.h * s.w * s.ci, ny = s.n * s.ho * s.wo * s.co, nw = s.co * 9 * s.ci;
  vg_tensor *x = filled(VG_F32, nx, 1), *w = filled(VG_F32, nw, 2), *dy = filled(VG_F32, ny, 3), *r[2][3];
  for (int k = 0; k < 2; k++) {
    r[k][0] = filled(VG_F32, ny, 4);
    r[k][1] = filled(VG_F32, nx, 5);
    r[k][2] = filled(VG_F32, nw, 6);
    assert_int_equal(vg_conv_forward(&s, VG_F32, vg_f32(r[k][0]), vg_f32(x), VG_F32, vg_f32(w), NULL), VG_OK);
    assert_int_equal(vg_conv_backward_data(&s, VG_F32, vg_f32(r[k][1]), vg_f32(dy), VG_F32, vg_f32(w), false), VG_OK);
    assert_int_equal(vg_conv_backward_weights(&s, VG_F32, VG_F32, vg_f32(r[k][2]), vg_f32(x), vg_f32(dy)), VG_OK);
  }
  for (int i = 0; i < 3; i++) {
    assert_memory_equal(vg_f32(r[0][i]), vg_f32(r[1][i]), vg_tensor_bytes(r[0][i]));
    vg_tensor_release(r[0][i]);
    vg_tensor_release(r[1][i]);
  }
  vg_tensor_release(x);
  vg_tensor_release(w);
  vg_tensor_release(dy);
}

static vg_tensor *shaped(vg_dtype t, vg_shape shape, unsigned seed) {
  vg_tensor *flat = filled(t, vg_shape_count(&shape), seed), *view;
  assert_int_equal(vg_tensor_view(&view, flat, 0, &shape), VG_OK);
  vg_tensor_release(flat);
  return view;
}

/* Arguments beyond the third keep their defaults. */
static vg_call call_of(vg_tensor *x, vg_tensor *w, vg_tensor *b, int stride, int pad, int dil, int groups) {
  vg_call c = { .n_in = b ? 3 : 2, .in = { x, w, b } };
  vg_op_defaults(&c, vg_op_find("conv2d"));
  c.arg[0] = stride;
  c.arg[1] = pad;
  c.arg[2] = dil;
  c.arg[3] = groups;
  return c;
}

static void check_gradient(vg_shape xs, vg_shape ws, int stride, int pad, int dil, int groups) {
  vg_tensor *x = shaped(VG_F32, xs, 1), *w = shaped(VG_F32, ws, 2), *b = shaped(VG_F32, VG_SHAPE(ws.dim[0]), 3);
  vg_call c = call_of(x, w, b, stride, pad, dil, groups);
  double worst;
  if (vg_gradcheck(&worst, &c, &(vg_gradcheck_opts){ 0 }) != VG_OK) fail_msg("%s", vg_message());
  vg_tensor_release(x);
  vg_tensor_release(w);
  vg_tensor_release(b);
}

static void test_gradients(void **state) {
  (void)state;
  check_gradient(VG_SHAPE(2, 5, 4, 3), VG_SHAPE(4, 3, 3, 3), 1, 1, 1, 1);
  check_gradient(VG_SHAPE(1, 6, 6, 4), VG_SHAPE(4, 3, 3, 2), 2, 2, 2, 2);
  check_gradient(VG_SHAPE(2, 5, 5, 4), VG_SHAPE(4, 3, 3, 1), 1, 1, 1, 4);
  check_gradient(VG_SHAPE(2, 3, 3, 4), VG_SHAPE(5, 1, 1, 4), 1, 0, 1, 1);
}

static void test_shape_and_macs(void **state) {
  (void)state;
  vg_tensor *x = shaped(VG_F32, VG_SHAPE(2, 9, 12, 8), 1), *w = shaped(VG_F32, VG_SHAPE(6, 1, 7, 4), 2), *y;
  vg_call c = call_of(x, w, NULL, 1, 0, 1, 2);
  c.arg[4] = 2;      /* stride_w */
  c.arg[5] = 3;      /* pad_w */
  assert_int_equal(vg_op_run(&y, &c), VG_OK);
  assert_true(vg_shape_is_equal(&y->shape, &VG_SHAPE(2, 9, 6, 6)));
  assert_int_equal(c.op->macs(&y->shape, &c), 2 * 9 * 6 * 6 * 7 * 4);
  vg_tensor_release(x);
  vg_tensor_release(w);
  vg_tensor_release(y);
}

static void refused(vg_tensor *x, vg_tensor *w, vg_tensor *b, int pad, int groups, vg_status code, const char *message) {
  vg_call c = call_of(x, w, b, 1, pad, 1, groups);
  vg_tensor *y;
  assert_int_equal(vg_op_run(&y, &c), code);
  assert_string_equal(vg_message(), message);
}

static void test_refusals(void **state) {
  (void)state;
  vg_tensor *x = shaped(VG_F32, VG_SHAPE(1, 4, 4, 6), 1), *flat = shaped(VG_F32, VG_SHAPE(4, 4), 1), *w = shaped(VG_F32, VG_SHAPE(4, 3, 3, 6), 1);
  vg_tensor *wide = shaped(VG_F32, VG_SHAPE(4, 5, 5, 6), 1), *half = shaped(VG_BF16, VG_SHAPE(4, 3, 3, 6), 1);
  vg_tensor *b = shaped(VG_F32, VG_SHAPE(3), 1), *bytes = shaped(VG_U8, VG_SHAPE(1, 4, 4, 6), 1);
  refused(flat, w, NULL, 0, 1, VG_ESHAPE, "conv2d: input must be [N, H, W, C], got [4, 4]");
  refused(x, flat, NULL, 0, 1, VG_ESHAPE, "conv2d: weight must be [Cout, Kh, Kw, Cin/groups], got [4, 4]");
  refused(x, w, NULL, 0, 4, VG_ESHAPE, "conv2d: groups = 4 must divide the channels of input (6) and output (4)");
  refused(x, w, NULL, 0, 2, VG_ESHAPE, "conv2d: input has 6 channels in 2 groups, weight wants 6 channels a group");
  refused(x, wide, NULL, 0, 1, VG_ESHAPE, "conv2d: kernel 5x5 with dil 1 does not fit in input [1, 4, 4, 6] with pad 0 and 0");
  refused(x, w, b, 0, 1, VG_ESHAPE, "conv2d: bias must be [4] for that weight, got [3]");
  refused(x, half, NULL, 0, 1, VG_EARG, "conv2d: the weight is bf16 but the input is f32");
  refused(bytes, w, NULL, 0, 1, VG_EARG, "conv2d: input and weight must be f32 or bf16, got u8");
  refused(x, w, NULL, -1, 1, VG_EARG, "conv2d: pad must be between 0 and 1024, got -1");
  vg_tensor *const all[] = { x, flat, w, wide, half, b, bytes };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) vg_tensor_release(all[i]);
}

/* A primitive of the cache's tests: it counts how often it is made. */
static vg_status make_counted(vg__prim *p, const void *spec) {
  (void)p;
  ++*(int *)(intptr_t)spec;
  return VG_OK;
}
static vg_status make_nothing(vg__prim *p, const void *spec) {
  (void)p;
  (void)spec;
  return vg_fail(VG_EBACKEND, "no such primitive");
}

static void touch(int64_t id, int *made) {
  vg__prim *p;
  assert_int_equal(vg__prim_get(&p, &(vg__prim_key){ { 't', id } }, make_counted, made), VG_OK);
  vg__prim_release(p);
}

static void test_cache_is_bounded(void **state) {
  (void)state;
  vg__prim *kept, *none = NULL;
  int made = 0;
  assert_int_equal(vg__prim_get(&kept, &(vg__prim_key){ { 't', -1 } }, make_counted, &made), VG_OK);
  for (int64_t i = 0; i < 3000; i++) {
    touch(0, &made);      /* used all the time: never evicted */
    touch(i, &made);
  }
  assert_int_equal(made, 3001);
  assert_true(vg__prim_cache_count() <= 1024);
  touch(2999, &made);
  assert_int_equal(made, 3001);
  touch(1, &made);
  touch(-1, &made);       /* both were evicted; `kept` is still ours */
  assert_int_equal(made, 3003);
  vg__prim_release(kept);
  assert_int_equal(vg__prim_get(&none, &(vg__prim_key){ { 'u' } }, make_nothing, NULL), VG_EBACKEND);
  assert_null(none);
}

typedef struct job { float *y; const float *x, *w; int failures; } job;

static void *convolve(void *arg) {
  job *j = arg;
  for (int k = 0; k < 6; k++) {
    vg_conv_shape s = shape_of((const int[]){ 2, 10 + k, 10, 8, 8, 3, 3, 1, 1, 1, 1 });
    if (vg_conv_forward(&s, VG_F32, j->y, j->x, VG_F32, j->w, NULL) != VG_OK) j->failures++;
  }
  return NULL;
}

/* Four threads that miss the cache at the same time get the same result. */
static void test_threads(void **state) {
  (void)state;
  enum { THREADS = 4, SIZE = 2 * 15 * 10 * 8 };
  vg_tensor *x = filled(VG_F32, SIZE, 1), *w = filled(VG_F32, 8 * 9 * 8, 2), *y[THREADS];
  job jobs[THREADS];
  pthread_t thread[THREADS];
  for (int i = 0; i < THREADS; i++) {
    y[i] = filled(VG_F32, SIZE, 3);
    jobs[i] = (job){ vg_f32(y[i]), vg_f32(x), vg_f32(w), 0 };
    assert_int_equal(pthread_create(&thread[i], NULL, convolve, &jobs[i]), 0);
  }
  for (int i = 0; i < THREADS; i++) pthread_join(thread[i], NULL);
  for (int i = 0; i < THREADS; i++) {
    assert_int_equal(jobs[i].failures, 0);
    assert_memory_equal(vg_f32(y[0]), vg_f32(y[i]), vg_tensor_bytes(y[0]));
  }
  for (int i = 0; i < THREADS; i++) vg_tensor_release(y[i]);
  vg_tensor_release(x);
  vg_tensor_release(w);
}

/* The n-th allocation fails, n = 1, 2, ... until none is left to fail: each time an error, never a crash, and the next call works. */
static void test_out_of_memory(void **state) {
  (void)state;
  vg_tensor *x = filled(VG_BF16, 6 * 7 * 11, 1), *w = filled(VG_F32, 5 * 9 * 11, 2), *y = filled(VG_BF16, 6 * 7 * 5, 3), *dw = filled(VG_F32, 5 * 9 * 11, 4);
  vg_conv_shape s = shape_of((const int[]){ 1, 6, 7, 11, 5, 3, 3, 1, 1, 1, 1 });
  vg_status done = VG_ENOMEM;
  for (int n = 1; n < 30 && done != VG_OK; n++) {
    vg_alloc_fail_at(n, 0);
    done = vg_conv_forward(&s, VG_BF16, vg_tensor_data(y), vg_tensor_data(x), VG_F32, vg_tensor_data(w), NULL);
    if (done == VG_OK) done = vg_conv_backward_weights(&s, VG_BF16, VG_F32, vg_tensor_data(dw), vg_tensor_data(x), vg_tensor_data(y));
    vg_alloc_fail_at(0, 0);
    assert_true(done == VG_OK || done == VG_ENOMEM);
  }
  assert_int_equal(done, VG_OK);
  vg_tensor *const all[] = { x, w, y, dw };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) vg_tensor_release(all[i]);
}

/* VEGA_ISA limits the library as well as our own kernels; CTest runs this with avx2, too. */
static void test_isa(void **state) {
  (void)state;
  const char *asked = getenv("VEGA_ISA");
  test_same_bits_twice(NULL);
  if (asked && strcmp(asked, "avx2") == 0) {
    assert_string_equal(vg_cpu_isa(), "avx2");
    assert_int_equal(dnnl_get_effective_cpu_isa(), dnnl_cpu_isa_avx2);
  }
  assert_int_equal(vg_cpu_check_isa(), VG_OK);
  assert_int_equal(setenv("VEGA_ISA", "avx9", 1), 0);
  assert_int_equal(vg_cpu_check_isa(), VG_EARG);
#ifndef VG_PORTABLE
  assert_string_equal(vg_message(), "VEGA_ISA must be avx2, avx512, avx512_bf16 or amx, got 'avx9'");
#endif
}

/* Fixed weights give the convolution with its activation, in any order of shapes, the same bits each time. */
static void test_fixed(void **unused) {
  (void)unused;
  for (int which = 0; which < N_CASES; which++)
    for (vg_act act = VG_ACT_NONE; act <= VG_ACT_RELU6; act++) {
      vg_conv_shape s = shape_of(CASES[which]), twice = s;
      twice.n = 2 * s.n;
      int64_t nx = s.n * s.h * s.w * s.ci, ny = s.n * s.ho * s.wo * s.co, kk = s.kh * s.kw * (s.ci / s.groups), nw = s.co * kk;
      vg_tensor *x = filled(VG_F32, 2 * nx, 1), *w = filled(VG_F32, nw, 2), *b = filled(VG_F32, s.co, 4);
      vg_tensor *y = filled(VG_F32, ny, 5), *large = filled(VG_F32, 2 * ny, 6), *again = filled(VG_F32, ny, 7), *want = filled(VG_F32, ny, 8);
      vg_conv_fixed *f;
      vg_f32(b)[0] = 6;                                 /* so that the upper bound is met */
      vg_ref_conv_forward(&s, vg_f32(want), vg_f32(x), vg_f32(w), vg_f32(b));
      for (int64_t i = 0; act != VG_ACT_NONE && i < ny; i++) {
        float v = vg_f32(want)[i] < 0 ? 0 : vg_f32(want)[i];
        vg_f32(want)[i] = act == VG_ACT_RELU6 && v > 6 ? 6 : v;
      }
      assert_int_equal(vg_conv_fixed_new(&f, w, b, act), VG_OK);
      assert_int_equal(vg_conv_fixed_run(f, &s, vg_f32(y), vg_f32(x)), VG_OK);
      assert_close("fixed", which, y, vg_f32(want), tolerance(VG_F32, kk));
      assert_int_equal(vg_conv_fixed_run(f, &twice, vg_f32(large), vg_f32(x)), VG_OK);
      assert_int_equal(vg_conv_fixed_run(f, &s, vg_f32(again), vg_f32(x)), VG_OK);
      assert_memory_equal(vg_f32(y), vg_f32(again), (size_t)ny * sizeof(float));
      vg_conv_fixed_free(f);
      vg_tensor *all[] = { x, w, b, y, large, again, want };
      for (int i = 0; i < 7; i++) vg_tensor_release(all[i]);
    }
  vg_tensor *w = filled(VG_F32, 1, 1);
  vg_conv_fixed *none;
  assert_int_equal(vg_conv_fixed_new(&none, w, w, VG_ACT_SWISH), VG_EARG);
  vg_tensor_release(w);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_f32),       cmocka_unit_test(test_bf16),           cmocka_unit_test(test_same_bits_twice),
    cmocka_unit_test(test_gradients), cmocka_unit_test(test_shape_and_macs), cmocka_unit_test(test_refusals),
    cmocka_unit_test(test_cache_is_bounded), cmocka_unit_test(test_threads), cmocka_unit_test(test_out_of_memory),
    cmocka_unit_test(test_isa), cmocka_unit_test(test_fixed),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
