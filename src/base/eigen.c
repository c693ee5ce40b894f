/* Jacobi's method (Golub & Van Loan, Matrix Computations, 8.5): each rotation annihilates one off-diagonal pair; what is left off the diagonal
 * shrinks quadratically once it is small, so that six to ten sweeps do. */
#include "base/eigen.h"

#include <math.h>
#include <string.h>

enum { MAX_SWEEPS = 60 };

static double off_diagonal(const double *a, size_t n) {
  double sum = 0;
  for (size_t p = 0; p < n; p++)
    for (size_t q = p + 1; q < n; q++) sum += a[p * n + q] * a[p * n + q];
  return sum;
}

/* Rows p and q of `a` become c*p - s*q and s*p + c*q. */
static void rotate_rows(double *a, size_t n, size_t p, size_t q, double c, double s) {
  for (size_t k = 0; k < n; k++) {
    double x = a[p * n + k], y = a[q * n + k];
    a[p * n + k] = c * x - s * y;
    a[q * n + k] = s * x + c * y;
  }
}

static void rotate_columns(double *a, size_t n, size_t p, size_t q, double c, double s) {
  for (size_t k = 0; k < n; k++) {
    double x = a[k * n + p], y = a[k * n + q];
    a[k * n + p] = c * x - s * y;
    a[k * n + q] = s * x + c * y;
  }
}

static void annihilate(double *a, double *rows, size_t n, size_t p, size_t q) {
  double apq = a[p * n + q];
  if (apq == 0) return;
  double theta = (a[q * n + q] - a[p * n + p]) / (2 * apq);
  double t = copysign(1, theta) / (fabs(theta) + sqrt(theta * theta + 1));
  double c = 1 / sqrt(t * t + 1), s = t * c;
  rotate_rows(a, n, p, q, c, s);
  rotate_columns(a, n, p, q, c, s);
  a[p * n + q] = a[q * n + p] = 0;
  rotate_rows(rows, n, p, q, c, s);
}

/* Ascending values; rows of `rows` go with them. Selection sort: n is small beside the sweeps. */
static void sort_pairs(double *value, double *rows, size_t n) {
  for (size_t i = 0; i + 1 < n; i++) {
    size_t least = i;
    for (size_t j = i + 1; j < n; j++)
      if (value[j] < value[least]) least = j;
    double t = value[i];
    value[i] = value[least];
    value[least] = t;
    for (size_t k = 0; least != i && k < n; k++) {
      double x = rows[i * n + k];
      rows[i * n + k] = rows[least * n + k];
      rows[least * n + k] = x;
    }
  }
}

static void transpose(double *a, size_t n) {
  for (size_t i = 0; i < n; i++)
    for (size_t j = i + 1; j < n; j++) {
      double t = a[i * n + j];
      a[i * n + j] = a[j * n + i];
      a[j * n + i] = t;
    }
}

vg_status vg_eigen_symmetric(double *value, double *vector, double *a, size_t n) {
  double scale = 0;
  for (size_t i = 0; i < n * n; i++) {
    if (!isfinite(a[i])) return vg_fail(VG_ENAN, "eigen: the matrix holds a value that is not finite");
    scale += a[i] * a[i];
  }
  memset(vector, 0, n * n * sizeof *vector);
  for (size_t i = 0; i < n; i++) vector[i * n + i] = 1;
  for (int sweep = 0; sweep < MAX_SWEEPS && off_diagonal(a, n) > 1e-32 * scale; sweep++)
    for (size_t p = 0; p < n; p++)
      for (size_t q = p + 1; q < n; q++) annihilate(a, vector, n, p, q);
  for (size_t i = 0; i < n; i++) value[i] = a[i * n + i];
  sort_pairs(value, vector, n);
  transpose(vector, n);
  return VG_OK;
}
