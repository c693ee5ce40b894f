/* The standard normal distribution, also far out in its tails, and expected improvement. */
#ifndef VG_MODEL_NORMAL_H
#define VG_MODEL_NORMAL_H

double vg_normal_pdf(double z);
double vg_normal_cdf(double z);
double vg_normal_log_cdf(double z);
/* exp(x^2) erfc(x) for x >= 0, to 1e-14. */
double vg_erfcx(double x);
/* h(z) = z cdf(z) + pdf(z), so that E[max(0, a - f)] = s h((a - m) / s) for f ~ N(m, s^2); and its logarithm, finite for every finite z. */
double vg_improvement(double z);
double vg_log_improvement(double z);

#endif
