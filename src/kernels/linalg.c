#include "kernels/linalg.h"

#include <cblas.h>
#include <omp.h>

/* Fortran's entry points: column-major, so that a row-major lower triangle is their upper one. */
void dpotrf_(const char *uplo, const int *n, double *a, const int *lda, int *info);
void dpotri_(const char *uplo, const int *n, double *a, const int *lda, int *info);

/* On one thread: these systems have some hundred rows, where a second thread costs more than it brings, and so the bits do not depend on
 * the number of threads. OpenBLAS's OpenMP flavour asks OpenMP, per calling thread. */
static int begin_serial(void) {
  int threads = omp_get_max_threads();
  if (threads > 1) omp_set_num_threads(1);
  return threads;
}
static void end_serial(int threads) {
  if (threads > 1) omp_set_num_threads(threads);
}

vg_status vg_cholesky(double *a, int64_t n, int64_t ld) {
  int size = (int)n, lda = (int)ld, info = 0;
  int threads = begin_serial();
  if (n > 0) dpotrf_("U", &size, a, &lda, &info);
  end_serial(threads);
  return info == 0 ? VG_OK : vg_fail(VG_ENAN, "cholesky: the matrix is not positive definite at row %d of %d", info, size);
}

vg_status vg_cholesky_inverse(double *a, int64_t n, int64_t ld) {
  int size = (int)n, lda = (int)ld, info = 0;
  int threads = begin_serial();
  if (n > 0) dpotri_("U", &size, a, &lda, &info);
  end_serial(threads);
  return info == 0 ? VG_OK : vg_fail(VG_ENAN, "cholesky_inverse: the factor is singular at row %d of %d", info, size);
}

void vg_lower_solve(double *b, const double *l, int64_t n, int64_t ld, int transposed) {
  if (n <= 0) return;
  int threads = begin_serial();
  cblas_dtrsv(CblasRowMajor, CblasLower, transposed ? CblasTrans : CblasNoTrans, CblasNonUnit, (int)n, l, (int)ld, b, 1);
  end_serial(threads);
}

void vg_lower_solve_rows(double *b, int64_t m, const double *l, int64_t n, int64_t ld) {
  if (m <= 0 || n <= 0) return;
  int threads = begin_serial();
  cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)m, (int)n, 1.0, l, (int)ld, b, (int)n);
  end_serial(threads);
}
