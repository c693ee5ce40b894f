/* See sample.h. Subsets are drawn by selection sampling (Knuth, TAOCP 2, 3.4.2, algorithm S): one pass, members ascending.
 * The normal quantile is Newton's iteration on erfc from a rational first guess; tails are handled on the side where erfc keeps its digits. */
#include "base/sample.h"

#include <math.h>

static int within(const vg_interval *intervals, const vg_guard *g, double code) {
  for (size_t i = g->first; i < g->first + g->count; i++)
    if (code >= intervals[i].low && code <= intervals[i].high) return 1;
  return 0;
}

int vg_guard_holds(const vg_guard *program, size_t length, const vg_interval *intervals, const double *codes) {
  int stack[VG_GUARD_DEPTH], top = 0;
  for (const vg_guard *g = program, *end = g + length; g < end; g++) switch (g->op) {
    case VG_GUARD_WITHIN: stack[top++] = within(intervals, g, codes[g->slot]); break;
    case VG_GUARD_AND: top--; stack[top - 1] &= stack[top]; break;
    case VG_GUARD_OR: top--; stack[top - 1] |= stack[top]; break;
    case VG_GUARD_NOT: stack[top - 1] = !stack[top - 1]; break;
  }
  return stack[0];
}

static int is_active(const vg_sampler *s, const vg_draw *d, const double *codes) {
  return d->guard_length == 0 || vg_guard_holds(s->guards + d->guard, d->guard_length, s->intervals, codes);
}

/* The first place whose cumulative weight exceeds a uniform draw of the total. */
static int64_t draw_weighted(const double *cumulative, int64_t n, vg_rng *rng) {
  double at = vg_rng_uniform(rng) * cumulative[n - 1];
  int64_t low = 0, high = n - 1;
  while (low < high) {
    int64_t middle = low + (high - low) / 2;
    if (at < cumulative[middle]) high = middle;
    else low = middle + 1;
  }
  return low;
}

static int64_t draw_log_step(const vg_draw *d, vg_rng *rng) {
  double low = d->lo - d->step / 2 > 0 ? d->lo - d->step / 2 : d->lo / 2, high = d->lo + ((double)d->n - 0.5) * d->step;
  double i = floor((low * pow(high / low, vg_rng_uniform(rng)) - d->lo) / d->step + 0.5);
  return i < 0 ? 0 : i >= (double)d->n ? d->n - 1 : (int64_t)i;
}

static double clamp(double x, double lo, double hi) { return x < lo ? lo : x > hi ? hi : x; }

static void draw_subset(double *codes, const vg_draw *d, vg_rng *rng) {
  int64_t k = d->low + (d->high > d->low ? draw_weighted(d->cumulative, d->high - d->low + 1, rng) : 0), taken = 0;
  codes[0] = (double)k;
  for (int64_t i = 0; taken < k; i++)
    if ((double)(d->n - i) * vg_rng_uniform(rng) < (double)(k - taken)) codes[1 + taken++] = (double)i;
}

static void draw_permutation(double *codes, const vg_draw *d, vg_rng *rng) {
  for (int64_t i = 0; i < d->n; i++) {                /* inside-out Fisher-Yates */
    int64_t j = vg_rng_below(rng, i + 1);
    codes[i] = codes[j];
    codes[j] = (double)i;
  }
}

