/* Kernels compiled once per instruction set (src/kernels/simd/NAME.c, built with VG_ISA=avx2 and VG_ISA=avx512) and chosen at run time.
 *
 *   in NAME.h:        VG_SIMD_DECLARE(void, relu_f32, (float *y, const float *x, int64_t n));
 *   in simd/NAME.c:   void VG_SIMD(relu_f32)(float *y, const float *x, int64_t n) { plain C or intrinsics under #ifdef __AVX512F__ }
 *   to call it:       VG_DISPATCH(relu_f32)(y, x, n);
 *
 * The names get the suffix _avx2 or _avx512. VEGA_ISA=avx2 (or avx512, avx512_bf16, amx) in the environment is the most that is used, by these
 * kernels and by oneDNN: the tests run avx2 as well.
 *
 * On other processors than x86-64 (and with cmake -DVEGA_PORTABLE=ON on those) they are compiled once, as VG_ISA=portable, from plain C, which the
 * compiler vectorises for what it is told of the processor: NEON on 64-bit Arm. VG_PORTABLE is defined then. */
#ifndef VG_KERNELS_SIMD_H
#define VG_KERNELS_SIMD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

#define VG_SIMD_JOIN2(a, b) a##_##b
#define VG_SIMD_JOIN(a, b) VG_SIMD_JOIN2(a, b)
#define VG_SIMD(name) VG_SIMD_JOIN(vg__##name, VG_ISA)
#ifdef VG_PORTABLE
#define VG_SIMD_DECLARE(ret, name, args) ret vg__##name##_portable args
#define VG_SIMD_OF(wide, name) ((void)(wide), vg__##name##_portable)
#else
#define VG_SIMD_DECLARE(ret, name, args) \
  ret vg__##name##_avx2 args;            \
  ret vg__##name##_avx512 args
#define VG_SIMD_OF(wide, name) ((wide) ? vg__##name##_avx512 : vg__##name##_avx2)
#endif
#define VG_DISPATCH(name) VG_SIMD_OF(vg_cpu_has_avx512(), name)

bool vg_cpu_has_avx512(void);       /* F, BW, DQ, VL */
bool vg_cpu_has_bf16(void);         /* AVX512-BF16 or AMX-BF16: bf16 is worth its while */
bool vg_cpu_has_amx(void);
/* VG_EARG when VEGA_ISA is a word that is not known. */
VG_CHECKED vg_status vg_cpu_check_isa(void);
const char *vg_cpu_isa(void);       /* "avx2", "avx512", "avx512_bf16", "amx"; "neon" or "portable" */
/* VG_EBACKEND when this CPU lacks what the kernels were compiled for. */
VG_CHECKED vg_status vg_cpu_check(void);

#endif
