/* Operators that move, pick or drop elements: against index formulas, gradients by differences, refusals. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "base/threads.h"
#include "ops/op.h"
#include "tape/tape.h"

#define OK(expr)                                               \
  do {                                                         \
    vg_status ok_ = (expr);                                    \
    if (ok_ != VG_OK) fail_msg("%s: %s", #expr, vg_message()); \
  } while (0)

static vg_tensor *filled(vg_dtype dtype, vg_shape shape, uint64_t seed) {
  vg_tensor *f, *t;
  vg_rng rng = vg_rng_at(seed, 0);
  OK(vg_tensor_new(&f, VG_F32, &shape));
  vg_rng_fill_normal(&rng, vg_f32(f), (size_t)vg_tensor_count(f), 0, 1);
  OK(vg_tensor_cast(&t, f, dtype));
  vg_tensor_release(f);
  return t;
}

static vg_tensor *integers(vg_shape shape, int64_t below) {
  vg_tensor *t;
  OK(vg_tensor_new(&t, VG_I32, &shape));
  for (int64_t i = 0; i < vg_tensor_count(t); i++) vg_i32(t)[i] = (int32_t)(i * 5 % below);
  return t;
}

static vg_call call_of(const char *name, vg_tensor *x) {
  vg_call c = { .n_in = 1, .in = { x }, .train = true, .rng = vg_rng_at(9, 2) };
  assert_non_null(vg_op_find(name));
  vg_op_defaults(&c, vg_op_find(name));
  return c;
}

static vg_tensor *run(vg_call *c) {
  vg_tensor *y;
  double worst;
  c->wants_backward = true;
  OK(vg_op_run(&y, c));
  vg_call_clear(c);
  if (c->in[0]->dtype == VG_F32 && !(c->op->flags & VG_OP_NO_GRAD) && vg_tensor_count(y) < 500) OK(vg_gradcheck(&worst, c, NULL));
  return y;
}

static void same(const vg_tensor *y, int64_t i, const vg_tensor *x, int64_t j) {
  double got = vg_tensor_get(y, i), want = vg_tensor_get(x, j);
  if (got != want) fail_msg("element %lld is %g, expected %g", (long long)i, got, want);
}

/* Runs `body` for f32 and bf16. */
#define BOTH(dtype) for (vg_dtype dtype = VG_F32; dtype <= VG_BF16; dtype++)

static void test_concat(void **state) {
  (void)state;
  BOTH(dtype) for (int axis = 0; axis < 4; axis++) {
    vg_call c = { .n_in = 3 };
    vg_op_defaults(&c, vg_op_find("concat"));
    c.arg[0] = axis;
    int64_t length[3] = { 3, 1, 4 }, outer = 1, inner = 1;
    for (int k = 0; k < 3; k++) {
      vg_shape s = VG_SHAPE(2, 3, 2, 3);
      for (int i = 0; i < 4 && k == 0; i++) *(i < axis ? &outer : &inner) *= i == axis ? 1 : s.dim[i];
      s.dim[axis] = length[k];
      c.in[k] = filled(dtype, s, (uint64_t)k + 1);
    }
    vg_tensor *y = run(&c);
    assert_int_equal(y->shape.dim[axis], 8);
    for (int64_t o = 0; o < outer; o++)
      for (int64_t l = 0; l < 8; l++)
        for (int64_t i = 0; i < inner; i++) {
          int k = l < 3 ? 0 : l < 4 ? 1 : 2;
          int64_t place = l - (k == 0 ? 0 : k == 1 ? 3 : 4);
          same(y, (o * 8 + l) * inner + i, c.in[k], (o * length[k] + place) * inner + i);
        }
    vg_tensor_release(y);
    for (int k = 0; k < 3; k++) vg_tensor_release(c.in[k]);
  }
}

