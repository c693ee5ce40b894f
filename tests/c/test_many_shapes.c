/* Many shapes, made by rule and taken from real networks, against plain loops: convolutions, products, pools and norms, f32 and bf16 in turn, all
 * directions, every run twice with equal bits. The relative error of f32 is at most 1e-5 * sqrt(K), K products in a sum (benchdnn's measure:
 * of the value, or of the size of all values where a sum cancels). The number of cases is checked at the end of each test. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "kernels/conv.h"
#include "kernels/gemm.h"
#include "kernels/pool.h"
#include "kernels/ref/conv_ref.h"
#include "kernels/ref/norm_ref.h"
#include "kernels/ref/pool_ref.h"
#include "kernels/simd.h"
#include "ops/op.h"

static void ok(vg_status s) {
  if (s != VG_OK) fail_msg("%s", vg_message());
}

/* --- numbers ---------------------------------------------------------------------------------------------------------------------------- */

static uint64_t seed;
static uint64_t draw(void) {
  seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
  return seed >> 33;
}
static int64_t pick(const int *list, int n) { return list[draw() % (uint64_t)n]; }
#define PICK(...) pick((const int[]){ __VA_ARGS__ }, (int)(sizeof((const int[]){ __VA_ARGS__ }) / sizeof(int)))

/* Between -2 and 2; rounded to bf16 where that is the type, so that both sides compute with the same numbers. */
static void *values(vg_dtype dtype, int64_t n) {
  void *p = malloc((size_t)(n + 1) * sizeof(float));
  assert_non_null(p);
  for (int64_t i = 0; i < n; i++) {
    float v = (float)(draw() % (1 << 24)) / (1 << 22) - 2;
    if (dtype == VG_BF16) ((uint16_t *)p)[i] = vg_f32_to_bf16(v);
    else ((float *)p)[i] = v;
  }
  return p;
}
static float value(vg_dtype dtype, const void *p, int64_t i) {
  return dtype == VG_BF16 ? vg_bf16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}
static float *widened(vg_dtype dtype, const void *p, int64_t n) {
  float *f = malloc((size_t)(n + 1) * sizeof *f);
  for (int64_t i = 0; i < n; i++) f[i] = value(dtype, p, i);
  return f;
}

static double worst;      /* of a test: error over what is allowed */
static double least;      /* the size below which errors are absolute: where terms of size 1 cancel (norms of two elements) */
static void compare(const char *what, const char *text, vg_dtype dtype, const void *got, const float *want, int64_t n, double K) {
  double size = 0, allowed = 1e-5 * sqrt(K), half = dtype == VG_BF16 ? 1 / 256.0 : 0;
  for (int64_t i = 0; i < n; i++) size += (double)want[i] * want[i] / (double)n;
  size = fmax(sqrt(size), least);
  for (int64_t i = 0; i < n; i++) {
    double w = want[i], error = fabs(value(dtype, got, i) - w), most = (allowed + half) * fmax(fabs(w), size) + 1e-30;
    if (!(error <= most)) fail_msg("%s %s %s: element %lld is %.8g, plain loops say %.8g", text, what, vg_dtype_name(dtype), (long long)i,
        (double)value(dtype, got, i), w);
    if (dtype == VG_F32 && error > worst * most) worst = error / most;
  }
}
static void same(const char *what, const char *text, const void *a, const void *b, size_t bytes) {
  if (memcmp(a, b, bytes) != 0) fail_msg("%s %s: a second run gives other bits", text, what);
}

/* --- convolution ---------------------------------------------------------------------------------------------------------------------------- */

