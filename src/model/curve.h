/* Extrapolation of learning curves: 12 parametric families (Domhan, Springenberg & Hutter 2015, IJCAI; the list is that of NNI's curve-fitting
 * assessor), each fitted by Levenberg-Marquardt from three starts, averaged by how well they fit. */
#ifndef VG_MODEL_CURVE_H
#define VG_MODEL_CURVE_H

#include <stddef.h>

#include "base/status.h"

typedef struct vg_curve_prediction {
  double mean, sd;             /* of the value at the horizon */
  int n_models;                /* families that fit; with none mean and sd are NaN */
} vg_curve_prediction;

/* The value at `horizon` of a rising curve (higher is better, values about 0 to 1) seen at x [n] > 0, ascending, as y [n].
 * sd joins the residuals, what they leave open about the parameters, and the spread between families. VG_EARG for n < 2 or no finite value. */
VG_CHECKED vg_status vg_curve_predict(vg_curve_prediction *out, const double *x, const double *y, size_t n, double horizon);

#endif