static void test_slice(void **state) {
  (void)state;
  BOTH(dtype) for (int axis = 0; axis < 3; axis++) for (int step = 1; step < 4; step++) {
    vg_shape s = VG_SHAPE(6, 7, 8);
    vg_tensor *x = filled(dtype, s, 1);
    vg_call c = call_of("slice", x);
    c.arg[0] = axis, c.arg[1] = 1, c.arg[2] = 6, c.arg[3] = step;
    vg_tensor *y = run(&c);
    int64_t m = (5 + step - 1) / step, inner = axis == 0 ? 56 : axis == 1 ? 8 : 1;
    assert_int_equal(y->shape.dim[axis], m);
    for (int64_t i = 0; i < vg_tensor_count(y); i++)
      same(y, i, x, (i / inner / m * s.dim[axis] + 1 + i / inner % m * step) * inner + i % inner);
    vg_tensor_release(y);
    vg_tensor_release(x);
  }
}

static void test_pad(void **state) {
  (void)state;
  BOTH(dtype) for (int channels = 0; channels < 3; channels++) {
    vg_tensor *x = filled(dtype, VG_SHAPE(2, 3, 4, 5), 1);
    vg_call c = call_of("pad", x);
    c.arg[0] = 1, c.arg[1] = 0, c.arg[2] = 2, c.arg[3] = 1, c.arg[4] = channels, c.arg[5] = 2 * channels, c.arg[6] = 0.5;
    vg_tensor *y = run(&c);
    const int64_t *d = y->shape.dim;
    assert_true(d[0] == 2 && d[1] == 4 && d[2] == 7 && d[3] == 5 + 3 * channels);
    for (int64_t i = 0; i < vg_tensor_count(y); i++) {
      int64_t ch = i % d[3] - channels, w = i / d[3] % d[2] - 2, h = i / d[3] / d[2] % d[1] - 1, n = i / d[3] / d[2] / d[1];
      if (ch < 0 || ch >= 5 || w < 0 || w >= 4 || h < 0) assert_true(vg_tensor_get(y, i) == 0.5);
      else same(y, i, x, ((n * 3 + h) * 4 + w) * 5 + ch);
    }
    vg_tensor_release(y);
    vg_tensor_release(x);
  }
}

static void test_reshape(void **state) {
  (void)state;
  vg_tensor *x = filled(VG_BF16, VG_SHAPE(2, 3, 4), 1), *z = filled(VG_F32, VG_SHAPE(2, 3, 4), 1);
  for (int k = 0; k < 2; k++) {
    vg_call c = call_of("reshape", k ? z : x);
    c.arg[0] = 2, c.arg[1] = -1, c.arg[2] = 6;
    vg_tensor *y = run(&c);
    assert_true(y->shape.rank == 2 && y->shape.dim[0] == 4 && y->shape.dim[1] == 6);
    for (int64_t i = 0; i < 24; i++) same(y, i, c.in[0], i);
    vg_tensor_release(y);
  }
  vg_tensor_release(x);
  vg_tensor_release(z);
}

static void test_transpose(void **state) {
  (void)state;
  BOTH(dtype) for (int a = 0; a < 4; a++) for (int b = 0; b < 4; b++) {
    vg_shape s = VG_SHAPE(3, 19, 2, 17);
    vg_tensor *x = filled(dtype, s, 1);
    vg_call c = call_of("transpose", x);
    c.arg[0] = a, c.arg[1] = b;
    vg_tensor *y = run(&c);
    for (int64_t i = 0; i < vg_tensor_count(y); i++) {
      int64_t at[4], rest = i, from = 0;
      for (int k = 3; k >= 0; k--) at[k] = rest % y->shape.dim[k], rest /= y->shape.dim[k];
      int64_t swap = at[a];
      at[a] = at[b], at[b] = swap;
      for (int k = 0; k < 4; k++) from = from * s.dim[k] + at[k];
      same(y, i, x, from);
    }
    vg_tensor_release(y);
    vg_tensor_release(x);
  }
  vg_tensor *small = filled(VG_F32, VG_SHAPE(2, 3, 4), 1);
  vg_call c = call_of("transpose", small);
  c.arg[0] = 0, c.arg[1] = 2;
  vg_tensor_release(run(&c));
  vg_tensor_release(small);
}

