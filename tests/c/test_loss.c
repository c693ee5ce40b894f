/* Losses against the formulas in double, gradients by differences, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ops/op.h"
#include "tape/tape.h"

#define OK(expr)                                               \
  do {                                                         \
    vg_status ok_ = (expr);                                    \
    if (ok_ != VG_OK) fail_msg("%s: %s", #expr, vg_message()); \
  } while (0)

static vg_status zeros(vg_tensor **out, vg_dtype dtype, vg_shape shape) { return vg_tensor_zeros(out, dtype, &shape); }

static vg_tensor *logits(vg_dtype dtype, int64_t n, int64_t k, uint64_t seed) {
  vg_tensor *f, *t;
  vg_rng rng = vg_rng_at(seed, 0);
  OK(zeros(&f, VG_F32, VG_SHAPE(n, k)));
  vg_rng_fill_normal(&rng, vg_f32(f), (size_t)(n * k), 0, 2);
  OK(vg_tensor_cast(&t, f, dtype));
  vg_tensor_release(f);
  return t;
}

static vg_call call_of(const char *name, vg_tensor *a, vg_tensor *b) {
  vg_call c = { .n_in = 2, .in = { a, b } };
  assert_non_null(vg_op_find(name));
  vg_op_defaults(&c, vg_op_find(name));
  return c;
}

/* The loss; f32 inputs of modest size have their gradient checked too. */
static double loss_of(vg_call *c) {
  vg_tensor *y;
  double worst;
  c->wants_backward = true;
  OK(vg_op_run(&y, c));
  vg_call_clear(c);
  assert_int_equal(y->dtype, VG_F32);
  assert_int_equal(y->shape.rank, 0);
  double loss = vg_tensor_get(y, 0);
  vg_tensor_release(y);
  if (c->in[0]->dtype == VG_F32 && vg_tensor_count(c->in[0]) < 100) OK(vg_gradcheck(&worst, c, NULL));
  return loss;
}

static void near(double got, double want) {
  if (!(fabs(got - want) <= 1e-5 * (1 + fabs(want)))) fail_msg("got %.9g, expected %.9g", got, want);
}

static double log_softmax(const vg_tensor *x, int64_t row, int64_t i, double temperature) {
  int64_t k = x->shape.dim[1];
  double sum = 0;
  for (int64_t j = 0; j < k; j++) sum += exp(vg_tensor_get(x, row * k + j) / temperature);
  return vg_tensor_get(x, row * k + i) / temperature - log(sum);
}

static const int64_t SIZES[][2] = { { 1, 1 }, { 1, 5 }, { 7, 10 }, { 3, 1500 }, { 130, 100 } };

static void test_cross_entropy(void **state) {
  (void)state;
  for (size_t s = 0; s < 5; s++)
    for (int bf = 0; bf < 2; bf++)
      for (double smoothing = 0; smoothing < 0.3; smoothing += 0.1) {
        int64_t n = SIZES[s][0], k = SIZES[s][1];
        vg_tensor *x = logits(bf ? VG_BF16 : VG_F32, n, k, 1), *y;
        OK(zeros(&y, VG_I32, VG_SHAPE(n)));
        double want = 0;
        for (int64_t r = 0; r < n; r++) {
          vg_i32(y)[r] = (int32_t)(r * 7 % k);
          for (int64_t i = 0; i < k; i++) want -= ((i == r * 7 % k) * (1 - smoothing) + smoothing / (double)k) * log_softmax(x, r, i, 1);
        }
        vg_call c = call_of("cross_entropy", x, y);
        c.arg[0] = smoothing;
        near(loss_of(&c), want / (double)n);
        vg_tensor_release(x);
        vg_tensor_release(y);
      }
}

/* Logits of a thousand: exp would overflow without the shift by the largest. */
static void test_cross_entropy_is_stable(void **state) {
  (void)state;
  vg_tensor *x, *y;
  OK(zeros(&x, VG_F32, VG_SHAPE(1, 3)));
  OK(zeros(&y, VG_I32, VG_SHAPE(1)));
  vg_tensor_set(x, 1, 1000);
  vg_call c = call_of("cross_entropy", x, y);
  vg_tensor *loss;
  OK(vg_op_run(&loss, &c));
  near(vg_tensor_get(loss, 0), 1000);
  vg_tensor_release(loss);
  vg_tensor_release(x);
  vg_tensor_release(y);
}

