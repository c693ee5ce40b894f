/* Vectors of VL floats, and their loads and stores from f32 or bf16. */
#ifndef VG_KERNELS_SIMD_VECTOR_H
#define VG_KERNELS_SIMD_VECTOR_H

#include <string.h>

#include "tensor/tensor.h"

#ifndef VG_PORTABLE
#include <immintrin.h>
#endif

#ifdef __AVX512F__
#define VL 16
#else
#define VL 8
#endif
#define INLINE static inline __attribute__((always_inline))
typedef float vf __attribute__((vector_size(VL * 4)));
typedef float vfu __attribute__((vector_size(VL * 4), aligned(4), may_alias));     /* at any float */
typedef int32_t vi __attribute__((vector_size(VL * 4)));

/* `lanes` elements from element `i` of a row, the rest zero. */
INLINE vf load(const void *row, int64_t i, bool bf16, int lanes) {
#ifdef __AVX512F__
  __mmask16 m = (__mmask16)((1u << lanes) - 1);
  if (bf16) return (vf)_mm512_slli_epi32(_mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(m, (const uint16_t *)row + i)), 16);
  return (vf)_mm512_maskz_loadu_ps(m, (const float *)row + i);
#else
  vf v = { 0 };
  if (lanes == VL && !bf16) {
    memcpy(&v, (const float *)row + i, sizeof v);
    return v;
  }
#ifndef VG_PORTABLE
  if (lanes == VL) return (vf)_mm256_slli_epi32(_mm256_cvtepu16_epi32(_mm_loadu_si128((const __m128i *)((const uint16_t *)row + i))), 16);
#endif
  for (int k = 0; k < lanes; k++) v[k] = bf16 ? vg_bf16_to_f32(((const uint16_t *)row)[i + k]) : ((const float *)row)[i + k];
  return v;
#endif
}

#if !defined VG_PORTABLE && !defined __AVX512F__
INLINE void store_bf16_avx2(uint16_t *to, vf v) {
  __m256i u = (__m256i)v, high = _mm256_srli_epi32(u, 16);
  __m256i odd = _mm256_and_si256(high, _mm256_set1_epi32(1));
  __m256i r = _mm256_srli_epi32(_mm256_add_epi32(u, _mm256_add_epi32(odd, _mm256_set1_epi32(0x7fff))), 16);
  __m256i nan = (__m256i)_mm256_cmp_ps((__m256)v, (__m256)v, _CMP_UNORD_Q);
  r = _mm256_blendv_epi8(r, _mm256_or_si256(high, _mm256_set1_epi32(0x40)), nan);
  _mm_storeu_si128((__m128i *)to, _mm_packus_epi32(_mm256_castsi256_si128(r), _mm256_extracti128_si256(r, 1)));
}
#endif

/* Rounds to nearest even for bf16; NaN stays NaN. */
INLINE void store(void *row, int64_t i, vf v, bool bf16, int lanes) {
#ifdef __AVX512F__
  __mmask16 m = (__mmask16)((1u << lanes) - 1);
  if (!bf16) {
    if (lanes == VL) _mm512_storeu_ps((float *)row + i, (__m512)v);
    else _mm512_mask_storeu_ps((float *)row + i, m, (__m512)v);
    return;
  }
  __m512i u = (__m512i)v, high = _mm512_srli_epi32(u, 16);
  __m512i odd = _mm512_and_si512(high, _mm512_set1_epi32(1));
  __m512i r = _mm512_srli_epi32(_mm512_add_epi32(u, _mm512_add_epi32(odd, _mm512_set1_epi32(0x7fff))), 16);
  r = _mm512_mask_or_epi32(r, _mm512_cmp_ps_mask((__m512)v, (__m512)v, _CMP_UNORD_Q), high, _mm512_set1_epi32(0x40));
  __m256i h = _mm512_cvtepi32_epi16(r);
  if (lanes == VL) _mm256_storeu_si256((__m256i *)((uint16_t *)row + i), h);
  else _mm256_mask_storeu_epi16((uint16_t *)row + i, m, h);
#else
  if (lanes == VL && !bf16) {
    memcpy((float *)row + i, &v, sizeof v);
    return;
  }
#ifndef VG_PORTABLE
  if (lanes == VL) {
    store_bf16_avx2((uint16_t *)row + i, v);
    return;
  }
#endif
  for (int k = 0; k < lanes; k++) {
    if (bf16) ((uint16_t *)row)[i + k] = vg_f32_to_bf16(v[k]);
    else ((float *)row)[i + k] = v[k];
  }
#endif
}

#endif
