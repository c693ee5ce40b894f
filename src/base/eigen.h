/* Eigenvalues and eigenvectors of a small symmetric matrix. */
#ifndef VG_BASE_EIGEN_H
#define VG_BASE_EIGEN_H

#include <stddef.h>

#include "base/status.h"

/* value [n], ascending, and vector [n, n], whose columns are the orthonormal eigenvectors, written; a [n, n] is symmetric and is overwritten.
 * Cyclic Jacobi rotations: accurate to the last digits, about 10 n^3 multiply-adds a sweep; meant for n up to a few hundred.
 * VG_ENAN when `a` holds a value that is not finite. */
VG_CHECKED vg_status vg_eigen_symmetric(double *value, double *vector, double *a, size_t n);

#endif
