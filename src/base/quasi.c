#include "base/quasi.h"

#include <math.h>
#include <pthread.h>

#include "base/joe_kuo.h"

enum { BITS = 32 };

/* direction[d][b]: what bit b of the Gray code contributes to coordinate d, most significant bit first. */
static uint32_t direction[VG_SOBOL_DIMENSIONS][BITS];
static pthread_once_t direction_once = PTHREAD_ONCE_INIT;

static int degree_of(unsigned polynomial) {
  int degree = -1;
  for (; polynomial; polynomial >>= 1) degree++;
  return degree;
}

/* Bratley & Fox 1988: the recurrence that the polynomial states, on numbers that are shifted to the top of the word. */
static void fill_directions(void) {
  const uint16_t *row = JOE_KUO;
  _Static_assert((int)JOE_KUO_DIMENSIONS == (int)VG_SOBOL_DIMENSIONS, "the table has all dimensions");
  for (int b = 0; b < BITS; b++) direction[0][b] = UINT32_C(1) << (BITS - 1 - b);
  for (size_t d = 1; d < VG_SOBOL_DIMENSIONS; d++) {
    unsigned polynomial = row[0];
    int degree = degree_of(polynomial);
    uint32_t *v = direction[d];
    for (int b = 0; b < degree; b++) v[b] = (uint32_t)row[1 + b] << (BITS - 1 - b);
    for (int b = degree; b < BITS; b++) {
      v[b] = v[b - degree] ^ v[b - degree] >> degree;
      for (int k = 1; k < degree; k++)
        if (polynomial >> (degree - k) & 1) v[b] ^= v[b - k];
    }
    row += 1 + degree;
  }
}

/* The finaliser of splitmix64 (Steele et al. 2014) over two words. */
static uint64_t mix(uint64_t a, uint64_t b) {
  uint64_t z = a + (b + 1) * UINT64_C(0x9e3779b97f4a7c15);
  z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
  return z ^ z >> 31;
}

static uint32_t owen(uint32_t x, uint64_t key) {
  uint32_t flips = 0;
  for (int b = 0; b < BITS; b++) {
    uint64_t above = b == 0 ? 0 : x >> (BITS - b);
    flips |= (uint32_t)(mix(key + (uint64_t)b, above) >> 63) << (BITS - 1 - b);
  }
  return x ^ flips;
}

vg_status vg_sobol(double *x, uint64_t index, size_t m, vg_scramble scramble, uint64_t seed) {
  if (m > VG_SOBOL_DIMENSIONS) return vg_fail(VG_EARG, "sobol: at most %d dimensions, got %zu", VG_SOBOL_DIMENSIONS, m);
  if (index >> BITS) return vg_fail(VG_EARG, "sobol: the sequence has 2^32 points");
  pthread_once(&direction_once, fill_directions);
  uint32_t gray = (uint32_t)(index ^ index >> 1);
  for (size_t d = 0; d < m; d++) {
    uint32_t bits = 0;
    for (int b = 0; gray >> b; b++) {
      if (gray >> b & 1) bits ^= direction[d][b];
      if (b == BITS - 1) break;
    }
    if (scramble == VG_SCRAMBLE_SHIFT) bits ^= (uint32_t)(mix(seed, d) >> BITS);
    if (scramble == VG_SCRAMBLE_OWEN) bits = owen(bits, mix(seed, d));
    x[d] = bits * 0x1p-32;
  }
  return VG_OK;
}

static uint64_t next_prime(uint64_t p) {
  for (p += 1;; p++) {
    uint64_t k = 2;
    while (k * k <= p && p % k != 0) k++;
    if (k * k > p) return p;
  }
}

void vg_halton(double *x, uint64_t index, size_t m, vg_scramble scramble, uint64_t seed) {
  uint64_t base = 1;
  for (size_t d = 0; d < m; d++) {
    base = next_prime(base);
    double inverse = 0, place = 1;
    for (uint64_t i = index; i > 0; i /= base) {
      place /= (double)base;
      inverse += (double)(i % base) * place;
    }
    if (scramble != VG_SCRAMBLE_NONE) inverse += (double)(mix(seed, d) >> 11) * 0x1p-53;
    x[d] = inverse - floor(inverse);
  }
}
