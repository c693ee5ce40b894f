/* An ensemble of small multilayer perceptrons for regression, each from its own initial weights: what BANANAS predicts with
 * (White et al. 2021, arXiv:1910.11858). Trained anew at each fit, by Adam on the relative error |prediction - y| / y of targets y > 0. */
#ifndef VG_MODEL_ENSEMBLE_H
#define VG_MODEL_ENSEMBLE_H

#include <stddef.h>

#include "base/rng.h"
#include "base/status.h"

typedef struct vg_ensemble vg_ensemble;

typedef struct vg_ensemble_opts {
  size_t models, layers, width;     /* hidden layers of `width` units each */
  size_t epochs;
  double rate;                      /* of Adam; falls to 0 along a cosine */
  double l1;                        /* weight of the absolute values of the output layer's weights */
} vg_ensemble_opts;

VG_CHECKED vg_status vg_ensemble_new(vg_ensemble **out, size_t inputs, const vg_ensemble_opts *opts);
void vg_ensemble_free(vg_ensemble *e);
/* x [n, inputs], y [n], all y > 0. Every model sees all samples, in its own order. */
VG_CHECKED vg_status vg_ensemble_fit(vg_ensemble *e, const float *x, const float *y, size_t n, vg_rng *rng);
/* Mean and standard deviation (over the models, with n - 1) of each of m inputs x [m, inputs]. */
VG_CHECKED vg_status vg_ensemble_predict(const vg_ensemble *e, double *mean, double *sd, const float *x, size_t m);

/* The mean loss of model `k` over the samples and its gradient by that model's weights (grad [vg_ensemble_weights], may be NULL). */
size_t vg_ensemble_weights(const vg_ensemble *e);
float *vg_ensemble_weights_of(vg_ensemble *e, size_t k);
VG_CHECKED vg_status vg_ensemble_loss(vg_ensemble *e, size_t k, double *loss, float *grad, const float *x, const float *y, size_t n);

#endif
