/* The weight of a family is exp(-n/2 log MSE), with the mean square over n - parameters: a likelihood at its own noise. A family is left out when it
 * does not fit better than nothing at all, is not finite at the horizon, or falls from here to there by more than two standard deviations. */
#include "model/curve.h"

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

enum { MOST = 4, N_STARTS = 3, ITERATIONS = 200 };

typedef double family_fn(const double *p, double x);

static double vap(const double *p, double x) { return exp(p[0] + p[1] / x + p[2] * log(x)); }
static double pow3(const double *p, double x) { return p[0] - p[1] * pow(x, -p[2]); }
static double linear(const double *p, double x) { return p[0] + p[1] * x; }
static double log_linear(const double *p, double x) { return p[0] + p[1] * log(x); }
static double hill(const double *p, double x) { return p[0] * pow(x, p[1]) / (pow(fabs(p[2]), p[1]) + pow(x, p[1])); }
static double log_power(const double *p, double x) { return p[0] / (1.0 + pow(x / exp(p[1]), p[2])); }
static double pow4(const double *p, double x) { return p[0] - pow(p[1] * x + p[2], -p[3]); }
static double mmf(const double *p, double x) { return p[0] - (p[0] - p[1]) / (1.0 + pow(fabs(p[2]) * x, p[3])); }
static double exp4(const double *p, double x) { return p[0] - exp(-p[1] * pow(x, p[2]) + p[3]); }
static double ilog2(const double *p, double x) { return p[0] - p[1] / log(x + 1.0); }
static double weibull(const double *p, double x) { return p[0] - (p[0] - p[1]) * exp(-pow(fabs(p[2]) * x, p[3])); }
static double janoschek(const double *p, double x) { return p[0] - (p[0] - p[1]) * exp(-fabs(p[2]) * pow(x, p[3])); }

/* A start is a number plus a multiple of the last value seen: s[k][0] + s[k][1] * last. */
typedef struct family {
  family_fn *f;
  int n;
  double start[N_STARTS][MOST][2];
} family;

static const family FAMILIES[] = {
  { vap, 3, { { { -0.7, 0 }, { 0, 0 }, { 0.1, 0 } }, { { -0.1, 0 }, { -1, 0 }, { 0, 0 } }, { { 0, 0 }, { -0.3, 0 }, { -0.1, 0 } } } },
  { pow3, 3, { { { 0.1, 1 }, { 0.5, 0 }, { 0.5, 0 } }, { { 0.02, 1 }, { 0.5, 0 }, { 1.0, 0 } }, { { 0.3, 1 }, { 0.8, 0 }, { 0.2, 0 } } } },
  { linear, 2, { { { 0, 1 }, { 0, 0 } }, { { 0, 0.5 }, { 0.01, 0 } }, { { 0, 0 }, { 0.1, 0 } } } },
  { log_linear, 2, { { { 0, 1 }, { 0, 0 } }, { { 0, 0.5 }, { 0.1, 0 } }, { { 0, 0 }, { 0.3, 0 } } } },
  { hill, 3, { { { 0.1, 1 }, { 1.0, 0 }, { 1.0, 0 } }, { { 0.02, 1 }, { 0.5, 0 }, { 0.3, 0 } }, { { 0.3, 1 }, { 0.5, 0 }, { 5.0, 0 } } } },
  { log_power, 3, { { { 0.1, 1 }, { 0, 0 }, { -0.5, 0 } }, { { 0.02, 1 }, { 1, 0 }, { -1, 0 } }, { { 0.3, 1 }, { 2, 0 }, { -0.3, 0 } } } },
  { pow4, 4,
    { { { 0.1, 1 }, { 1, 0 }, { 1, 0 }, { 0.5, 0 } }, { { 0.02, 1 }, { 2, 0 }, { 1, 0 }, { 1, 0 } },
      { { 0.3, 1 }, { 1, 0 }, { 0.5, 0 }, { 0.3, 0 } } } },
  { mmf, 4,
    { { { 0.1, 1 }, { 0, 0.5 }, { 0.3, 0 }, { 0.7, 0 } }, { { 0.02, 1 }, { 0, 0 }, { 1, 0 }, { 1, 0 } },
      { { 0.3, 1 }, { 0, 0 }, { 0.1, 0 }, { 0.4, 0 } } } },
  { exp4, 4,
    { { { 0.05, 1 }, { 0.5, 0 }, { 0.5, 0 }, { 0, 0 } }, { { 0.02, 1 }, { 0.3, 0 }, { 1, 0 }, { -0.5, 0 } },
      { { 0.2, 1 }, { 1, 0 }, { 0.2, 0 }, { 0.5, 0 } } } },
  { ilog2, 2, { { { 0.2, 1 }, { 0.3, 0 } }, { { 0, 1 }, { 0.1, 0 } }, { { 0.5, 1 }, { 0.8, 0 } } } },
  { weibull, 4,
    { { { 0.05, 1 }, { 0, 0.5 }, { 0.3, 0 }, { 0.7, 0 } }, { { 0.02, 1 }, { 0, 0 }, { 1, 0 }, { 0.5, 0 } },
      { { 0.2, 1 }, { 0, 0 }, { 0.05, 0 }, { 0.5, 0 } } } },
  { janoschek, 4,
    { { { 0.05, 1 }, { 0, 0.5 }, { 0.3, 0 }, { 0.7, 0 } }, { { 0.02, 1 }, { 0, 0 }, { 1, 0 }, { 0.5, 0 } },
      { { 0.2, 1 }, { 0, 0 }, { 0.05, 0 }, { 0.5, 0 } } } },
};
enum { N_FAMILIES = sizeof FAMILIES / sizeof *FAMILIES };

