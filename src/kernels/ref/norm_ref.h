/* The yardstick of the normalisations, in double, element by element. Batch, group and layer norm differ only in which elements share a
 * mean: `set[i]` names it, `channel[i]` the entry of gamma and beta. */
#ifndef VG_KERNELS_REF_NORM_REF_H
#define VG_KERNELS_REF_NORM_REF_H

#include <stdint.h>

#include "kernels/activation.h"

typedef struct vg_ref_norm {
  int64_t n, n_sets, n_channels;
  const int32_t *set, *channel;     /* [n] */
  const double *x;                  /* [n] */
  const double *gamma, *beta;       /* [n_channels] or NULL */
  double eps;
  vg_act act;
} vg_ref_norm;

double vg_ref_act(double x, vg_act act);
double vg_ref_act_slope(double x, vg_act act);
/* mean, var [n_sets]: biased. */
void vg_ref_norm_stats(double *mean, double *var, const vg_ref_norm *p);
/* y [n] = act((x - mean) / sqrt(var + eps) * gamma + beta). */
void vg_ref_norm_forward(double *y, const double *mean, const double *var, const vg_ref_norm *p);
/* All written: dx [n], dgamma, dbeta [n_channels]. `constant`: the statistics do not depend on x. scratch [2, n_sets]. */
void vg_ref_norm_backward(double *dx, double *dgamma, double *dbeta, const double *dy, const double *mean, const double *var, const vg_ref_norm *p,
                          int constant, double *scratch);

/* Over rows of length n; log: the logarithm of it. */
void vg_ref_softmax(double *y, const double *x, int64_t rows, int64_t n, int log);
void vg_ref_softmax_backward(double *dx, const double *dy, const double *y, int64_t rows, int64_t n, int log);

#endif
