/* Kernels compiled once per instruction set (src/kernels/simd/NAME.c, built with VG_ISA=avx2 and VG_ISA=avx512) and chosen at run time.
 *
 *   in NAME.h:        VG_SIMD_DECLARE(void, relu_f32, (float *y, const float *x, int64_t n));
 *   in simd/NAME.c:   void VG_SIMD(relu_f32)(float *y, const float *x, int64_t n) { plain C or intrinsics under #ifdef __AVX512F__ }
 *   to call it:       VG_DISPATCH(relu_f32)(y, x, n);
 *
 * The names get the suffix _avx2 or _avx512. VEGA_ISA=avx2 (or avx512, avx512_bf16, amx) in the environment is the most that is used, by these
 * kernels and by oneDNN: the tests run avx2 as well. */
#ifndef VG_KERNELS_SIMD_H
#define VG_KERNELS_SIMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define VG_SIMD_JOIN2(a, b) a##_##b
#define VG_SIMD_JOIN(a, b) VG_SIMD_JOIN2(a, b)
#define VG_SIMD(name) VG_SIMD_JOIN(vg__##name, VG_ISA)
#define VG_SIMD_DECLARE(ret, name, args) \
  ret vg__##name##_avx2 args;            \
  ret vg__##name##_avx512 args
#define VG_DISPATCH(name) (vg_cpu_has_avx512() ? vg__##name##_avx512 : vg__##name##_avx2)

bool vg_cpu_has_avx512(void);       /* F, BW, DQ, VL */
bool vg_cpu_has_bf16(void);         /* AVX512-BF16 or AMX-BF16: bf16 is worth its while */
bool vg_cpu_has_amx(void);
/* VG_EARG when VEGA_ISA is a word that is not known. */
VG_CHECKED vg_status vg_cpu_check_isa(void);
const char *vg_cpu_isa(void);       /* "avx2", "avx512", "avx512_bf16", "amx" */

#endif
