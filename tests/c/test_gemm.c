/* Matrix products against three loops, the helpers beside them, and the ops linear and matmul: values, gradients, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "kernels/gemm.h"
#include "tape/tape.h"

static vg_tensor *filled(vg_dtype dtype, vg_shape shape, unsigned seed) {
  vg_tensor *t;
  assert_int_equal(vg_tensor_new(&t, dtype, &shape), VG_OK);
  for (int64_t i = 0; i < vg_tensor_count(t); i++) {
    seed = seed * 1664525u + 1013904223u;
    vg_tensor_set(t, i, (double)(seed >> 8) / (1 << 23) - 1);
  }
  return t;
}

typedef struct product { int64_t m, n, k; float alpha, beta; } product;

static double expected(const product *p, bool ta, bool tb, const vg_tensor *a, const vg_tensor *b, double before, int64_t i, int64_t j) {
  double sum = 0;
  for (int64_t l = 0; l < p->k; l++) sum += vg_tensor_get(a, ta ? l * p->m + i : i * p->k + l) * vg_tensor_get(b, tb ? j * p->k + l : l * p->n + j);
  return p->alpha * sum + (p->beta == 0 ? 0 : p->beta * before);
}

static void compare(const product *p, vg_dtype in, vg_dtype out, bool ta, bool tb) {
  vg_tensor *a = filled(in, VG_SHAPE(p->m, p->k), 1), *b = filled(in, VG_SHAPE(p->k, p->n), 2), *c = filled(out, VG_SHAPE(p->m, p->n), 3), *c0;
  assert_int_equal(vg_tensor_copy(&c0, c), VG_OK);
  if (p->beta == 0) vg_tensor_fill(c, NAN);      /* must not be read */
  assert_int_equal(vg_gemm(in, out, ta, tb, p->m, p->n, p->k, p->alpha, vg_tensor_data(a), vg_tensor_data(b), p->beta, vg_tensor_data(c)), VG_OK);
  double tol = out == VG_BF16 ? 1.0 / 128 : 1e-5 * sqrt((double)p->k);
  for (int64_t i = 0; i < p->m * p->n; i++) {
    double want = expected(p, ta, tb, a, b, vg_tensor_get(c0, i), i / p->n, i % p->n), got = vg_tensor_get(c, i);
    if (!(fabs(got - want) <= tol * (1 + fabs(want))))
      fail_msg("%lldx%lldx%lld %s -> %s trans %d %d, element %lld: got %g, want %g", (long long)p->m, (long long)p->n, (long long)p->k,
               vg_dtype_name(in), vg_dtype_name(out), ta, tb, (long long)i, got, want);
  }
  vg_tensor_release(a);
  vg_tensor_release(b);
  vg_tensor_release(c);
  vg_tensor_release(c0);
}

static void test_products(void **state) {
  (void)state;
  static const product CASES[] = { { 1, 1, 1, 1, 0 }, { 5, 7, 3, 1, 0 }, { 33, 17, 65, 1, 1 }, { 64, 32, 24, 0.5f, 0 }, { 3, 40, 100, 2, 0.25f }, { 130, 10, 1, 1, 0 }, { 4, 5, 0, 1, 0 } };
  for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
    for (int mask = 0; mask < 16; mask++) compare(&CASES[i], mask & 1 ? VG_BF16 : VG_F32, mask & 2 ? VG_BF16 : VG_F32, mask & 4, mask & 8);
}

static void test_refused_dtype(void **state) {
  (void)state;
  float x = 0;
  assert_int_equal(vg_gemm(VG_I32, VG_F32, false, false, 1, 1, 1, 1, &x, &x, 0, &x), VG_EARG);
  assert_string_equal(vg_message(), "gemm: expected f32 or bf16, got i32 in and f32 out");
}

static void test_rows_and_columns(void **state) {
  (void)state;
  for (int t = VG_F32; t <= VG_BF16; t++) {
    enum { ROWS = 1500, COLS = 13 };
    vg_tensor *x = filled((vg_dtype)t, VG_SHAPE(ROWS, COLS), 5);
    float sum[COLS], bias[COLS], again[COLS];
    assert_int_equal(vg_column_sum(sum, x->dtype, vg_tensor_data(x), ROWS, COLS), VG_OK);
    for (int j = 0; j < COLS; j++) {
      double want = 0;
      for (int i = 0; i < ROWS; i++) want += vg_tensor_get(x, i * COLS + j);
      assert_true(fabs(sum[j] - want) < 1e-3);
      bias[j] = (float)j;
    }
    assert_int_equal(vg_column_sum(again, x->dtype, vg_tensor_data(x), ROWS, COLS), VG_OK);
    assert_memory_equal(sum, again, sizeof sum);
    double before = vg_tensor_get(x, 7 * COLS + 12);
    vg_add_row(x->dtype, vg_tensor_data(x), bias, ROWS, COLS);
    assert_true(fabs(vg_tensor_get(x, 7 * COLS + 12) - before - 12) < 0.05);
    vg_tensor_release(x);
  }
}

