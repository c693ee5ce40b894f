/* Matrix products, row-major and dense. bf16 (f32 accumulation) through oneDNN; f32 through oneDNN with AVX512, else through OpenBLAS. */
#ifndef VG_KERNELS_GEMM_H
#define VG_KERNELS_GEMM_H

#include "tensor/tensor.h"

/* c = alpha * op(a) * op(b) + beta * c,  op(a) [m, k], op(b) [k, n], c [m, n]; op transposes when trans_* is set (then a is [k, m], b [n, k]).
 *   a, b of dtype `in`, c of dtype `out`: f32 or bf16 each.   beta = 0: c is written without being read.   c overlaps neither a nor b.
 * VG_EARG for another dtype, VG_ENOMEM, VG_EBACKEND; c is then undefined. */
VG_CHECKED vg_status vg_gemm(vg_dtype in, vg_dtype out, bool trans_a, bool trans_b, int64_t m, int64_t n, int64_t k, float alpha,
                             const void *a, const void *b, float beta, void *c);

/* c = a * transpose(b) + bias: a [m, k], b [n, k] of dtype `in`, bias [n] f32 or NULL, added before c is rounded. Otherwise as vg_gemm. */
VG_CHECKED vg_status vg_affine(vg_dtype in, vg_dtype out, int64_t m, int64_t n, int64_t k, const void *a, const void *b, const float *bias, void *c);

/* sum[j] = sum over i of x[i, j]; x [rows, cols] f32 or bf16, summed in f32, split by the thread count alone. VG_ENOMEM. */
VG_CHECKED vg_status vg_column_sum(float *sum, vg_dtype dtype, const void *x, int64_t rows, int64_t cols);
/* x[i, j] += bias[j]. */
void vg_add_row(vg_dtype dtype, void *x, const float *bias, int64_t rows, int64_t cols);
/* dst[i] = src[i] with change of type (f32 or bf16 each). */
void vg_convert(vg_dtype to, void *dst, vg_dtype from, const void *src, int64_t n);

#endif
