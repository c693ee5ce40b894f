/* Dense f64 linear algebra for small symmetric systems, row-major: what Gaussian processes need. Cholesky from the LAPACK inside OpenBLAS.
 * A matrix has leading dimension ld >= n, so that a factor may grow in place. */
#ifndef VG_KERNELS_LINALG_H
#define VG_KERNELS_LINALG_H

#include <stdint.h>

#include "base/status.h"

/* a [n, n], lower triangle read, becomes L with a = L L^T; the upper triangle is neither read nor written. VG_ENAN: not positive definite;
 * a is then undefined. */
VG_CHECKED vg_status vg_cholesky(double *a, int64_t n, int64_t ld);
/* a: from L to the lower triangle of (L L^T)^-1. VG_ENAN when L is singular. */
VG_CHECKED vg_status vg_cholesky_inverse(double *a, int64_t n, int64_t ld);
/* b [n] becomes L^-1 b, or L^-T b when `transposed`. */
void vg_lower_solve(double *b, const double *l, int64_t n, int64_t ld, int transposed);
/* b [m, n], each row becomes L^-1 row. */
void vg_lower_solve_rows(double *b, int64_t m, const double *l, int64_t n, int64_t ld);
/* out [n, n] = Pearson's correlations between the rows of x [n, d]. VG_ENAN: a row is constant or not finite; out is then undefined. */
VG_CHECKED vg_status vg_correlation(double *out, const float *x, int64_t n, int64_t d);

#endif