static void draw(double *codes, const vg_draw *d, vg_rng *rng) {
  switch (d->kind) {
    case VG_DRAW_INDEX: codes[0] = (double)vg_rng_below(rng, d->n); break;
    case VG_DRAW_WEIGHTED: codes[0] = (double)draw_weighted(d->cumulative, d->n, rng); break;
    case VG_DRAW_LOG_STEP: codes[0] = (double)draw_log_step(d, rng); break;
    case VG_DRAW_FLOAT: codes[0] = clamp(d->lo + (d->hi - d->lo) * vg_rng_uniform(rng), d->lo, d->hi); break;
    case VG_DRAW_LOG_FLOAT: codes[0] = clamp(d->lo * pow(d->hi / d->lo, vg_rng_uniform(rng)), d->lo, d->hi); break;
    case VG_DRAW_NORMAL: codes[0] = vg_normal_cut_quantile(vg_rng_uniform(rng), d->mean, d->sd, d->lo, d->hi); break;
    case VG_DRAW_LOG_NORMAL: codes[0] = exp(vg_normal_cut_quantile(vg_rng_uniform(rng), d->mean, d->sd, d->lo, d->hi)); break;
    case VG_DRAW_SUBSET: draw_subset(codes, d, rng); break;
    case VG_DRAW_SEQUENCE: for (int i = 0; i < d->high; i++) codes[i] = (double)vg_rng_below(rng, d->n); break;
    case VG_DRAW_PERMUTATION: draw_permutation(codes, d, rng); break;
  }
}

void vg_sample(double *codes, const vg_sampler *s, vg_rng *rng) {
  for (const vg_draw *d = s->draws, *end = d + s->n_draws; d < end; d++) {
    if (is_active(s, d, codes)) draw(codes + d->slot, d, rng);
    else codes[d->slot] = NAN;
  }
}

/* Normal distribution ---------------------------------------------------------------------------------------------------------------- */

static double below(double z) { return 0.5 * erfc(-z * M_SQRT1_2); }

/* z with below(z) = p for 0 < p <= 1/2: a first guess (Abramowitz & Stegun 26.2.23, error 4.5e-4), then Newton on the logarithm, which
 * converges in the far tail as well. */
static double lower_quantile(double p) {
  double t = sqrt(-2 * log(p));
  double z = -(t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308))));
  for (int i = 0; i < 4; i++) {
    double share = below(z), density = exp(-0.5 * z * z) / sqrt(2 * M_PI);
    if (share <= 0 || density <= 0) break;
    z -= (log(share) - log(p)) * share / density;
  }
  return z;
}

/* The share of [a, b] below z, in units of the normal; a > 0 is mirrored, where erfc has digits left. */
static double cut_share(double z, double a, double b) {
  if (a > 0) return 1 - cut_share(-z, -b, -a);
  double bottom = below(a), all = below(b) - bottom;
  return all > 0 ? clamp((below(z) - bottom) / all, 0, 1) : 0.5;
}

static double cut_quantile(double p, double a, double b) {
  if (a > 0) return -cut_quantile(1 - p, -b, -a);
  double bottom = below(a), share = bottom + p * (below(b) - bottom);
  double z = share <= 0.5 ? lower_quantile(fmax(share, 0x1p-1022)) : -lower_quantile(fmax(1 - share, 0x1p-54));
  return clamp(z, a, b);
}

double vg_normal_cut_quantile(double p, double mean, double sd, double lo, double hi) {
  p = clamp(p, 0x1p-54, 1 - 0x1p-53);                 /* an uncut normal has no value at 0 and 1 */
  return clamp(mean + sd * cut_quantile(p, (lo - mean) / sd, (hi - mean) / sd), lo, hi);
}

double vg_normal_cut_share(double x, double mean, double sd, double lo, double hi) {
  return cut_share((x - mean) / sd, (lo - mean) / sd, (hi - mean) / sd);
}

/* Feistel ----------------------------------------------------------------------------------------------------------------------------- */

static uint64_t mix(uint64_t x) {                     /* the finaliser of splitmix64 */
  x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
  x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
  return x ^ x >> 31;
}

uint64_t vg_permute(uint64_t i, uint64_t n, uint64_t key) {
  int half = 1;
  while (half < 32 && UINT64_C(1) << 2 * half < n) half++;
  uint64_t mask = (UINT64_C(1) << half) - 1;
  do {                                                /* at most 4 n values, so it takes fewer than 4 rounds on average */
    uint64_t left = i >> half, right = i & mask;
    for (uint64_t round = 1; round <= 6; round++) {
      uint64_t next = left ^ (mix(right + mix(key + round * UINT64_C(0x9e3779b97f4a7c15))) & mask);
      left = right;
      right = next;
    }
    i = left << half | right;
  } while (i >= n);
  return i;
}
