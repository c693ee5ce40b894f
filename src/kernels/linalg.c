#include "kernels/linalg.h"

#include <cblas.h>
#include <math.h>
#include <omp.h>

#include "base/alloc.h"

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

/* Row i of x, centred and of length 1. */
static vg_status standardise(double *row, const float *x, int64_t d, int64_t i) {
  double mean = 0, square = 0;
  for (int64_t k = 0; k < d; k++) mean += x[k];
  mean /= (double)d;
  for (int64_t k = 0; k < d; k++) {
    row[k] = x[k] - mean;
    square += row[k] * row[k];
  }
  if (!(square > 0 && isfinite(square))) return vg_fail(VG_ENAN, "correlation: row %lld is constant or not finite", (long long)i + 1);
  for (int64_t k = 0; k < d; k++) row[k] /= sqrt(square);
  return VG_OK;
}

vg_status vg_correlation(double *out, const float *x, int64_t n, int64_t d) {
  void *memory;
  vg_status status = VG_OK;
  if (n <= 0) return VG_OK;
  VG_TRY(vg_alloc(&memory, (size_t)(n * d) * sizeof(double)));
  double *rows = memory;
  for (int64_t i = 0; i < n && status == VG_OK; i++) status = standardise(rows + i * d, x + i * d, d, i);
  if (status == VG_OK) {
    int threads = begin_serial();
    cblas_dgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)n, (int)n, (int)d, 1, rows, (int)d, rows, (int)d, 0, out, (int)n);
    end_serial(threads);
  }
  vg_free(memory);
  return status;
}
