/* exp and tanh in plain C without branches, so that a loop over them vectorises. About 2 ulp.
 * exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln(2) / 2: the series of exp to r^7 leaves an error of r^8 / 8! < 6e-9. */
#ifndef VG_KERNELS_SIMD_EXP_H
#define VG_KERNELS_SIMD_EXP_H

#include <stdint.h>
#include <string.h>

#define VG_INLINE static inline __attribute__((always_inline))

/* 0 below -87.3 (no denormals), infinity above 88.37, NaN for NaN. */
VG_INLINE float vg__exp(float x) {
  const float low = -87.3f, high = 88.37f;
  float z = x < low ? low : x;
  z = z > high ? high : z;
  /* Adding 1.5 * 2^23 rounds to an integer, which is then found in the low bits. */
  float t = z * 1.44269504f + 12582912.0f;
  float n = t - 12582912.0f;
  float r = z - n * 0.693145752f;          /* ln 2 in two parts, the first with few bits: n times it is exact */
  r = r - n * 1.42860677e-6f;
  float p = 1.0f / 5040;
  p = p * r + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  union { float f; uint32_t u; } v = { t }, scale;
  scale.u = (v.u << 23) + 0x3f800000u;
  float y = p * scale.f;
  y = x < low ? 0.0f : y;
  return x > high ? __builtin_inff() : y;
}

VG_INLINE float vg__sigmoid(float x) { return 1.0f / (1.0f + vg__exp(-x)); }

/* Near 0 the continued fraction x / (1 + x^2 / (3 + x^2 / (5 + ...))) keeps the relative error; elsewhere 1 - 2 / (1 + exp(2|x|)). */
VG_INLINE float vg__tanh(float x) {
  float a = __builtin_fabsf(x), s = x * x;
  s = s > 1.0f ? 1.0f : s;
  float small = x * ((21 * s + 1260) * s + 10395) / (((s + 210) * s + 4725) * s + 10395);
  float large = 1.0f - 2.0f / (1.0f + vg__exp(2 * a));
  large = __builtin_copysignf(large, x);
  return a < 0.6f ? small : large;
}

#endif
