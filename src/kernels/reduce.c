/* A task of the sum is (outer, block of the length, tile of the inner axis); it leaves its doubles in `partial`, and a second pass adds
 * the blocks in order. */
#include "kernels/reduce.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "kernels/eltwise.h"

enum { BLOCK = 16384 };     /* elements a block sums before it hands over */

vg_span vg_span_of(const vg_shape *s, int axis) {
  vg_span r = { 1, 1, 1 };
  if (axis < 0) {
    r.length = vg_shape_count(s);
    return r;
  }
  for (int i = 0; i < axis; i++) r.outer *= s->dim[i];
  r.length = s->dim[axis];
  for (int i = axis + 1; i < s->rank; i++) r.inner *= s->dim[i];
  return r;
}

vg_status vg_reduced_shape(vg_shape *out, const vg_shape *in, int axis, bool keep, const char *who) {
  if (axis < -1 || axis >= in->rank) return vg_fail(VG_EARG, "%s: axis %d does not exist in a tensor of %d axes", who, axis, in->rank);
  vg_shape s = { .rank = 0 };
  for (int i = 0; i < in->rank; i++) {
    bool reduced = axis == -1 || i == axis;
    if (!reduced) s.dim[s.rank++] = in->dim[i];
    else if (keep) s.dim[s.rank++] = 1;
  }
  *out = s;
  return VG_OK;
}

/* One value a row: the inner axis is 1 and the elements of a row lie side by side. */
static double sum_line(const vg_tensor *x, int64_t at, int64_t n) {
  float buffer[VG_CHUNK];
  double sum = 0;
  for (int64_t i = 0; i < n; i += VG_CHUNK) {
    int64_t m = n - i < VG_CHUNK ? n - i : VG_CHUNK;
    sum += VG_DISPATCH(sum_f32)(vg_chunk_read(buffer, x, at + i, m), m);
  }
  return sum;
}

static void sum_tile(double *acc, const vg_tensor *x, int64_t at, int64_t rows, int64_t stride, int64_t n) {
  float buffer[VG_CHUNK];
  memset(acc, 0, (size_t)n * sizeof *acc);
  for (int64_t r = 0; r < rows; r++) VG_DISPATCH(sum_columns)(acc, vg_chunk_read(buffer, x, at + r * stride, n), n);
}

static void put(vg_tensor *y, int64_t at, double v) {
  if (y->dtype == VG_F32) vg_f32(y)[at] = (float)v;
  else vg_bf16(y)[at] = vg_f32_to_bf16((float)v);
}

vg_status vg_sum_run(vg_tensor *y, const vg_tensor *x, vg_span s, double factor) {
  int64_t per_block = s.inner >= BLOCK ? 1 : BLOCK / (s.inner ? s.inner : 1);
  if (per_block < 16) per_block = 16;
  int64_t blocks = (s.length + per_block - 1) / per_block, tiles = (s.inner + VG_CHUNK - 1) / VG_CHUNK;
  int64_t tasks = s.outer * blocks * tiles, total = s.outer * s.length * s.inner;
  double *partial;
  VG_TRY(vg_block_get((void **)&partial, (size_t)(s.outer * blocks * s.inner + 1) * sizeof *partial));
#pragma omp parallel for schedule(static) if (total > VG_PARALLEL_FROM)
  for (int64_t t = 0; t < tasks; t++) {
    int64_t tile = t % tiles, block = t / tiles % blocks, o = t / tiles / blocks, l = block * per_block, i = tile * VG_CHUNK;
    int64_t rows = s.length - l < per_block ? s.length - l : per_block, n = s.inner - i < VG_CHUNK ? s.inner - i : VG_CHUNK;
    double *acc = partial + (o * blocks + block) * s.inner + i;
    int64_t at = (o * s.length + l) * s.inner + i;
    if (s.inner == 1) *acc = sum_line(x, at, rows);
    else sum_tile(acc, x, at, rows, s.inner, n);
  }
  for (int64_t o = 0; o < s.outer; o++)
    for (int64_t i = 0; i < s.inner; i++) {
      double sum = 0;
      for (int64_t b = 0; b < blocks; b++) sum += partial[(o * blocks + b) * s.inner + i];
      put(y, o * s.inner + i, factor * sum);
    }
  vg_block_put(partial);
  return VG_OK;
}

