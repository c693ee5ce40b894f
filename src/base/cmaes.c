/* Names follow the tutorial: p_sigma and p_c are the evolution paths, C = B diag(D)^2 B^T. B and D are refreshed only as often as keeps the
 * decomposition cheap beside the rest, so between refreshes they belong to a slightly older C, as the tutorial recommends. */
#include "base/cmaes.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/eigen.h"

struct vg_cmaes {
  size_t n, lambda, mu, generation, decomposed;
  double sigma, mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, chi;
  double *mean, *p_sigma, *p_c, *D, *z, *step; /* [n] */
  double *C, *B, *scratch;                     /* [n, n] */
  double *weight, *rate;                       /* [lambda]; weights descend and end below 0; rate: see take_steps */
  double *y;                                   /* [lambda, n] */
};

/* Table 1 of the tutorial. */
static void set_rates(vg_cmaes *c) {
  double n = (double)c->n, mu = c->mu_eff;
  c->c_sigma = (mu + 2) / (n + mu + 5);
  c->d_sigma = 1 + 2 * fmax(0, sqrt((mu - 1) / (n + 1)) - 1) + c->c_sigma;
  c->c_c = (4 + mu / n) / (n + 4 + 2 * mu / n);
  c->c_1 = 2 / ((n + 1.3) * (n + 1.3) + mu);
  c->c_mu = fmin(1 - c->c_1, 2 * (0.25 + mu + 1 / mu - 2) / ((n + 2) * (n + 2) + mu));
  c->chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));
}

static double effective(const double *w, size_t n) {
  double sum = 0, squares = 0;
  for (size_t i = 0; i < n; i++) {
    sum += w[i];
    squares += w[i] * w[i];
  }
  return squares > 0 ? sum * sum / squares : 0;
}

static void set_weights(vg_cmaes *c) {
  double *w = c->weight, positive = 0, negative = 0;
  for (size_t i = 0; i < c->lambda; i++) w[i] = log(((double)c->lambda + 1) / 2) - log((double)i + 1);
  c->mu_eff = effective(w, c->mu);
  set_rates(c);
  double mu_minus = effective(w + c->mu, c->lambda - c->mu);
  double limit = fmin(1 + c->c_1 / c->c_mu, fmin(1 + 2 * mu_minus / (c->mu_eff + 2), (1 - c->c_1 - c->c_mu) / ((double)c->n * c->c_mu)));
  for (size_t i = 0; i < c->lambda; i++) {
    if (i < c->mu) positive += w[i];
    else negative -= w[i];
  }
  for (size_t i = 0; i < c->lambda; i++) {
    if (i < c->mu) w[i] /= positive;
    else w[i] *= negative > 0 ? fmax(0, limit) / negative : 0;
  }
}

void vg_cmaes_free(vg_cmaes *c) {
  if (c) vg_free(c->mean);
  vg_free(c);
}

vg_status vg_cmaes_new(vg_cmaes **out, const double *mean, size_t n, double sigma, size_t lambda) {
  if (n == 0 || lambda < 2 || !(sigma > 0) || !isfinite(sigma))
    return vg_fail(VG_EARG, "cmaes: n >= 1, sigma > 0 and lambda >= 2 expected, got %zu, %g and %zu", n, sigma, lambda);
  vg_cmaes *c = NULL;
  double *d = NULL;
  VG_TRY(VG_NEW(&c));
  vg_status s = vg_alloc_zero((void **)&d, (6 * n + 3 * n * n + 2 * lambda + lambda * n) * sizeof *d);
  if (s != VG_OK) {
    vg_free(c);
    return s;
  }
  *c = (vg_cmaes){ .n = n, .lambda = lambda, .mu = lambda / 2, .sigma = sigma, .mean = d };
  c->p_sigma = c->mean + n;
  c->p_c = c->p_sigma + n;
  c->D = c->p_c + n;
  c->z = c->D + n;
  c->step = c->z + n;
  c->C = c->step + n;
  c->B = c->C + n * n;
  c->scratch = c->B + n * n;
  c->weight = c->scratch + n * n;
  c->rate = c->weight + lambda;
  c->y = c->rate + lambda;
  memcpy(c->mean, mean, n * sizeof *mean);
  for (size_t i = 0; i < n; i++) c->D[i] = c->B[i * n + i] = c->C[i * n + i] = 1;
  set_weights(c);
  *out = c;
  return VG_OK;
}

size_t vg_cmaes_dimensions(const vg_cmaes *c) { return c->n; }
size_t vg_cmaes_lambda(const vg_cmaes *c) { return c->lambda; }

void vg_cmaes_sample(double *x, const vg_cmaes *c, vg_rng *rng) {
  size_t n = c->n;
  memcpy(x, c->mean, n * sizeof *x);
  for (size_t k = 0; k < n; k++) {
    double step = c->sigma * c->D[k] * vg_rng_normal(rng);
    for (size_t i = 0; i < n; i++) x[i] += step * c->B[i * n + k];
  }
}

