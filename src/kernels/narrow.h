/* 1x1 convolutions between as many channels as there are, when these are few: products with a matrix that a few registers hold.
 *   x, y [rows, C] of one dtype, f32 or bf16;   w [C, C] f32, w[o][i];   C = 1, 2, 4 or 8
 * oneDNN fills 16 channels up with zeros; here a vector holds several pixels. Sums in f32. None of these can fail. */
#ifndef VG_KERNELS_NARROW_H
#define VG_KERNELS_NARROW_H

#include "kernels/simd.h"
#include "tensor/tensor.h"

enum { VG_NARROW_MOST = 8, VG_NARROW_PARTS = 16 };

/* y[r][o] = sum_i w[o][i] x[r][i]; `transposed`: y[r][i] = sum_o w[o][i] x[r][o], the gradient's way back. */
VG_SIMD_DECLARE(void, narrow_product, (void *y, const void *x, const float *w, int64_t rows, int64_t channels, bool bf16, bool transposed));
/* dw[o][i] = sum_r dy[r][o] x[r][i], in VG_NARROW_PARTS parts whatever the number of threads: always the same bits. */
VG_SIMD_DECLARE(void, narrow_weights, (float *dw, const void *dy, const void *x, int64_t rows, int64_t channels, bool bf16));

#endif
