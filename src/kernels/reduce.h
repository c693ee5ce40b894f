/* Reductions. Sums run in double over blocks whose size depends on the shape alone, and the block sums are added in order: the same bits
 * for any number of threads. */
#ifndef VG_KERNELS_REDUCE_H
#define VG_KERNELS_REDUCE_H

#include "tensor/tensor.h"

/* A tensor seen as [outer, length, inner], the middle being reduced. */
typedef struct vg_span {
  int64_t outer, length, inner;
} vg_span;
/* axis -1: all of it is reduced. */
vg_span vg_span_of(const vg_shape *s, int axis);
/* The shape after reducing `axis` (-1 = all), kept as 1 when `keep`. VG_EARG naming `who` for an axis out of range. */
VG_CHECKED vg_status vg_reduced_shape(vg_shape *out, const vg_shape *in, int axis, bool keep, const char *who);

/* y[o,i] = factor * sum over l of x[o,l,i]; f32 or bf16 each. VG_ENOMEM for the block sums. */
VG_CHECKED vg_status vg_sum_run(vg_tensor *y, const vg_tensor *x, vg_span s, double factor);
/* dx[o,l,i] = factor * dy[o,i] */
void vg_spread(vg_tensor *dx, const vg_tensor *dy, vg_span s, double factor);
/* y = x summed over the axes along which y's shape was broadcast to x's. */
VG_CHECKED vg_status vg_sum_to(vg_tensor *y, const vg_tensor *x);
/* The largest along the middle into y (NULL: not wanted) and the place of its first occurrence into `where` (i32 or NULL). NaN wins. */
void vg_max_run(vg_tensor *y, vg_tensor *where, const vg_tensor *x, vg_span s);

#endif
