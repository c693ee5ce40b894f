/* Each row leaves its loss in `rows`; they are added in order afterwards, so the thread count does not show in the bits. */
#include "kernels/loss.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/eltwise.h"

vg_status vg_expect_logits(const vg_tensor *x, const char *who, int n) {
  char text[VG_SHAPE_TEXT];
  VG_TRY(vg_expect_float(x, who, n));
  if (x->shape.rank != 2 || x->shape.dim[0] < 1 || x->shape.dim[1] < 1)
    return vg_fail(VG_ESHAPE, "%s: input %d must be [rows, classes], got %s", who, n, vg_shape_text(text, &x->shape));
  return VG_OK;
}

vg_status vg_expect_same(const vg_tensor *a, const vg_tensor *b, const char *who) {
  char left[VG_SHAPE_TEXT], right[VG_SHAPE_TEXT];
  if (vg_shape_is_equal(&a->shape, &b->shape)) return VG_OK;
  return vg_fail(VG_ESHAPE, "%s: both inputs must have one shape, got %s and %s", who, vg_shape_text(left, &a->shape), vg_shape_text(right, &b->shape));
}

static void read_row(float *to, const vg_tensor *x, int64_t at, int64_t n) {
  if (x->dtype == VG_F32) memcpy(to, vg_f32(x) + at, (size_t)n * sizeof *to);
  else VG_DISPATCH(bf16_widen)(to, vg_bf16(x) + at, n);
}

/* row = softmax(row / temperature); returns log of the sum of exp(row / temperature). */
static double softmax(float *row, int64_t n, float temperature) {
  float top = -INFINITY;
  double sum = 0;
  for (int64_t i = 0; i < n; i++) {
    row[i] /= temperature;
    if (row[i] > top) top = row[i];
  }
  for (int64_t i = 0; i < n; i++) {
    row[i] = expf(row[i] - top);
    sum += (double)row[i];
  }
  float scale = (float)(1 / sum);
  for (int64_t i = 0; i < n; i++) row[i] *= scale;
  return (double)top + log(sum);
}

static double at(const vg_tensor *x, int64_t i) { return x->dtype == VG_F32 ? (double)vg_f32(x)[i] : (double)vg_bf16_to_f32(vg_bf16(x)[i]); }

static double mean_of(const double *rows, int64_t n) {
  double sum = 0;
  for (int64_t i = 0; i < n; i++) sum += rows[i];
  return sum / (double)n;
}

static vg_status check_labels(const vg_tensor *labels, int64_t n, int64_t k) {
  const int32_t *y = vg_i32(labels);
  for (int64_t r = 0; r < n; r++)
    if (y[r] < 0 || y[r] >= k)
      return vg_fail(VG_EARG, "cross_entropy: the label of row %lld is %d, expected 0 to %lld", (long long)r + 1, y[r], (long long)k - 1);
  return VG_OK;
}

vg_status vg_cross_entropy_run(double *loss, vg_tensor *prob, const vg_tensor *x, const vg_tensor *labels, double smoothing) {
  int64_t n = x->shape.dim[0], k = x->shape.dim[1];
  double *rows;
  VG_TRY(check_labels(labels, n, k));
  VG_TRY(vg_block_get((void **)&rows, (size_t)n * sizeof *rows));
#pragma omp parallel for schedule(static) if (n * k > VG_PARALLEL_FROM / 8)
  for (int64_t r = 0; r < n; r++) {
    float *p = vg_f32(prob) + r * k;
    double sum = 0;
    read_row(p, x, r * k, k);
    if (smoothing != 0)
      for (int64_t i = 0; i < k; i++) sum += (double)p[i];
    double lse = softmax(p, k, 1);
    rows[r] = lse - (1 - smoothing) * at(x, r * k + vg_i32(labels)[r]) - smoothing * sum / (double)k;
  }
  *loss = mean_of(rows, n);
  vg_block_put(rows);
  return VG_OK;
}

/* dx = scale * v, a row at a time and a chunk at a time. */
static void write_row(vg_tensor *dx, int64_t to, const float *v, int64_t n, float scale) {
  float buffer[VG_CHUNK];
  for (int64_t i = 0; i < n; i += VG_CHUNK) {
    int64_t m = n - i < VG_CHUNK ? n - i : VG_CHUNK;
    float *out = vg_chunk_open(buffer, dx, to + i);
    VG_DISPATCH(unary_f32)(out, v + i, m, VG_SCALE, scale, 0);
    vg_chunk_write(dx, to + i, out, m);
  }
}

void vg_cross_entropy_grad(vg_tensor *dx, const vg_tensor *prob, const vg_tensor *labels, double smoothing, double dloss) {
  int64_t n = prob->shape.dim[0], k = prob->shape.dim[1];
  float scale = (float)(dloss / (double)n), even = (float)(smoothing / (double)k);
#pragma omp parallel for schedule(static) if (n * k > VG_PARALLEL_FROM)
  for (int64_t r = 0; r < n; r++) {
    const float *p = vg_f32(prob) + r * k;
    for (int64_t i = 0; i < k; i += VG_CHUNK) {
      float buffer[VG_CHUNK];
      int64_t m = k - i < VG_CHUNK ? k - i : VG_CHUNK, label = vg_i32(labels)[r] - i;
      for (int64_t j = 0; j < m; j++) buffer[j] = p[i + j] - even;
      if (label >= 0 && label < m) buffer[label] -= (float)(1 - smoothing);
      write_row(dx, r * k + i, buffer, m, scale);
    }
  }
}

