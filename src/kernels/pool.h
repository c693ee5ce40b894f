/* Max and average pooling over NHWC, square windows, and their global forms.
 *   src  [N, H, W, C]     f32 or bf16 (`dtype`)
 *   dst  [N, Ho, Wo, C]   as src; sums in f32
 * Every window holds at least one element of the image: the caller sees to it (pad <= kernel/2, vg_pool_out). In a backward pass the two
 * gradients may have different dtypes. None of these can fail. */
#ifndef VG_KERNELS_POOL_H
#define VG_KERNELS_POOL_H

#include "kernels/simd.h"
#include "tensor/tensor.h"

typedef struct vg_pool_shape {
  int64_t n, h, w, c, ho, wo;
  int kernel, stride, pad;
  bool count_pad;        /* average: padding counts as elements, as far as it is declared (a ceil window's overhang does not) */
} vg_pool_shape;

/* floor((in + 2*pad - kernel) / stride) + 1; with `ceil` rounded up, less a last window that would start in the right padding. 0: none fits. */
int64_t vg_pool_out(int64_t in, int kernel, int stride, int pad, bool ceil);
/* The dtype that holds a position in the window: u8 or i32. */
vg_dtype vg_pool_arg_dtype(int kernel);

/* arg [N, Ho, Wo, C] of vg_pool_arg_dtype, or NULL: row*kernel + column of the maximum in its window, the first of equals. NaN wins. */
VG_SIMD_DECLARE(void, max_pool, (const vg_pool_shape *s, vg_dtype dtype, void *dst, void *arg, const void *src));
VG_SIMD_DECLARE(void, max_pool_backward, (const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad,
                                          const void *arg));
VG_SIMD_DECLARE(void, avg_pool, (const vg_pool_shape *s, vg_dtype dtype, void *dst, const void *src));
VG_SIMD_DECLARE(void, avg_pool_backward, (const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad));

/* The same with small windows (pool_fits_rows), faster, most of all with few channels (simd/pool_rows.c): those above go there.
 * `add`: the gradient is added to what dsrc holds. */
VG_SIMD_DECLARE(bool, pool_fits_rows, (const vg_pool_shape *s));
VG_SIMD_DECLARE(void, max_pool_rows, (const vg_pool_shape *s, vg_dtype dtype, void *dst, uint8_t *arg, const void *src));
VG_SIMD_DECLARE(void, max_pool_rows_backward, (const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad,
                                               const uint8_t *arg, bool add));
VG_SIMD_DECLARE(void, avg_pool_rows, (const vg_pool_shape *s, vg_dtype dtype, void *dst, const void *src));
VG_SIMD_DECLARE(void, avg_pool_rows_backward, (const vg_pool_shape *s, vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad,
                                               bool add));

/* src [N, P, C] -> dst [N, C]; arg [N, C] or NULL: the first position of the maximum. */
VG_SIMD_DECLARE(void, global_max_pool, (vg_dtype dtype, void *dst, int32_t *arg, const void *src, int64_t n, int64_t p, int64_t c));
VG_SIMD_DECLARE(void, global_max_pool_backward, (vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad, const int32_t *arg,
                                                 int64_t n, int64_t p, int64_t c));
VG_SIMD_DECLARE(void, global_avg_pool, (vg_dtype dtype, void *dst, const void *src, int64_t n, int64_t p, int64_t c));
VG_SIMD_DECLARE(void, global_avg_pool_backward, (vg_dtype src_dtype, void *dsrc, vg_dtype dst_dtype, const void *dst_grad, int64_t n, int64_t p,
                                                 int64_t c));

#endif
