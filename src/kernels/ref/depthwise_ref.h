/* Plain loops for kernels/depthwise.h: what the fast kernels are compared with, and what runs when they cannot. Same contracts. */
#ifndef VG_KERNELS_REF_DEPTHWISE_REF_H
#define VG_KERNELS_REF_DEPTHWISE_REF_H

#include "kernels/depthwise.h"

void vg_ref_depthwise_forward(const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight, const float *bias,
                              vg_act act);
void vg_ref_depthwise_backward_data(const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad, const void *weight, bool add);
void vg_ref_depthwise_backward_weight(const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src, const void *dst_grad);

#endif
