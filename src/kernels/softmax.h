/* Softmax and its logarithm over rows of n contiguous numbers, f32 or bf16, arithmetic in f32 around the row's largest value.
 * A row of -infinity alone gives NaN, as the formula does. */
#ifndef VG_KERNELS_SOFTMAX_H
#define VG_KERNELS_SOFTMAX_H

#include "kernels/simd.h"
#include "tensor/tensor.h"

/* y = exp(x) / sum exp(x), or with `log` x - log sum exp(x), over the last axis; y as x, may be x. */
void vg_softmax(vg_tensor *y, const vg_tensor *x, bool log);
/* dx = y (dy - sum(dy y)), or with `log` dy - exp(y) sum(dy). dx of any dtype. */
VG_CHECKED vg_status vg_softmax_backward(vg_tensor *dx, const vg_tensor *dy, const vg_tensor *y, bool log);

VG_SIMD_DECLARE(void, softmax, (void *y, const void *x, int64_t rows, int64_t n, bool bf16, bool log));
VG_SIMD_DECLARE(void, softmax_grad, (void *dx, const void *dy, const void *y, int64_t rows, int64_t n, bool bf16, bool log));

#endif
