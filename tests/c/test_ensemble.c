#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "model/ensemble.h"
#include "near.h"

enum { N = 90, D = 6 };

static void make_data(float *x, float *y) {
  vg_rng rng = vg_rng_at(3, 0);
  for (size_t i = 0; i < N; i++) {
    for (size_t j = 0; j < D; j++) x[i * D + j] = (float)vg_rng_uniform(&rng);
    y[i] = 1 + x[i * D] + 2 * x[i * D + 1] * x[i * D + 2] + 0.5f * x[i * D + 5];
  }
}

static void gradient(void **state) {
  (void)state;
  float x[N * D], y[N];
  const vg_ensemble_opts opts = { .models = 2, .layers = 3, .width = 7, .epochs = 3, .rate = 0.01, .l1 = 0.05 };
  vg_ensemble *e;
  vg_rng rng = vg_rng_at(4, 0);
  make_data(x, y);
  assert_int_equal(vg_ensemble_new(&e, D, &opts), VG_OK);
  assert_int_equal(vg_ensemble_fit(e, x, y, N, &rng), VG_OK);
  size_t n = vg_ensemble_weights(e);
  assert_int_equal(n, (D + 1) * 7 + 2 * 8 * 7 + 8);
  float *grad = malloc(n * sizeof *grad), *w = vg_ensemble_weights_of(e, 1);
  double loss, up, down, error = 0, size = 0;
  assert_int_equal(vg_ensemble_loss(e, 1, &loss, grad, x, y, N), VG_OK);
  for (size_t i = 0; i < n; i++) {
    float old = w[i];
    w[i] = old + 1e-3f;
    assert_int_equal(vg_ensemble_loss(e, 1, &up, NULL, x, y, N), VG_OK);
    w[i] = old - 1e-3f;
    assert_int_equal(vg_ensemble_loss(e, 1, &down, NULL, x, y, N), VG_OK);
    w[i] = old;
    double difference = (up - down) / 2e-3;
    error += (grad[i] - difference) * (grad[i] - difference);
    size += difference * difference;
  }
  assert_true(sqrt(error / size) < 0.02);              /* the loss has kinks, which a finite step sometimes crosses */
  free(grad);
  vg_ensemble_free(e);
}

static void learns(void **state) {
  (void)state;
  float x[N * D], y[N];
  const vg_ensemble_opts opts = { .models = 3, .layers = 3, .width = 20, .epochs = 200, .rate = 0.01 };
  vg_ensemble *e;
  vg_rng rng = vg_rng_at(5, 0), same = vg_rng_at(5, 0);
  double mean[N], sd[N], again[N], error = 0, spread = 0, average = 0;
  make_data(x, y);
  assert_int_equal(vg_ensemble_new(&e, D, &opts), VG_OK);
  assert_int_equal(vg_ensemble_fit(e, x, y, 60, &rng), VG_OK);
  assert_int_equal(vg_ensemble_predict(e, mean, sd, x, N), VG_OK);
  for (int i = 60; i < N; i++) average += y[i] / 30;
  for (int i = 60; i < N; i++) {                       /* samples it has not seen */
    error += (mean[i] - y[i]) * (mean[i] - y[i]);
    spread += (y[i] - average) * (y[i] - average);
    assert_true(sd[i] > 0 && sd[i] < 1);
  }
  assert_true(error < 0.1 * spread);
  assert_int_equal(vg_ensemble_fit(e, x, y, 60, &same), VG_OK);
  assert_int_equal(vg_ensemble_predict(e, again, sd, x, N), VG_OK);
  assert_memory_equal(mean, again, sizeof mean);
  y[3] = 0;
  assert_int_equal(vg_ensemble_fit(e, x, y, 60, &rng), VG_EARG);
  vg_ensemble_free(e);
}

int main(void) {
  const struct CMUnitTest tests[] = { cmocka_unit_test(gradient), cmocka_unit_test(learns) };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
