#include "kernels/simd.h"

#include <cpuid.h>
#include <stdlib.h>
#include <string.h>

static bool leaf7(unsigned sub, int reg, int bit) {
  unsigned r[4] = { 0 };
  if (!__get_cpuid_count(7, sub, &r[0], &r[1], &r[2], &r[3])) return false;
  return r[reg] >> bit & 1;
}

static int level(void) {             /* 0 avx2, 1 avx512, 2 avx512_bf16, 3 amx */
  static int cached = -1;
  if (cached >= 0) return cached;
  const char *force = getenv("VEGA_ISA");
  int found = 0;
  if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl")) {
    found = 1;
    if (leaf7(1, 0, 5)) found = 2;                    /* EAX bit 5: AVX512-BF16 */
    if (found == 2 && leaf7(0, 3, 22)) found = 3;     /* EDX bit 22: AMX-BF16 */
  }
  if (force && strcmp(force, "avx2") == 0) found = 0;
  return cached = found;
}

bool vg_cpu_has_avx512(void) { return level() >= 1; }
bool vg_cpu_has_bf16(void) { return level() >= 2; }
bool vg_cpu_has_amx(void) { return level() >= 3; }
const char *vg_cpu_isa(void) {
  static const char *const NAMES[] = { "avx2", "avx512", "avx512_bf16", "amx" };
  return NAMES[level()];
}
