/* Element-wise operators, broadcasting and reductions against plain loops over vg_tensor_get, and their gradients by differences. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/threads.h"
#include "ops/op.h"
#include "tape/tape.h"

#define OK(expr)                                                          \
  do {                                                                    \
    vg_status ok_ = (expr);                                               \
    if (ok_ != VG_OK) fail_msg("%s: %s", #expr, vg_message());            \
  } while (0)

static vg_tensor *filled(vg_dtype dtype, vg_shape shape, uint64_t seed, float lo, float hi) {
  vg_tensor *f, *t;
  vg_rng rng = vg_rng_at(seed, 0);
  OK(vg_tensor_new(&f, VG_F32, &shape));
  vg_rng_fill_uniform(&rng, vg_f32(f), (size_t)vg_tensor_count(f), lo, hi);
  OK(vg_tensor_cast(&t, f, dtype));
  vg_tensor_release(f);
  return t;
}

static vg_status zeros(vg_tensor **out, vg_dtype dtype, vg_shape shape) { return vg_tensor_zeros(out, dtype, &shape); }

static vg_call call_of(const char *name, vg_tensor *a, vg_tensor *b) {
  vg_call c = { .n_in = b ? 2 : 1, .in = { a, b }, .rng = vg_rng_at(7, 1) };
  assert_non_null(vg_op_find(name));
  vg_op_defaults(&c, vg_op_find(name));
  return c;
}

static vg_tensor *run(vg_call *c) {
  vg_tensor *y;
  OK(vg_op_run(&y, c));
  vg_call_clear(c);
  return y;
}

static void close_to(double got, double want, vg_dtype dtype, const char *what, int64_t i) {
  double tolerance = (dtype == VG_BF16 ? 1e-2 : 2e-5) * (1 + fabs(want));
  if (!(fabs(got - want) <= tolerance)) fail_msg("%s: element %lld is %.8g, expected %.8g", what, (long long)i, got, want);
}

static double apply(const char *op, double a, double b) {
  if (strcmp(op, "add") == 0) return a + b;
  if (strcmp(op, "sub") == 0) return a - b;
  return strcmp(op, "mul") == 0 ? a * b : a / b;
}

/* The place in a tensor of shape s that broadcasting pairs with place i of shape y. */
static int64_t source_of(const vg_shape *s, const vg_shape *y, int64_t i) {
  int64_t at = 0, step = 1;
  for (int k = y->rank - 1, j = s->rank - 1; j >= 0; k--, j--) {
    int64_t d = i % y->dim[k];
    i /= y->dim[k];
    if (s->dim[j] != 1) at += d * step;
    step *= s->dim[j];
  }
  return at;
}

static const char *const BINARY[] = { "add", "sub", "mul", "div" };

static void check_binary(const char *op, vg_dtype dtype, vg_shape sa, vg_shape sb) {
  vg_tensor *a = filled(dtype, sa, 1, -2, 2), *b = filled(dtype, sb, 2, 0.5f, 2);
  vg_call c = call_of(op, a, b);
  vg_tensor *y = run(&c);
  assert_int_equal(y->dtype, dtype);
  for (int64_t i = 0, n = vg_tensor_count(y); i < n; i++)
    close_to(vg_tensor_get(y, i), apply(op, vg_tensor_get(a, source_of(&sa, &y->shape, i)), vg_tensor_get(b, source_of(&sb, &y->shape, i))), dtype, op, i);
  double worst;
  if (dtype == VG_F32 && vg_tensor_count(y) < 200) OK(vg_gradcheck(&worst, &c, NULL));
  vg_tensor_release(y);
  vg_tensor_release(a);
  vg_tensor_release(b);
}

