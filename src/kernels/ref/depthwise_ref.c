/* Depthwise convolution as its formula reads. Sums in double, so that a comparison measures the error of the other side. */
#include "kernels/ref/depthwise_ref.h"

static float get(vg_dtype dtype, const void *p, int64_t i) {
  return dtype == VG_BF16 ? vg_bf16_to_f32(((const uint16_t *)p)[i]) : ((const float *)p)[i];
}

static void put(vg_dtype dtype, void *p, int64_t i, double v) {
  if (dtype == VG_BF16) ((uint16_t *)p)[i] = vg_f32_to_bf16((float)v);
  else ((float *)p)[i] = (float)v;
}

void vg_ref_depthwise_forward(const vg_dw_shape *s, vg_dtype dtype, void *dst, const void *src, const void *weight, const float *bias,
                              vg_act act) {
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t y = 0; y < s->ho; y++)
      for (int64_t x = 0; x < s->wo; x++)
        for (int64_t c = 0; c < s->c; c++) {
          double sum = bias ? bias[c] : 0;
          for (int i = 0; i < s->kh; i++)
            for (int j = 0; j < s->kw; j++) {
              int64_t iy = y * s->stride - s->pad + i * s->dil, ix = x * s->stride - s->pad + j * s->dil;
              if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
              sum += (double)get(dtype, src, ((n * s->h + iy) * s->w + ix) * s->c + c) * get(dtype, weight, (c * s->kh + i) * s->kw + j);
            }
          if (act != VG_ACT_NONE && sum < 0) sum = 0;
          if (act == VG_ACT_RELU6 && sum > 6) sum = 6;
          put(dtype, dst, ((n * s->ho + y) * s->wo + x) * s->c + c, sum);
        }
}

void vg_ref_depthwise_backward_data(const vg_dw_shape *s, vg_dtype dtype, void *dsrc, const void *dst_grad, const void *weight, bool add) {
  for (int64_t n = 0; n < s->n; n++)
    for (int64_t iy = 0; iy < s->h; iy++)
      for (int64_t ix = 0; ix < s->w; ix++)
        for (int64_t c = 0; c < s->c; c++) {
          int64_t at = ((n * s->h + iy) * s->w + ix) * s->c + c;
          double sum = add ? get(dtype, dsrc, at) : 0;
          for (int i = 0; i < s->kh; i++)
            for (int j = 0; j < s->kw; j++) {
              int64_t y = iy + s->pad - i * s->dil, x = ix + s->pad - j * s->dil;
              if (y < 0 || x < 0 || y % s->stride || x % s->stride) continue;
              y /= s->stride;
              x /= s->stride;
              if (y >= s->ho || x >= s->wo) continue;
              sum += (double)get(dtype, dst_grad, ((n * s->ho + y) * s->wo + x) * s->c + c) *
                     get(dtype, weight, (c * s->kh + i) * s->kw + j);
            }
          put(dtype, dsrc, at, sum);
        }
}

void vg_ref_depthwise_backward_weight(const vg_dw_shape *s, vg_dtype dtype, float *dw, const void *src, const void *dst_grad) {
  for (int64_t c = 0; c < s->c; c++)
    for (int i = 0; i < s->kh; i++)
      for (int j = 0; j < s->kw; j++) {
        double sum = 0;
        for (int64_t n = 0; n < s->n; n++)
          for (int64_t y = 0; y < s->ho; y++)
            for (int64_t x = 0; x < s->wo; x++) {
              int64_t iy = y * s->stride - s->pad + i * s->dil, ix = x * s->stride - s->pad + j * s->dil;
              if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
              sum += (double)get(dtype, src, ((n * s->h + iy) * s->w + ix) * s->c + c) *
                     get(dtype, dst_grad, ((n * s->ho + y) * s->wo + x) * s->c + c);
            }
        dw[(c * s->kh + i) * s->kw + j] = (float)sum;
      }
}
