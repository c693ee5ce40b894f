/* adaptive_avg_pool: the mean over size x size windows that cover the whole image, whatever its extent:
 *   window i of an axis of H elements is floor(i * H / size) .. ceil((i + 1) * H / size) - 1.  Neighbours may overlap.
 * size 1 is the global average with its axes kept (squeeze and excite): that goes to the global kernel; the rest are plain loops in f32. */
#include <string.h>

#include "base/alloc.h"
#include "kernels/gemm.h"
#include "ops/pool_shape.h"

static const vg_arg ARGS[] = { { "size", .required = true, .min = 1, .max = 4096, .integer = true }, { 0 } };

static vg_status shape(vg_shape *out, vg_dtype *dtype, const vg_call *c) {
  VG_TRY(vg_pool_check_input(c));
  const int64_t *d = c->in[0]->shape.dim;
  int64_t size = (int64_t)c->arg[0];
  *out = VG_SHAPE(d[0], size, size, d[3]);
  *dtype = c->in[0]->dtype;
  return VG_OK;
}

static int64_t first(int64_t i, int64_t extent, int64_t size) { return i * extent / size; }
static int64_t end(int64_t i, int64_t extent, int64_t size) { return ((i + 1) * extent + size - 1) / size; }

/* Window (y, x) of one image. forward: dst = mean of src. Otherwise src += dst / elements: the gradient's way back. */
static void window(float *src, float *dst, const int64_t *d, int64_t y, int64_t x, int64_t size, bool forward) {
  int64_t top = first(y, d[1], size), bottom = end(y, d[1], size), left = first(x, d[2], size), right = end(x, d[2], size), channels = d[3];
  float share = 1 / (float)((bottom - top) * (right - left));
  for (int64_t h = top; h < bottom; h++)
    for (int64_t w = left; w < right; w++) {
      float *pixel = src + (h * d[2] + w) * channels;
      for (int64_t k = 0; k < channels; k++) {
        if (forward) dst[k] += share * pixel[k];
        else pixel[k] += share * dst[k];
      }
    }
}

/* Every window of every image, through two f32 buffers of one image each; the one that is summed into begins at zero. */
static vg_status walk(vg_tensor *big, vg_tensor *small, bool forward) {
  const int64_t *d = big->shape.dim, size = small->shape.dim[1], n_big = d[1] * d[2] * d[3], n_small = size * size * d[3];
  char *big_at = vg_tensor_data(big), *small_at = vg_tensor_data(small);
  float *src;
  VG_TRY(vg_block_get((void **)&src, (size_t)(n_big + n_small) * sizeof *src));
  float *dst = src + n_big;
  for (int64_t i = 0; i < d[0]; i++) {
    memset(src, 0, (size_t)(n_big + n_small) * sizeof *src);
    if (forward) vg_convert(VG_F32, src, big->dtype, big_at, n_big);
    else vg_convert(VG_F32, dst, small->dtype, small_at, n_small);
    for (int64_t y = 0; y < size; y++)
      for (int64_t x = 0; x < size; x++) window(src, dst + (y * size + x) * d[3], d, y, x, size, forward);
    if (forward) vg_convert(small->dtype, small_at, VG_F32, dst, n_small);
    else vg_convert(big->dtype, big_at, VG_F32, src, n_big);
    big_at += n_big * (int64_t)vg_dtype_size(big->dtype);
    small_at += n_small * (int64_t)vg_dtype_size(small->dtype);
  }
  vg_block_put(src);
  return VG_OK;
}

static vg_status forward(vg_tensor *out, vg_call *c) {
  const int64_t *d = c->in[0]->shape.dim;
  if (c->arg[0] != 1) return walk(c->in[0], out, true);
  VG_DISPATCH(global_avg_pool)(out->dtype, vg_tensor_data(out), vg_tensor_data(c->in[0]), d[0], d[1] * d[2], d[3]);
  return VG_OK;
}

static vg_status backward(vg_tensor *const *din, unsigned add, const vg_tensor *dout, vg_call *c) {
  (void)add;
  const int64_t *d = c->in[0]->shape.dim;
  if (c->arg[0] != 1) return walk(din[0], (vg_tensor *)dout, false);
  VG_DISPATCH(global_avg_pool_backward)(din[0]->dtype, vg_tensor_data(din[0]), dout->dtype, vg_tensor_data(dout), d[0], d[1] * d[2], d[3]);
  return VG_OK;
}

const vg_op vg_op_adaptive_avg_pool = { .name = "adaptive_avg_pool", .doc = "x [N,H,W,C] -> [N,size,size,C], of an image of any extent",
                                        .min_in = 1, .max_in = 1, .args = ARGS, .shape = shape, .forward = forward, .backward = backward,
                                        .macs = vg_op_zero_macs };
