/* 2-D convolution, cross-correlation (the kernel is not flipped), through oneDNN; activations stay [N, H, W, C] in memory.
 *   src [N, H, W, Ci], dst [N, Ho, Wo, Co] of one dtype, f32 or bf16;   w [Co, Kh, Kw, Ci/groups] f32 or bf16, whatever src is
 *   Ho = (H + 2*pad_h - dil*(Kh-1) - 1) / stride_h + 1, Wo alike.   dil = 1 is dense (oneDNN counts it as 0: converted in conv.c only).
 * Sums are f32. On a CPU without AVX512, bf16 is computed through f32 copies. Buffers do not overlap.
 * VG_ENOMEM or VG_EBACKEND; the result is then undefined. */
#ifndef VG_KERNELS_CONV_H
#define VG_KERNELS_CONV_H

#include "tensor/tensor.h"

typedef struct vg_conv_shape {
  int64_t n, h, w, ci, ho, wo, co;
  int kh, kw, stride_h, stride_w, pad_h, pad_w, dil, groups;
} vg_conv_shape;

/* bias [Co] f32, or NULL: none. */
VG_CHECKED vg_status vg_conv_forward(const vg_conv_shape *s, vg_dtype dtype, void *dst, const void *src, vg_dtype w_type, const void *w,
                                     const float *bias);
VG_CHECKED vg_status vg_conv_backward_data(const vg_conv_shape *s, vg_dtype dtype, void *dsrc, const void *ddst, vg_dtype w_type, const void *w);
/* dw, of type dw_type, is overwritten. */
VG_CHECKED vg_status vg_conv_backward_weights(const vg_conv_shape *s, vg_dtype dtype, vg_dtype dw_type, void *dw, const void *src,
                                              const void *ddst);

int64_t vg_conv_macs(const vg_conv_shape *s);

#endif
