#include "kernels/simd.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#ifdef VG_PORTABLE
#ifdef __aarch64__
static const char *const NAMES[] = { "neon" };
#else
static const char *const NAMES[] = { "portable" };
#endif
static int found(void) { return 0; }
vg_status vg_cpu_check(void) { return VG_OK; }
#else
#include <cpuid.h>

static bool leaf7(unsigned sub, int reg, int bit) {
  unsigned r[4] = { 0 };
  if (!__get_cpuid_count(7, sub, &r[0], &r[1], &r[2], &r[3])) return false;
  return r[reg] >> bit & 1;
}

static const char *const NAMES[] = { "avx2", "avx512", "avx512_bf16", "amx" };

/* What the CPU has: the place in NAMES. */
static int found(void) {
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") || !__builtin_cpu_supports("avx512dq") ||
      !__builtin_cpu_supports("avx512vl"))
    return 0;
  if (!leaf7(1, 0, 5)) return 1;         /* EAX bit 5: AVX512-BF16 */
  return leaf7(0, 3, 22) ? 3 : 2;        /* EDX bit 22: AMX-BF16 */
}

vg_status vg_cpu_check(void) {
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) return VG_OK;
  return vg_fail(VG_EBACKEND, "this CPU has no AVX2; the kernels need it (x86-64-v3: Intel since 2013, AMD since 2015), or cmake -DVEGA_PORTABLE=ON");
}
#endif
enum { N_LEVELS = sizeof NAMES / sizeof *NAMES };

/* The place of VEGA_ISA in NAMES; N_LEVELS when it is not set, -1 for a word that is none of them. */
static int wanted(void) {
  const char *word = getenv("VEGA_ISA");
  if (!word || !*word) return N_LEVELS;
  for (int i = 0; i < N_LEVELS; i++)
    if (strcmp(word, NAMES[i]) == 0) return i;
  return -1;
}

static int level(void) {
  static atomic_int cached = -1;
  int now = atomic_load_explicit(&cached, memory_order_relaxed);
  if (now >= 0) return now;
  int has = found(), most = wanted();
  now = most >= 0 && most < has ? most : has;
  atomic_store_explicit(&cached, now, memory_order_relaxed);
  return now;
}

vg_status vg_cpu_check_isa(void) {
  if (wanted() >= 0) return VG_OK;
  if (N_LEVELS == 1) return vg_fail(VG_EARG, "VEGA_ISA must be %s, got '%s'", NAMES[0], getenv("VEGA_ISA"));
  return vg_fail(VG_EARG, "VEGA_ISA must be avx2, avx512, avx512_bf16 or amx, got '%s'", getenv("VEGA_ISA"));
}

bool vg_cpu_has_avx512(void) { return level() >= 1; }
bool vg_cpu_has_bf16(void) { return level() >= 2; }
bool vg_cpu_has_amx(void) { return level() >= 3; }
const char *vg_cpu_isa(void) { return NAMES[level()]; }