static void test_shuffles(void **state) {
  (void)state;
  BOTH(dtype) {
    vg_tensor *x = filled(dtype, VG_SHAPE(2, 2, 3, 12), 1);
    vg_call c = call_of("channel_shuffle", x);
    c.arg[0] = 3;
    vg_tensor *y = run(&c);
    for (int64_t i = 0; i < vg_tensor_count(y); i++) same(y, i, x, i / 12 * 12 + i % 12 % 3 * 4 + i % 12 / 3);
    vg_tensor_release(y);
    c = call_of("pixel_shuffle", x);
    c.arg[0] = 2;
    y = run(&c);
    assert_true(y->shape.dim[1] == 4 && y->shape.dim[2] == 6 && y->shape.dim[3] == 3);
    for (int64_t i = 0; i < vg_tensor_count(y); i++) {
      int64_t ch = i % 3, w = i / 3 % 6, h = i / 18 % 4, n = i / 72;
      same(y, i, x, ((n * 2 + h / 2) * 3 + w / 2) * 12 + ch * 4 + h % 2 * 2 + w % 2);
    }
    vg_tensor_release(y);
    vg_tensor_release(x);
  }
}

static double pixel(const vg_tensor *x, int64_t n, int64_t h, int64_t w, int64_t c) {
  const int64_t *d = x->shape.dim;
  h = h < 0 ? 0 : h >= d[1] ? d[1] - 1 : h;
  w = w < 0 ? 0 : w >= d[2] ? d[2] - 1 : w;
  return vg_tensor_get(x, ((n * d[1] + h) * d[2] + w) * d[3] + c);
}

static void test_upsample(void **state) {
  (void)state;
  BOTH(dtype) for (int factor = 1; factor < 4; factor++) for (int mode = 0; mode < 2; mode++) {
    vg_tensor *x = filled(dtype, VG_SHAPE(2, 3, 2, 3), 1);
    vg_call c = call_of("upsample", x);
    c.arg[0] = factor, c.arg[1] = mode;
    vg_tensor *y = run(&c);
    const int64_t *d = y->shape.dim;
    for (int64_t i = 0; i < vg_tensor_count(y); i++) {
      int64_t ch = i % d[3], w = i / d[3] % d[2], h = i / d[3] / d[2] % d[1], n = i / d[3] / d[2] / d[1];
      double want = pixel(x, n, h / factor, w / factor, ch);
      if (mode) {
        double v = ((double)h + 0.5) / factor - 0.5, u = ((double)w + 0.5) / factor - 0.5;
        int64_t top = (int64_t)floor(v), left = (int64_t)floor(u);
        double a = v - (double)top, b = u - (double)left;
        want = (1 - a) * ((1 - b) * pixel(x, n, top, left, ch) + b * pixel(x, n, top, left + 1, ch)) +
               a * ((1 - b) * pixel(x, n, top + 1, left, ch) + b * pixel(x, n, top + 1, left + 1, ch));
      }
      assert_true(fabs(vg_tensor_get(y, i) - want) <= (dtype == VG_F32 ? 1e-5 : 1e-2) * (1 + fabs(want)));
    }
    vg_tensor_release(y);
    vg_tensor_release(x);
  }
}

