#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/bayes.h"
#include "model/gp.h"
#include "model/normal.h"
#include "near.h"

static const double EPS = 1e-9;

/* --- a plain reference: Gaussian elimination on the full matrix, no factor kept ------------------------------------------------------ */

enum { MAX = 32 };

static double kernel(const vg_columns *c, const double *a, const double *b, const double *relevance, double scale) {
  double r2 = 0;
  for (size_t j = 0; j < c->n; j++) {
    double d = a[j] - b[j];
    if (c->at[j].category || a[j] == VG_INACTIVE || b[j] == VG_INACTIVE) d = a[j] != b[j];
    r2 += relevance[j] * d * d;
  }
  double r = sqrt(r2);
  return scale * (1 + sqrt(5) * r + 5 * r2 / 3) * exp(-sqrt(5) * r);
}

/* x = a^-1 b, and log |det a|. */
static double solve(double a[MAX][MAX], double *x, size_t n) {
  double log_det = 0;
  for (size_t k = 0; k < n; k++) {
    log_det += log(fabs(a[k][k]));
    for (size_t i = k + 1; i < n; i++) {
      double f = a[i][k] / a[k][k];
      for (size_t j = k; j < n; j++) a[i][j] -= f * a[k][j];
      x[i] -= f * x[k];
    }
  }
  for (size_t i = n; i-- > 0;) {
    for (size_t j = i + 1; j < n; j++) x[i] -= a[i][j] * x[j];
    x[i] /= a[i][i];
  }
  return log_det;
}

static void fill(double k[MAX][MAX], const vg_columns *c, const double *rows, size_t n, const double *relevance, double scale, double noise) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = 0; j < n; j++) k[i][j] = kernel(c, rows + i * c->n, rows + j * c->n, relevance, scale) + (i == j ? noise : 0);
}

static void posterior(double *mean, double *sd, const vg_columns *c, const double *rows, const double *y, size_t n,
                      const double *relevance, double scale, double noise, const double *point) {
  double k[MAX][MAX], alpha[MAX], v[MAX], near[MAX];
  fill(k, c, rows, n, relevance, scale, noise);
  memcpy(alpha, y, n * sizeof *y);
  solve(k, alpha, n);
  for (size_t i = 0; i < n; i++) v[i] = near[i] = kernel(c, rows + i * c->n, point, relevance, scale);
  fill(k, c, rows, n, relevance, scale, noise);
  solve(k, v, n);
  double m = 0, rest = scale;
  for (size_t i = 0; i < n; i++) m += near[i] * alpha[i], rest -= near[i] * v[i];
  *mean = m;
  *sd = sqrt(rest);
}

static double reference_likelihood(const vg_columns *c, const double *rows, const double *y, size_t n, const double *relevance, double scale,
                                   double noise) {
  double k[MAX][MAX], alpha[MAX], fit = 0;
  fill(k, c, rows, n, relevance, scale, noise);
  memcpy(alpha, y, n * sizeof *y);
  double log_det = solve(k, alpha, n);
  for (size_t i = 0; i < n; i++) fit += 0.5 * y[i] * alpha[i];
  return fit + 0.5 * log_det + 0.5 * (double)n * log(2 * M_PI);
}

static double standardise(double *z, const double *y, size_t n, double *mean) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) sum += y[i];
  *mean = sum / (double)n;
  for (size_t i = 0; i < n; i++) squares += (y[i] - *mean) * (y[i] - *mean);
  double sd = sqrt(squares / (double)n);
  for (size_t i = 0; i < n; i++) z[i] = (y[i] - *mean) / sd;
  return sd;
}

/* --- a mixed table: two numbers, a category, and a number that is active where the category is at its first level --------------------- */

static const vg_interval FIRST_LEVEL[] = { { 0, 0.33 } };
static const vg_guard GUARD[] = { { VG_GUARD_WITHIN, 2, 0, 1 } };
static const vg_column MIXED[] = { { 0 }, { 0 }, { .levels = 3, .category = true }, { .guard_length = 1, .group = 1 } };
static const vg_columns mixed = { 4, MIXED, GUARD, FIRST_LEVEL };
static const vg_column ONE[] = { { 0 } };
static const vg_columns one = { 1, ONE, NULL, NULL };

