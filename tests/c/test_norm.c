/* Normalisations against the plain reference: shapes around the vector width and the folding of few channels, f32 and bf16, every fused
 * activation, training, frozen and evaluation. Run once more with VEGA_ISA=avx2 for the other instruction set. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/threads.h"
#include "kernels/ref/norm_ref.h"
#include "ops/op.h"
#include "tape/tape.h"

static vg_tensor *fresh(vg_dtype dtype, vg_shape shape) {
  vg_tensor *t;
  assert_int_equal(vg_tensor_new(&t, dtype, &shape), VG_OK);
  return t;
}

/* A fixed scatter of values in about (-2, 2), with `mean` added. */
static vg_tensor *scatter(vg_dtype dtype, vg_shape shape, int seed, double mean) {
  vg_tensor *t = fresh(dtype, shape);
  for (int64_t i = 0, n = vg_tensor_count(t); i < n; i++) {
    uint32_t h = (uint32_t)i * 2654435761u + (uint32_t)seed * 40503u;
    h ^= h >> 15;
    h *= 2246822519u;
    h ^= h >> 13;
    vg_tensor_set(t, i, mean + (double)h / 4294967296.0 * 4 - 2);
  }
  return t;
}

static double *doubles(const vg_tensor *t) {
  int64_t n = vg_tensor_count(t);
  double *d = calloc((size_t)n + 1, sizeof *d);
  for (int64_t i = 0; i < n; i++) d[i] = vg_tensor_get(t, i);
  return d;
}

/* Largest difference, relative to the largest wanted value, or to 0.05 where terms of size 1 cancel (dx over two rows). */
static void same(const vg_tensor *got, const double *want, double tol, const char *what) {
  double scale = 0.05;
  for (int64_t i = 0, n = vg_tensor_count(got); i < n; i++) scale = fmax(scale, fabs(want[i]));
  for (int64_t i = 0, n = vg_tensor_count(got); i < n; i++) {
    double v = vg_tensor_get(got, i);
    if (!(fabs(v - want[i]) <= tol * scale)) fail_msg("%s: element %lld is %.9g, expected %.9g (scale %.3g)", what, (long long)i, v, want[i], scale);
  }
}

typedef struct trial {
  const char *op;
  vg_dtype dtype;
  vg_shape shape;
  vg_act act;
  bool train, frozen;
  int groups;               /* group_norm alone */
  double mean, tol;         /* of x; 0: by the dtype */
} trial;

static bool is_batch(const trial *t) { return strcmp(t->op, "batch_norm") == 0; }

/* Which elements share a mean. */
static void sets_of(vg_ref_norm *p, const trial *t, int32_t *set, int32_t *channel) {
  int64_t C = t->shape.dim[t->shape.rank - 1], per_sample = p->n / t->shape.dim[0];
  p->n_channels = C;
  for (int64_t i = 0; i < p->n; i++) {
    channel[i] = (int32_t)(i % C);
    if (is_batch(t)) set[i] = (int32_t)(i % C);
    else if (t->groups) set[i] = (int32_t)(i / per_sample * t->groups + i % C / (C / t->groups));
    else set[i] = (int32_t)(i / C);
  }
  p->n_sets = is_batch(t) ? C : t->groups ? t->shape.dim[0] * t->groups : p->n / C;
  p->set = set;
  p->channel = channel;
}

