/* Acquisitions over surrogates (models with a mean and a standard deviation), in logarithms so that they have a slope where the plain ones underflow:
 * expected improvement (Jones et al. 1998, doi:10.1023/A:1008306431147; its logarithm: Ament et al. 2023, arXiv:2310.20708), lower confidence
 * bound (Srinivas et al. 2010, arXiv:0912.3995), expected hypervolume improvement of two objectives (Emmerich et al. 2011,
 * doi:10.1109/CEC.2011.5949880), each times the probability that all constraints hold (Gardner et al. 2014, arXiv:1403.5402). */
#ifndef VG_MODEL_BAYES_H
#define VG_MODEL_BAYES_H

#include "model/search.h"

typedef struct vg_surrogate {
  /* mean [m] and sd [m] > 0 of points [m, columns]. */
  vg_status (*predict)(void *model, double *mean, double *sd, const double *points, size_t m);
  /* One point and the gradients of both by the columns; NULL: there are none. */
  void (*slope)(void *model, double *mean, double *sd, double *mean_slope, double *sd_slope, const double *point);
  void *model;
} vg_surrogate;

/* LOG_EI: the surrogate is of log y; the improvement is that of y (Hutter et al. 2009, equation 2). */
typedef enum vg_bayes_kind { VG_BAYES_EI, VG_BAYES_LOG_EI, VG_BAYES_LCB, VG_BAYES_EHVI, VG_BAYES_FEASIBLE } vg_bayes_kind;

typedef struct vg_bayes {
  vg_bayes_kind kind;
  size_t n_columns;
  vg_surrogate objective[2];       /* minimised. One, two for EHVI, none for FEASIBLE */
  const vg_surrogate *constraint;  /* borrowed; each holds where its value is <= 0 */
  size_t n_constraints;
  double best;                     /* EI, LOG_EI: the value (of the surrogate's kind) to improve on */
  double kappa;                    /* LCB: mean - kappa sd */
  const double *front;             /* EHVI: mutually non-dominated points [n_front, 2], ascending in the first, all below the reference */
  size_t n_front;
  double reference[2];
} vg_bayes;

/* The acquisition for vg_search_maximise, with a slope when every surrogate has one; `b` is borrowed by it. */
vg_acquisition vg_bayes_acquisition(vg_bayes *b);

/* log of the expected hypervolume improvement of independent normals; slope [4], may be NULL: by mean 1, mean 2, sd 1, sd 2. */
double vg_log_ehvi(double *slope, const double mean[2], const double sd[2], const double *front, size_t n, const double reference[2]);

#endif
