/* Several objectives, all minimised: non-dominated ranks, crowding distance, exact hypervolume.
 * Points are rows of `f` [n, m], m objectives each; no value may be NaN. */
#ifndef VG_BASE_PARETO_H
#define VG_BASE_PARETO_H

#include <stddef.h>

#include "base/status.h"

/* rank [n], written: 0 for the points nobody dominates, 1 once those are taken away, and so on. Equal points share a rank.
 * violation [n] or NULL: Deb's rule; a point with violation > 0 comes after all feasible ones, smaller violations first. */
VG_CHECKED vg_status vg_pareto_rank(int *rank, const double *f, const double *violation, size_t n, size_t m);
/* crowding [n], written: the distance of NSGA-II (Deb et al. 2002) within each rank; the ends of a front have +inf. */
VG_CHECKED vg_status vg_pareto_crowding(double *crowding, const double *f, const int *rank, size_t n, size_t m);
/* *volume: what the points dominate below the reference point ref [m]; points not strictly below it count nothing. m = 1, 2, 3. */
VG_CHECKED vg_status vg_pareto_hypervolume(double *volume, const double *f, const double *ref, size_t n, size_t m);

#endif
