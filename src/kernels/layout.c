/* Copies are memcpy of the longest runs that stay together; only transposition of the last axis moves single elements, in square tiles. */
#include "kernels/layout.h"

#include <string.h>

#include "base/alloc.h"
#include "kernels/eltwise.h"

enum { PARALLEL_BYTES = 4 * VG_PARALLEL_FROM, TILE = 16 };

/* Runs of a few bytes are common (3 channels); a loop of known width beats a call to memcpy there. */
static inline void copy_run(char *to, const char *from, int64_t bytes) {
  if (bytes == 4) memcpy(to, from, 4);
  else if (bytes == 2) memcpy(to, from, 2);
  else if (bytes % 16 == 0 && bytes <= 256) for (int64_t i = 0; i < bytes; i += 16) memcpy(to + i, from + i, 16);
  else if (bytes % 8 == 0 && bytes <= 64) for (int64_t i = 0; i < bytes; i += 8) memcpy(to + i, from + i, 8);
  else memcpy(to, from, (size_t)bytes);
}

void vg_copy_rows(void *dst, int64_t dst_stride, const void *src, int64_t src_stride, int64_t rows, int64_t bytes) {
  char *d = dst;
  const char *s = src;
#pragma omp parallel for schedule(static) if (rows * bytes > PARALLEL_BYTES)
  for (int64_t r = 0; r < rows; r++) copy_run(d + r * dst_stride, s + r * src_stride, bytes);
}

void vg_swap_dims(int64_t dims[5], const vg_shape *x, int a, int b) {
  for (int i = 0; i < 5; i++) dims[i] = 1;
  for (int i = 0; i < x->rank; i++) dims[i < a ? 0 : i == a ? 1 : i < b ? 2 : i == b ? 3 : 4] *= x->dim[i];
}

/* A tile of y [C, B] = x [B, C] with the given distances between rows. */
static void tile_4(float *y, int64_t y_stride, const float *x, int64_t x_stride, int64_t b, int64_t c) {
  for (int64_t i = 0; i < c; i++)
    for (int64_t j = 0; j < b; j++) y[i * y_stride + j] = x[j * x_stride + i];
}
static void tile_2(uint16_t *y, int64_t y_stride, const uint16_t *x, int64_t x_stride, int64_t b, int64_t c) {
  for (int64_t i = 0; i < c; i++)
    for (int64_t j = 0; j < b; j++) y[i * y_stride + j] = x[j * x_stride + i];
}

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

/* I = 1: y [A, C, M, B] = x [A, B, M, C]. */
static void swap_last(char *y, const char *x, const int64_t d[5], size_t size) {
  int64_t A = d[0], B = d[1], M = d[2], C = d[3], tiles = (C + TILE - 1) / TILE, total = A * B * M * C;
#pragma omp parallel for schedule(static) collapse(3) if (total > VG_PARALLEL_FROM)
  for (int64_t a = 0; a < A; a++)
    for (int64_t m = 0; m < M; m++)
      for (int64_t t = 0; t < tiles; t++)
        for (int64_t b = 0; b < B; b += TILE) {
          int64_t c = t * TILE;
          char *to = y + (size_t)(((a * C + c) * M + m) * B + b) * size;
          const char *from = x + (size_t)(((a * B + b) * M + m) * C + c) * size;
          if (size == 4) tile_4((void *)to, M * B, (const void *)from, M * C, least(TILE, B - b), least(TILE, C - c));
          else tile_2((void *)to, M * B, (const void *)from, M * C, least(TILE, B - b), least(TILE, C - c));
        }
}