static void conv_case(const vg_conv_shape *s, vg_dtype t, bool biased) {
  int64_t deep = s->ci / s->groups, nx = s->n * s->h * s->w * s->ci, ny = s->n * s->ho * s->wo * s->co, nw = s->co * s->kh * s->kw * deep;
  size_t size = vg_dtype_size(t);
  char text[160];
  snprintf(text, sizeof text, "conv %lldx%lldx%lldx%lld -> %lld, kernel %dx%d stride %d,%d pad %d,%d dil %d groups %d",
           (long long)s->n, (long long)s->h, (long long)s->w,
           (long long)s->ci, (long long)s->co, s->kh, s->kw, s->stride_h, s->stride_w, s->pad_h, s->pad_w, s->dil, s->groups);
  void *x = values(t, nx), *w = values(t, nw), *dy = values(t, ny), *y = values(t, ny), *dx = values(t, nx), *again = values(VG_F32, nx + ny + nw);
  float *b = values(VG_F32, s->co), *dw = values(VG_F32, nw), *fx = widened(t, x, nx), *fw = widened(t, w, nw), *fdy = widened(t, dy, ny),
      *want = malloc((size_t)(nx + ny + nw) * 4);
  const float *bias = biased ? b : NULL;

  vg_ref_conv_forward(s, want, fx, fw, bias);
  ok(vg_conv_forward(s, t, y, x, t, w, bias));
  compare("forward", text, t, y, want, ny, (double)(s->kh * s->kw * deep + 1));
  ok(vg_conv_forward(s, t, again, x, t, w, bias));
  same("forward", text, y, again, (size_t)ny * size);

  vg_ref_conv_backward_data(s, want, fdy, fw);
  ok(vg_conv_backward_data(s, t, dx, dy, t, w, false));
  compare("backward data", text, t, dx, want, nx, (double)(s->kh * s->kw * (s->co / s->groups)));
  ok(vg_conv_backward_data(s, t, again, dy, t, w, false));
  same("backward data", text, dx, again, (size_t)nx * size);

  vg_ref_conv_backward_weights(s, want, fx, fdy);
  ok(vg_conv_backward_weights(s, t, VG_F32, dw, x, dy));
  compare("backward weights", text, VG_F32, dw, want, nw, (double)(s->n * s->ho * s->wo));
  ok(vg_conv_backward_weights(s, t, VG_F32, again, x, dy));
  same("backward weights", text, dw, again, (size_t)nw * 4);
  void *all[] = { x, w, dy, y, dx, again, b, dw, fx, fw, fdy, want };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static bool fits(vg_conv_shape *s) {
  int64_t h = s->h + 2 * s->pad_h - s->dil * (s->kh - 1) - 1, w = s->w + 2 * s->pad_w - s->dil * (s->kw - 1) - 1;
  if (h < 0 || w < 0) return false;
  s->ho = h / s->stride_h + 1;
  s->wo = w / s->stride_w + 1;
  return true;
}

static vg_conv_shape random_conv(void) {
  int64_t kind = PICK(0, 0, 1, 2, 3);                       /* dense, 1x1, depthwise, grouped */
  vg_conv_shape s = { .n = PICK(1, 1, 2, 3), .h = PICK(1, 3, 5, 6, 7, 8), .w = PICK(1, 4, 5, 7, 8, 9), .groups = 1 };
  s.kh = (int)(kind == 1 ? 1 : PICK(1, 2, 3, 3, 3, 5, 7));
  s.kw = kind == 1 ? 1 : draw() % 8 ? s.kh : (int)PICK(1, 3, 5);
  s.stride_h = (int)PICK(1, 1, 2, 3);
  s.stride_w = draw() % 8 ? s.stride_h : (int)PICK(1, 2);
  s.dil = (int)PICK(1, 1, 1, 2, 3);
  s.pad_h = draw() % 4 ? s.dil * (s.kh - 1) / 2 : (int)PICK(0, 1, 2);
  s.pad_w = draw() % 4 ? s.dil * (s.kw - 1) / 2 : s.pad_h;
  s.ci = PICK(1, 2, 3, 4, 7, 8, 15, 16, 17, 24, 32);
  s.co = PICK(1, 2, 3, 5, 8, 12, 16, 17, 31, 32);
  if (kind == 2) s.groups = (int)s.ci, s.co = s.ci * (draw() % 8 ? 1 : 2);
  if (kind == 3) {
    s.groups = (int)PICK(2, 3, 4);
    s.ci = s.groups * PICK(1, 2, 5, 8);
    s.co = s.groups * PICK(1, 3, 4, 8);
  }
  return s;
}

/* Channels, kernels, strides of ResNet, MobileNet, ShuffleNet, DARTS and Inception layers, on small images: ci co kh kw stride dil groups. */
static const int LAYERS[][7] = {
  { 3, 64, 7, 7, 2, 1, 1 }, { 64, 64, 3, 3, 1, 1, 1 }, { 64, 128, 3, 3, 2, 1, 1 }, { 64, 128, 1, 1, 2, 1, 1 }, { 128, 128, 3, 3, 1, 1, 1 },
  { 64, 256, 1, 1, 1, 1, 1 }, { 256, 64, 1, 1, 1, 1, 1 }, { 256, 512, 1, 1, 2, 1, 1 }, { 3, 16, 3, 3, 1, 1, 1 }, { 16, 16, 3, 3, 1, 1, 1 },
  { 16, 32, 3, 3, 2, 1, 1 }, { 32, 64, 3, 3, 2, 1, 1 }, { 3, 32, 3, 3, 2, 1, 1 }, { 32, 32, 3, 3, 1, 1, 32 }, { 32, 16, 1, 1, 1, 1, 1 },
  { 16, 96, 1, 1, 1, 1, 1 }, { 96, 96, 3, 3, 2, 1, 96 }, { 96, 24, 1, 1, 1, 1, 1 }, { 24, 144, 1, 1, 1, 1, 1 },
  { 144, 144, 3, 3, 1, 1, 144 }, { 144, 144, 5, 5, 2, 1, 144 }, { 144, 40, 1, 1, 1, 1, 1 }, { 240, 240, 5, 5, 1, 1, 240 },
  { 576, 576, 3, 3, 1, 1, 576 }, { 160, 960, 1, 1, 1, 1, 1 }, { 960, 320, 1, 1, 1, 1, 1 }, { 58, 58, 3, 3, 2, 1, 58 },
  { 58, 58, 1, 1, 1, 1, 1 }, { 116, 116, 3, 3, 1, 1, 116 }, { 240, 60, 1, 1, 1, 1, 3 }, { 16, 16, 3, 3, 1, 2, 16 },
  { 16, 16, 5, 5, 1, 2, 16 }, { 36, 36, 3, 3, 2, 2, 36 }, { 48, 48, 5, 5, 2, 1, 48 }, { 64, 64, 5, 5, 1, 2, 64 },
  { 128, 128, 7, 7, 1, 1, 128 }, { 32, 32, 1, 7, 1, 1, 1 }, { 32, 32, 7, 1, 1, 1, 1 }, { 48, 64, 5, 5, 1, 1, 1 },
  { 128, 128, 3, 3, 1, 1, 32 }, { 256, 256, 3, 3, 1, 1, 32 }, { 17, 34, 3, 3, 1, 1, 17 },
};

static void test_convolutions(void **state) {
  (void)state;
  int n = 0;
  seed = 7;
  worst = 0;
  for (int tries = 0; n < 920 && tries < 3000; tries++) {
    vg_conv_shape s = random_conv();
    if (!fits(&s)) continue;
    conv_case(&s, n % 3 == 2 ? VG_BF16 : VG_F32, n % 2);
    n++;
  }
  for (size_t i = 0; i < sizeof LAYERS / sizeof *LAYERS; i++)
    for (int k = 0; k < 2; k++) {
      const int *l = LAYERS[i];
      vg_conv_shape s = { .n = 2, .h = 6 + k, .w = 7 - k, .ci = l[0], .co = l[1], .kh = l[2], .kw = l[3], .stride_h = l[4], .stride_w = l[4],
          .dil = l[5], .groups = l[6] };
      s.pad_h = s.dil * (s.kh - 1) / 2;
      s.pad_w = s.dil * (s.kw - 1) / 2;
      assert_true(fits(&s));
      conv_case(&s, k ? VG_BF16 : VG_F32, false);
      n++;
    }
  print_message("# %d convolutions in three directions (%s), largest f32 error %.4f of the allowed\n", n, vg_cpu_isa(), worst);
  assert_true(n >= 1000);
}

/* --- products --------------------------------------------------------------------------------------------------------------------------------- */

static void product_case(int64_t m, int64_t n, int64_t k, vg_dtype in, vg_dtype out, bool ta, bool tb, bool affine) {
  char text[120];
  snprintf(text, sizeof text, "product %lldx%lldx%lld%s%s%s", (long long)m, (long long)n, (long long)k, ta ? " ta" : "", tb ? " tb" : "",
           affine ? " bias" : "");
  void *a = values(in, m * k), *b = values(in, k * n), *c = values(out, m * n), *again = values(out, m * n);
  float *fa = widened(in, a, m * k), *fb = widened(in, b, k * n), *bias = values(VG_F32, n), *want = malloc((size_t)(m * n + 1) * sizeof *want);
  for (int64_t i = 0; i < m; i++)
    for (int64_t j = 0; j < n; j++) {
      double sum = affine ? bias[j] : 0;
      for (int64_t l = 0; l < k; l++) sum += (double)fa[ta ? l * m + i : i * k + l] * fb[tb ? j * k + l : l * n + j];
      want[i * n + j] = (float)sum;
    }
  for (int i = 0; i < 2; i++) {
    void *to = i ? again : c;
    if (affine) ok(vg_affine(in, out, m, n, k, a, b, bias, to));
    else ok(vg_gemm(in, out, ta, tb, m, n, k, 1, a, b, 0, to));
  }
  compare("", text, out, c, want, m * n, (double)(k + 1));
  same("", text, c, again, (size_t)(m * n) * vg_dtype_size(out));
  void *all[] = { a, b, c, again, fa, fb, bias, want };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) free(all[i]);
}

