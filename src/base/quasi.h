/* Low-discrepancy points in the unit cube. A point is a pure function of its index, so a sequence is resumed by its index alone. */
#ifndef VG_BASE_QUASI_H
#define VG_BASE_QUASI_H

#include <stddef.h>
#include <stdint.h>

#include "base/status.h"

typedef enum vg_scramble {
  VG_SCRAMBLE_NONE,
  VG_SCRAMBLE_SHIFT, /* one random digital shift a dimension */
  VG_SCRAMBLE_OWEN   /* nested uniform scrambling (Owen 1995): each bit flips by a hash of the bits above it */
} vg_scramble;

enum { VG_SOBOL_DIMENSIONS = 256 };

/* x [m], written: point `index` (0 = the origin) of Sobol's sequence in Gray-code order, 32 bits, directions of Joe & Kuo 2008.
 * VG_EARG when m > VG_SOBOL_DIMENSIONS or index >= 2^32. */
VG_CHECKED vg_status vg_sobol(double *x, uint64_t index, size_t m, vg_scramble scramble, uint64_t seed);
/* x [m], written: the radical inverses of index in the first m primes (Halton 1960), each shifted modulo 1 by a hash of (seed, dimension)
 * (Cranley & Patterson 1976) unless scramble is VG_SCRAMBLE_NONE. */
void vg_halton(double *x, uint64_t index, size_t m, vg_scramble scramble, uint64_t seed);

#endif
