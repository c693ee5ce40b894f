/* A random forest for regression as in SMAC (Hutter, Hoos & Leyton-Brown 2011, doi:10.1007/978-3-642-25566-3_40): trees on bootstrap
 * samples, splits by variance reduction, numeric thresholds drawn inside their gap, categories split by the order of their means.
 * The prediction's variance is that of the trees' means plus the mean variance within leaves. */
#ifndef VG_MODEL_FOREST_H
#define VG_MODEL_FOREST_H

#include "model/rows.h"

typedef struct vg_forest vg_forest;

typedef struct vg_forest_opts {
  size_t trees;
  bool bootstrap;
  size_t min_split, min_leaf;   /* samples a node needs to be split, and a leaf to exist */
  double features;              /* share of the columns tried at each split */
} vg_forest_opts;

VG_CHECKED vg_status vg_forest_new(vg_forest **out, const vg_columns *columns, const vg_forest_opts *opts);
void vg_forest_free(vg_forest *f);
/* Grows `count` trees anew, in rotation: the ones that were grown longest ago. Data: rows index [n + pending] with targets y [n]; pending rows
 * are believed to answer what the forest predicts now, and are left out of a forest that has not been grown yet. */
VG_CHECKED vg_status vg_forest_grow(vg_forest *f, size_t count, const vg_rows *rows, const uint32_t *index, size_t n, size_t pending,
                                    const double *y, vg_rng *rng);
/* mean [m] and sd [m] of points [m, columns]; every tree must have been grown. */
VG_CHECKED vg_status vg_forest_predict(const vg_forest *f, double *mean, double *sd, const double *points, size_t m);

#endif
