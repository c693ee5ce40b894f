#include "model/bayes.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "model/normal.h"

/* G(a) = E[max(0, a - f)] = sd h(z), z = (a - mean) / sd; dG/dmean = -cdf(z), dG/dsd = pdf(z). As logarithms. */
typedef struct partial {
  double log_value, by_mean, by_sd;      /* the derivatives are of the logarithm */
} partial;

static partial improvement(double a, double mean, double sd) {
  double z = (a - mean) / sd, log_h = vg_log_improvement(z);
  return (partial){ log(sd) + log_h, -exp(vg_normal_log_cdf(z) - log_h) / sd, exp(-0.5 * z * z - 0.91893853320467274 - log_h) / sd };
}

/* log(exp(a) - exp(b)) for the increments of G between two ends, b below a. */
static partial difference(partial a, partial b) {
  double ratio = exp(b.log_value - a.log_value), rest = 1 - ratio;
  if (!(rest > 1e-15)) return (partial){ -HUGE_VAL, 0, 0 };
  return (partial){ a.log_value + log(rest), (a.by_mean - ratio * b.by_mean) / rest, (a.by_sd - ratio * b.by_sd) / rest };
}

/* The region below the reference that the front leaves free is cut into vertical strips; in strip i the first objective runs from point i
 * to point i+1 and the second stays below point i. A strip adds E[covered width] E[height]. */
double vg_log_ehvi(double *slope, const double mean[2], const double sd[2], const double *front, size_t n, const double reference[2]) {
  double total = -HUGE_VAL, sum[4] = { 0 };
  partial left = { -HUGE_VAL, 0, 0 };
  for (size_t i = 0; i <= n; i++) {
    partial right = improvement(i < n ? front[2 * i] : reference[0], mean[0], sd[0]);
    partial width = i == 0 ? right : difference(right, left);
    partial height = improvement(i == 0 ? reference[1] : front[2 * i - 1], mean[1], sd[1]);
    double term = width.log_value + height.log_value, most = fmax(total, term);
    left = right;
    if (term == -HUGE_VAL) continue;
    double old = exp(total - most), new = exp(term - most), by[4] = { width.by_mean, height.by_mean, width.by_sd, height.by_sd };
    for (int k = 0; k < 4; k++) sum[k] = (sum[k] * old + by[k] * new) / (old + new);       /* weights of a running log-sum-exp */
    total = most + log(old + new);
  }
  if (slope) memcpy(slope, sum, sizeof sum);
  return total;
}

/* log(e^best cdf(v) - e^(sd^2 / 2 + mean) cdf(v - sd)), v = (best - mean) / sd. */
static double log_target_ei(double best, double mean, double sd) {
  double v = (best - mean) / sd, keep = best + vg_normal_log_cdf(v), lose = sd * sd / 2 + mean + vg_normal_log_cdf(v - sd);
  double rest = -expm1(lose - keep);
  return rest > 0 ? keep + log(rest) : -HUGE_VAL;
}

/* The score of predicted objectives; slope by mean 1, mean 2, sd 1, sd 2. */
static double objective_score(const vg_bayes *b, double slope[4], const double mean[2], const double sd[2]) {
  memset(slope, 0, 4 * sizeof *slope);
  switch (b->kind) {
    case VG_BAYES_EI: {
      partial p = improvement(b->best, mean[0], sd[0]);
      slope[0] = p.by_mean, slope[2] = p.by_sd;
      return p.log_value;
    }
    case VG_BAYES_LOG_EI: return log_target_ei(b->best, mean[0], sd[0]);
    case VG_BAYES_LCB: slope[0] = -1, slope[2] = b->kappa; return b->kappa * sd[0] - mean[0];
    case VG_BAYES_EHVI: return vg_log_ehvi(slope, mean, sd, b->front, b->n_front, b->reference);
    default: return 0;
  }
}

static size_t n_objectives(const vg_bayes *b) { return b->kind == VG_BAYES_FEASIBLE ? 0 : b->kind == VG_BAYES_EHVI ? 2 : 1; }

static vg_status predict(const vg_surrogate *s, double *mean, double *sd, const double *rows, size_t m) {
  return s->predict(s->model, mean, sd, rows, m);
}

static vg_status score(void *ctx, double *out, const double *rows, size_t m) {
  const vg_bayes *b = ctx;
  double *mean;
  VG_TRY(vg_alloc((void **)&mean, (4 * m + 1) * sizeof *mean));
  double *sd = mean + 2 * m;
  vg_status status = VG_OK;
  memset(mean, 0, 4 * m * sizeof *mean);
  for (size_t k = 0; k < n_objectives(b); k++) VG_GOTO(predict(&b->objective[k], mean + k * m, sd + k * m, rows, m));
  for (size_t i = 0; i < m; i++) {
    double slope[4], mean_i[2] = { mean[i], mean[m + i] }, sd_i[2] = { sd[i], sd[m + i] };
    out[i] = objective_score(b, slope, mean_i, sd_i);
  }
  for (size_t k = 0; k < b->n_constraints; k++) {
    VG_GOTO(predict(&b->constraint[k], mean, sd, rows, m));
    for (size_t i = 0; i < m; i++) out[i] += vg_normal_log_cdf(-mean[i] / sd[i]);
  }
done:
  vg_free(mean);
  return status;
}

static double slope(void *ctx, double *grad, const double *row) {
  const vg_bayes *b = ctx;
  size_t d = b->n_columns;
  double *work, mean[2] = { 0 }, sd[2] = { 0 }, by[4];
  memset(grad, 0, d * sizeof *grad);
  if (vg_alloc((void **)&work, (4 * d + 1) * sizeof *work) != VG_OK) return -HUGE_VAL;
  for (size_t k = 0; k < n_objectives(b); k++)
    b->objective[k].slope(b->objective[k].model, &mean[k], &sd[k], work + 2 * k * d, work + (2 * k + 1) * d, row);
  double value = objective_score(b, by, mean, sd);
  for (size_t k = 0; k < n_objectives(b); k++)
    for (size_t j = 0; j < d; j++) grad[j] += by[k] * work[2 * k * d + j] + by[2 + k] * work[(2 * k + 1) * d + j];
  for (size_t k = 0; k < b->n_constraints; k++) {
    b->constraint[k].slope(b->constraint[k].model, mean, sd, work, work + d, row);
    double z = -mean[0] / sd[0], log_cdf = vg_normal_log_cdf(z), hazard = exp(-0.5 * z * z - 0.91893853320467274 - log_cdf);
    value += log_cdf;
    for (size_t j = 0; j < d; j++) grad[j] += hazard * (-work[j] - z * work[d + j]) / sd[0];
  }
  vg_free(work);
  return value;
}

vg_acquisition vg_bayes_acquisition(vg_bayes *b) {
  bool smooth = b->kind != VG_BAYES_LOG_EI;
  for (size_t k = 0; k < n_objectives(b); k++) smooth = smooth && b->objective[k].slope;
  for (size_t k = 0; k < b->n_constraints; k++) smooth = smooth && b->constraint[k].slope;
  return (vg_acquisition){ score, smooth ? slope : NULL, b };
}
