/* An exponential that vectorises in plain loops. */
#ifndef VG_MODEL_EXP_H
#define VG_MODEL_EXP_H

#include <stdint.h>
#include <string.h>

/* exp(x) for x <= 0, to 2 ulp; below -708 the smallest normal number. Written so that loops over it vectorise. */
static inline double vg__exp(double x) {
  x = x < -708 ? -708 : x;
  double t = x * 1.4426950408889634074 + 0x1.8p52, n = t - 0x1.8p52;
  double r = x - n * 0x1.62e42fefa38p-1 - n * 0x1.ef35793c7673p-45;
  double p = 1.6059043836821614599e-10;
  p = p * r + 2.0876756987868098979e-9;
  p = p * r + 2.5052108385441718775e-8;
  p = p * r + 2.7557319223985890653e-7;
  p = p * r + 2.7557319223985890653e-6;
  p = p * r + 2.4801587301587301587e-5;
  p = p * r + 1.9841269841269841270e-4;
  p = p * r + 1.3888888888888888889e-3;
  p = p * r + 8.3333333333333333333e-3;
  p = p * r + 4.1666666666666666667e-2;
  p = p * r + 1.6666666666666666667e-1;
  p = p * r + 0.5;
  p = p * r + 1;
  p = p * r + 1;
  uint64_t bits;
  memcpy(&bits, &t, sizeof bits);
  bits = (bits + 1023) << 52;
  double power;
  memcpy(&power, &bits, sizeof power);
  return p * power;
}

#endif