/* out = B diag(1/D) B^T y, so that a sample of the distribution becomes standard normal. */
static void whiten(double *out, const vg_cmaes *c, const double *y) {
  size_t n = c->n;
  memset(out, 0, n * sizeof *out);
  for (size_t k = 0; k < n; k++) {
    double along = 0;
    for (size_t i = 0; i < n; i++) along += c->B[i * n + k] * y[i];
    for (size_t i = 0; i < n; i++) out[i] += along / c->D[k] * c->B[i * n + k];
  }
}

static double norm(const double *v, size_t n) {
  double sum = 0;
  for (size_t i = 0; i < n; i++) sum += v[i] * v[i];
  return sqrt(sum);
}

/* Steps y from the mean in units of sigma. One that the distribution would hardly have made is shortened, or a single solution from elsewhere
 * could ruin it. A bad step counts the same however long it is: `rate` is its weight in the rank-mu update. */
static void take_steps(vg_cmaes *c, const double *x) {
  size_t n = c->n;
  double longest = sqrt((double)n) + 2.0 * (double)n / ((double)n + 2);
  for (size_t j = 0; j < c->lambda; j++) {
    double *y = c->y + j * n;
    for (size_t i = 0; i < n; i++) y[i] = (x[j * n + i] - c->mean[i]) / c->sigma;
    whiten(c->z, c, y);
    double length = norm(c->z, n), factor = length > longest ? longest / length : 1;
    for (size_t i = 0; i < n; i++) y[i] *= factor;
    length *= factor;
    c->rate[j] = c->weight[j];
    if (c->rate[j] < 0) c->rate[j] *= (double)n / fmax(length * length, 1e-12);
  }
}

static void move_mean(vg_cmaes *c) {
  double *step = c->step;
  memset(step, 0, c->n * sizeof *step);
  for (size_t j = 0; j < c->mu; j++)
    for (size_t i = 0; i < c->n; i++) step[i] += c->weight[j] * c->y[j * c->n + i];
  for (size_t i = 0; i < c->n; i++) c->mean[i] += c->sigma * step[i];
}

/* Both paths; false while p_sigma is so long that p_c must not grow. */
static int move_paths(vg_cmaes *c) {
  size_t n = c->n;
  const double *step = c->step;
  whiten(c->z, c, step);
  double gain = sqrt(c->c_sigma * (2 - c->c_sigma) * c->mu_eff);
  for (size_t i = 0; i < n; i++) c->p_sigma[i] = (1 - c->c_sigma) * c->p_sigma[i] + gain * c->z[i];
  double memory = sqrt(1 - pow(1 - c->c_sigma, 2.0 * ((double)c->generation + 1)));
  int grows = norm(c->p_sigma, n) / memory < (1.4 + 2 / ((double)n + 1)) * c->chi;
  gain = grows ? sqrt(c->c_c * (2 - c->c_c) * c->mu_eff) : 0;
  for (size_t i = 0; i < n; i++) c->p_c[i] = (1 - c->c_c) * c->p_c[i] + gain * step[i];
  return grows;
}

static void move_covariance(vg_cmaes *c, int grows) {
  size_t n = c->n;
  double total = 0, lost = grows ? 0 : c->c_1 * c->c_c * (2 - c->c_c);
  for (size_t j = 0; j < c->lambda; j++) total += c->weight[j];
  double keep = 1 + lost - c->c_1 - c->c_mu * total;
  for (size_t a = 0; a < n; a++)
    for (size_t b = 0; b <= a; b++) {
      double sum = keep * c->C[a * n + b] + c->c_1 * c->p_c[a] * c->p_c[b];
      for (size_t j = 0; j < c->lambda; j++) sum += c->c_mu * c->rate[j] * c->y[j * n + a] * c->y[j * n + b];
      c->C[a * n + b] = c->C[b * n + a] = sum;
    }
}

static vg_status decompose(vg_cmaes *c) {
  size_t n = c->n;
  memcpy(c->scratch, c->C, n * n * sizeof *c->C);
  VG_TRY(vg_eigen_symmetric(c->D, c->B, c->scratch, n));
  for (size_t k = 0; k < n; k++) {
    if (!(c->D[k] > 0)) return vg_fail(VG_ENAN, "cmaes: the covariance has lost its rank");
    c->D[k] = sqrt(c->D[k]);
  }
  c->decomposed = c->generation;
  return VG_OK;
}

vg_status vg_cmaes_update(vg_cmaes *c, const double *x) {
  take_steps(c, x);
  move_mean(c);
  move_covariance(c, move_paths(c));
  c->sigma *= exp(fmin(1, c->c_sigma / c->d_sigma * (norm(c->p_sigma, c->n) / c->chi - 1)));
  c->generation++;
  if (!isfinite(c->sigma) || !(c->sigma > 0)) return vg_fail(VG_ENAN, "cmaes: the step size has left the range of numbers");
  if ((double)(c->generation - c->decomposed) * (c->c_1 + c->c_mu) * (double)c->n * 10 < 1) return VG_OK;
  return decompose(c);
}

vg_cmaes_spread vg_cmaes_get_spread(const vg_cmaes *c) {
  double least = c->D[0], most = c->D[0];
  for (size_t k = 1; k < c->n; k++) {
    least = fmin(least, c->D[k]);
    most = fmax(most, c->D[k]);
  }
  return (vg_cmaes_spread){ c->sigma, c->sigma * most, most / least * (most / least) };
}
