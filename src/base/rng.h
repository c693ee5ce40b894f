/* Counter-based random numbers: Philox4x32-10 (Salmon et al. 2011) from Random123.
 * A value is a pure function of (seed, stream, counter), so a stream's numbers do not depend on who draws from other streams.
 * The strategies' specification names xoshiro256**; design.md decides for counter-based streams, and all randomness comes from here. */
#ifndef VG_BASE_RNG_H
#define VG_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct vg_rng {
  uint64_t seed, stream, counter;  /* the whole state: save these three */
} vg_rng;

vg_rng vg_rng_at(uint64_t seed, uint64_t stream);
/* A stream keyed by text and number, e.g. ("mutate", 17); FNV-1a of both, so that labels name streams. */
uint64_t vg_rng_stream(const char *label, size_t length, int64_t id);
uint64_t vg_rng_u64(vg_rng *r);
double vg_rng_uniform(vg_rng *r);              /* [0, 1), 53 bits */
int64_t vg_rng_below(vg_rng *r, int64_t n);    /* [0, n), n >= 1, without modulo bias */
double vg_rng_normal(vg_rng *r);               /* Box-Muller, the cosine branch: two draws a value */
/* Bulk fills, equal for any number of threads; they advance the counter by a multiple of what n needs. */
void vg_rng_fill_uniform(vg_rng *r, float *out, size_t n, float lo, float hi);
void vg_rng_fill_normal(vg_rng *r, float *out, size_t n, float mean, float sd);
void vg_rng_shuffle(vg_rng *r, int64_t *items, size_t n);  /* Fisher-Yates from the end */

#endif
