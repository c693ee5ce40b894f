/* Which libraries do the arithmetic. */
#ifndef VG_KERNELS_VERSIONS_H
#define VG_KERNELS_VERSIONS_H

#include <stddef.h>

/* "oneDNN 2.6.3" and "OpenBLAS 0.3.21 openmp" into the caller's buffers, cut to `size`. */
void vg_version_onednn(char *text, size_t size);
void vg_version_blas(char *text, size_t size);
/* The core OpenBLAS chose for this CPU, "SkylakeX". Static text. */
const char *vg_blas_core(void);

#endif
