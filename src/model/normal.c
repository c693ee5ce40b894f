#include "model/normal.h"

#include <math.h>

static const double LOG_SQRT_2PI = 0.91893853320467274178;

double vg_normal_pdf(double z) { return exp(-0.5 * z * z - LOG_SQRT_2PI); }
double vg_normal_cdf(double z) { return 0.5 * erfc(-z * M_SQRT1_2); }

double vg_erfcx(double x) {
  if (x < 10) return exp(x * x) * erfc(x);
  double t = 1 / (2 * x * x);                            /* the asymptotic series; its terms fall below 1e-16 from x = 10 on */
  double sum = 1, term = 1;
  for (int k = 1; k <= 12; k++) sum += term *= -(2 * k - 1) * t;
  return sum / (x * 1.77245385090551602730);
}

double vg_normal_log_cdf(double z) {
  if (z > -5) return log(vg_normal_cdf(z));
  return log(0.5 * vg_erfcx(-z * M_SQRT1_2)) - 0.5 * z * z;
}

double vg_improvement(double z) { return z * vg_normal_cdf(z) + vg_normal_pdf(z); }

double vg_log_improvement(double z) {
  if (z > -1) return log(vg_improvement(z));
  if (z < -1e3) return -0.5 * z * z - LOG_SQRT_2PI - 2 * log(-z);
  return -0.5 * z * z - LOG_SQRT_2PI + log1p(z * sqrt(M_PI / 2) * vg_erfcx(-z * M_SQRT1_2));
}
