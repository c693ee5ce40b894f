/* Activations against formulas in double: both instruction sets, f32 and bf16, lengths around the vector width, and derivatives by
 * central differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "kernels/activation.h"
#include "ops/op.h"

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double clip6(double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }

static double formula(vg_act act, double x) {
  switch (act) {
    case VG_ACT_RELU: return x > 0 ? x : 0;
    case VG_ACT_RELU6: return clip6(x);
    case VG_ACT_LEAKY: return x > 0 ? x : 0.01 * x;
    case VG_ACT_HSWISH: return x * clip6(x + 3) / 6;
    case VG_ACT_HSIGMOID: return clip6(x + 3) / 6;
    case VG_ACT_SWISH: return x * sigmoid(x);
    case VG_ACT_SIGMOID: return sigmoid(x);
    case VG_ACT_TANH: return tanh(x);
    default: return x;
  }
}

static const struct { const char *name; vg_act act; } OPS[] = {
  { "relu", VG_ACT_RELU }, { "relu6", VG_ACT_RELU6 }, { "leaky_relu", VG_ACT_LEAKY }, { "hswish", VG_ACT_HSWISH },
  { "hsigmoid", VG_ACT_HSIGMOID }, { "swish", VG_ACT_SWISH }, { "sigmoid", VG_ACT_SIGMOID }, { "tanh", VG_ACT_TANH },
};
enum { N_OPS = sizeof OPS / sizeof OPS[0] };

static void close_to(double got, double want, double atol, double rtol, const char *what, double x) {
  if (fabs(got - want) <= atol + rtol * fabs(want)) return;
  fail_msg("%s at %.9g: got %.9g, expected %.9g", what, x, got, want);
}

static void test_values_of_each_isa(void **state) {
  (void)state;
  enum { N = 4099 };
  static float x[N], y[N];
  for (int i = 0; i < N; i++) x[i] = (float)(i - N / 2) * 0.0101f;
  for (int wide = 0; wide <= vg_cpu_has_avx512(); wide++)
    for (int k = 0; k < N_OPS; k++) {
      VG_SIMD_OF(wide, act_forward)(y, x, N, false, OPS[k].act, 0.01f);
      for (int i = 0; i < N; i++) close_to(y[i], formula(OPS[k].act, x[i]), 1e-12, 2e-6, OPS[k].name, x[i]);
    }
}

static void test_limits(void **state) {
  (void)state;
  float x[] = { NAN, INFINITY, -INFINITY, 1e30f, -1e30f, 0 }, y[6];
  VG_DISPATCH(act_forward)(y, x, 6, false, VG_ACT_SIGMOID, 0);
  assert_true(isnan(y[0]) && y[1] == 1 && y[2] == 0 && y[3] == 1 && y[4] == 0 && y[5] == 0.5f);
  VG_DISPATCH(act_forward)(y, x, 6, false, VG_ACT_TANH, 0);
  assert_true(isnan(y[0]) && y[1] == 1 && y[2] == -1 && y[3] == 1 && y[4] == -1 && y[5] == 0);
  for (int k = 0; k < N_OPS; k++) {
    VG_DISPATCH(act_forward)(y, x, 1, false, OPS[k].act, 0.01f);
    assert_true(isnan(y[0]));
  }
}

/* Through the op: value, and derivative against (f(x + h) - f(x - h)) / 2h, away from the kinks. */
static void check_op(int k, vg_dtype dtype, int64_t n) {
  vg_shape shape = VG_SHAPE(n);
  vg_tensor *x, *y, *dy, *dx;
  double tol = dtype == VG_BF16 ? 1.2e-2 : 2e-5;
  assert_int_equal(vg_tensor_new(&x, dtype, &shape), VG_OK);
  assert_int_equal(vg_tensor_new(&dy, dtype, &shape), VG_OK);
  assert_int_equal(vg_tensor_new(&dx, VG_F32, &shape), VG_OK);      /* f32 also for bf16 inputs: as leaves want it */
  for (int64_t i = 0; i < n; i++) {
    vg_tensor_set(x, i, fmod((double)i * 0.37, 16) - 8 + 0.015625);
    vg_tensor_set(dy, i, 1 + (double)(i % 5) * 0.25);
  }
  vg_call c = { .n_in = 1, .in = { x }, .wants_backward = true };
  vg_op_defaults(&c, vg_op_find(OPS[k].name));
  assert_int_equal(vg_op_run(&y, &c), VG_OK);
  if (c.op->flags & VG_OP_KEEPS_OUT) c.out = y;
  if (!(c.op->keeps_in & 1)) c.in[0] = NULL;
  assert_int_equal(c.op->backward(&dx, 0, dy, &c), VG_OK);
  for (int64_t i = 0; i < n; i++) {
    double v = vg_tensor_get(x, i), h = 1e-5, g = vg_tensor_get(dy, i);
    close_to(vg_tensor_get(y, i), formula(OPS[k].act, v), 1e-6, tol, OPS[k].name, v);
    if (fabs(v) < 1e-4 || fabs(v - 6) < 1e-4 || fabs(fabs(v) - 3) < 1e-4) continue;
    /* bf16: the derivative is taken at the rounded output, an absolute error of 2^-8. */
    double numeric = g * (formula(OPS[k].act, v + h) - formula(OPS[k].act, v - h)) / (2 * h);
    close_to(vg_tensor_get(dx, i), numeric, dtype == VG_BF16 ? 2e-2 : 1e-5, tol, OPS[k].name, v);
  }
  vg_tensor_release(x);
  vg_tensor_release(y);
  vg_tensor_release(dy);
  vg_tensor_release(dx);
}

static void test_ops(void **state) {
  (void)state;
  const int64_t lengths[] = { 0, 1, 15, 16, 17, 33, 1000, 40000 };
  for (int k = 0; k < N_OPS; k++)
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
      check_op(k, VG_F32, lengths[i]);
      check_op(k, VG_BF16, lengths[i]);
    }
}

static void test_refusal(void **state) {
  (void)state;
  vg_tensor *x, *y;
  assert_int_equal(vg_tensor_new(&x, VG_I32, &(vg_shape){ 1, { 3 } }), VG_OK);
  vg_call c = { .n_in = 1, .in = { x } };
  vg_op_defaults(&c, vg_op_find("swish"));
  assert_int_equal(vg_op_run(&y, &c), VG_EARG);
  assert_string_equal(vg_message(), "swish: x must be f32 or bf16, got i32");
  vg_tensor_release(x);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_values_of_each_isa), cmocka_unit_test(test_limits), cmocka_unit_test(test_ops), cmocka_unit_test(test_refusal),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
