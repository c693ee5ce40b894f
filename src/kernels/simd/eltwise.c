/* Plain loops that gcc vectorises, compiled once per instruction set. */
#include "kernels/eltwise.h"

#include <math.h>

void VG_SIMD(bf16_widen)(float *y, const uint16_t *x, int64_t n) {
  uint32_t *bits = (uint32_t *)(void *)y;
  for (int64_t i = 0; i < n; i++) bits[i] = (uint32_t)x[i] << 16;
}

void VG_SIMD(bf16_narrow)(uint16_t *y, const float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    union { float f; uint32_t u; } v = { x[i] };
    uint32_t rounded = (v.u + 0x7fffu + (v.u >> 16 & 1)) >> 16, nan = v.u >> 16 | 0x40;
    y[i] = (uint16_t)((v.u & 0x7fffffffu) > 0x7f800000u ? nan : rounded);
  }
}

#define LOOP(expr) \
  for (int64_t i = 0; i < n; i++) y[i] = (expr)
#define BINARY(A, B)                     \
  switch (kind) {                        \
    case VG_ADD: LOOP((A) + (B)); break; \
    case VG_SUB: LOOP((A) - (B)); break; \
    case VG_MUL: LOOP((A) * (B)); break; \
    case VG_DIV: LOOP((A) / (B)); break; \
  }

void VG_SIMD(binary_f32)(float *y, const float *a, const float *b, int64_t n, vg_binary kind) { BINARY(a[i], b[i]) }
void VG_SIMD(binary_right_f32)(float *y, const float *a, float b, int64_t n, vg_binary kind) { BINARY(a[i], b) }
void VG_SIMD(binary_left_f32)(float *y, float a, const float *b, int64_t n, vg_binary kind) { BINARY(a, b[i]) }

void VG_SIMD(unary_f32)(float *y, const float *x, int64_t n, vg_unary kind, float p, float q) {
  switch (kind) {
    case VG_NEG: LOOP(-x[i]); break;
    case VG_SCALE: LOOP(p * x[i] + q); break;
    case VG_EXP: LOOP(expf(x[i])); break;
    case VG_LOG: LOOP(logf(x[i])); break;
    case VG_SQRT: LOOP(sqrtf(x[i])); break;
    case VG_SQUARE: LOOP(x[i] * x[i]); break;
    case VG_ABS: LOOP(fabsf(x[i])); break;
  }
}

void VG_SIMD(unary_grad_f32)(float *y, const float *dy, const float *v, int64_t n, vg_unary kind, float p) {
  switch (kind) {
    case VG_NEG: LOOP(-dy[i]); break;
    case VG_SCALE: LOOP(p * dy[i]); break;
    case VG_EXP: LOOP(dy[i] * v[i]); break;
    case VG_LOG: LOOP(dy[i] / v[i]); break;
    case VG_SQRT: LOOP(0.5f * dy[i] / v[i]); break;
    case VG_SQUARE: LOOP(2.0f * dy[i] * v[i]); break;
    case VG_ABS: LOOP(v[i] > 0 ? dy[i] : v[i] < 0 ? -dy[i] : 0.0f); break;
  }
}

double VG_SIMD(sum_f32)(const float *x, int64_t n) {
  double acc[8] = { 0 };
  int64_t i = 0;
  for (; i + 8 <= n; i += 8)
    for (int j = 0; j < 8; j++) acc[j] += (double)x[i + j];
  for (; i < n; i++) acc[i & 7] += (double)x[i];
  return ((acc[0] + acc[4]) + (acc[1] + acc[5])) + ((acc[2] + acc[6]) + (acc[3] + acc[7]));
}

void VG_SIMD(sum_columns)(double *acc, const float *x, int64_t n) {
  for (int64_t i = 0; i < n; i++) acc[i] += (double)x[i];
}