static void test_products(void **state) {
  (void)state;
  static const int HEADS[][3] = { { 64, 10, 64 }, { 64, 10, 1280 }, { 32, 100, 512 }, { 16, 1000, 320 }, { 128, 10, 84 }, { 128, 84, 120 },
                                { 5, 1, 700 }, { 1, 512, 512 } };
  int n = 0;
  seed = 8;
  worst = 0;
  for (; n < 320; n++) {
    bool affine = n % 4 == 3;
    product_case(PICK(1, 2, 3, 7, 8, 15, 16, 17, 33, 64), PICK(1, 2, 5, 8, 10, 16, 17, 31, 48), PICK(1, 2, 3, 9, 16, 25, 27, 64, 100, 144),
                 n & 1 ? VG_BF16 : VG_F32, n & 2 ? VG_BF16 : VG_F32,
                 !affine && n & 8, affine || n & 16, affine);
  }
  for (size_t i = 0; i < sizeof HEADS / sizeof *HEADS; i++, n++) product_case(HEADS[i][0], HEADS[i][1], HEADS[i][2], i & 1 ? VG_BF16 : VG_F32,
      VG_F32, false, true, true);
  print_message("# %d products, largest f32 error %.4f of the allowed\n", n, worst);
  assert_true(n >= 300);
}