vg_status vg_soft_cross_entropy_run(double *loss, vg_tensor *prob, const vg_tensor *x, const vg_tensor *q) {
  int64_t n = x->shape.dim[0], k = x->shape.dim[1];
  double *rows;
  VG_TRY(vg_block_get((void **)&rows, (size_t)n * sizeof *rows));
#pragma omp parallel for schedule(static) if (n * k > VG_PARALLEL_FROM / 8)
  for (int64_t r = 0; r < n; r++) {
    float *p = vg_f32(prob) + r * k;
    double sum = 0;
    read_row(p, x, r * k, k);
    double lse = softmax(p, k, 1);
    for (int64_t i = 0; i < k; i++) {
      double weight = at(q, r * k + i);
      if (weight != 0) sum += weight * (lse - at(x, r * k + i));
    }
    rows[r] = sum;
  }
  *loss = mean_of(rows, n);
  vg_block_put(rows);
  return VG_OK;
}

void vg_soft_cross_entropy_grad(vg_tensor *dx, const vg_tensor *prob, const vg_tensor *q, double dloss) {
  int64_t n = prob->shape.dim[0], k = prob->shape.dim[1];
  float scale = (float)(dloss / (double)n);
#pragma omp parallel for schedule(static) if (n * k > VG_PARALLEL_FROM)
  for (int64_t r = 0; r < n; r++) {
    const float *p = vg_f32(prob) + r * k;
    double mass = 0;
    for (int64_t i = 0; i < k; i++) mass += at(q, r * k + i);
    for (int64_t i = 0; i < k; i += VG_CHUNK) {
      float buffer[VG_CHUNK];
      int64_t m = k - i < VG_CHUNK ? k - i : VG_CHUNK;
      for (int64_t j = 0; j < m; j++) buffer[j] = (float)mass * p[i + j] - (float)at(q, r * k + i + j);
      write_row(dx, r * k + i, buffer, m, scale);
    }
  }
}

vg_status vg_kl_run(double *loss, vg_tensor *diff, const vg_tensor *x, const vg_tensor *t, double temperature) {
  int64_t n = x->shape.dim[0], k = x->shape.dim[1];
  float *teacher, T = (float)temperature;
  double *rows;
  VG_TRY(vg_block_get((void **)&rows, (size_t)n * sizeof *rows));
  vg_status status = vg_block_get((void **)&teacher, (size_t)(n * k) * sizeof *teacher);
  if (status != VG_OK) {
    vg_block_put(rows);
    return status;
  }
#pragma omp parallel for schedule(static) if (n * k > VG_PARALLEL_FROM / 8)
  for (int64_t r = 0; r < n; r++) {
    float *p = vg_f32(diff) + r * k, *q = teacher + r * k;
    double sum = 0;
    read_row(p, x, r * k, k);
    read_row(q, t, r * k, k);
    double lse_p = softmax(p, k, T), lse_q = softmax(q, k, T);
    for (int64_t i = 0; i < k; i++) {
      double log_ratio = (at(t, r * k + i) - at(x, r * k + i)) / temperature - lse_q + lse_p;
      if (q[i] > 0) sum += (double)q[i] * log_ratio;
      p[i] -= q[i];
    }
    rows[r] = sum;
  }
  *loss = mean_of(rows, n) * temperature * temperature;
  vg_block_put(rows);
  vg_block_put(teacher);
  return VG_OK;
}

vg_status vg_distance_run(double *loss, const vg_tensor *a, const vg_tensor *b, int power) {
  int64_t n = vg_tensor_count(a), chunks = (n + VG_CHUNK - 1) / VG_CHUNK;
  double *part, sum = 0;
  VG_TRY(vg_block_get((void **)&part, (size_t)(chunks + 1) * sizeof *part));
#pragma omp parallel for schedule(static) if (n > VG_PARALLEL_FROM)
  for (int64_t c = 0; c < chunks; c++) {
    float buf_a[VG_CHUNK], buf_b[VG_CHUNK], d[VG_CHUNK];
    int64_t from = c * VG_CHUNK, m = n - from < VG_CHUNK ? n - from : VG_CHUNK;
    VG_DISPATCH(binary_f32)(d, vg_chunk_read(buf_a, a, from, m), vg_chunk_read(buf_b, b, from, m), m, VG_SUB);
    VG_DISPATCH(unary_f32)(d, d, m, power == 1 ? VG_ABS : VG_SQUARE, 0, 0);
    part[c] = VG_DISPATCH(sum_f32)(d, m);
  }
  for (int64_t c = 0; c < chunks; c++) sum += part[c];
  *loss = sum / (double)n;
  vg_block_put(part);
  return VG_OK;
}

void vg_distance_grad(vg_tensor *da, const vg_tensor *a, const vg_tensor *b, int power, double factor) {
  int64_t n = vg_tensor_count(a);
  float f = (float)(factor * power / (double)n);
#pragma omp parallel for schedule(static) if (n > VG_PARALLEL_FROM)
  for (int64_t from = 0; from < n; from += VG_CHUNK) {
    float buf_a[VG_CHUNK], buf_b[VG_CHUNK], d[VG_CHUNK];
    int64_t m = n - from < VG_CHUNK ? n - from : VG_CHUNK;
    VG_DISPATCH(binary_f32)(d, vg_chunk_read(buf_a, a, from, m), vg_chunk_read(buf_b, b, from, m), m, VG_SUB);
    if (power == 1)
      for (int64_t i = 0; i < m; i++) d[i] = d[i] > 0 ? 1.0f : d[i] < 0 ? -1.0f : d[i];
    write_row(da, from, d, m, f);
  }
}