typedef struct fixture {
  vg_rows rows;
  vg_gp *gp;
  uint32_t index[MAX];
  double y[MAX];
  size_t n;
} fixture;

static void setup_mixed(fixture *f, size_t n) {
  vg_rng rng = vg_rng_at(5, 1);
  double row[4];
  vg_rows_init(&f->rows, &mixed);
  f->n = n;
  for (size_t i = 0; i < n; i++) {
    vg_columns_random(&mixed, row, &rng);
    assert_int_equal(vg_rows_add(&f->rows, row), VG_OK);
    f->index[i] = (uint32_t)i;
    f->y[i] = sin(5 * row[0]) + row[1] * row[1] + 0.4 * row[2] + (row[3] == VG_INACTIVE ? 0 : row[3]);
  }
  assert_int_equal(vg_gp_new(&f->gp, &mixed, -1), VG_OK);
}

static void teardown(fixture *f) {
  vg_gp_free(f->gp);
  vg_rows_deinit(&f->rows);
}

static const double PARAMETERS[] = { 1.2, 0.3, -0.4, 0.1, 0.5, -7 };    /* logs of four relevances, scale, noise */

/* --- tests ---------------------------------------------------------------------------------------------------------------------------- */

static void known_posterior(void **state) {
  (void)state;
  const double x[] = { 0, 0.3, 0.7, 1 }, y[] = { 1, 0, 0.5, 2 }, relevance = 1 / 0.09, at[] = { 0.15, 0.5, 0.85 };
  const double want_mean[] = { 0.5393495689234, -0.1096234351274, 1.3780251397532 };
  const double want_sd[] = { 0.3072655075048, 0.4347015171642, 0.3072655075048 };
  for (int i = 0; i < 3; i++) {
    double mean, sd;
    posterior(&mean, &sd, &one, x, y, 4, &relevance, 1, 1e-6, &at[i]);
    assert_near(mean, want_mean[i], 1e-10);
    assert_near(sd, want_sd[i], 1e-10);
    double z = (0 - mean) / sd;
    const double want_log_ei[] = { -5.3175961573, -1.4536406144, -15.2862582424 };
    assert_near(log(sd) + vg_log_improvement(z), want_log_ei[i], 1e-9);
  }
  assert_near(reference_likelihood(&one, x, y, 4, &relevance, 1, 1e-6), 6.164251946636648, 1e-10);
}

static void improvement_in_the_tails(void **state) {
  (void)state;
  const double z[] = { 0, -1, -5, -10, -30, -40 };
  const double want[] = { -0.918938533204673, -2.48512102571264, -16.7443011626610, -55.5531220361224, -457.724653760598, -808.298568356620 };
  for (int i = 0; i < 6; i++) assert_near(vg_log_improvement(z[i]), want[i], 1e-9 * fabs(want[i]));
  assert_near(vg_log_improvement(-1000), -500000 - 0.918938533204673 - 2 * log(1000), 1e-5);     /* where the asymptote takes over */
  assert_near(vg_normal_log_cdf(-4.999999), vg_normal_log_cdf(-5.000001), 2e-5);
  assert_near(vg_normal_log_cdf(-40), -804.608442013754, 1e-9);
  assert_true(isfinite(vg_log_improvement(-1e6)));
}