/* --- pools and norms ------------------------------------------------------------------------------------------------------------------------ */

static vg_call call_of(const char *op, vg_tensor *x) {
  vg_call c = { .n_in = 1, .in = { x }, .train = true, .wants_backward = true };
  vg_op_defaults(&c, vg_op_find(op));
  return c;
}

static vg_tensor *tensor_of(vg_dtype dtype, vg_shape shape) {
  vg_tensor *t;
  void *from = values(dtype, vg_shape_count(&shape));
  ok(vg_tensor_new(&t, dtype, &shape));
  memcpy(vg_tensor_data(t), from, vg_tensor_bytes(t));
  free(from);
  return t;
}

/* Output and gradient of a call of one input against `want` and `dwant`, twice. */
static void check_call(vg_call *c, const char *text, const float *want, const float *dwant, const vg_tensor *dy, double K) {
  vg_tensor *first = NULL, *dfirst = NULL;
  for (int i = 0; i < 2; i++) {
    vg_tensor *y, *dx;
    ok(vg_op_run(&y, c));
    ok(vg_tensor_like(&dx, c->in[0]));
    c->out = y;
    ok(c->op->backward((vg_tensor *[VG_MAX_IN]){ dx }, 0, dy, c));
    vg_call_clear(c);
    if (i) {
      same("forward", text, vg_tensor_data(y), vg_tensor_data(first), vg_tensor_bytes(y));
      same("backward", text, vg_tensor_data(dx), vg_tensor_data(dfirst), vg_tensor_bytes(dx));
      vg_tensor_release(y);
      vg_tensor_release(dx);
    } else {
      first = y;
      dfirst = dx;
      compare("forward", text, y->dtype, vg_tensor_data(y), want, vg_tensor_count(y), K);
      compare("backward", text, dx->dtype, vg_tensor_data(dx), dwant, vg_tensor_count(dx), K);
    }
  }
  vg_tensor_release(first);
  vg_tensor_release(dfirst);
}

static bool pool_case(int n) {
  int64_t kernel = PICK(1, 2, 3, 3, 4, 5, 7), stride = PICK(1, 2, 3), pad = PICK(0, 1, 2, 3), up = PICK(0, 1);
  int64_t h = PICK(2, 5, 7, 8, 9), w = PICK(3, 4, 7, 11), c = PICK(1, 3, 8, 16, 17, 24, 70);
  bool max = n & 1, count = !max && n & 4;
  char text[120];
  if (pad > kernel / 2 || h + 2 * pad < kernel || w + 2 * pad < kernel) return false;
  vg_pool_shape s = { PICK(1, 2), h, w, c, 0, 0, (int)kernel, (int)stride, (int)pad, count };
  s.ho = vg_pool_out(h, s.kernel, s.stride, s.pad, up);
  s.wo = vg_pool_out(w, s.kernel, s.stride, s.pad, up);
  snprintf(text, sizeof text, "%s pool %lldx%lldx%lld kernel %d stride %d pad %d%s", max ? "max" : "avg", (long long)h, (long long)w, (long long)c,
      s.kernel, s.stride, s.pad, up ? " ceil" : "");
  vg_dtype t = n & 2 ? VG_BF16 : VG_F32;
  vg_tensor *x = tensor_of(t, VG_SHAPE(s.n, h, w, c)), *dy = tensor_of(t, VG_SHAPE(s.n, s.ho, s.wo, c));
  float *fx = widened(t, vg_tensor_data(x), vg_tensor_count(x)), *fdy = widened(t, vg_tensor_data(dy), vg_tensor_count(dy));
  float *want = malloc(vg_tensor_bytes(dy) * 2), *dwant = malloc(vg_tensor_bytes(x) * 2);
  vg_ref_pool(&s, max, want, fx);
  vg_ref_pool_backward(&s, max, dwant, fx, fdy);
  vg_call call = call_of(max ? "max_pool" : "avg_pool", x);
  call.arg[0] = (double)kernel, call.arg[1] = (double)stride, call.arg[2] = (double)pad, call.arg[3] = (double)up;
  if (!max) call.arg[4] = count;
  check_call(&call, text, want, dwant, dy, (double)(kernel * kernel));
  void *all[] = { fx, fdy, want, dwant };
  for (int i = 0; i < 4; i++) free(all[i]);
  vg_tensor_release(x);
  vg_tensor_release(dy);
  return true;
}

