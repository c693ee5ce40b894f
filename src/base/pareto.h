/* Several objectives, all minimised: non-dominated ranks, crowding distance, exact hypervolume, indicators of a front's quality.
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

/* The population of NSGA-II, kept sorted by every objective, so that one member more costs a pass over the others and no sort. Members are
 * numbered in the order of their arrival; ranks and distances are those of the last cut, before it removed anybody. */
typedef struct vg_crowd vg_crowd;
/* *out is owned by the caller; `room` members of m objectives fit. */
VG_CHECKED vg_status vg_crowd_new(vg_crowd **out, size_t m, size_t room);
void vg_crowd_free(vg_crowd *c);
/* Appends a member with f [m]; as vg_pareto_rank takes them. */
VG_CHECKED vg_status vg_crowd_add(vg_crowd *c, const double *f, double violation);
/* Ranks all members and measures their crowding, then removes the worst one by one until `capacity` are left. removed [count - capacity],
 * written: the places, each as of its own removal (those behind it have moved up since). Returns how many. */
size_t vg_crowd_cut(size_t *removed, vg_crowd *c, size_t capacity);
/* Does member i come before member j: smaller rank, then larger crowding, then the older? */
int vg_crowd_before(const vg_crowd *c, size_t i, size_t j);
size_t vg_crowd_count(const vg_crowd *c);
size_t vg_crowd_objectives(const vg_crowd *c);
int vg_crowd_rank(const vg_crowd *c, size_t i);
double vg_crowd_distance(const vg_crowd *c, size_t i);

/* *volume: what the points dominate below the reference point ref [m]; points not strictly below it count nothing. Exact for any m:
 * sweeps for m <= 3, the WFG recursion above (While et al. 2012, doi:10.1109/TEVC.2010.2077298), whose time grows steeply with m. */
VG_CHECKED vg_status vg_pareto_hypervolume(double *volume, const double *f, const double *ref, size_t n, size_t m);
/* contribution [n], written: by how much the volume shrinks without that point. */
VG_CHECKED vg_status vg_pareto_contributions(double *contribution, const double *f, const double *ref, size_t n, size_t m);

/* How far the n points are from n_target points of a known front, both >= 1 (Zitzler et al. 2003, doi:10.1109/TEVC.2003.810758):
 * igd and igd_plus, the mean distance from a target to its nearest point (igd_plus counts only what is worse than the target,
 * Ishibuchi et al. 2015); epsilon, the least amount to be taken off every objective until each target is weakly dominated; spread, 0 when the
 * points are evenly spaced and reach the ends of the target (Zhou et al. 2006, doi:10.1109/CEC.2006.1688406). */
typedef struct vg_distance {
  double igd, igd_plus, epsilon, spread;
} vg_distance;
VG_CHECKED vg_status vg_pareto_distance(vg_distance *d, const double *f, size_t n, const double *target, size_t n_target, size_t m);

/* VG_EARG, naming who, when m is 0 or a value of f [n, m] is NaN. */
VG_CHECKED vg_status vg_pareto_check(const char *who, const double *f, size_t n, size_t m);

#endif