static void check(const trial *t, bool affine) {
  int64_t C = t->shape.dim[t->shape.rank - 1], n = vg_shape_count(&t->shape);
  bool constant = is_batch(t) && (!t->train || t->frozen);
  double tol = t->tol ? t->tol : t->dtype == VG_BF16 ? 8e-3 : 2e-5;
  int g = is_batch(t) ? 3 : 1;
  vg_tensor *x = scatter(t->dtype, t->shape, 1, t->mean), *dy = scatter(t->dtype, t->shape, 2, 0.3), *y;
  vg_tensor *gamma = affine ? scatter(VG_F32, VG_SHAPE(C), 3, 2.5) : NULL, *beta = affine ? scatter(VG_F32, VG_SHAPE(C), 4, 0) : NULL;
  vg_tensor *rm = scatter(VG_F32, VG_SHAPE(C), 5, t->mean), *rv = scatter(VG_F32, VG_SHAPE(C), 6, 2.5);
  double *old_mean = doubles(rm), *old_var = doubles(rv);
  vg_tensor *din[5] = { NULL };
  din[0] = fresh(t->dtype, t->shape);
  if (affine) din[g] = fresh(VG_F32, VG_SHAPE(C));
  if (affine) din[g + 1] = fresh(VG_F32, VG_SHAPE(C));

  vg_call c = { .n_in = g + 2, .train = t->train, .wants_backward = true };
  vg_op_defaults(&c, vg_op_find(t->op));
  c.in[0] = x;
  if (is_batch(t)) c.in[1] = rm, c.in[2] = rv, c.arg[2] = t->act, c.arg[3] = t->frozen;
  else if (t->groups) c.arg[0] = t->groups;
  c.in[g] = gamma;
  c.in[g + 1] = beta;
  vg_status status = vg_op_run(&y, &c);
  if (status != VG_OK) fail_msg("%s: %s", t->op, vg_message());
  if (is_batch(t)) c.in[1] = c.in[2] = NULL;       /* not kept */
  assert_int_equal(c.op->backward(din, 0, dy, &c), VG_OK);

  double *dx = doubles(x), *ddy = doubles(dy), *dg = gamma ? doubles(gamma) : NULL, *db = beta ? doubles(beta) : NULL;
  vg_ref_norm p = { .n = n, .x = dx, .gamma = dg, .beta = db, .eps = 1e-5, .act = t->act };
  int32_t *set = malloc((size_t)n * 8), *channel = set + n;
  sets_of(&p, t, set, channel);
  double *mean = malloc((size_t)p.n_sets * 4 * sizeof(double)), *var = mean + p.n_sets, *scratch = var + p.n_sets;
  double *want = malloc((size_t)(n + 2 * C) * sizeof(double)), *dgamma = want + n, *dbeta = dgamma + C;
  if (constant) memcpy(mean, old_mean, (size_t)C * 8), memcpy(var, old_var, (size_t)C * 8);
  else vg_ref_norm_stats(mean, var, &p);
  vg_ref_norm_forward(want, mean, var, &p);
  same(y, want, tol, "y");
  vg_ref_norm_backward(want, dgamma, dbeta, ddy, mean, var, &p, constant, scratch);
  same(din[0], want, tol, "dx");
  if (affine) same(din[g], dgamma, t->tol ? t->tol : 2e-5, "dgamma");
  if (affine) same(din[g + 1], dbeta, t->tol ? t->tol : 2e-5, "dbeta");
  if (is_batch(t)) {
    double rows = (double)(n / C);
    for (int64_t i = 0; i < C; i++) {
      old_mean[i] = constant ? old_mean[i] : 0.9 * old_mean[i] + 0.1 * mean[i];
      old_var[i] = constant ? old_var[i] : 0.9 * old_var[i] + 0.1 * var[i] * rows / (rows - 1);
    }
    same(rm, old_mean, 1e-6, "running_mean");
    same(rv, old_var, 1e-5, "running_var");
  }
  vg_call_clear(&c);
  vg_tensor *all[] = { x, dy, y, gamma, beta, rm, rv, din[0], din[g], din[g + 1] };
  for (size_t i = 0; i < sizeof all / sizeof *all; i++) vg_tensor_release(all[i]);
  free(old_mean), free(old_var), free(dx), free(ddy), free(dg), free(db), free(set), free(mean), free(want);
}

static void test_batch_norm_shapes(void **state) {
  (void)state;
  const vg_shape shapes[] = { VG_SHAPE(2, 1), VG_SHAPE(5, 3), VG_SHAPE(4, 5, 5, 16), VG_SHAPE(3, 7, 5, 24), VG_SHAPE(2, 9, 9, 17), VG_SHAPE(2, 3, 3, 144),
                              VG_SHAPE(7, 130), VG_SHAPE(3, 1100), VG_SHAPE(8, 16, 16, 32), VG_SHAPE(8, 33, 17, 16), VG_SHAPE(9, 31, 2, 72) };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int k = 0; k < 8; k++)
      check(&(trial){ .op = "batch_norm", .dtype = k & 1 ? VG_BF16 : VG_F32, .shape = shapes[i], .train = true, .frozen = k >> 1 & 1, .mean = 0.5 }, k & 4);
}

static void test_batch_norm_modes(void **state) {
  (void)state;
  for (int act = VG_ACT_NONE; act <= VG_ACT_TANH; act++)
    for (int k = 0; k < 8; k++)
      check(&(trial){ .op = "batch_norm", .dtype = k & 1 ? VG_BF16 : VG_F32, .shape = VG_SHAPE(3, 5, 7, 20), .act = (vg_act)act, .train = k & 2, .frozen = k & 4 },
            true);
}

/* The f32 mean is off by up to 3e-5 at 1e3, and dgamma by that times the sum of dy; sums that cancelled would be wrong by far more. */
static void test_batch_norm_far_mean(void **state) {
  (void)state;
  check(&(trial){ .op = "batch_norm", .dtype = VG_F32, .shape = VG_SHAPE(16, 32, 32, 8), .train = true, .mean = 1e3, .tol = 1e-3 }, true);
}