static vg_call call_of(const char *op, vg_tensor *a, vg_tensor *b, vg_tensor *bias) {
  vg_call c = { .n_in = bias ? 3 : 2, .in = { a, b, bias } };
  vg_op_defaults(&c, vg_op_find(op));
  return c;
}

static void check_op(const char *op, vg_shape as, vg_shape bs, bool bias, vg_shape want, int64_t macs) {
  vg_tensor *a = filled(VG_F32, as, 1), *b = filled(VG_F32, bs, 2), *v = bias ? filled(VG_F32, VG_SHAPE(bs.dim[0]), 3) : NULL, *y;
  vg_call c = call_of(op, a, b, v);
  double worst;
  if (vg_gradcheck(&worst, &c, &(vg_gradcheck_opts){ 0 }) != VG_OK) fail_msg("%s", vg_message());
  assert_int_equal(vg_op_run(&y, &c), VG_OK);
  assert_true(vg_shape_is_equal(&y->shape, &want));
  assert_int_equal(c.op->macs(&y->shape, &c), macs);
  vg_tensor_release(a);
  vg_tensor_release(b);
  vg_tensor_release(v);
  vg_tensor_release(y);
}

static void test_ops(void **state) {
  (void)state;
  check_op("linear", VG_SHAPE(4, 6), VG_SHAPE(3, 6), true, VG_SHAPE(4, 3), 4 * 3 * 6);
  check_op("linear", VG_SHAPE(2, 3, 5), VG_SHAPE(7, 5), false, VG_SHAPE(2, 3, 7), 2 * 3 * 7 * 5);
  check_op("matmul", VG_SHAPE(3, 4), VG_SHAPE(4, 5), false, VG_SHAPE(3, 5), 3 * 4 * 5);
  check_op("matmul", VG_SHAPE(2, 2, 3, 4), VG_SHAPE(2, 2, 4, 5), false, VG_SHAPE(2, 2, 3, 5), 4 * 3 * 4 * 5);
  check_op("matmul", VG_SHAPE(2, 3, 4), VG_SHAPE(4, 5), false, VG_SHAPE(2, 3, 5), 2 * 3 * 4 * 5);
}

static void test_linear_values(void **state) {
  (void)state;
  for (int t = VG_F32; t <= VG_BF16; t++) {
    vg_tensor *x = filled((vg_dtype)t, VG_SHAPE(2), 1), *w = filled(VG_F32, VG_SHAPE(1, 2), 2), *b = filled(VG_F32, VG_SHAPE(1), 3), *y;
    vg_tensor_set(x, 0, 2);
    vg_tensor_set(x, 1, -1);
    vg_tensor_set(w, 0, 3);
    vg_tensor_set(w, 1, 4);
    vg_tensor_set(b, 0, 0.5);
    vg_call c = call_of("linear", x, w, b);
    assert_int_equal(vg_op_run(&y, &c), VG_OK);
    assert_int_equal(y->dtype, t);
    assert_true(vg_tensor_get(y, 0) == 2.5);
    vg_tensor_release(x);
    vg_tensor_release(w);
    vg_tensor_release(b);
    vg_tensor_release(y);
  }
}

static void refused(const char *op, vg_tensor *a, vg_tensor *b, vg_tensor *bias, vg_status code, const char *message) {
  vg_call c = call_of(op, a, b, bias);
  vg_tensor *y;
  assert_int_equal(vg_op_run(&y, &c), code);
  assert_string_equal(vg_message(), message);
}

static void test_refusals(void **state) {
  (void)state;
  vg_tensor *x = filled(VG_F32, VG_SHAPE(2, 3), 1), *w = filled(VG_F32, VG_SHAPE(4, 5), 1), *good = filled(VG_F32, VG_SHAPE(4, 3), 1);
  vg_tensor *row = filled(VG_F32, VG_SHAPE(3), 1), *deep = filled(VG_F32, VG_SHAPE(3, 3, 3), 1), *half = filled(VG_BF16, VG_SHAPE(3, 2), 1);
  refused("linear", x, row, NULL, VG_ESHAPE, "linear: weight must be [Out, K], got [3]");
  refused("linear", x, w, NULL, VG_ESHAPE, "linear: the last axis of input [2, 3] must be the 5 of weight [4, 5]");
  refused("linear", x, good, row, VG_ESHAPE, "linear: bias must be [4] for that weight, got [3]");
  refused("matmul", x, row, NULL, VG_ESHAPE, "matmul: both sides need two axes or more, got [2, 3] and [3]");
  refused("matmul", x, deep, NULL, VG_ESHAPE, "matmul: the leading axes must be equal or the right side have two axes, got [2, 3] and [3, 3, 3]");
  refused("matmul", x, w, NULL, VG_ESHAPE, "matmul: the last axis of the left side must be the last but one of the right, got [2, 3] and [4, 5]");
  refused("matmul", x, half, NULL, VG_EARG, "matmul: both sides must be f32 or both bf16, got f32 and bf16");
  vg_tensor *const all[] = { x, w, good, row, deep, half };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) vg_tensor_release(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_products), cmocka_unit_test(test_refused_dtype), cmocka_unit_test(test_rows_and_columns),
    cmocka_unit_test(test_ops),      cmocka_unit_test(test_linear_values), cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
