/* One thread count for OpenMP, oneDNN and OpenBLAS. Kernels use `#pragma omp parallel for schedule(static)`: the split depends on the
 * count alone, so the same count gives the same bits. */
#ifndef VG_BASE_THREADS_H
#define VG_BASE_THREADS_H

int vg_threads(void);
void vg_threads_set(int n);   /* n >= 1 */

#endif