void vg_swap_axes(void *y, const void *x, const int64_t d[5], size_t size) {
  int64_t A = d[0], B = d[1], M = d[2], C = d[3], run = d[4] * (int64_t)size, total = A * B * M * C * run;
  if (d[4] == 1 && size > 1) {
    swap_last(y, x, d, size);
    return;
  }
#pragma omp parallel for schedule(static) collapse(2) if (total > PARALLEL_BYTES)
  for (int64_t a = 0; a < A; a++)
    for (int64_t c = 0; c < C; c++)
      for (int64_t m = 0; m < M; m++)
        for (int64_t b = 0; b < B; b++)
          copy_run((char *)y + (((a * C + c) * M + m) * B + b) * run, (const char *)x + (((a * B + b) * M + m) * C + c) * run, run);
}

void vg_pixel_shuffle_run(void *y, void *x, const vg_shape *s, int64_t r, size_t size, bool back) {
  int64_t N = s->dim[0], H = s->dim[1], W = s->dim[2], C = s->dim[3] / (r * r);
#pragma omp parallel for schedule(static) collapse(2) if (N * H * W * s->dim[3] > VG_PARALLEL_FROM)
  for (int64_t n = 0; n < N; n++)
    for (int64_t h = 0; h < H; h++)
      for (int64_t w = 0; w < W; w++)
        for (int64_t i = 0; i < r; i++)
          for (int64_t j = 0; j < r; j++) {
            char *wide = (char *)y + (size_t)((((n * H + h) * r + i) * W + w) * r + j) * (size_t)C * size;
            char *deep = (char *)x + ((size_t)(((n * H + h) * W + w) * C * r * r) + (size_t)(i * r + j)) * size;
            for (int64_t c = 0; c < C; c++) {
              char *p = wide + (size_t)c * size, *q = deep + (size_t)(c * r * r) * size;
              if (back) copy_run(q, p, (int64_t)size);
              else copy_run(p, q, (int64_t)size);
            }
          }
}

/* Row `to` of the result reads rows lo and hi of the source with weights 1 - w and w. */
typedef struct tap {
  int64_t lo, hi;
  float w;
} tap;

static tap tap_at(int64_t to, int64_t factor, int64_t size, bool bilinear) {
  if (!bilinear) return (tap){ to / factor, to / factor, 0 };
  double at = ((double)to + 0.5) / (double)factor - 0.5;
  if (at < 0) at = 0;
  int64_t lo = (int64_t)at;
  return (tap){ lo, lo + 1 < size ? lo + 1 : size - 1, (float)(at - (double)lo) };
}

static void mix(float *y, const float *const corner[4], const float weight[4], int64_t n) {
  for (int64_t i = 0; i < n; i++) y[i] = weight[0] * corner[0][i] + weight[1] * corner[1][i] + weight[2] * corner[2][i] + weight[3] * corner[3][i];
}

/* The four source pixels of one result pixel, as offsets of their first channel, and their weights. */
static void corners(int64_t at[4], float weight[4], tap v, tap h, int64_t n, int64_t H, int64_t W, int64_t C) {
  for (int k = 0; k < 4; k++) {
    at[k] = ((n * H + (k & 2 ? v.hi : v.lo)) * W + (k & 1 ? h.hi : h.lo)) * C;
    weight[k] = (k & 2 ? v.w : 1 - v.w) * (k & 1 ? h.w : 1 - h.w);
  }
}

void vg_upsample_run(vg_tensor *y, const vg_tensor *x, int64_t factor, bool bilinear) {
  int64_t N = x->shape.dim[0], H = x->shape.dim[1], W = x->shape.dim[2], C = x->shape.dim[3], rows = N * H * factor, cols = W * factor;
#pragma omp parallel for schedule(static) if (rows * cols * C > VG_PARALLEL_FROM)
  for (int64_t r = 0; r < rows; r++) {
    tap v = tap_at(r % (H * factor), factor, H, bilinear);
    for (int64_t c = 0; c < cols; c++) {
      int64_t at[4];
      float weight[4];
      tap h = tap_at(c, factor, W, bilinear);
      corners(at, weight, v, h, r / (H * factor), H, W, C);
      for (int64_t i = 0; i < C; i += VG_CHUNK) {
        float buf[4][VG_CHUNK], buf_y[VG_CHUNK];
        const float *corner[4];
        int64_t m = least(VG_CHUNK, C - i), to = (r * cols + c) * C + i;
        float *out = vg_chunk_open(buf_y, y, to);
        if (!bilinear) {
          vg_chunk_write(y, to, vg_chunk_read(buf[0], x, at[0] + i, m), m);
          continue;
        }
        for (int k = 0; k < 4; k++) corner[k] = vg_chunk_read(buf[k], x, at[k] + i, m);
        mix(out, corner, weight, m);
        vg_chunk_write(y, to, out, m);
      }
    }
  }
}

