/* Elementwise activations, f32 and bf16.
 *   relu      max(x, 0)                  relu6     min(max(x, 0), 6)
 *   leaky     x, slope * x below 0       hsigmoid  relu6(x + 3) / 6
 *   hswish    x * relu6(x + 3) / 6       swish     x * sigmoid(x)       (the two of MobileNetV3, arXiv:1905.02244; swish arXiv:1710.05941)
 *   sigmoid   1 / (1 + exp(-x))          tanh
 * A NaN in gives a NaN out. */
#ifndef VG_KERNELS_ACTIVATION_H
#define VG_KERNELS_ACTIVATION_H

#include "kernels/simd.h"
#include "tensor/tensor.h"

typedef enum vg_act {
  VG_ACT_NONE, VG_ACT_RELU, VG_ACT_RELU6, VG_ACT_LEAKY, VG_ACT_HSWISH, VG_ACT_HSIGMOID, VG_ACT_SWISH, VG_ACT_SIGMOID, VG_ACT_TANH
} vg_act;
/* The same, as the words of an operator's argument. */
#define VG_ACT_WORDS "none relu relu6 leaky hswish hsigmoid swish sigmoid tanh"

/* y = act(x): same count and dtype (f32 or bf16); y may be x. `slope` is read by VG_ACT_LEAKY alone. */
void vg_act_forward(vg_tensor *y, const vg_tensor *x, vg_act act, float slope);

/* Whether vg_act_backward reads the output (relu, relu6, leaky, sigmoid, tanh) or the input (hswish, hsigmoid, swish: not invertible, or
 * flattened by the rounding of bf16). */
bool vg_act_reads_out(vg_act act);

/* dx = dy * act'. `kept` is y or x, as vg_act_reads_out says; dy as kept; dx of any dtype, and may be dy when the dtypes agree. */
VG_CHECKED vg_status vg_act_backward(vg_tensor *dx, const vg_tensor *dy, const vg_tensor *kept, vg_act act, float slope);

/* Gradients may be asked for in another dtype than the kernels write (f32 for a bf16 input). *work is dx, or a tensor with the dtype of
 * x; vg_grad_finish copies it to dx and drops it. */
VG_CHECKED vg_status vg_grad_begin(vg_tensor **work, vg_tensor *dx, const vg_tensor *x);
VG_CHECKED vg_status vg_grad_finish(vg_tensor *work, vg_tensor *dx);

VG_SIMD_DECLARE(void, act_forward, (void *y, const void *x, int64_t n, bool bf16, vg_act act, float slope));
VG_SIMD_DECLARE(void, act_backward, (void *dx, const void *dy, const void *kept, int64_t n, bool bf16, vg_act act, float slope));

#endif
