/* What gp.c and gp_fit.c share. */
#ifndef VG_MODEL_GP_PRIVATE_H
#define VG_MODEL_GP_PRIVATE_H

#include "model/gp.h"

struct vg_gp {
  const vg_columns *columns;
  bool fits_noise;
  double *relevance, scale, noise;   /* relevance [columns] */
  size_t n, pending, capacity;       /* rows with a target come first, then pending ones */
  uint32_t *index;                   /* the table's numbers of the rows, [capacity] */
  double *x;                         /* [columns, capacity]: a column is contiguous */
  double *factor;                    /* [capacity, capacity] lower triangle: L of the kernel matrix plus noise */
  size_t factored;                   /* rows of the factor that are valid */
  double jitter;
  double *y, *alpha;                 /* standardised targets; K^-1 y: [capacity] each */
  double mean, sd;
  double *work, *inverse;            /* of the likelihood: [capacity] and [capacity, capacity]; inverse is made by the first fit */
  double *point;                     /* of predictions of one point: [5, capacity] */
};

/* out [n]: the kernel, without noise, between a point given by its values and the first n rows. */
void vg__gp_kernel_row(const vg_gp *gp, double *out, const double *point, size_t n);

#endif
