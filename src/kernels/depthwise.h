/* Depthwise 2-D convolution and its gradients, NHWC, any kernel size, stride and dilation. Cross-correlation (the kernel is not flipped).
 *   src  [N, H, W, C]       f32 or bf16
 *   dst  [N, Ho, Wo, C]     Ho = (H + 2*pad - dil*(Kh-1) - 1) / stride + 1; as src; may not overlap src
 *   w    [C, Kh, Kw, 1]     as src
 * Sums are taken in f32 for both dtypes. dil = 1 is dense. arXiv:1704.04861. */
#ifndef VG_KERNELS_DEPTHWISE_H
#define VG_KERNELS_DEPTHWISE_H

#include "base/status.h"
#include "kernels/activation.h"
#include "kernels/simd.h"
#include "tensor/tensor.h"

typedef struct vg_dw_shape {
  int64_t n, h, w, c, ho, wo;
  int kh, kw, stride, pad, dil;
} vg_dw_shape;

/* bias [C] f32 or NULL (none), added before dst is rounded; act: none, relu or relu6, applied to the sum. Both write all of their output and cannot
 * fail: without memory for scratch they fall back to the plain kernel, which needs none. */
void vg_depthwise_forward(const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight, const float *bias, vg_act act);
/* `add`: to what dsrc holds. */
void vg_depthwise_backward_data(const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad, const void *weight, bool add);
/* dw [C, Kh, Kw, 1] f32, overwritten. The same bits for the same number of threads. VG_ENOMEM. */
VG_CHECKED vg_status vg_depthwise_backward_weight(const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src, const void *dst_grad);

/* The vectorised kernels. VG_ENOMEM without scratch memory; VG_EARG for a kernel or stride beyond VG_DW_MAX_*, which the plain kernels take. */
enum { VG_DW_MAX_KERNEL = 31, VG_DW_MAX_STRIDE = 16 };
VG_SIMD_DECLARE(vg_status, depthwise_forward, (const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight,
                                               const float *bias, vg_act act));
VG_SIMD_DECLARE(vg_status, depthwise_backward_data, (const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad,
                                                     const void *weight, bool add));
VG_SIMD_DECLARE(vg_status, depthwise_backward_weight, (const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src,
                                                       const void *dst_grad));

#endif
