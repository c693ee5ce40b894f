/* A vector holds VL / C pixels. Channel i of each is spread over its pixel by a permutation and meets row (or column) i of the matrix, repeated for
 * each pixel: C permutations and C multiply-adds a vector, and no register is half empty. */
#include "kernels/narrow.h"

#include "kernels/simd/vector.h"

/* Elements a task; pixels whose products are summed in f32 before they join the doubles. */
enum { TASK = 1 << 14, BLOCK = 512 * VL };

/* Lane l takes channel i of its pixel. */
INLINE vf spread(vf v, int i, const int channels) {
#ifdef __clang__                        /* it has no permutation by a variable; scripts/fuzz builds with it */
  vf to;
  for (int l = 0; l < VL; l++) to[l] = v[l / channels * channels + i];
  return to;
#else
  vi at;
  for (int l = 0; l < VL; l++) at[l] = l / channels * channels + i;
  return __builtin_shuffle(v, at);
#endif
}

INLINE void product_vector(void *y, const void *x, int64_t at, int n, const vf *w, const int channels, const int bf16) {
  vf v = load(x, at, bf16, n), sum = { 0 };
#pragma GCC unroll 16
  for (int i = 0; i < channels; i++) sum += spread(v, i, channels) * w[i];
  store(y, at, sum, bf16, n);
}

INLINE void product(void *y, const void *x, const vf *w, int64_t from, int64_t to, const int channels, const int bf16) {
  int64_t at = from;
  for (; at + VL <= to; at += VL) product_vector(y, x, at, VL, w, channels, bf16);
  if (at < to) product_vector(y, x, at, (int)(to - at), w, channels, bf16);
}

#define EACH_WIDTH(channels, RUN) \
  switch (channels) {             \
    case 1: RUN(1); break;        \
    case 2: RUN(2); break;        \
    case 4: RUN(4); break;        \
    case 8: RUN(8); break;        \
  }

static int64_t least(int64_t a, int64_t b) { return a < b ? a : b; }

void VG_SIMD(narrow_product)(void *y, const void *x, const float *w, int64_t rows, int64_t channels, bool bf16, bool transposed) {
  vf matrix[VL];
  int64_t n = rows * channels;
  for (int64_t i = 0; i < channels; i++)
    for (int l = 0; l < VL; l++) {
      int64_t o = l % channels;
      matrix[i][l] = transposed ? w[i * channels + o] : w[o * channels + i];
    }
#pragma omp parallel for schedule(static) if (n > TASK)
  for (int64_t from = 0; from < n; from += TASK) {
#define RUN(c) bf16 ? product(y, x, matrix, from, least(from + TASK, n), c, 1) : product(y, x, matrix, from, least(from + TASK, n), c, 0)
    EACH_WIDTH(channels, RUN)
#undef RUN
  }
}

INLINE void add_products(vf *sum, const void *dy, const void *x, int64_t at, int n, const int channels, const int bf16) {
  vf g = load(dy, at, bf16, n), v = load(x, at, bf16, n);
#pragma GCC unroll 16
  for (int i = 0; i < channels; i++) sum[i] += g * spread(v, i, channels);
}

/* total [channels, channels] += the products of elements [from, to). */
INLINE void add_part(double *total, const void *dy, const void *x, int64_t from, int64_t to, const int channels, const int bf16) {
  for (int64_t begin = from; begin < to; begin += BLOCK) {
    int64_t at = begin, end = begin + BLOCK < to ? begin + BLOCK : to;
    vf sum[VL] = { { 0 } };
    for (; at + VL <= end; at += VL) add_products(sum, dy, x, at, VL, channels, bf16);
    if (at < end) add_products(sum, dy, x, at, (int)(end - at), channels, bf16);
    for (int i = 0; i < channels; i++)
      for (int l = 0; l < VL; l++) total[l % channels * channels + i] += (double)sum[i][l];
  }
}

void VG_SIMD(narrow_weights)(float *dw, const void *dy, const void *x, int64_t rows, int64_t channels, bool bf16) {
  double part[VG_NARROW_PARTS][VG_NARROW_MOST * VG_NARROW_MOST] = { { 0 } };
#pragma omp parallel for schedule(static) if (rows * channels > TASK)
  for (int p = 0; p < VG_NARROW_PARTS; p++) {
    int64_t from = rows * p / VG_NARROW_PARTS * channels, to = rows * (p + 1) / VG_NARROW_PARTS * channels;
#define RUN(c) bf16 ? add_part(part[p], dy, x, from, to, c, 1) : add_part(part[p], dy, x, from, to, c, 0)
    EACH_WIDTH(channels, RUN)
#undef RUN
  }
  for (int64_t i = 0; i < channels * channels; i++) {
    double sum = 0;
    for (int p = 0; p < VG_NARROW_PARTS; p++) sum += part[p][i];
    dw[i] = (float)sum;
  }
}
