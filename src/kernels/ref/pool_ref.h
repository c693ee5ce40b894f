/* Pooling as plain loops over f32, to compare kernels/pool.h with. max: the maximum, else the average. */
#ifndef VG_KERNELS_REF_POOL_REF_H
#define VG_KERNELS_REF_POOL_REF_H

#include "kernels/pool.h"

void vg_ref_pool(const vg_pool_shape *s, bool max, float *dst, const float *src);
/* Scatters; ties of the maximum go to the first. */
void vg_ref_pool_backward(const vg_pool_shape *s, bool max, float *dsrc, const float *src, const float *dst_grad);

#endif