/* The share of zeros is near p, what stays is scaled, evaluation does nothing, the mask does not depend on the thread count. */
static void test_dropout(void **state) {
  (void)state;
  BOTH(dtype) {
    vg_tensor *x, *y[2];
    int64_t zeros = 0, n = 200000;
    vg_shape s = VG_SHAPE(n);
    OK(vg_tensor_new(&x, dtype, &s));
    vg_tensor_fill(x, 1);
    vg_call c = call_of("dropout", x);
    c.arg[0] = 0.25;
    int before = vg_threads();
    for (int k = 0; k < 2; k++) {
      vg_threads_set(k + 1);
      y[k] = run(&c);
    }
    vg_threads_set(before);
    assert_memory_equal(vg_tensor_data(y[0]), vg_tensor_data(y[1]), vg_tensor_bytes(x));
    for (int64_t i = 0; i < n; i++) {
      double v = vg_tensor_get(y[0], i);
      zeros += v == 0;
      assert_true(v == 0 || fabs(v - 4.0 / 3) < 0.01);
    }
    assert_true(fabs((double)zeros / (double)n - 0.25) < 0.005);
    c.train = false;
    vg_tensor *z = run(&c);
    assert_memory_equal(vg_tensor_data(z), vg_tensor_data(x), vg_tensor_bytes(x));
    vg_tensor_release(z);
    for (int k = 0; k < 2; k++) vg_tensor_release(y[k]);
    vg_tensor_release(x);
  }
  vg_tensor *small = filled(VG_F32, VG_SHAPE(40), 1);
  vg_call c = call_of("dropout", small);
  c.arg[0] = 0.5;
  vg_tensor_release(run(&c));                 /* the gradient check: backward draws the same mask */
  c.arg[0] = 1;
  vg_tensor *none = run(&c);
  for (int64_t i = 0; i < 40; i++) assert_true(vg_tensor_get(none, i) == 0);
  vg_tensor_release(none);
  vg_tensor_release(small);
}

static void test_drop_path(void **state) {
  (void)state;
  BOTH(dtype) {
    vg_tensor *x = filled(dtype, VG_SHAPE(50, 2, 2, 2), 1);
    vg_call c = call_of("drop_path", x);
    c.arg[0] = 0.5;
    vg_tensor *y = run(&c);
    int dropped = 0;
    for (int64_t n = 0; n < 50; n++) {
      bool gone = vg_tensor_get(y, n * 8) == 0;
      dropped += gone;
      for (int64_t i = n * 8; i < n * 8 + 8; i++) assert_true(vg_tensor_get(y, i) == (gone ? 0 : 2 * vg_tensor_get(x, i)));
    }
    assert_true(dropped > 10 && dropped < 40);
    vg_tensor_release(y);
    vg_tensor_release(x);
  }
}

static void test_embedding(void **state) {
  (void)state;
  BOTH(dtype) {
    vg_tensor *table = filled(dtype, VG_SHAPE(7, 3), 1), *ids = integers(VG_SHAPE(2, 5), 7);
    vg_call c = call_of("embedding", table);
    c.n_in = 2;
    c.in[1] = ids;
    vg_tensor *y = run(&c);
    assert_int_equal(y->shape.rank, 3);
    for (int64_t i = 0; i < 30; i++) same(y, i, table, vg_i32(ids)[i / 3] * 3 + i % 3);
    vg_tensor_release(y);
    vg_tensor_release(table);
    vg_tensor_release(ids);
  }
}

static void test_max(void **state) {
  (void)state;
  BOTH(dtype) for (int axis = -1; axis < 3; axis++) {
    vg_shape s = VG_SHAPE(3, 4, 5);
    vg_tensor *x = filled(dtype, s, 1);
    /* Differences need the largest to stay the largest: spread the values. */
    for (int64_t i = 0; i < 60; i++) vg_tensor_set(x, i, (double)(i * 37 % 61) / 4);
    vg_call c = call_of("max", x), a = call_of("argmax", x);
    c.arg[0] = a.arg[0] = axis;
    vg_tensor *y = run(&c), *where = run(&a);
    assert_int_equal(where->dtype, VG_I32);
    int64_t length = axis < 0 ? 60 : s.dim[axis], inner = axis == 0 ? 20 : axis == 1 ? 5 : 1;
    for (int64_t i = 0; i < vg_tensor_count(y); i++) {
      int64_t base = i / inner * length * inner + i % inner, best = 0;
      for (int64_t l = 1; l < length; l++)
        if (vg_tensor_get(x, base + l * inner) > vg_tensor_get(x, base + best * inner)) best = l;
      same(y, i, x, base + best * inner);
      assert_int_equal(vg_i32(where)[i], best);
    }
    vg_tensor_release(y);
    vg_tensor_release(where);
    vg_tensor_release(x);
  }
}