static void test_batch_norm_same_bits(void **state) {
  (void)state;
  int before = vg_threads();
  vg_tensor *x = scatter(VG_F32, VG_SHAPE(16, 16, 16, 24), 1, 1), *rm = scatter(VG_F32, VG_SHAPE(24), 2, 0), *rv = scatter(VG_F32, VG_SHAPE(24), 3, 3), *y[2];
  for (int threads = 1; threads <= 3; threads += 2) {
    vg_threads_set(threads);
    for (int i = 0; i < 2; i++) {
      vg_call c = { .n_in = 3, .in = { x, rm, rv }, .train = true };
      vg_op_defaults(&c, vg_op_find("batch_norm"));
      assert_int_equal(vg_op_run(&y[i], &c), VG_OK);
    }
    assert_memory_equal(vg_f32(y[0]), vg_f32(y[1]), vg_tensor_bytes(y[0]));
    vg_tensor_release(y[0]);
    vg_tensor_release(y[1]);
  }
  vg_threads_set(before);
  vg_tensor_release(x);
  vg_tensor_release(rm);
  vg_tensor_release(rv);
}

static void refuse(vg_tensor *x, vg_tensor *rm, vg_tensor *rv, vg_status want, const char *text) {
  vg_tensor *y;
  vg_call c = { .n_in = 3, .in = { x, rm, rv }, .train = true };
  vg_op_defaults(&c, vg_op_find("batch_norm"));
  assert_int_equal(vg_op_run(&y, &c), want);
  assert_string_equal(vg_message(), text);
}

static void test_batch_norm_refusals(void **state) {
  (void)state;
  vg_tensor *x = scatter(VG_F32, VG_SHAPE(1, 4), 1, 0), *four = scatter(VG_F32, VG_SHAPE(4), 2, 3), *five = scatter(VG_F32, VG_SHAPE(5), 2, 3);
  refuse(x, four, four, VG_ESHAPE, "batch_norm: training needs at least 2 values per channel, got 1");
  refuse(x, five, four, VG_ESHAPE, "batch_norm: running_mean must be [4] as the channels of x, got [5]");
  refuse(four, four, four, VG_ESHAPE, "batch_norm: x needs at least 2 axes, got 1");
  vg_tensor_release(x);
  vg_tensor_release(four);
  vg_tensor_release(five);
}

static void gradcheck(const char *op, vg_call c) {
  double worst;
  for (int i = 0; i < c.n_in; i++)
    if (c.in[i]) c.in[i]->wants_grad = true;
  vg_status s = vg_gradcheck(&worst, &c, NULL);
  if (s != VG_OK) fail_msg("%s: %s", op, vg_message());
}

static void test_batch_norm_gradcheck(void **state) {
  (void)state;
  for (int frozen = 0; frozen < 2; frozen++) {
    vg_tensor *x = scatter(VG_F32, VG_SHAPE(3, 2, 2, 5), 1, 0), *rm = scatter(VG_F32, VG_SHAPE(5), 2, 0), *rv = scatter(VG_F32, VG_SHAPE(5), 3, 3);
    vg_tensor *gamma = scatter(VG_F32, VG_SHAPE(5), 4, 3), *beta = scatter(VG_F32, VG_SHAPE(5), 5, 0);
    vg_call c = { .n_in = 5, .in = { x, rm, rv, gamma, beta }, .train = true };
    vg_op_defaults(&c, vg_op_find("batch_norm"));
    c.arg[2] = VG_ACT_SWISH;
    c.arg[3] = frozen;
    gradcheck("batch_norm", c);
    for (int i = 0; i < 5; i++) vg_tensor_release(c.in[i]);
  }
}

static void check_softmax(const char *op, vg_dtype dtype, int64_t rows, int64_t n) {
  bool log_too = op[0] == 'l';
  double tol = dtype == VG_BF16 ? 8e-3 : 5e-6;
  vg_tensor *x = scatter(dtype, VG_SHAPE(rows, n), 1, 50), *dy = scatter(dtype, VG_SHAPE(rows, n), 2, 0), *dx = fresh(dtype, VG_SHAPE(rows, n));
  vg_call c = { .n_in = 1, .in = { x } };
  vg_op_defaults(&c, vg_op_find(op));
  assert_int_equal(vg_op_run(&c.out, &c), VG_OK);
  double *want = doubles(x), *from = doubles(x), *g = doubles(dy);
  vg_ref_softmax(want, from, rows, n, log_too);
  same(c.out, want, tol, op);
  /* Backward reads the output as it was rounded. */
  double *y = doubles(c.out);
  assert_int_equal(c.op->backward(&dx, 0, dy, &c), VG_OK);
  vg_ref_softmax_backward(want, g, y, rows, n, log_too);
  same(dx, want, tol, "dx");
  free(want), free(from), free(g), free(y);
  vg_tensor_release(x);
  vg_tensor_release(dy);
  vg_tensor_release(dx);
  vg_tensor_release(c.out);
}

