/* Moving data: every kernel copies elements of `size` bytes (2 or 4) without looking at them, and so serves all types alike. */
#ifndef VG_KERNELS_LAYOUT_H
#define VG_KERNELS_LAYOUT_H

#include "tensor/tensor.h"

/* Copies `rows` runs of `bytes` from src to dst, each side with its own distance between runs. Runs on all threads when it is worth it. */
void vg_copy_rows(void *dst, int64_t dst_stride, const void *src, int64_t src_stride, int64_t rows, int64_t bytes);

/* y [A, C, M, B, I] = x [A, B, M, C, I] by elements of I*size bytes: two axes swapped with M between them. */
void vg_swap_axes(void *y, const void *x, const int64_t dims[5], size_t size);
/* dims of vg_swap_axes for swapping axes a < b of x. */
void vg_swap_dims(int64_t dims[5], const vg_shape *x, int a, int b);

/* Between x [N,H,W,C*r*r] and y [N,H*r,W*r,C], channel c*r*r + i*r + j at (i, j) of a block; `back` writes x from y. */
void vg_pixel_shuffle_run(void *y, void *x, const vg_shape *x_shape, int64_t r, size_t size, bool back);

/* NHWC upsampling by an integer factor; bilinear samples at (i + 0.5) / factor - 0.5, clamped to the border. */
void vg_upsample_run(vg_tensor *y, const vg_tensor *x, int64_t factor, bool bilinear);
VG_CHECKED vg_status vg_upsample_grad(vg_tensor *dx, const vg_tensor *dy, int64_t factor, bool bilinear);

/* *out (owned) = t itself or, where its type is another, a copy of type `dtype`: gradients of leaves are f32 also when dout is bf16. */
VG_CHECKED vg_status vg_as_dtype(vg_tensor **out, const vg_tensor *t, vg_dtype dtype);
/* All bytes 0, on all threads. */
void vg_zero(vg_tensor *t);
/* VG_ESHAPE unless t is [N,H,W,C]. */
VG_CHECKED vg_status vg_expect_nhwc(const vg_tensor *t, const char *who);
/* VG_EARG unless 0 <= axis < the rank of t. */
VG_CHECKED vg_status vg_expect_axis(const vg_tensor *t, double axis, const char *who);

#endif