typedef struct data { const double *x, *y; size_t n; } data;

static double sum_of_squares(const family *m, const double *p, const data *d) {
  double sum = 0.0;
  for (size_t i = 0; i < d->n; i++) {
    double r = m->f(p, d->x[i]) - d->y[i];
    sum += r * r;
  }
  return isfinite(sum) ? sum : INFINITY;
}

static void gradient(double g[MOST], const family *m, const double *p, double x) {
  double q[MOST];
  memcpy(q, p, sizeof q);
  for (int k = 0; k < m->n; k++) {
    double h = 6e-6 * fmax(fabs(p[k]), 1e-3);           /* about the cube root of the precision: central differences */
    q[k] = p[k] + h;
    double up = m->f(q, x);
    q[k] = p[k] - h;
    g[k] = (up - m->f(q, x)) / (2.0 * h);
    q[k] = p[k];
  }
}

/* J'J and J'r. */
static void normal_equations(double a[MOST][MOST], double b[MOST], const family *m, const double *p, const data *d) {
  memset(a, 0, MOST * sizeof *a);
  memset(b, 0, MOST * sizeof *b);
  for (size_t i = 0; i < d->n; i++) {
    double g[MOST], r = m->f(p, d->x[i]) - d->y[i];
    gradient(g, m, p, d->x[i]);
    for (int j = 0; j < m->n; j++) {
      b[j] += g[j] * r;
      for (int k = 0; k < m->n; k++) a[j][k] += g[j] * g[k];
    }
  }
}

/* x with (a + damping diag(a)) x = b by Cholesky; false when the matrix is not positive definite. */
static bool solve(double x[MOST], double a[MOST][MOST], const double b[MOST], double damping, int n) {
  double l[MOST][MOST] = { { 0 } };
  for (int j = 0; j < n; j++) {
    for (int i = j; i < n; i++) {
      double s = i == j ? a[i][i] * (1.0 + damping) + DBL_MIN : a[i][j];
      for (int k = 0; k < j; k++) s -= l[i][k] * l[j][k];
      if (i == j && !(s > 0.0)) return false;
      l[i][j] = i == j ? sqrt(s) : s / l[j][j];
    }
  }
  for (int i = 0; i < n; i++) {
    double s = b[i];
    for (int k = 0; k < i; k++) s -= l[i][k] * x[k];
    x[i] = s / l[i][i];
  }
  for (int i = n - 1; i >= 0; i--) {
    double s = x[i];
    for (int k = i + 1; k < n; k++) s -= l[k][i] * x[k];
    x[i] = s / l[i][i];
  }
  return true;
}

