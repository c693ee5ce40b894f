#include "kernels/linalg.h"

#include <cblas.h>

/* Fortran's entry points: column-major, so that a row-major lower triangle is their upper one. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);

vg_status vg_cholesky(double *a, int64_t n, int64_t ld) {
  int size = (int)n, lda = (int)ld, info = 0;
  if (n > 0) dpotrf_("U", &size, a, &lda, &info);
  return info == 0 ? VG_OK : vg_fail(VG_ENAN, "cholesky: the matrix is not positive definite at row %d of %d", info, size);
}

vg_status vg_cholesky_inverse(double *a, int64_t n, int64_t ld) {
  int size = (int)n, lda = (int)ld, info = 0;
  if (n > 0) dpotri_("U", &size, a, &lda, &info);
  return info == 0 ? VG_OK : vg_fail(VG_ENAN, "cholesky_inverse: the factor is singular at row %d of %d", info, size);
}

void vg_lower_solve(double *b, const double *l, int64_t n, int64_t ld, int transposed) {
  if (n > 0) cblas_dtrsv(CblasRowMajor, CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)n, l, (int)ld, b, 1);
}

void vg_lower_solve_rows(double *b, int64_t m, const double *l, int64_t n, int64_t ld) {
  if (m > 0 && n > 0)
    cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)m, (int)n, 1.0, l, (int)ld, b, (int)n);
}
