/* Gaussian-process regression with a Matern 5/2 kernel, one relevance a column (Rasmussen & Williams 2006, algorithms 2.1 and 5.1):
 *   k(a, b) = scale (1 + t + t^2 / 3) exp(-t),   t^2 = 5 sum_j relevance_j D_j(a, b)
 * D is the squared difference of numbers and 1 for different levels of a category; an active and an inactive value are 1 apart and two
 * inactive ones 0. Targets are standardised inside; predictions are in the units of the targets. */
#ifndef VG_MODEL_GP_H
#define VG_MODEL_GP_H

#include "model/rows.h"

typedef struct vg_gp vg_gp;

#define VG_GP_NOISE_FLOOR 1e-8     /* variance, of standardised targets */

/* noise < 0: fitted; else the fixed variance of standardised targets. `columns` is borrowed. */
VG_CHECKED vg_status vg_gp_new(vg_gp **out, const vg_columns *columns, double noise);
void vg_gp_free(vg_gp *gp);

/* The data: rows `index` [n + pending] of the table, targets y [n]. Pending rows have no target yet: they are believed to answer the mean
 * (kriging believer, Ginsbourger et al. 2010, doi:10.1007/978-3-642-10701-6_6), which leaves the mean as it is and narrows the variance.
 * Rows shared with the previous call from the first on keep their part of the Cholesky factor, so that one more row costs O(n^2).
 * VG_ENAN when the kernel matrix cannot be factored even with the most jitter. */
VG_CHECKED vg_status vg_gp_set_data(vg_gp *gp, const vg_rows *rows, const uint32_t *index, size_t n, size_t pending, const double *y);
/* Maximises the marginal likelihood times the prior from the parameters in place, from the defaults when `restart`, and from `random`
 * further draws of rng; keeps the best. */
VG_CHECKED vg_status vg_gp_fit(vg_gp *gp, bool restart, int random, vg_rng *rng);

/* Log parameters [columns + 2]: relevances, scale, noise variance. */
void vg_gp_get_parameters(const vg_gp *gp, double *log_parameters);
VG_CHECKED vg_status vg_gp_set_parameters(vg_gp *gp, const double *log_parameters);
/* -log p(y | parameters) and its gradient by the log parameters (grad [columns + 2], may be NULL); +inf where it cannot be computed. */
double vg_gp_neg_log_likelihood(vg_gp *gp, double *grad, const double *log_parameters);

/* Posterior of m points [m, columns]: mean [m] and standard deviation [m], the latter may be NULL. */
VG_CHECKED vg_status vg_gp_predict(vg_gp *gp, double *mean, double *sd, const double *points, size_t m);
/* The same of one point with the gradients by its columns, [columns] each; 0 for categories. */
void vg_gp_predict_slope(vg_gp *gp, double *mean, double *sd, double *mean_slope, double *sd_slope, const double *point);

#endif
