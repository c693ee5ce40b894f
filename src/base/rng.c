#include "base/rng.h"

#include <Random123/philox.h>
#include <math.h>

#include "base/hash.h"

static philox4x32_ctr_t block_at(const vg_rng *r, uint64_t counter) {
  philox4x32_ctr_t c = { { (uint32_t)counter, (uint32_t)(counter >> 32), (uint32_t)r->stream, (uint32_t)(r->stream >> 32) } };
  philox4x32_key_t k = { { (uint32_t)r->seed, (uint32_t)(r->seed >> 32) } };
  return philox4x32(c, k);
}

vg_rng vg_rng_at(uint64_t seed, uint64_t stream) { return (vg_rng){ seed, stream, 0 }; }

uint64_t vg_rng_stream(const char *label, size_t length, int64_t id) {
  uint64_t h = vg_hash_fnv(VG_FNV_START, label, length);
  return vg_hash_fnv(h, &id, sizeof id);
}

uint64_t vg_rng_u64(vg_rng *r) {     /* half of a Philox block is dropped: one counter is one value */
  philox4x32_ctr_t b = block_at(r, r->counter++);
  return (uint64_t)b.v[1] << 32 | b.v[0];
}

double vg_rng_uniform(vg_rng *r) { return (double)(vg_rng_u64(r) >> 11) * 0x1p-53; }

int64_t vg_rng_below(vg_rng *r, int64_t n) {
  uint64_t range = (uint64_t)n, reject = -range % range, x;   /* the first 2^64 mod n values would be counted once too often */
  do x = vg_rng_u64(r);
  while (x < reject);
  return (int64_t)(x % range);
}

double vg_rng_normal(vg_rng *r) {
  double u = 1.0 - vg_rng_uniform(r), v = vg_rng_uniform(r);
  return sqrt(-2.0 * log(u)) * cos(2.0 * M_PI * v);
}

static float unit(uint32_t x) { return (float)(x >> 8) * 0x1p-24f; }

void vg_rng_fill_uniform(vg_rng *r, float *out, size_t n, float lo, float hi) {
  int64_t blocks = (int64_t)((n + 3) / 4);
#pragma omp parallel for schedule(static) if (blocks > 4096)
  for (int64_t b = 0; b < blocks; b++) {
    philox4x32_ctr_t v = block_at(r, r->counter + (uint64_t)b);
    for (size_t j = 0; j < 4 && (size_t)b * 4 + j < n; j++) out[(size_t)b * 4 + j] = lo + (hi - lo) * unit(v.v[j]);
  }
  r->counter += (uint64_t)blocks;
}

void vg_rng_fill_normal(vg_rng *r, float *out, size_t n, float mean, float sd) {
  int64_t blocks = (int64_t)((n + 3) / 4);
#pragma omp parallel for schedule(static) if (blocks > 4096)
  for (int64_t b = 0; b < blocks; b++) {
    philox4x32_ctr_t v = block_at(r, r->counter + (uint64_t)b);
    float z[4];
    for (int j = 0; j < 4; j += 2) {
      float radius = sqrtf(-2.0f * logf(1.0f - unit(v.v[j]))), angle = 6.2831853f * unit(v.v[j + 1]);
      z[j] = radius * cosf(angle);
      z[j + 1] = radius * sinf(angle);
    }
    for (size_t j = 0; j < 4 && (size_t)b * 4 + j < n; j++) out[(size_t)b * 4 + j] = mean + sd * z[j];
  }
  r->counter += (uint64_t)blocks;
}

void vg_rng_shuffle(vg_rng *r, int64_t *items, size_t n) {
  for (size_t i = n; i > 1; i--) {
    size_t j = (size_t)vg_rng_below(r, (int64_t)i);
    int64_t t = items[i - 1];
    items[i - 1] = items[j];
    items[j] = t;
  }
}
