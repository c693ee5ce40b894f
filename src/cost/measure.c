#include "cost/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { MAX_RUNS = 10000, MIN_RUNS = 30 };

static vg_status run_once(double *ms, vg_graph *g, vg_tensor *x) {
  vg_tensor *y = NULL;
  double start = vg_clock_s();
  vg_status s = vg_graph_run(&y, g, x, NULL);
  *ms = 1e3 * (vg_clock_s() - start);
  vg_tensor_release(y);
  return s;
}

static vg_status warm_up(vg_graph *g, vg_tensor *x) {
  double begin = vg_clock_s(), last[5] = { 0 };
  for (int i = 0;; i++) {
    VG_TRY(run_once(&last[i % 5], g, x));
    double lo = last[0], hi = last[0];
    for (int k = 1; k < 5; k++) {
      lo = fmin(lo, last[k]);
      hi = fmax(hi, last[k]);
    }
    if (i >= 9 && (hi < 1.05 * lo || vg_clock_s() - begin > 0.1)) return VG_OK;
    if (i >= 2 && vg_clock_s() - begin > 1) return VG_OK;      /* a slow network is warm by then */
  }
}

static int by_value(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

/* Half width of the distribution-free 95 % interval of the median, relative to it; `ms` is sorted. */
static double median_spread(const double *ms, int n) {
  int half = (int)ceil(0.98 * sqrt(n)), lo = n / 2 - half, hi = n / 2 + half;
  if (lo < 0 || hi >= n) return INFINITY;
  return 0.5 * (ms[hi] - ms[lo]) / ms[n / 2];
}

static void summarise(vg_latency *out, const double *sorted, int n) {
  double sum = 0;
  for (int i = 0; i < n; i++) sum += sorted[i];
  *out = (vg_latency){ .median_ms = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]), .min_ms = sorted[0], .mean_ms = sum / n,
                       .p90_ms = sorted[(int)(0.9 * (n - 1))], .iqr_ms = sorted[(int)(0.75 * (n - 1))] - sorted[(int)(0.25 * (n - 1))], .count = n };
}

vg_status vg_measure(vg_latency *out, vg_graph *g, const vg_measure_opts *opts) {
  vg_status status;
  vg_measure_opts o = opts ? *opts : (vg_measure_opts){ 0 };
  vg_tensor *x = NULL;
  double *ms = NULL, *sorted = NULL;
  int n = 0, least = o.repeats > 0 ? o.repeats : MIN_RUNS;
  vg_shape shape = g->nodes[0].shape;
  shape.dim[0] = o.batch > 0 ? o.batch : 1;
  VG_TRY(vg_tensor_new(&x, VG_F32, &shape));
  vg_rng rng = vg_rng_at(1, 0);
  vg_rng_fill_normal(&rng, vg_f32(x), (size_t)vg_tensor_count(x), 0, 1);
  VG_GOTO(vg_alloc((void **)&ms, 2 * MAX_RUNS * sizeof *ms));
  sorted = ms + MAX_RUNS;
  VG_GOTO(warm_up(g, x));
  double begin = vg_clock_s(), limit = o.max_seconds > 0 ? o.max_seconds : 1;
  while (n < MAX_RUNS) {
    VG_GOTO(run_once(&ms[n++], g, x));
    if (n < least) continue;
    if (o.repeats > 0 || vg_clock_s() - begin > limit) break;
    if (n % 16) continue;
    memcpy(sorted, ms, (size_t)n * sizeof *ms);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    if (median_spread(sorted, n) < 0.02) break;
  }
  memcpy(sorted, ms, (size_t)n * sizeof *ms);
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  summarise(out, sorted, n);
done:
  vg_free(ms);
  vg_tensor_release(x);
  return status;
}