static void scatter(float *sum, const vg_tensor *dy, int64_t n, int64_t factor, bool bilinear, const int64_t d[4]) {
  int64_t H = d[1], W = d[2], C = d[3];
  memset(sum + n * H * W * C, 0, (size_t)(H * W * C) * sizeof *sum);
  for (int64_t r = 0; r < H * factor; r++) {
    tap v = tap_at(r, factor, H, bilinear);
    for (int64_t c = 0; c < W * factor; c++) {
      int64_t at[4], from = ((n * H * factor + r) * W * factor + c) * C;
      float weight[4];
      corners(at, weight, v, tap_at(c, factor, W, bilinear), n, H, W, C);
      for (int64_t i = 0; i < C; i += VG_CHUNK) {
        float buffer[VG_CHUNK];
        int64_t m = least(VG_CHUNK, C - i);
        const float *g = vg_chunk_read(buffer, dy, from + i, m);
        for (int k = 0; k < (bilinear ? 4 : 1); k++)
          for (int64_t j = 0; j < m; j++) sum[at[k] + i + j] += weight[k] * g[j];
      }
    }
  }
}

/* Scattered into f32 an image a task, so that no two threads write one place; rounded to bf16 once, at the end. */
vg_status vg_upsample_grad(vg_tensor *dx, const vg_tensor *dy, int64_t factor, bool bilinear) {
  vg_tensor *sum = dx;
  if (dx->dtype != VG_F32) VG_TRY(vg_tensor_new(&sum, VG_F32, &dx->shape));
#pragma omp parallel for schedule(static) if (vg_tensor_count(dy) > VG_PARALLEL_FROM)
  for (int64_t n = 0; n < dx->shape.dim[0]; n++) scatter(vg_f32(sum), dy, n, factor, bilinear, dx->shape.dim);
  if (sum == dx) return VG_OK;
  vg_status s = vg_tensor_assign(dx, sum);
  vg_tensor_release(sum);
  return s;
}

vg_status vg_as_dtype(vg_tensor **out, const vg_tensor *t, vg_dtype dtype) {
  if (t->dtype != dtype) return vg_tensor_cast(out, t, dtype);
  *out = vg_tensor_retain((vg_tensor *)t);
  return VG_OK;
}

void vg_zero(vg_tensor *t) {
  char *data = vg_tensor_data(t);
  int64_t bytes = (int64_t)vg_tensor_bytes(t);
#pragma omp parallel for schedule(static) if (bytes > PARALLEL_BYTES)
  for (int64_t at = 0; at < bytes; at += 65536) memset(data + at, 0, (size_t)least(65536, bytes - at));
}

vg_status vg_expect_nhwc(const vg_tensor *t, const char *who) {
  char text[VG_SHAPE_TEXT];
  if (t->shape.rank == 4) return VG_OK;
  return vg_fail(VG_ESHAPE, "%s: the input must be [N, H, W, C], got %s", who, vg_shape_text(text, &t->shape));
}

vg_status vg_expect_axis(const vg_tensor *t, double axis, const char *who) {
  if (axis >= 0 && axis < t->shape.rank) return VG_OK;
  return vg_fail(VG_EARG, "%s: axis %g does not exist in a tensor of %d axes", who, axis, t->shape.rank);
}
