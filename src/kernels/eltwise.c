/* Broadcasting is reduced to rows: axes along which both inputs advance alike are merged, so that equal shapes become one row and a
 * per-channel operand becomes N*H*W rows of C. In a row an input either advances with the output or stands still. */
#include "kernels/eltwise.h"

#include <string.h>

const float *vg_chunk_read(float buffer[VG_CHUNK], const vg_tensor *t, int64_t at, int64_t n) {
  if (t->dtype == VG_F32) return vg_f32(t) + at;
  VG_DISPATCH(bf16_widen)(buffer, vg_bf16(t) + at, n);
  return buffer;
}

float *vg_chunk_open(float buffer[VG_CHUNK], vg_tensor *t, int64_t at) { return t->dtype == VG_F32 ? vg_f32(t) + at : buffer; }

void vg_chunk_write(vg_tensor *t, int64_t at, const float *values, int64_t n) {
  if (t->dtype == VG_BF16) VG_DISPATCH(bf16_narrow)(vg_bf16(t) + at, values, n);
  else if (values != vg_f32(t) + at) memcpy(vg_f32(t) + at, values, (size_t)n * sizeof *values);
}

typedef struct walk {
  int rank;                                                  /* after merging; the last axis is the row */
  int64_t dim[VG_MAX_RANK], a[VG_MAX_RANK], b[VG_MAX_RANK];  /* extents and steps in elements, 0 = stands still */
} walk;

static void steps(int64_t step[VG_MAX_RANK], const vg_shape *s, int rank) {
  int64_t at = 1;
  for (int i = rank - 1, j = s->rank - 1; i >= 0; i--, j--) {
    int64_t d = j >= 0 ? s->dim[j] : 1;
    step[i] = d == 1 ? 0 : at;
    at *= d;
  }
}

static walk plan(const vg_shape *y, const vg_shape *a, const vg_shape *b) {
  walk w = { .rank = 0 };
  int64_t sa[VG_MAX_RANK], sb[VG_MAX_RANK];
  steps(sa, a, y->rank);
  steps(sb, b, y->rank);
  for (int i = 0; i < y->rank; i++) {
    if (y->dim[i] == 1) continue;
    int k = w.rank - 1;
    if (k >= 0 && w.a[k] == sa[i] * y->dim[i] && w.b[k] == sb[i] * y->dim[i]) {
      w.dim[k] *= y->dim[i];
      w.a[k] = sa[i];
      w.b[k] = sb[i];
      continue;
    }
    w.dim[w.rank] = y->dim[i];
    w.a[w.rank] = sa[i];
    w.b[w.rank++] = sb[i];
  }
  if (w.rank == 0) {
    w.rank = 1;
    w.dim[0] = 1;
  }
  return w;
}

static void row_chunk(vg_tensor *y, int64_t at, const vg_tensor *a, int64_t ia, bool a_moves, const vg_tensor *b, int64_t ib, bool b_moves,
                      int64_t n, vg_binary kind) {
  float buf_y[VG_CHUNK], buf_a[VG_CHUNK], buf_b[VG_CHUNK];
  float *out = vg_chunk_open(buf_y, y, at);
  const float *pa = vg_chunk_read(buf_a, a, ia, a_moves ? n : 1), *pb = vg_chunk_read(buf_b, b, ib, b_moves ? n : 1);
  if (a_moves && b_moves) VG_DISPATCH(binary_f32)(out, pa, pb, n, kind);
  else if (a_moves) VG_DISPATCH(binary_right_f32)(out, pa, *pb, n, kind);
  else if (b_moves) VG_DISPATCH(binary_left_f32)(out, *pa, pb, n, kind);
  else {
    float one;
    VG_DISPATCH(binary_right_f32)(&one, pa, *pb, 1, kind);
    for (int64_t i = 0; i < n; i++) out[i] = one;
  }
  vg_chunk_write(y, at, out, n);
}

void vg_binary_run(vg_tensor *y, const vg_tensor *a, const vg_tensor *b, vg_binary kind) {
  walk w = plan(&y->shape, &a->shape, &b->shape);
  int64_t total = vg_tensor_count(y), last = w.rank - 1, row = w.dim[last];
  if (total == 0) return;
  int64_t per_row = (row + VG_CHUNK - 1) / VG_CHUNK, tasks = total / row * per_row;
#pragma omp parallel for schedule(static) if (total > VG_PARALLEL_FROM)
  for (int64_t t = 0; t < tasks; t++) {
    int64_t r = t / per_row, from = t % per_row * VG_CHUNK, n = row - from < VG_CHUNK ? row - from : VG_CHUNK, ia = 0, ib = 0;
    for (int64_t i = last - 1, rest = r; i >= 0; i--) {
      ia += rest % w.dim[i] * w.a[i];
      ib += rest % w.dim[i] * w.b[i];
      rest /= w.dim[i];
    }
    row_chunk(y, r * row + from, a, ia + from * w.a[last], w.a[last] != 0, b, ib + from * w.b[last], w.b[last] != 0, n, kind);
  }
}

void vg_unary_run(vg_tensor *y, const vg_tensor *x, vg_unary kind, double p, double q) {
  int64_t total = vg_tensor_count(y);
#pragma omp parallel for schedule(static) if (total > VG_PARALLEL_FROM)
  for (int64_t at = 0; at < total; at += VG_CHUNK) {
    float buf_y[VG_CHUNK], buf_x[VG_CHUNK];
    int64_t n = total - at < VG_CHUNK ? total - at : VG_CHUNK;
    float *out = vg_chunk_open(buf_y, y, at);
    VG_DISPATCH(unary_f32)(out, vg_chunk_read(buf_x, x, at, n), n, kind, (float)p, (float)q);
    vg_chunk_write(y, at, out, n);
  }
}

void vg_unary_grad(vg_tensor *dx, const vg_tensor *dy, const vg_tensor *v, vg_unary kind, double p) {
  int64_t total = vg_tensor_count(dx);
#pragma omp parallel for schedule(static) if (total > VG_PARALLEL_FROM)
  for (int64_t at = 0; at < total; at += VG_CHUNK) {
    float buf_x[VG_CHUNK], buf_y[VG_CHUNK], buf_v[VG_CHUNK];
    int64_t n = total - at < VG_CHUNK ? total - at : VG_CHUNK;
    float *out = vg_chunk_open(buf_x, dx, at);
    VG_DISPATCH(unary_grad_f32)(out, vg_chunk_read(buf_y, dy, at, n), v ? vg_chunk_read(buf_v, v, at, n) : NULL, n, kind, (float)p);
    vg_chunk_write(dx, at, out, n);
  }
}

vg_status vg_expect_float(const vg_tensor *t, const char *who, int n) {
  if (t->dtype == VG_F32 || t->dtype == VG_BF16) return VG_OK;
  return vg_fail(VG_EARG, "%s: input %d must be f32 or bf16, got %s", who, n, vg_dtype_name(t->dtype));
}

vg_status vg_binary_shape(vg_shape *out, vg_dtype *dtype, const vg_tensor *a, const vg_tensor *b, const char *who) {
  VG_TRY(vg_expect_float(a, who, 1));
  VG_TRY(vg_expect_float(b, who, 2));
  VG_TRY(vg_shape_broadcast(out, &a->shape, &b->shape, who));
  int64_t na = vg_tensor_count(a), nb = vg_tensor_count(b);
  if (a->dtype == b->dtype) *dtype = a->dtype;
  else *dtype = na > nb ? a->dtype : nb > na ? b->dtype : VG_F32;
  return VG_OK;
}
