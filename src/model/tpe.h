/* Tree-structured Parzen estimator (Bergstra et al. 2011; the rules of kernels and weights as in search-strategies.md 4.5): one mixture over
 * the good rows, one over the others, and the candidate, drawn from the first, with the largest ratio of the two. */
#ifndef VG_MODEL_TPE_H
#define VG_MODEL_TPE_H

#include "model/rows.h"

/* A mixture over some columns of one level of the space: a kernel an observation, all columns multiplied, and a prior over the whole range. */
typedef struct vg_mixture {
  const vg_columns *columns;
  const size_t *column;        /* borrowed [d] */
  size_t d, n;                 /* n kernels; the last is the prior */
  double *log_weight;          /* [n] */
  double *centre, *width;      /* [d, n]: mean and s.d. of a truncated Gaussian; of a category `centre` alone */
  double *inverse;             /* [d, n]: 1 / width */
  double *log_norm;            /* [d, n]: -log of the Gaussian's mass inside [0, 1]; less log(width sqrt(2 pi)) where continuous */
  double *work;                /* [n] */
} vg_mixture;

typedef struct vg_tpe_opts {
  size_t candidates;
  double prior_weight;
  bool multivariate;           /* one mixture over all columns of a level, or one a column */
} vg_tpe_opts;

/* The mixture of rows index [n], oldest first; rows in which the columns are inactive are left out. */
VG_CHECKED vg_status vg_mixture_init(vg_mixture *m, const vg_rows *rows, const uint32_t *index, size_t n, const size_t *column, size_t d,
                                     const vg_tpe_opts *opts);
void vg_mixture_deinit(vg_mixture *m);
/* log of the density (continuous columns) and probability (finite ones) of the row's values in the mixture's columns. */
double vg_mixture_log_density(const vg_mixture *m, const double *row);
/* Draws values of the mixture's columns into the row. */
void vg_mixture_sample(const vg_mixture *m, double *row, vg_rng *rng);

/* out [keep, columns]: of `candidates` draws at the top level of the space those with the largest ratios, best first; below their chosen
 * options the best of as many draws. keep <= candidates. */
VG_CHECKED vg_status vg_tpe_suggest(double *out, size_t keep, const vg_rows *rows, const uint32_t *good, size_t n_good,
                                    const uint32_t *bad, size_t n_bad, const vg_tpe_opts *opts, vg_rng *rng);

#endif
