/* Reference directions and the niching of NSGA-III (Deb & Jain 2014, doi:10.1109/TEVC.2013.2281535). All objectives are minimised. */
#ifndef VG_BASE_NICHE_H
#define VG_BASE_NICHE_H

#include <stddef.h>

#include "base/rng.h"
#include "base/status.h"

/* The number of points with coordinates k/divisions that sum to 1 in m dimensions, C(m + divisions - 1, divisions); SIZE_MAX when that
 * does not fit. */
size_t vg_das_dennis_count(size_t m, size_t divisions);
/* points [count, m], written in descending order of the coordinates; m >= 1, divisions >= 1. Das & Dennis 1998. */
void vg_das_dennis(double *points, size_t m, size_t divisions);

/* The running frame of reference: the ideal point, the worst point and the extreme points found so far. */
typedef struct vg_niche vg_niche;
/* *out is owned by the caller. direction [n, m] is copied. */
VG_CHECKED vg_status vg_niche_new(vg_niche **out, const double *direction, size_t n, size_t m);
void vg_niche_free(vg_niche *niche);
size_t vg_niche_objectives(const vg_niche *niche);

/* Which of n points survive: keep [n], written 0 or 1, with `capacity` ones (all when n <= capacity).
 * rank [n] by vg_pareto_rank; violation [n] or NULL. Whole ranks first; the one that must be cut is filled from the emptiest niches.
 * The frame learns from feasible points only; a rank that is cut among infeasible points is cut at random. */
VG_CHECKED vg_status vg_niche_select(unsigned char *keep, vg_niche *niche, const double *f, const int *rank, const double *violation, size_t n,
                                     size_t capacity, vg_rng *rng);
/* ideal [m] and nadir [m] as of the last selection with a feasible point. */
void vg_niche_frame(double *ideal, double *nadir, const vg_niche *niche);

#endif