/* Levenberg-Marquardt from p; returns the sum of squares at the p that it leaves. */
static double fit_from(double p[MOST], const family *m, const data *d) {
  double best = sum_of_squares(m, p, d), damping = 1e-3;
  for (int i = 0; i < ITERATIONS && isfinite(best) && best > 0.0 && damping < 1e12; i++) {
    double a[MOST][MOST], b[MOST], step[MOST], q[MOST];
    normal_equations(a, b, m, p, d);
    double now = INFINITY;
    for (; damping < 1e12; damping *= 10.0) {
      if (!solve(step, a, b, damping, m->n)) continue;
      memcpy(q, p, sizeof q);
      for (int k = 0; k < m->n; k++) q[k] -= step[k];
      now = sum_of_squares(m, q, d);
      if (now < best) break;
    }
    if (!(now < best)) break;
    bool is_done = best - now < 1e-6 * best;            /* an exact fit falls by orders of magnitude until rounding ends it */
    memcpy(p, q, sizeof q);
    best = now;
    damping = fmax(damping * 0.1, 1e-12);
    if (is_done) break;
  }
  return best;
}

static double fit(double p[MOST], const family *m, const data *d) {
  double least = INFINITY;
  for (int s = 0; s < N_STARTS; s++) {
    double q[MOST] = { 0 };
    for (int k = 0; k < m->n; k++) q[k] = m->start[s][k][0] + m->start[s][k][1] * d->y[d->n - 1];
    double sum = fit_from(q, m, d);
    if (sum < least) {
      least = sum;
      memcpy(p, q, sizeof q);
    }
  }
  return least;
}

typedef struct opinion { double mean, variance, log_weight; } opinion;

/* What one family says of the horizon; false when it is left out. */
static bool ask_family(opinion *o, const family *m, const data *d, double horizon) {
  double p[MOST] = { 0 }, a[MOST][MOST], b[MOST], g[MOST], x[MOST], power = 0.0;
  double sum = fit(p, m, d), last = m->f(p, d->x[d->n - 1]);
  double free_points = fmax(1.0, (double)d->n - m->n), mse = fmax(sum / free_points, 1e-30);
  for (size_t i = 0; i < d->n; i++) power += d->y[i] * d->y[i];
  o->mean = m->f(p, horizon);
  if (!isfinite(sum) || !isfinite(o->mean) || sum > power || o->mean < last - 2.0 * sqrt(mse)) return false;
  normal_equations(a, b, m, p, d);
  gradient(g, m, p, horizon);
  double leverage = 0.0;
  if (!solve(x, a, g, 1e-12, m->n)) return false;                    /* the data do not determine this family */
  for (int k = 0; k < m->n; k++) leverage += g[k] * x[k];
  o->variance = mse * (1.0 + fmax(0.0, leverage));
  o->log_weight = -0.5 * (double)d->n * log(mse);
  return isfinite(o->variance);
}

vg_status vg_curve_predict(vg_curve_prediction *out, const double *x, const double *y, size_t n, double horizon) {
  opinion all[N_FAMILIES];
  int count = 0;
  data d = { x, y, n };
  double most = -INFINITY, total = 0.0, mean = 0.0, variance = 0.0;
  if (n < 2) return vg_fail(VG_EARG, "curve: at least 2 points expected, got %zu", n);
  for (size_t i = 0; i < n; i++)
    if (!isfinite(y[i]) || !(x[i] > 0))
      return vg_fail(VG_EARG, "curve: point %zu is (%g, %g); finite values at steps > 0 expected", i + 1, x[i], y[i]);
  for (int k = 0; k < N_FAMILIES; k++) {
    if (ask_family(&all[count], &FAMILIES[k], &d, horizon)) most = fmax(most, all[count++].log_weight);
  }
  for (int k = 0; k < count; k++) {
    double w = exp(all[k].log_weight - most);
    total += w;
    mean += w * all[k].mean;
  }
  mean /= total;
  for (int k = 0; k < count; k++) {
    double w = exp(all[k].log_weight - most) / total, off = all[k].mean - mean;
    variance += w * (all[k].variance + off * off);
  }
  *out = (vg_curve_prediction){ count ? mean : NAN, count ? sqrt(variance) : NAN, count };
  return VG_OK;
}