static void posterior_is_that_of_the_reference(void **state) {
  (void)state;
  fixture f;
  double z[MAX], mean, relevance[4], points[4 * 20], got_mean[20], got_sd[20];
  setup_mixed(&f, 24);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, f.n, 0, f.y), VG_OK);
  assert_int_equal(vg_gp_set_parameters(f.gp, PARAMETERS), VG_OK);
  double sd = standardise(z, f.y, f.n, &mean);
  for (int j = 0; j < 4; j++) relevance[j] = exp(PARAMETERS[j]);
  vg_rng rng = vg_rng_at(9, 0);
  for (int i = 0; i < 20; i++) vg_columns_random(&mixed, points + 4 * i, &rng);
  assert_int_equal(vg_gp_predict(f.gp, got_mean, got_sd, points, 20), VG_OK);
  for (int i = 0; i < 20; i++) {
    double m, s;
    posterior(&m, &s, &mixed, f.rows.value, z, f.n, relevance, exp(PARAMETERS[4]), exp(PARAMETERS[5]), points + 4 * i);
    assert_near(got_mean[i], mean + sd * m, EPS);
    assert_near(got_sd[i], sd * s, EPS);
  }
  double want = reference_likelihood(&mixed, f.rows.value, z, f.n, relevance, exp(PARAMETERS[4]), exp(PARAMETERS[5]));
  assert_near(vg_gp_neg_log_likelihood(f.gp, NULL, PARAMETERS), want, EPS);
  teardown(&f);
}

static void likelihood_gradient(void **state) {
  (void)state;
  fixture f;
  double grad[6], p[6];
  setup_mixed(&f, 24);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, f.n, 0, f.y), VG_OK);
  (void)vg_gp_neg_log_likelihood(f.gp, grad, PARAMETERS);
  for (int j = 0; j < 6; j++) {
    memcpy(p, PARAMETERS, sizeof p);
    p[j] += 1e-5;
    double up = vg_gp_neg_log_likelihood(f.gp, NULL, p);
    p[j] -= 2e-5;
    double down = vg_gp_neg_log_likelihood(f.gp, NULL, p);
    assert_near(grad[j], (up - down) / 2e-5, 1e-6 * (1 + fabs(grad[j])));
  }
  teardown(&f);
}

static void prediction_slope(void **state) {
  (void)state;
  fixture f;
  setup_mixed(&f, 24);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, f.n - 3, 3, f.y), VG_OK);      /* also with pending rows */
  assert_int_equal(vg_gp_set_parameters(f.gp, PARAMETERS), VG_OK);
  double point[4] = { 0.31, 0.62, vg_column_centre(&MIXED[2], 0), 0.44 }, mean, sd, dm[4], ds[4];
  vg_gp_predict_slope(f.gp, &mean, &sd, dm, ds, point);
  double mean_again, sd_again;
  assert_int_equal(vg_gp_predict(f.gp, &mean_again, &sd_again, point, 1), VG_OK);
  assert_near(mean, mean_again, EPS);
  assert_near(sd, sd_again, EPS);
  for (int j = 0; j < 4; j++) {
    double m[2], s[2];
    for (int side = 0; side < 2; side++) {
      double moved[4];
      memcpy(moved, point, sizeof moved);
      if (!MIXED[j].category) moved[j] += side ? 1e-6 : -1e-6;
      assert_int_equal(vg_gp_predict(f.gp, &m[side], &s[side], moved, 1), VG_OK);
    }
    assert_near(dm[j], (m[1] - m[0]) / 2e-6, 1e-6);
    assert_near(ds[j], (s[1] - s[0]) / 2e-6, 1e-6);
  }
  teardown(&f);
}

/* Row by row equals all at once; rows that were pending and then answered, or never answered, leave no trace. */
static void data_row_by_row(void **state) {
  (void)state;
  fixture f, g;
  double p[4] = { 0.2, 0.7, 0.5, VG_INACTIVE }, mean, sd, want_mean, want_sd;
  setup_mixed(&f, 30);
  setup_mixed(&g, 30);
  assert_int_equal(vg_gp_set_data(g.gp, &g.rows, g.index, g.n, 0, g.y), VG_OK);
  assert_int_equal(vg_gp_set_parameters(g.gp, PARAMETERS), VG_OK);
  assert_int_equal(vg_gp_predict(g.gp, &want_mean, &want_sd, p, 1), VG_OK);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, 4, 0, f.y), VG_OK);
  assert_int_equal(vg_gp_set_parameters(f.gp, PARAMETERS), VG_OK);
  for (size_t n = 5; n <= f.n; n++) {
    uint32_t index[MAX];
    memcpy(index, f.index, sizeof index);
    index[n] = f.index[f.n - 1], index[n + 1] = f.index[0];
    assert_int_equal(vg_gp_set_data(f.gp, &f.rows, index, n, n % 3 == 0 ? 2 : 0, f.y), VG_OK);
  }
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, f.n, 0, f.y), VG_OK);
  assert_int_equal(vg_gp_predict(f.gp, &mean, &sd, p, 1), VG_OK);
  assert_near(mean, want_mean, EPS);
  assert_near(sd, want_sd, EPS);
  for (size_t i = 0; i < f.n; i++) {                   /* permuted */
    g.index[i] = f.index[(7 * i) % f.n];
    g.y[i] = f.y[(7 * i) % f.n];
  }
  assert_int_equal(vg_gp_set_data(g.gp, &g.rows, g.index, g.n, 0, g.y), VG_OK);
  assert_int_equal(vg_gp_predict(g.gp, &mean, &sd, p, 1), VG_OK);
  assert_near(mean, want_mean, EPS);
  assert_near(sd, want_sd, EPS);
  teardown(&f);
  teardown(&g);
}

