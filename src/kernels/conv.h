/* 2-D convolution, cross-correlation (the kernel is not flipped), through oneDNN; activations stay [N, H, W, C] in memory.
 *   src [N, H, W, Ci], dst [N, Ho, Wo, Co] of one dtype, f32 or bf16;   w [Co, Kh, Kw, Ci/groups] f32 or bf16, whatever src is
 *   Ho = (H + 2*pad_h - dil*(Kh-1) - 1) / stride_h + 1, Wo alike.   dil = 1 is dense (oneDNN counts it as 0: converted in conv.c only).
 * Sums are f32. On a CPU without AVX512, bf16 is computed through f32 copies. Buffers do not overlap.
 * VG_ENOMEM or VG_EBACKEND; the result is then undefined. */
#ifndef VG_KERNELS_CONV_H
#define VG_KERNELS_CONV_H

#include "kernels/activation.h"
#include "tensor/tensor.h"

typedef struct vg_conv_shape {
  int64_t n, h, w, ci, ho, wo, co;
  int kh, kw, stride_h, stride_w, pad_h, pad_w, dil, groups;
} vg_conv_shape;

/* bias [Co] f32, or NULL: none. */
VG_CHECKED vg_status vg_conv_forward(const vg_conv_shape *s, vg_dtype dtype, void *dst, const void *src, vg_dtype w_type, const void *w,
                                     const float *bias);
/* Our own kernels take these: groups = channels, the same stride and pad in both directions. */
bool vg_conv_is_depthwise(const vg_conv_shape *s);
/* `add`: to what dsrc holds, of depthwise shapes alone. */
VG_CHECKED vg_status vg_conv_backward_data(const vg_conv_shape *s, vg_dtype dtype, void *dsrc, const void *ddst, vg_dtype w_type, const void *w,
                                           bool add);
/* dw, of type dw_type, is overwritten. */
VG_CHECKED vg_status vg_conv_backward_weights(const vg_conv_shape *s, vg_dtype dtype, vg_dtype dw_type, void *dw, const void *src,
                                              const void *ddst);

/* A forward convolution whose weights stay, f32: they are brought into the kernel's layout once for each shape of the input. With it come a bias
 * and an activation that needs no pass of its own: none, relu or relu6 (which here may turn a NaN into 0). */
typedef struct vg_conv_fixed vg_conv_fixed;
/* w [Co, Kh, Kw, Ci/groups] and bias [Co], f32, are retained and do not change while it lives. */
VG_CHECKED vg_status vg_conv_fixed_new(vg_conv_fixed **out, vg_tensor *w, vg_tensor *bias, vg_act act);
void vg_conv_fixed_free(vg_conv_fixed *f);       /* NULL is fine */
/* dst and src as in vg_conv_forward, f32. The same bits for the same shape, whatever was run before. */
VG_CHECKED vg_status vg_conv_fixed_run(vg_conv_fixed *f, const vg_conv_shape *s, float *dst, const float *src);
size_t vg_conv_fixed_bytes(const vg_conv_fixed *f);      /* of weights in the kernel's layout */

int64_t vg_conv_macs(const vg_conv_shape *s);

#endif