static void refuses(vg_call *c, vg_status code, const char *part) {
  vg_tensor *y;
  assert_int_equal(vg_op_run(&y, c), code);
  if (!strstr(vg_message(), part)) fail_msg("message '%s' lacks '%s'", vg_message(), part);
}

static void test_refusals(void **state) {
  (void)state;
  vg_tensor *x = filled(VG_F32, VG_SHAPE(2, 3), 1), *z = filled(VG_F32, VG_SHAPE(3, 3), 1), *h = filled(VG_BF16, VG_SHAPE(2, 3), 1);
  vg_tensor *image = filled(VG_F32, VG_SHAPE(1, 2, 2, 3), 1), *ids = integers(VG_SHAPE(4), 9);
  vg_call c = call_of("concat", x);
  c.n_in = 2, c.in[1] = z, c.arg[0] = 1;
  refuses(&c, VG_ESHAPE, "concat: input 2 is [3, 3] and does not fit beside [2, 3]");
  c.in[1] = h;
  refuses(&c, VG_EARG, "concat: input 2 is bf16, input 1 is f32");
  c.arg[0] = 2;
  refuses(&c, VG_EARG, "concat: axis 2 does not exist");
  c = call_of("slice", x);
  c.arg[0] = 1, c.arg[2] = 4, c.arg[3] = 1;
  refuses(&c, VG_ESHAPE, "slice: elements 1 to 4 of an axis of 3");
  c = call_of("pad", x);
  refuses(&c, VG_ESHAPE, "pad: the input must be [N, H, W, C], got [2, 3]");
  c = call_of("reshape", x);
  c.arg[0] = 2, c.arg[1] = 4, c.arg[2] = -1;
  refuses(&c, VG_ESHAPE, "reshape: [2, 3] does not fit into");
  c.arg[1] = -1;
  refuses(&c, VG_EARG, "one may be -1");
  c = call_of("transpose", x);
  c.arg[1] = -1;
  refuses(&c, VG_EARG, "transpose: axis -1 does not exist");
  c = call_of("channel_shuffle", x);
  c.arg[0] = 2;
  refuses(&c, VG_ESHAPE, "3 channels cannot be parted into 2 groups");
  c = call_of("pixel_shuffle", image);
  c.arg[0] = 2;
  refuses(&c, VG_ESHAPE, "3 channels are no multiple of 4");
  c = call_of("dropout", x);
  c.arg[0] = 1.5;
  refuses(&c, VG_EARG, "dropout: p must be between 0 and 1");
  c = call_of("embedding", z);
  c.n_in = 2, c.in[1] = ids;
  refuses(&c, VG_EARG, "embedding: id 5 at element 2, expected 0 to 2");
  vg_tensor *all[] = { x, z, h, image, ids };
  for (int i = 0; i < 5; i++) vg_tensor_release(all[i]);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(test_concat), cmocka_unit_test(test_slice), cmocka_unit_test(test_pad), cmocka_unit_test(test_reshape),
    cmocka_unit_test(test_transpose), cmocka_unit_test(test_shuffles), cmocka_unit_test(test_upsample), cmocka_unit_test(test_dropout),
    cmocka_unit_test(test_drop_path), cmocka_unit_test(test_embedding), cmocka_unit_test(test_max), cmocka_unit_test(test_refusals),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