static void pending_rows_narrow_and_do_not_move(void **state) {
  (void)state;
  fixture f;
  double p[4], mean, sd, mean_with, sd_with;
  setup_mixed(&f, 20);
  memcpy(p, vg_rows_at(&f.rows, 19), sizeof p);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, 19, 0, f.y), VG_OK);
  assert_int_equal(vg_gp_set_parameters(f.gp, PARAMETERS), VG_OK);
  assert_int_equal(vg_gp_predict(f.gp, &mean, &sd, p, 1), VG_OK);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, 19, 1, f.y), VG_OK);
  assert_int_equal(vg_gp_predict(f.gp, &mean_with, &sd_with, p, 1), VG_OK);
  assert_near(mean_with, mean, EPS);
  assert_true(sd_with < 0.2 * sd);
  teardown(&f);
}

static void interpolates_without_noise(void **state) {
  (void)state;
  fixture f;
  double mean[MAX], sd[MAX], p[] = { 1.2, 0.3, -0.4, 0.1, 0.5, log(VG_GP_NOISE_FLOOR) };
  setup_mixed(&f, 24);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, f.n, 0, f.y), VG_OK);
  assert_int_equal(vg_gp_set_parameters(f.gp, p), VG_OK);
  assert_int_equal(vg_gp_predict(f.gp, mean, sd, f.rows.value, f.n), VG_OK);
  for (size_t i = 0; i < f.n; i++) {
    assert_near(mean[i], f.y[i], 1e-5);
    assert_true(sd[i] >= 0 && sd[i] < 1e-3);
  }
  teardown(&f);
}

static void fit_improves_the_likelihood(void **state) {
  (void)state;
  fixture f;
  double before[6], after[6], p[4] = { 0.4, 0.4, 0.5, VG_INACTIVE }, mean, sd;
  setup_mixed(&f, 30);
  vg_rng rng = vg_rng_at(1, 1);
  assert_int_equal(vg_gp_set_data(f.gp, &f.rows, f.index, f.n, 0, f.y), VG_OK);
  vg_gp_get_parameters(f.gp, before);
  assert_int_equal(vg_gp_fit(f.gp, true, 2, &rng), VG_OK);
  vg_gp_get_parameters(f.gp, after);
  assert_true(vg_gp_neg_log_likelihood(f.gp, NULL, after) < vg_gp_neg_log_likelihood(f.gp, NULL, before) - 5);
  assert_int_equal(vg_gp_predict(f.gp, &mean, &sd, p, 1), VG_OK);
  assert_near(mean, sin(2.0) + 0.16 + 0.2, 0.15);
  teardown(&f);
}