static void test_softmax(void **state) {
  (void)state;
  const int64_t widths[] = { 1, 2, 10, 16, 17, 31, 100, 1000 };
  for (size_t i = 0; i < sizeof widths / sizeof *widths; i++)
    for (int k = 0; k < 4; k++) check_softmax(k & 1 ? "softmax" : "log_softmax", k & 2 ? VG_BF16 : VG_F32, 37, widths[i]);
  vg_tensor *x = scatter(VG_F32, VG_SHAPE(3, 7), 1, 0);
  for (int log_too = 0; log_too < 2; log_too++) {
    vg_call c = { .n_in = 1, .in = { x } };
    vg_op_defaults(&c, vg_op_find(log_too ? "log_softmax" : "softmax"));
    gradcheck(c.op->name, c);
  }
  /* A masked entry has no weight at all. */
  vg_tensor *y;
  vg_tensor_set(x, 2, -INFINITY);
  vg_call c = { .n_in = 1, .in = { x } };
  vg_op_defaults(&c, vg_op_find("softmax"));
  assert_int_equal(vg_op_run(&y, &c), VG_OK);
  assert_true(vg_tensor_get(y, 2) == 0 && vg_tensor_get(y, 1) > 0);
  vg_tensor_release(x);
  vg_tensor_release(y);
}

static void test_group_norm(void **state) {
  (void)state;
  const struct { vg_shape shape; int groups; } cases[] = {
    { VG_SHAPE(2, 8), 2 }, { VG_SHAPE(3, 5, 5, 16), 4 }, { VG_SHAPE(2, 7, 9, 24), 24 }, { VG_SHAPE(1, 33, 40, 30), 3 }, { VG_SHAPE(4, 3, 3, 144), 1 },
  };
  for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
    for (int k = 0; k < 4; k++)
      check(&(trial){ .op = "group_norm", .dtype = k & 1 ? VG_BF16 : VG_F32, .shape = cases[i].shape, .groups = cases[i].groups, .train = true }, k & 2);
  vg_tensor *x = scatter(VG_F32, VG_SHAPE(2, 2, 2, 6), 1, 0), *gamma = scatter(VG_F32, VG_SHAPE(6), 2, 3), *beta = scatter(VG_F32, VG_SHAPE(6), 3, 0), *y;
  vg_call c = { .n_in = 3, .in = { x, gamma, beta } };
  vg_op_defaults(&c, vg_op_find("group_norm"));
  c.arg[0] = 3;
  gradcheck("group_norm", c);
  c.arg[0] = 4;
  assert_int_equal(vg_op_run(&y, &c), VG_ESHAPE);
  assert_string_equal(vg_message(), "group_norm: 6 channels do not divide into 4 groups");
  for (int i = 0; i < 3; i++) vg_tensor_release(c.in[i]);
}

static void test_layer_norm(void **state) {
  (void)state;
  const vg_shape shapes[] = { VG_SHAPE(3, 2), VG_SHAPE(5, 10), VG_SHAPE(2, 3, 17), VG_SHAPE(130, 300), VG_SHAPE(4, 7, 64) };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
    for (int k = 0; k < 4; k++)
      check(&(trial){ .op = "layer_norm", .dtype = k & 1 ? VG_BF16 : VG_F32, .shape = shapes[i], .train = true, .mean = 0.5 }, k & 2);
  vg_tensor *x = scatter(VG_F32, VG_SHAPE(2, 2, 6), 1, 0), *gamma = scatter(VG_F32, VG_SHAPE(6), 2, 3), *beta = scatter(VG_F32, VG_SHAPE(6), 3, 0);
  vg_call c = { .n_in = 3, .in = { x, gamma, beta } };
  vg_op_defaults(&c, vg_op_find("layer_norm"));
  gradcheck("layer_norm", c);
  for (int i = 0; i < 3; i++) vg_tensor_release(c.in[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_batch_norm_shapes), cmocka_unit_test(test_batch_norm_modes), cmocka_unit_test(test_batch_norm_far_mean),
    cmocka_unit_test(test_batch_norm_same_bits), cmocka_unit_test(test_batch_norm_refusals), cmocka_unit_test(test_batch_norm_gradcheck),
    cmocka_unit_test(test_softmax), cmocka_unit_test(test_group_norm), cmocka_unit_test(test_layer_norm),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
