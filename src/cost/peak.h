/* What this machine can do at most, measured: the ceiling that kernels and training steps are held against. */
#ifndef VG_COST_PEAK_H
#define VG_COST_PEAK_H

#include "tensor/tensor.h"

typedef struct vg_peak {
  double flops;               /* operations a second (a multiply-add is two) of a 2048-cubed product in the precision asked for */
  double copy_bytes;          /* bytes a second of a large copy, what is read and what is written both counted */
} vg_peak;
/* Best of several runs with the threads in force; takes about a second. */
VG_CHECKED vg_status vg_measure_peak(vg_peak *out, vg_dtype precision);

#endif
