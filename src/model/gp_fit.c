/* Fitting the parameters of a Gaussian process: gradient of the marginal likelihood (Rasmussen & Williams 2006, equation 5.9),
 *   d(-log p) / dp = 1/2 tr((K^-1 - alpha alpha^T) dK/dp),
 * and priors that keep every relevance near 1 unless the data say otherwise. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/linalg.h"
#include "model/gp_private.h"
#include "model/kernel.h"
#include "model/minimise.h"

enum { ITERATIONS = 40 };
static const double LOG_2PI = 1.83787706640934548356;

/* Lower triangle of K plus noise of the rows with targets, under trial parameters. */
static void fill_kernel(const vg_gp *gp, double *k, const double *relevance, double scale, double noise) {
  size_t n = gp->n, ld = gp->capacity;
  for (size_t i = 0; i < n; i++) {
    double *row = k + i * ld;
    memset(row, 0, i * sizeof *row);
    for (size_t j = 0; j < gp->columns->n; j++) {
      const double *x = gp->x + j * ld;
      vg__add_distances(row, x, i, x[i], gp->columns->at[j].category, relevance[j]);
    }
    for (size_t l = 0; l < i; l++) {
      double t = sqrt(5 * row[l]);
      row[l] = scale * (1 + t + t * t / 3) * vg__exp(-t);
    }
    row[i] = scale + noise;
  }
}

/* grad from W = K^-1 - alpha alpha^T, whose lower triangle stands in w. */
static void likelihood_slope(const vg_gp *gp, double *grad, const double *w, const double *alpha, const double *relevance, double scale,
                             double noise, double *work, double *distance) {
  size_t n = gp->n, d = gp->columns->n, ld = gp->capacity;
  memset(grad, 0, (d + 2) * sizeof *grad);
  for (size_t i = 0; i < n; i++) {
    const double *row = w + i * ld;
    memset(work, 0, i * sizeof *work);
    for (size_t j = 0; j < d; j++) {
      const double *x = gp->x + j * ld;
      vg__add_distances(work, x, i, x[i], gp->columns->at[j].category, relevance[j]);
    }
    double by_scale = 0;
#pragma omp simd reduction(+ : by_scale)
    for (size_t l = 0; l < i; l++) {
      double t = sqrt(5 * work[l]), decay = scale * vg__exp(-t), weight = row[l] - alpha[i] * alpha[l];
      by_scale += weight * decay * (1 + t + t * t / 3);
      work[l] = weight * decay * (1 + t) * (-5.0 / 6);     /* by t^2 / 5 */
    }
    double diagonal = row[i] - alpha[i] * alpha[i];
    grad[d] += by_scale + 0.5 * diagonal * scale;
    grad[d + 1] += 0.5 * diagonal * noise;
    for (size_t j = 0; j < d; j++) {
      const double *x = gp->x + j * ld;
      double sum = 0;
      memset(distance, 0, i * sizeof *distance);
      vg__add_distances(distance, x, i, x[i], gp->columns->at[j].category, relevance[j]);
#pragma omp simd reduction(+ : sum)
      for (size_t l = 0; l < i; l++) sum += work[l] * distance[l];
      grad[j] += sum;
    }
  }
}

static vg_status make_room(vg_gp *gp) {
  return gp->inverse ? VG_OK : vg_alloc((void **)&gp->inverse, gp->capacity * gp->capacity * sizeof *gp->inverse);
}