/* Equal rows make the matrix singular but for the noise; equal targets have no spread. */
static void degenerate_data(void **state) {
  (void)state;
  vg_rows rows;
  vg_gp *gp;
  uint32_t index[20];
  double y[20], mean, sd, p = 0.5;
  vg_rng rng = vg_rng_at(2, 2);
  vg_rows_init(&rows, &one);
  for (int i = 0; i < 20; i++) {
    assert_int_equal(vg_rows_add(&rows, &(double){ 0.25 }), VG_OK);
    index[i] = (uint32_t)i, y[i] = 3;
  }
  assert_int_equal(vg_gp_new(&gp, &one, 0), VG_OK);
  assert_int_equal(vg_gp_set_data(gp, &rows, index, 20, 0, y), VG_OK);
  assert_int_equal(vg_gp_fit(gp, true, 1, &rng), VG_OK);
  assert_int_equal(vg_gp_predict(gp, &mean, &sd, &p, 1), VG_OK);
  assert_near(mean, 3, 1e-6);
  assert_true(isfinite(sd) && sd > 0);
  vg_gp_free(gp);
  vg_rows_deinit(&rows);
}

static vg_status predict(void *gp, double *mean, double *sd, const double *points, size_t m) { return vg_gp_predict(gp, mean, sd, points, m); }
static void slope(void *gp, double *mean, double *sd, double *dm, double *ds, const double *point) {
  vg_gp_predict_slope(gp, mean, sd, dm, ds, point);
}

/* Every acquisition, with a constraint: the slope is that of the score. */
static void acquisition_slopes(void **state) {
  (void)state;
  fixture f, g;
  setup_mixed(&f, 24);
  setup_mixed(&g, 24);
  for (size_t i = 0; i < g.n; i++) g.y[i] = cos(3 * vg_rows_at(&g.rows, i)[1]) - 0.3;
  fixture *both[] = { &f, &g };
  for (int k = 0; k < 2; k++) {
    assert_int_equal(vg_gp_set_data(both[k]->gp, &both[k]->rows, both[k]->index, both[k]->n, 0, both[k]->y), VG_OK);
    assert_int_equal(vg_gp_set_parameters(both[k]->gp, PARAMETERS), VG_OK);
  }
  vg_surrogate first = { predict, slope, f.gp }, second = { predict, slope, g.gp };
  const double front[] = { -0.2, 0.5, 0.3, 0.1, 0.9, -0.6 };
  const vg_bayes_kind kinds[] = { VG_BAYES_EI, VG_BAYES_LCB, VG_BAYES_EHVI, VG_BAYES_FEASIBLE };
  for (int k = 0; k < 4; k++) {
    vg_bayes b = { .kind = kinds[k], .n_columns = 4, .objective = { first, second }, .constraint = &second, .n_constraints = 1, .best = 0.1,
      .kappa = 1.96, .front = front, .n_front = 3, .reference = { 2, 1 } };
    vg_acquisition a = vg_bayes_acquisition(&b);
    double point[4] = { 0.31, 0.62, vg_column_centre(&MIXED[2], 0), 0.44 }, grad[4], score;
    double value = a.slope(a.ctx, grad, point);
    assert_int_equal(a.score(a.ctx, &score, point, 1), VG_OK);
    assert_near(value, score, 1e-8);
    for (int j = 0; j < 4; j += j == 1 ? 2 : 1) {
      double moved[8];
      for (int side = 0; side < 2; side++) {
        memcpy(moved + 4 * side, point, sizeof point);
        moved[4 * side + j] += side ? 1e-6 : -1e-6;
      }
      double pair[2];
      assert_int_equal(a.score(a.ctx, pair, moved, 2), VG_OK);
      assert_near(grad[j], (pair[1] - pair[0]) / 2e-6, 1e-5 * (1 + fabs(grad[j])));
    }
  }
  teardown(&f);
  teardown(&g);
}

int main(void) {
  const struct CMUnitTest tests[] = {
    cmocka_unit_test(known_posterior),        cmocka_unit_test(improvement_in_the_tails),
    cmocka_unit_test(posterior_is_that_of_the_reference), cmocka_unit_test(likelihood_gradient),
    cmocka_unit_test(prediction_slope),       cmocka_unit_test(data_row_by_row),
    cmocka_unit_test(pending_rows_narrow_and_do_not_move), cmocka_unit_test(interpolates_without_noise),
    cmocka_unit_test(fit_improves_the_likelihood), cmocka_unit_test(degenerate_data),
    cmocka_unit_test(acquisition_slopes),
  };
  return cmocka_run_group_tests(tests, NULL, NULL);
}
