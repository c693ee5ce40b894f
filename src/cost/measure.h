/* Measured latency on this CPU, by the protocol of the cost models' section 10. */
#ifndef VG_COST_MEASURE_H
#define VG_COST_MEASURE_H

#include "graph/graph.h"

typedef struct vg_latency {
  double median_ms, min_ms, mean_ms, p90_ms, iqr_ms;
  int count;                  /* runs that were timed */
} vg_latency;
typedef struct vg_measure_opts {
  int batch;                  /* 0: 1 */
  int repeats;                /* 0: 30 at least, on until the 95 % interval of the median is within 2 % or max_seconds is over */
  double max_seconds;         /* 0: 1 */
} vg_measure_opts;
/* Runs `g` as it stands (fold it first for what a device would run) on random input, warmed up until five runs agree within 5 % or 100 ms. */
VG_CHECKED vg_status vg_measure(vg_latency *out, vg_graph *g, const vg_measure_opts *opts);

#endif