double vg_gp_neg_log_likelihood(vg_gp *gp, double *grad, const double *p) {
  size_t n = gp->n, d = gp->columns->n, ld = gp->capacity;
  if (n == 0 || make_room(gp) != VG_OK) return HUGE_VAL;
  double *k = gp->inverse, *alpha = gp->point, *distance = alpha + ld, *relevance = distance + ld, scale = exp(p[d]), noise = exp(p[d + 1]);
  if (d > 3 * ld && vg_alloc((void **)&relevance, d * sizeof *relevance) != VG_OK) return HUGE_VAL;
  for (size_t j = 0; j < d; j++) relevance[j] = exp(p[j]);
  fill_kernel(gp, k, relevance, scale, noise);
  double value = HUGE_VAL;
  if (vg_cholesky(k, (int64_t)n, (int64_t)ld) == VG_OK) {
    value = 0.5 * (double)n * LOG_2PI;
    memcpy(alpha, gp->y, n * sizeof *alpha);
    vg_lower_solve(alpha, k, (int64_t)n, (int64_t)ld, 0);
    for (size_t i = 0; i < n; i++) value += 0.5 * alpha[i] * alpha[i] + log(k[i * ld + i]);
    vg_lower_solve(alpha, k, (int64_t)n, (int64_t)ld, 1);
    if (grad && vg_cholesky_inverse(k, (int64_t)n, (int64_t)ld) != VG_OK) value = HUGE_VAL;
    if (grad && value < HUGE_VAL) likelihood_slope(gp, grad, k, alpha, relevance, scale, noise, gp->work, distance);
  }
  if (d > 3 * ld) vg_free(relevance);
  return value;
}

/* Negative log prior: relevances exp(-0.1 / r - 0.1 r), scale Gamma(2, 1), noise Gamma(1.1, 30) (search-strategies.md 4.4). */
static double add_prior(const vg_gp *gp, double *grad, const double *p) {
  size_t d = gp->columns->n;
  double value = 0, scale = exp(p[d]), noise = exp(p[d + 1]);
  for (size_t j = 0; j < d; j++) {
    double r = exp(p[j]);
    value += 0.1 / r + 0.1 * r;
    grad[j] += -0.1 / r + 0.1 * r;
  }
  value += scale - p[d];
  grad[d] += scale - 1;
  if (!gp->fits_noise) {
    grad[d + 1] = 0;
    return value;
  }
  value += 30 * noise - 0.1 * p[d + 1];
  grad[d + 1] += 30 * noise - 0.1;
  return value;
}

static double posterior(double *grad, const double *p, void *ctx) {
  double value = vg_gp_neg_log_likelihood(ctx, grad, p);
  return value < HUGE_VAL ? value + add_prior(ctx, grad, p) : value;
}

static void set_bounds(const vg_gp *gp, double *lo, double *hi) {
  size_t d = gp->columns->n;
  for (size_t j = 0; j < d; j++) lo[j] = log(1e-3), hi[j] = log(1e4);
  lo[d] = log(1e-2), hi[d] = log(1e2);
  lo[d + 1] = log(VG_GP_NOISE_FLOOR), hi[d + 1] = log(1.0);
  if (!gp->fits_noise) lo[d + 1] = hi[d + 1] = log(gp->noise);
}

static void start_at(const vg_gp *gp, double *p, int start, vg_rng *rng) {
  size_t d = gp->columns->n;
  for (size_t j = 0; j < d; j++) p[j] = start == 0 ? 0 : 4 * vg_rng_uniform(rng) - 1;
  p[d] = 0;
  p[d + 1] = gp->fits_noise ? log(start == 0 ? 1e-3 : 1e-4) : log(gp->noise);
}

vg_status vg_gp_fit(vg_gp *gp, bool restart, int random, vg_rng *rng) {
  size_t m = gp->columns->n + 2;
  double *best, best_value = HUGE_VAL, value;
  if (gp->n < 2) return VG_OK;
  VG_TRY(make_room(gp));
  VG_TRY(vg_alloc((void **)&best, 4 * m * sizeof *best));
  double *p = best + m, *lo = p + m, *hi = lo + m;
  vg_status status = VG_OK;
  set_bounds(gp, lo, hi);
  for (int start = -1; start <= random; start++) {     /* -1: in place, 0: defaults */
    if (start == 0 && !restart) continue;
    if (start < 0) vg_gp_get_parameters(gp, p);
    else start_at(gp, p, start, rng);
    VG_GOTO(vg_minimise(p, &value, lo, hi, m, ITERATIONS, 1e-3, posterior, gp));
    if (value >= best_value) continue;
    best_value = value;
    memcpy(best, p, m * sizeof *best);
  }
  if (best_value < HUGE_VAL) VG_GOTO(vg_gp_set_parameters(gp, best));
done:
  vg_free(best);
  return status;
}
