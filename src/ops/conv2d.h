/* The shape of a conv2d call, for who runs its kernel in another way. The call has passed the operator's shape rule. */
#ifndef VG_OPS_CONV2D_H
#define VG_OPS_CONV2D_H

#include "kernels/conv.h"
#include "ops/op.h"

vg_conv_shape vg_conv2d_shape(const vg_call *c);

#endif