static void test_binary(void **state) {
  (void)state;
  const vg_shape pairs[][2] = {
    { VG_SHAPE(2, 3, 4), VG_SHAPE(2, 3, 4) }, { VG_SHAPE(2, 3, 3, 5), VG_SHAPE(5) }, { VG_SHAPE(2, 3, 3, 5), VG_SHAPE(2, 1, 1, 5) },
    { VG_SHAPE(1), VG_SHAPE(3, 4) }, { VG_SHAPE(3, 1), VG_SHAPE(1, 4) }, { { .rank = 0 }, VG_SHAPE(7) }, { { .rank = 0 }, { .rank = 0 } },
    { VG_SHAPE(2, 1, 3, 1), VG_SHAPE(4, 1, 2) }, { VG_SHAPE(1, 1), VG_SHAPE(1, 1) }, { VG_SHAPE(2, 3, 1), VG_SHAPE(2, 3, 4) },
    { VG_SHAPE(5000), VG_SHAPE(5000) }, { VG_SHAPE(3, 2500), VG_SHAPE(2500) }, { VG_SHAPE(300, 300), VG_SHAPE(300, 1) },
  };
  for (size_t k = 0; k < 4; k++)
    for (size_t p = 0; p < sizeof pairs / sizeof *pairs; p++)
      for (int bf = 0; bf < 2; bf++) check_binary(BINARY[k], bf ? VG_BF16 : VG_F32, pairs[p][0], pairs[p][1]);
}

static void test_mixed_types(void **state) {
  (void)state;
  vg_tensor *a = filled(VG_BF16, VG_SHAPE(4, 6), 1, -1, 1), *b = filled(VG_F32, VG_SHAPE(1), 2, -1, 1);
  vg_call c = call_of("mul", b, a);
  vg_tensor *y = run(&c);
  assert_int_equal(y->dtype, VG_BF16);
  for (int64_t i = 0; i < 24; i++) close_to(vg_tensor_get(y, i), vg_tensor_get(a, i) * vg_tensor_get(b, 0), VG_BF16, "mul", i);
  vg_tensor_release(y);
  vg_tensor_release(a);
  vg_tensor_release(b);
}

static double unary(const char *op, double x) {
  if (strcmp(op, "neg") == 0) return -x;
  if (strcmp(op, "exp") == 0) return exp(x);
  if (strcmp(op, "log") == 0) return log(x);
  if (strcmp(op, "sqrt") == 0) return sqrt(x);
  if (strcmp(op, "square") == 0) return x * x;
  return strcmp(op, "abs") == 0 ? fabs(x) : 2.5 * x - 0.5;
}

static void test_unary(void **state) {
  (void)state;
  static const char *const OPS[] = { "neg", "exp", "log", "sqrt", "square", "abs", "scale" };
  static const int64_t SIZES[] = { 1, 17, 1500, 70001 };
  for (size_t k = 0; k < sizeof OPS / sizeof *OPS; k++)
    for (size_t s = 0; s < 4; s++)
      for (int bf = 0; bf < 2; bf++) {
        vg_dtype dtype = bf ? VG_BF16 : VG_F32;
        bool positive = strcmp(OPS[k], "log") == 0 || strcmp(OPS[k], "sqrt") == 0;
        vg_tensor *x = filled(dtype, VG_SHAPE(SIZES[s]), 3, positive ? 0.3f : -2, 2);
        if (!positive && dtype == VG_F32)           /* differences across the kink of |x| say nothing */
          for (int64_t i = 0; i < SIZES[s]; i++)
            if (fabsf(vg_f32(x)[i]) < 0.05f) vg_f32(x)[i] = 0.5f;
        vg_call c = call_of(OPS[k], x, NULL);
        if (strcmp(OPS[k], "scale") == 0) c.arg[0] = 2.5, c.arg[1] = -0.5;
        vg_tensor *y = run(&c);
        for (int64_t i = 0; i < SIZES[s]; i++) close_to(vg_tensor_get(y, i), unary(OPS[k], vg_tensor_get(x, i)), dtype, OPS[k], i);
        double worst;
        if (dtype == VG_F32 && SIZES[s] < 100) OK(vg_gradcheck(&worst, &c, NULL));
        vg_tensor_release(y);
        vg_tensor_release(x);
      }
}

