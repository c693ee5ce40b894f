/* The covariance matrix adaptation evolution strategy (Hansen 2016, arXiv:1604.00772) with negative weights for bad samples.
 * The caller samples, evaluates and sorts; solutions from elsewhere may be among them (Hansen 2011, arXiv:1110.4181). */
#ifndef VG_BASE_CMAES_H
#define VG_BASE_CMAES_H

#include <stddef.h>

#include "base/rng.h"
#include "base/status.h"

typedef struct vg_cmaes vg_cmaes;

/* mean [n] is copied; sigma > 0; lambda >= 2 samples make a generation. *out is owned. */
VG_CHECKED vg_status vg_cmaes_new(vg_cmaes **out, const double *mean, size_t n, double sigma, size_t lambda);
void vg_cmaes_free(vg_cmaes *c);
size_t vg_cmaes_dimensions(const vg_cmaes *c);
size_t vg_cmaes_lambda(const vg_cmaes *c);

/* x [n], written: one draw from N(mean, sigma^2 C). */
void vg_cmaes_sample(double *x, const vg_cmaes *c, vg_rng *rng);
/* One generation: x [lambda, n], the best first. VG_ENAN, and the state undefined, when numbers have run out of range. */
VG_CHECKED vg_status vg_cmaes_update(vg_cmaes *c, const double *x);

typedef struct vg_cmaes_spread {
  double sigma, widest, condition; /* widest: the largest standard deviation along an axis of the ellipsoid; condition of C */
} vg_cmaes_spread;
vg_cmaes_spread vg_cmaes_get_spread(const vg_cmaes *c);

#endif