static void test_soft_targets(void **state) {
  (void)state;
  for (size_t s = 0; s < 5; s++)
    for (int bf = 0; bf < 2; bf++) {
      int64_t n = SIZES[s][0], k = SIZES[s][1];
      vg_tensor *x = logits(bf ? VG_BF16 : VG_F32, n, k, 1), *q = logits(VG_F32, n, k, 2);
      double want = 0;
      for (int64_t r = 0; r < n; r++) {
        double sum = 0;
        for (int64_t i = 0; i < k; i++) sum += vg_f32(q)[r * k + i] = fabsf(vg_f32(q)[r * k + i]);
        for (int64_t i = 0; i < k; i++) {
          vg_f32(q)[r * k + i] /= (float)sum;
          want -= (double)vg_f32(q)[r * k + i] * log_softmax(x, r, i, 1);
        }
      }
      vg_call c = call_of("soft_cross_entropy", x, q);
      near(loss_of(&c), want / (double)n);
      vg_tensor_release(x);
      vg_tensor_release(q);
    }
}

static void test_kl(void **state) {
  (void)state;
  for (size_t s = 0; s < 5; s++)
    for (int bf = 0; bf < 2; bf++)
      for (double T = 1; T < 6; T += 3) {
        int64_t n = SIZES[s][0], k = SIZES[s][1];
        vg_tensor *x = logits(bf ? VG_BF16 : VG_F32, n, k, 1), *t = logits(VG_F32, n, k, 2);
        double want = 0;
        for (int64_t r = 0; r < n; r++)
          for (int64_t i = 0; i < k; i++) {
            double q = log_softmax(t, r, i, T);
            want += exp(q) * (q - log_softmax(x, r, i, T));
          }
        vg_call c = call_of("kl_loss", x, t);
        c.arg[0] = T;
        near(loss_of(&c), want * T * T / (double)n);
        vg_tensor_release(x);
        vg_tensor_release(t);
      }
}

static void test_distances(void **state) {
  (void)state;
  for (size_t s = 0; s < 5; s++)
    for (int bf = 0; bf < 2; bf++) {
      int64_t n = SIZES[s][0] * SIZES[s][1];
      vg_tensor *a = logits(bf ? VG_BF16 : VG_F32, SIZES[s][0], SIZES[s][1], 1), *b = logits(VG_F32, SIZES[s][0], SIZES[s][1], 2);
      double l1 = 0, l2 = 0;
      for (int64_t i = 0; i < n; i++) {
        double d = vg_tensor_get(a, i) - vg_tensor_get(b, i);
        if (fabs(d) < 0.05) vg_tensor_set(b, i, vg_tensor_get(a, i) - (d = 0.5));      /* away from the kink */
        l1 += fabs(d);
        l2 += d * d;
      }
      vg_call c = call_of("l1_loss", a, b);
      near(loss_of(&c), l1 / (double)n);
      c = call_of("mse_loss", a, b);
      near(loss_of(&c), l2 / (double)n);
      vg_tensor_release(a);
      vg_tensor_release(b);
    }
}

static void refuses(vg_call *c, vg_status code, const char *part) {
  vg_tensor *y;
  assert_int_equal(vg_op_run(&y, c), code);
  if (!strstr(vg_message(), part)) fail_msg("message '%s' lacks '%s'", vg_message(), part);
}

static void test_refusals(void **state) {
  (void)state;
  vg_tensor *x = logits(VG_F32, 3, 4, 1), *z = logits(VG_F32, 4, 3, 1), *y, *two;
  OK(zeros(&y, VG_I32, VG_SHAPE(3)));
  OK(zeros(&two, VG_I32, VG_SHAPE(2)));
  vg_call c = call_of("cross_entropy", x, two);
  refuses(&c, VG_ESHAPE, "expected 3 labels, one a row, got [2]");
  c = call_of("cross_entropy", x, x);
  refuses(&c, VG_EARG, "labels must be i32, got f32");
  vg_i32(y)[1] = 4;
  c = call_of("cross_entropy", x, y);
  refuses(&c, VG_EARG, "the label of row 2 is 4, expected 0 to 3");
  vg_i32(y)[1] = -1;
  refuses(&c, VG_EARG, "the label of row 2 is -1");
  c.arg[0] = 1.5;
  refuses(&c, VG_EARG, "smoothing must be between 0 and 1");
  static const char *const PAIRS[] = { "soft_cross_entropy", "kl_loss", "mse_loss", "l1_loss" };
  for (int i = 0; i < 4; i++) {
    c = call_of(PAIRS[i], x, z);
    refuses(&c, VG_ESHAPE, "both inputs must have one shape, got [3, 4] and [4, 3]");
  }
  vg_tensor_release(x);
  vg_tensor_release(z);
  vg_tensor_release(y);
  vg_tensor_release(two);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_cross_entropy), cmocka_unit_test(test_cross_entropy_is_stable), cmocka_unit_test(test_soft_targets),
    cmocka_unit_test(test_kl), cmocka_unit_test(test_distances), cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
