/* Smooth minimisation in a box: projected L-BFGS with backtracking (Nocedal & Wright 2006, algorithms 7.4 and 7.5; bounds by freezing the
 * variables that the gradient pushes outwards, Bertsekas 1982, doi:10.1137/0320018). */
#ifndef VG_MODEL_MINIMISE_H
#define VG_MODEL_MINIMISE_H

#include <stddef.h>

#include "base/status.h"

/* The value at x [n] and, in grad [n], its gradient. A value that is not finite is a place to stay away from. */
typedef double (*vg_objective)(double *grad, const double *x, void *ctx);

/* x [n]: from the start (first put into [lo, hi]) to the best point found; *value its value. Stops when no free component of the gradient
 * exceeds `tolerance`, when a step gains less than 1e-9 of max(1, |value|), or after max_iterations. VG_ENOMEM. */
VG_CHECKED vg_status vg_minimise(double *x, double *value, const double *lo, const double *hi, size_t n, int max_iterations, double tolerance,
                                 vg_objective f, void *ctx);

#endif