void vg_spread(vg_tensor *dx, const vg_tensor *dy, vg_span s, double factor) {
  int64_t rows = s.outer * s.length;
#pragma omp parallel for schedule(static) if (rows * s.inner > VG_PARALLEL_FROM)
  for (int64_t r = 0; r < rows; r++) {
    float buf_x[VG_CHUNK], buf_y[VG_CHUNK];
    for (int64_t i = 0; i < s.inner; i += VG_CHUNK) {
      int64_t n = s.inner - i < VG_CHUNK ? s.inner - i : VG_CHUNK, at = r * s.inner + i;
      float *out = vg_chunk_open(buf_x, dx, at);
      VG_DISPATCH(unary_f32)(out, vg_chunk_read(buf_y, dy, r / s.length * s.inner + i, n), n, VG_SCALE, (float)factor, 0);
      vg_chunk_write(dx, at, out, n);
    }
  }
}

/* The last run of axes that y keeps as 1 while x has more, as a span of `from`; false when there is none. */
static bool last_broadcast(vg_span *s, vg_shape *rest, const vg_shape *from, const vg_shape *y) {
  int lead = from->rank - y->rank, end = from->rank;
#define REDUCED(i) (from->dim[i] != 1 && ((i) < lead || y->dim[(i) - lead] == 1))
  while (end > 0 && !REDUCED(end - 1)) end--;
  if (end == 0) return false;
  int begin = end - 1;
  while (begin > 0 && (REDUCED(begin - 1) || from->dim[begin - 1] == 1)) begin--;
#undef REDUCED
  *s = (vg_span){ 1, 1, 1 };
  *rest = *from;
  for (int i = 0; i < from->rank; i++) {
    if (i < begin) s->outer *= from->dim[i];
    else if (i < end) s->length *= from->dim[i], rest->dim[i] = 1;
    else s->inner *= from->dim[i];
  }
  return true;
}

vg_status vg_sum_to(vg_tensor *y, const vg_tensor *x) {
  vg_tensor *now = vg_tensor_retain((vg_tensor *)x);
  vg_span s, next;
  vg_shape shape, after;
  vg_status status = VG_OK;
  if (!last_broadcast(&s, &shape, &x->shape, &y->shape)) {
    VG_GOTO(vg_tensor_assign(y, x));
    goto done;
  }
  while (last_broadcast(&next, &after, &shape, &y->shape)) {
    vg_tensor *smaller;
    VG_GOTO(vg_tensor_new(&smaller, VG_F32, &shape));
    status = vg_sum_run(smaller, now, s, 1);
    vg_tensor_release(now);
    now = smaller;
    if (status != VG_OK) goto done;
    s = next;
    shape = after;
  }
  VG_GOTO(vg_sum_run(y, now, s, 1));
done:
  vg_tensor_release(now);
  return status;
}

void vg_max_run(vg_tensor *y, vg_tensor *where, const vg_tensor *x, vg_span s) {
  int64_t cells = s.outer * s.inner;
#pragma omp parallel for schedule(static) if (cells * s.length > VG_PARALLEL_FROM)
  for (int64_t c = 0; c < cells; c++) {
    int64_t at = c / s.inner * s.length * s.inner + c % s.inner;
    float best = 0;
    int64_t place = 0;
    for (int64_t l = 0; l < s.length; l++, at += s.inner) {
      float v = x->dtype == VG_F32 ? vg_f32(x)[at] : vg_bf16_to_f32(vg_bf16(x)[at]);
      if (l > 0 && !(v > best) && !(isnan(v) && !isnan(best))) continue;
      best = v;
      place = l;
    }
    if (y) put(y, c, best);
    if (where) vg_i32(where)[c] = (int32_t)place;
  }
}