static void check_reduce(const char *op, vg_dtype dtype, vg_shape s, int axis) {
  vg_tensor *x = filled(dtype, s, 4, -1, 2);
  int64_t outer = 1, length = 1, inner = 1;
  for (int i = 0; i < s.rank; i++) *(axis < 0 || i == axis ? &length : i < axis ? &outer : &inner) *= s.dim[i];
  bool mean = strcmp(op, "mean") == 0;
  for (int keep = 0; keep < 2; keep++) {
    vg_call c = call_of(op, x, NULL);
    c.arg[0] = axis;
    c.arg[1] = keep;
    vg_tensor *y = run(&c);
    assert_int_equal(vg_tensor_count(y), outer * inner);
    assert_int_equal(y->shape.rank, keep ? s.rank : axis < 0 ? 0 : s.rank - 1);
    for (int64_t o = 0; o < outer; o++)
      for (int64_t i = 0; i < inner; i++) {
        double sum = 0;
        for (int64_t l = 0; l < length; l++) sum += vg_tensor_get(x, (o * length + l) * inner + i);
        close_to(vg_tensor_get(y, o * inner + i), mean ? sum / (double)length : sum, dtype, op, o * inner + i);
      }
    double worst;
    if (dtype == VG_F32 && vg_tensor_count(x) < 200) OK(vg_gradcheck(&worst, &c, NULL));
    vg_tensor_release(y);
  }
  vg_tensor_release(x);
}

static void test_sum_mean(void **state) {
  (void)state;
  const vg_shape shapes[] = { VG_SHAPE(7), VG_SHAPE(3, 5), VG_SHAPE(2, 3, 4), VG_SHAPE(1, 1), VG_SHAPE(90, 1100), VG_SHAPE(40000, 3) };
  for (size_t s = 0; s < sizeof shapes / sizeof *shapes; s++)
    for (int axis = -1; axis < shapes[s].rank; axis++)
      for (int bf = 0; bf < 2; bf++) {
        check_reduce("sum", bf ? VG_BF16 : VG_F32, shapes[s], axis);
        check_reduce("mean", bf ? VG_BF16 : VG_F32, shapes[s], axis);
      }
}

/* Ten million times 0.1 in f32: a plain float accumulator is off by percents. The bits do not depend on the thread count. */
static void test_sum_is_accurate(void **state) {
  (void)state;
  vg_tensor *x, *y[2];
  OK(zeros(&x, VG_F32, VG_SHAPE(10000000)));
  vg_tensor_fill(x, 0.1);
  int before = vg_threads();
  for (int k = 0; k < 2; k++) {
    vg_threads_set(k + 1);
    vg_call c = call_of("sum", x, NULL);
    y[k] = run(&c);
  }
  vg_threads_set(before);
  assert_true(fabs(vg_tensor_get(y[0], 0) - 1e7 * (double)0.1f) < 0.2);
  assert_memory_equal(vg_f32(y[0]), vg_f32(y[1]), sizeof(float));
  for (int k = 0; k < 2; k++) vg_tensor_release(y[k]);
  vg_tensor_release(x);
}

static void refuses(vg_call *c, vg_status code, const char *part) {
  vg_tensor *y;
  assert_int_equal(vg_op_run(&y, c), code);
  if (!strstr(vg_message(), part)) fail_msg("message '%s' lacks '%s'", vg_message(), part);
}

static void test_refusals(void **state) {
  (void)state;
  vg_tensor *a = filled(VG_F32, VG_SHAPE(2, 3), 1, 0, 1), *b = filled(VG_F32, VG_SHAPE(4), 1, 0, 1), *n;
  OK(zeros(&n, VG_I32, VG_SHAPE(2, 3)));
  for (size_t k = 0; k < 4; k++) {
    vg_call c = call_of(BINARY[k], a, b);
    refuses(&c, VG_ESHAPE, BINARY[k]);
    c = call_of(BINARY[k], a, n);
    refuses(&c, VG_EARG, "input 2 must be f32 or bf16, got i32");
  }
  vg_call c = call_of("exp", n, NULL);
  refuses(&c, VG_EARG, "exp: input 1 must be f32 or bf16, got i32");
  c = call_of("sum", a, NULL);
  c.arg[0] = 2;
  refuses(&c, VG_EARG, "sum: axis 2 does not exist in a tensor of 2 axes");
  c.arg[0] = 0.5;
  refuses(&c, VG_EARG, "sum: axis must be an integer");
  vg_tensor_release(a);
  vg_tensor_release(b);
  vg_tensor_release(n);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_binary), cmocka_unit_test(test_mixed_types), cmocka_unit_test(test_unary), cmocka_unit_test(test_sum_mean),
    cmocka_unit_test(test_sum_is_accurate), cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
