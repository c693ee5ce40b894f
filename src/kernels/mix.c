/* With few channels several pixels are one wide row, a whole number of strips, as in norm.c; the pixels left over are a shorter row: a prefix. */
#include "kernels/mix.h"

#include <omp.h>

#include "base/alloc.h"
#include "base/threads.h"

enum { STRIP = 64, WIDEST = 4096, PARALLEL = 1 << 15 };

static int64_t gcd(int64_t a, int64_t b) { return b ? gcd(b, a % b) : a; }

static int64_t fold_of(const vg_map *m) {
  int64_t fold = STRIP / gcd(m->channels, STRIP);
  if (fold * m->channels > WIDEST) fold = 1;
  return fold > m->rows ? m->rows : fold;
}

static void run_part(void *y, const void *const *x, int n, const float *scale, const float *shift, int64_t stride, int64_t from, int64_t rows,
                     int64_t width, bool bf16) {
  const void *at[VG_MIX_MAX];
  size_t bytes = (size_t)from * (bf16 ? 2 : 4);
  for (int k = 0; k < n; k++) at[k] = (const char *)x[k] + bytes;
  VG_DISPATCH(mix)((char *)y + bytes, at, n, scale, shift, stride, rows, width, bf16);
}

vg_status vg_mix(void *y, const void *const *x, int n, const float *scale, const float *shift, const vg_map *m) {
  if (m->rows == 0 || m->channels == 0) return VG_OK;
  int64_t fold = fold_of(m), width = fold * m->channels, full = m->rows / fold, tail = m->rows % fold * m->channels;
  int threads = m->rows * m->channels < PARALLEL || omp_in_parallel() ? 1 : vg_threads();
  float *wide;
  VG_TRY(vg_alloc((void **)&wide, (size_t)((n + 1) * width) * sizeof *wide));
  for (int64_t j = 0; j < width; j++) {
    for (int k = 0; k < n; k++) wide[(k + 1) * width + j] = scale[k * m->channels + j % m->channels];
    wide[j] = shift[j % m->channels];
  }
#pragma omp parallel for schedule(static) num_threads(threads) if (threads > 1)
  for (int t = 0; t < threads; t++) {
    int64_t begin = full * t / threads, end = full * (t + 1) / threads;
    run_part(y, x, n, wide + width, wide, width, begin * width, end - begin, width, m->bf16);
  }
  if (tail) run_part(y, x, n, wide + width, wide, width, full * width, 1, tail, m->bf16);
  vg_free(wide);
  return VG_OK;
}
