/* The Matern 5/2 kernel over many points at once; private to gp.c and gp_fit.c. */
#ifndef VG_MODEL_KERNEL_H
#define VG_MODEL_KERNEL_H

#include <stddef.h>

#include "model/columns.h"
#include "model/exp.h"

/* D_j between u and each of the n values at x, times `relevance`, added to sum [n]. */
static inline void vg__add_distances(double *restrict sum, const double *restrict x, size_t n, double u, bool category, double relevance) {
  if (category) {
    for (size_t i = 0; i < n; i++) sum[i] += x[i] == u ? 0 : relevance;
  } else if (u == VG_INACTIVE) {
    for (size_t i = 0; i < n; i++) sum[i] += x[i] == VG_INACTIVE ? 0 : relevance;
  } else {
    for (size_t i = 0; i < n; i++) {
      double d = x[i] - u, d2 = d * d;
      sum[i] += relevance * (x[i] == VG_INACTIVE ? 1 : d2);
    }
  }
}

#endif
