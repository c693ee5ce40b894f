/* A weighted sum of maps, normalised or not, in one pass that stores none of its terms.
 *     y = sum_k scale_k * x_k + shift,     scale_k, shift [channels]
 * A term that is batch-normalised without gamma and beta has scale w * istd and adds -w * istd * mean to the shift. arXiv:1806.09055, eq. 2. */
#ifndef VG_KERNELS_MIX_H
#define VG_KERNELS_MIX_H

#include "kernels/norm.h"

enum { VG_MIX_MAX = 16 };

/* x [n] maps of m, each as y; scale [n, channels], shift [channels]; n from 1 to VG_MIX_MAX; y may be one of x. VG_ENOMEM. */
VG_CHECKED vg_status vg_mix(void *y, const void *const *x, int n, const float *scale, const float *shift, const vg_map *m);

/* Rows of `width` elements: the per-channel vectors are repeated to that width. scale [n, width]. */
VG_SIMD_DECLARE(void, mix, (void *y, const void *const *x, int n, const float *scale, const float *shift, int64_t stride, int64_t rows, int64_t width,
                            bool bf16));

#endif
