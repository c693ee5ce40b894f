#include "kernels/ref/norm_ref.h"

#include <math.h>

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }
static double relu6(double x) { return x < 0 ? 0 : x > 6 ? 6 : x; }

double vg_ref_act(double x, vg_act act) {
  switch (act) {
    case VG_ACT_RELU: return x > 0 ? x : 0;
    case VG_ACT_RELU6: return relu6(x);
    case VG_ACT_LEAKY: return x > 0 ? x : 0.01 * x;
    case VG_ACT_HSWISH: return x * relu6(x + 3) / 6;
    case VG_ACT_HSIGMOID: return relu6(x + 3) / 6;
    case VG_ACT_SWISH: return x * sigmoid(x);
    case VG_ACT_SIGMOID: return sigmoid(x);
    case VG_ACT_TANH: return tanh(x);
    default: return x;
  }
}

double vg_ref_act_slope(double x, vg_act act) {
  double s = sigmoid(x);
  switch (act) {
    case VG_ACT_RELU: return x > 0;
    case VG_ACT_RELU6: return x > 0 && x < 6;
    case VG_ACT_LEAKY: return x > 0 ? 1 : 0.01;
    case VG_ACT_HSWISH: return x < -3 ? 0 : x > 3 ? 1 : (2 * x + 3) / 6;
    case VG_ACT_HSIGMOID: return x > -3 && x < 3 ? 1.0 / 6 : 0;
    case VG_ACT_SWISH: return s + x * s * (1 - s);
    case VG_ACT_SIGMOID: return s * (1 - s);
    case VG_ACT_TANH: return 1 - tanh(x) * tanh(x);
    default: return 1;
  }
}

void vg_ref_norm_stats(double *mean, double *var, const vg_ref_norm *p) {
  double size = (double)(p->n / p->n_sets);
  for (int64_t s = 0; s < p->n_sets; s++) mean[s] = var[s] = 0;
  for (int64_t i = 0; i < p->n; i++) mean[p->set[i]] += p->x[i] / size;
  for (int64_t i = 0; i < p->n; i++) {
    double d = p->x[i] - mean[p->set[i]];
    var[p->set[i]] += d * d / size;
  }
}

static double xhat_at(int64_t i, const double *mean, const double *var, const vg_ref_norm *p) {
  return (p->x[i] - mean[p->set[i]]) / sqrt(var[p->set[i]] + p->eps);
}
static double gamma_at(int64_t i, const vg_ref_norm *p) { return p->gamma ? p->gamma[p->channel[i]] : 1; }
static double z_at(int64_t i, const double *mean, const double *var, const vg_ref_norm *p) {
  return xhat_at(i, mean, var, p) * gamma_at(i, p) + (p->beta ? p->beta[p->channel[i]] : 0);
}

void vg_ref_norm_forward(double *y, const double *mean, const double *var, const vg_ref_norm *p) {
  for (int64_t i = 0; i < p->n; i++) y[i] = vg_ref_act(z_at(i, mean, var, p), p->act);
}

void vg_ref_norm_backward(double *dx, double *dgamma, double *dbeta, const double *dy, const double *mean, const double *var, const vg_ref_norm *p,
                          int constant, double *scratch) {
  double *sum_h = scratch, *sum_hx = scratch + p->n_sets, size = (double)(p->n / p->n_sets);
  for (int64_t c = 0; c < p->n_channels; c++) dgamma[c] = dbeta[c] = 0;
  for (int64_t s = 0; s < 2 * p->n_sets; s++) scratch[s] = 0;
  for (int64_t i = 0; i < p->n; i++) {
    double g = dy[i] * vg_ref_act_slope(z_at(i, mean, var, p), p->act), xhat = xhat_at(i, mean, var, p);
    dbeta[p->channel[i]] += g;
    dgamma[p->channel[i]] += g * xhat;
    dx[i] = g * gamma_at(i, p);
    sum_h[p->set[i]] += dx[i];
    sum_hx[p->set[i]] += dx[i] * xhat;
  }
  for (int64_t i = 0; i < p->n; i++) {
    int32_t s = p->set[i];
    if (!constant) dx[i] -= (sum_h[s] + xhat_at(i, mean, var, p) * sum_hx[s]) / size;
    dx[i] /= sqrt(var[s] + p->eps);
  }
}

void vg_ref_softmax(double *y, const double *x, int64_t rows, int64_t n, int log_too) {
  for (int64_t r = 0; r < rows; r++, x += n, y += n) {
    double top = -INFINITY, sum = 0;
    for (int64_t j = 0; j < n; j++) top = x[j] > top ? x[j] : top;
    for (int64_t j = 0; j < n; j++) sum += exp(x[j] - top);
    for (int64_t j = 0; j < n; j++) y[j] = log_too ? x[j] - top - log(sum) : exp(x[j] - top) / sum;
  }
}

void vg_ref_softmax_backward(double *dx, const double *dy, const double *y, int64_t rows, int64_t n, int log_too) {
  for (int64_t r = 0; r < rows; r++, dx += n, dy += n, y += n) {
    double sum = 0;
    for (int64_t j = 0; j < n; j++) sum += log_too ? dy[j] : dy[j] * y[j];
    for (int64_t j = 0; j < n; j++) dx[j] = log_too ? dy[j] - exp(y[j]) * sum : y[j] * (dy[j] - sum);
  }
}
