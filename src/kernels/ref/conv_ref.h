/* Convolution as plain loops in f32: the yardstick of the tests. Shapes as in kernels/conv.h. */
#ifndef VG_KERNELS_REF_CONV_REF_H
#define VG_KERNELS_REF_CONV_REF_H

#include "kernels/conv.h"

void vg_ref_conv_forward(const vg_conv_shape *s, float *dst, const float *src, const float *w, const float *bias);   /* bias may be NULL */
void vg_ref_conv_backward_data(const vg_conv_shape *s, float *dsrc, const float *ddst, const float *w);
void vg_ref_conv_backward_weights(const vg_conv_shape *s, float *dw, const float *src, const float *ddst);

#endif