static void test_pools(void **state) {
  (void)state;
  int n = 0;
  seed = 9;
  worst = 0;
  for (int tries = 0; n < 240 && tries < 2000; tries++) n += pool_case(n);
  print_message("# %d pools, largest f32 error %.4f of the allowed\n", n, worst);
  assert_true(n >= 200);
}

/* Layer, group and instance norm without gamma and beta. Which elements share a mean is all that tells them apart. */
static void norm_case(int n) {
  int64_t rows = PICK(2, 3, 5, 16, 25, 49), groups = PICK(1, 2, 4), channels = groups * PICK(1, 2, 3, 5, 8, 16, 17, 33), samples = PICK(1, 2, 3);
  bool layer = n & 1;
  vg_dtype t = n & 2 ? VG_BF16 : VG_F32;
  char text[120];
  if (layer ? channels < 2 : rows * channels / groups < 3) channels *= 4;
  snprintf(text, sizeof text, "%s norm %lldx%lldx%lld groups %lld", layer ? "layer" : "group", (long long)samples, (long long)rows,
      (long long)channels, (long long)groups);
  vg_tensor *x = tensor_of(t, VG_SHAPE(samples, rows, channels)), *dy = tensor_of(t, x->shape);
  int64_t count = vg_tensor_count(x);
  double *d = malloc((size_t)count * 10 * sizeof *d), *y = d + count, *g = y + count, *dx = g + count, *mean = dx + count, *rest = mean + 2 * count;
  int32_t *set = malloc((size_t)count * 2 * sizeof *set), *channel = set + count;
  float *want = malloc((size_t)count * 2 * sizeof *want), *dwant = want + count;
  vg_ref_norm p = { .n = count, .n_sets = layer ? samples * rows : samples * groups, .n_channels = channels, .set = set, .channel = channel,
      .x = d, .eps = 1e-5 };
  for (int64_t i = 0; i < count; i++) {
    d[i] = vg_tensor_get(x, i);
    g[i] = vg_tensor_get(dy, i);
    channel[i] = (int32_t)(i % channels);
    set[i] = (int32_t)(layer ? i / channels : i / (rows * channels) * groups + i % channels / (channels / groups));
  }
  double *var = mean + p.n_sets, *dgamma = malloc((size_t)channels * 2 * sizeof *dgamma);
  vg_ref_norm_stats(mean, var, &p);
  vg_ref_norm_forward(y, mean, var, &p);
  vg_ref_norm_backward(dx, dgamma, dgamma + channels, g, mean, var, &p, 0, rest);
  for (int64_t i = 0; i < count; i++) want[i] = (float)y[i], dwant[i] = (float)dx[i];
  vg_call call = call_of(layer ? "layer_norm" : "group_norm", x);
  if (!layer) call.arg[0] = (double)groups;
  check_call(&call, text, want, dwant, dy, (double)(count / p.n_sets));
  free(d), free(set), free(want), free(dgamma);
  vg_tensor_release(x);
  vg_tensor_release(dy);
}

static void test_norms(void **state) {
  (void)state;
  int n = 0;
  seed = 10;
  worst = 0;
  least = 0.5;
  for (; n < 200; n++) norm_case(n);
  print_message("# %d norms, largest f32 error %.4f of the allowed\n", n, worst);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(test_convolutions), cmocka_unit_test(test_products), cmocka_unit_test(test_pools),
      cmocka_unit_test(test_norms) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
