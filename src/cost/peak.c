#include "cost/peak.h"

#include <math.h>
#include <string.h>
#include <time.h>

#include "base/threads.h"
#include "kernels/gemm.h"

enum { SIDE = 2048, RUNS = 7 };
static const int64_t COPY_BYTES = 256 << 20;      /* well beyond the last-level cache */

/* Seconds that the thread had the processor when it is the only one: other processes do not count then. Else those of the clock on the wall. */
static double seconds(void) {
  struct timespec t;
  clock_gettime(vg_threads() == 1 ? CLOCK_THREAD_CPUTIME_ID : CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static vg_status measure_product(double *flops, vg_dtype precision) {
  vg_status status;
  vg_tensor *a = NULL, *b = NULL, *c = NULL;
  double best = INFINITY;
  VG_GOTO(vg_tensor_new(&a, precision, &VG_SHAPE(SIDE, SIDE)));
  VG_GOTO(vg_tensor_new(&b, precision, &VG_SHAPE(SIDE, SIDE)));
  VG_GOTO(vg_tensor_new(&c, precision, &VG_SHAPE(SIDE, SIDE)));
  vg_tensor_fill(a, 0.5);
  vg_tensor_fill(b, 0.25);
  for (int i = 0; i < RUNS; i++) {
    double start = seconds();
    VG_GOTO(vg_gemm(precision, precision, false, false, SIDE, SIDE, SIDE, 1, vg_tensor_data(a), vg_tensor_data(b), 0, vg_tensor_data(c)));
    best = fmin(best, seconds() - start);
  }
  *flops = 2.0 * SIDE * SIDE * SIDE / best;
  status = VG_OK;
done:
  vg_tensor_release(a);
  vg_tensor_release(b);
  vg_tensor_release(c);
  return status;
}

static vg_status measure_copy(double *bytes_a_second) {
  vg_tensor *a = NULL, *b = NULL;
  double best = INFINITY;
  vg_status s = vg_tensor_zeros(&a, VG_U8, &VG_SHAPE(COPY_BYTES));
  if (s == VG_OK) s = vg_tensor_zeros(&b, VG_U8, &VG_SHAPE(COPY_BYTES));
  for (int i = 0; s == VG_OK && i < RUNS; i++) {
    double start = seconds();
    char *to = vg_tensor_data(b), *from = vg_tensor_data(a);
#pragma omp parallel for schedule(static)
    for (int64_t at = 0; at < COPY_BYTES; at += 1 << 20) memcpy(to + at, from + at, 1 << 20);
    best = fmin(best, seconds() - start);
  }
  *bytes_a_second = 2.0 * (double)COPY_BYTES / best;
  vg_tensor_release(a);
  vg_tensor_release(b);
  return s;
}

vg_status vg_measure_peak(vg_peak *out, vg_dtype precision) {
  vg_peak p;
  if (precision != VG_F32 && precision != VG_BF16) return vg_fail(VG_EARG, "peak: precision is f32 or bf16, got %s", vg_dtype_name(precision));
  VG_TRY(measure_product(&p.flops, precision));
  VG_TRY(measure_copy(&p.copy_bytes));
  *out = p;
  return VG_OK;
}
