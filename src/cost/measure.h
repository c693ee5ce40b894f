/* Measured latency on this CPU, by the protocol of the cost models' section 10. */
#ifndef VG_COST_MEASURE_H
#define VG_COST_MEASURE_H

#include "graph/graph.h"

typedef struct vg_latency {
  double median_ms, min_ms, mean_ms, p90_ms, iqr_ms;   /* over timings; a timing is of as many runs as take a millisecond, divided by their number */
  int count;                  /* timings */
  int rejected;               /* timings that another process interrupted, which are left out (unless there are only such) */
} vg_latency;
typedef struct vg_measure_opts {
  int batch;                  /* 0: 1 */
  int repeats;                /* 0: 30 timings at least, on until the 95 % interval of the median is within 2 % or max_seconds is over */
  double max_seconds;         /* 0: 1 */
} vg_measure_opts;
/* Runs `g` as it stands (fold it first for what a device would run) on random input, warmed up until five runs agree within 5 %, for 100 ms or
 * max_seconds at most. */
VG_CHECKED vg_status vg_measure(vg_latency *out, vg_graph *g, const vg_measure_opts *opts);
/* The operator of node `node` (from 0) alone, on random inputs of its shapes, buffers hot. VG_EARG when the node is no operator, or depends on
 * slots. */
VG_CHECKED vg_status vg_measure_node(vg_latency *out, vg_graph *g, int node, const vg_measure_opts *opts);

#endif
