/* Timings of a closure: a graph with its input, or one operator with its inputs. */
#include "cost/measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "base/alloc.h"
#include "base/clock.h"

enum { MAX_TIMINGS = 10000, MIN_TIMINGS = 30, MAX_RUNS = 100000 };
static const double TIMING_MS = 1;

typedef struct subject {
  vg_graph *graph;
  vg_tensor *x;
  vg_call call;               /* where graph is NULL */
} subject;

static vg_status run_once(subject *s) {
  vg_tensor *y = NULL;
  vg_status status = s->graph ? vg_graph_run(&y, s->graph, s->x, NULL) : vg_tape_apply(&y, NULL, &s->call);
  vg_tensor_release(y);
  return status;
}

/* Milliseconds of one of `runs` runs in a row. */
static vg_status time_runs(double *ms, subject *s, int runs) {
  double start = vg_clock_s();
  for (int i = 0; i < runs; i++) VG_TRY(run_once(s));
  *ms = 1e3 * (vg_clock_s() - start) / runs;
  return VG_OK;
}

static vg_status warm_up(double *ms, subject *s, double limit) {
  double begin = vg_clock_s(), last[5] = { 0 };
  for (int i = 0;; i++) {
    VG_TRY(time_runs(&last[i % 5], s, 1));
    double lo = last[0], hi = last[0];
    for (int k = 1; k < 5; k++) {
      lo = fmin(lo, last[k]);
      hi = fmax(hi, last[k]);
    }
    *ms = last[i % 5];
    if (i >= 9 && (hi < 1.05 * lo || vg_clock_s() - begin > limit)) return VG_OK;
    if (i >= 2 && vg_clock_s() - begin > 1) return VG_OK;      /* a slow network is warm by then */
  }
}

/* How often another process took this thread's processor. */
static long interruptions(void) {
  struct rusage u;
  return getrusage(RUSAGE_THREAD, &u) == 0 ? u.ru_nivcsw : 0;
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

static void summarise(vg_latency *out, double *sorted, const double *ms, int n, int rejected) {
  double sum = 0;
  memcpy(sorted, ms, (size_t)n * sizeof *ms);
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  for (int i = 0; i < n; i++) sum += sorted[i];
  *out = (vg_latency){ .median_ms = 0.5 * (sorted[(n - 1) / 2] + sorted[n / 2]), .min_ms = sorted[0], .mean_ms = sum / n,
                       .p90_ms = sorted[(int)(0.9 * (n - 1))], .iqr_ms = sorted[(int)(0.75 * (n - 1))] - sorted[(int)(0.25 * (n - 1))], .count = n,
                       .rejected = rejected };
}

static bool is_settled(double *sorted, const double *ms, int n) {
  if (n % 16) return false;
  memcpy(sorted, ms, (size_t)n * sizeof *ms);
  qsort(sorted, (size_t)n, sizeof *sorted, by_value);
  return median_spread(sorted, n) < 0.02;
}

/* Undisturbed timings stand at the front of ms, disturbed ones, which count only when there is nothing else, at its end. */
static vg_status time_subject(vg_latency *out, subject *s, const vg_measure_opts *o) {
  vg_status status;
  double *ms = NULL, *sorted, about = 0;
  int n = 0, rejected = 0, least = o->repeats > 0 ? o->repeats : MIN_TIMINGS;
  VG_GOTO(vg_alloc((void **)&ms, 2 * MAX_TIMINGS * sizeof *ms));
  sorted = ms + MAX_TIMINGS;
  double limit = o->max_seconds > 0 ? o->max_seconds : 1;
  VG_GOTO(warm_up(&about, s, fmin(0.1, limit)));
  int runs = (int)fmin(fmax(ceil(TIMING_MS / fmax(about, 1e-6)), 1), MAX_RUNS);
  double begin = vg_clock_s();
  while (n + rejected < MAX_TIMINGS) {
    double taken;
    long before = interruptions();
    VG_GOTO(time_runs(&taken, s, runs));
    if (interruptions() == before) ms[n++] = taken;
    else ms[MAX_TIMINGS - ++rejected] = taken;
    bool is_over = vg_clock_s() - begin > limit;
    if (n + rejected >= least && is_over) break;
    if (n >= least && (o->repeats > 0 || is_settled(sorted, ms, n))) break;
  }
  summarise(out, sorted, n ? ms : ms + MAX_TIMINGS - rejected, n ? n : rejected, rejected);
  status = VG_OK;
done:
  vg_free(ms);
  return status;
}

static vg_status new_random(vg_tensor **out, const vg_shape *shape, vg_dtype dtype) {
  vg_tensor *x = NULL;
  VG_TRY(vg_tensor_new(&x, VG_F32, shape));
  vg_rng rng = vg_rng_at(1, 0);
  vg_rng_fill_normal(&rng, vg_f32(x), (size_t)vg_tensor_count(x), 0, 1);
  vg_status s = VG_OK;
  if (dtype == VG_F32) *out = vg_tensor_retain(x);
  else s = vg_tensor_cast(out, x, dtype);
  vg_tensor_release(x);
  return s;
}

vg_status vg_measure(vg_latency *out, vg_graph *g, const vg_measure_opts *opts) {
  vg_measure_opts o = opts ? *opts : (vg_measure_opts){ 0 };
  subject s = { .graph = g };
  vg_shape shape = g->nodes[0].shape;
  shape.dim[0] = o.batch > 0 ? o.batch : 1;
  VG_TRY(new_random(&s.x, &shape, VG_F32));
  vg_status status = time_subject(out, &s, &o);
  vg_tensor_release(s.x);
  return status;
}

/* The inputs of the operator: its parameters, and random values where other operators' outputs or the network's input would stand. */
static vg_status fill_inputs(vg_call *c, const vg_graph *g, const vg_node *d, int batch) {
  for (int k = 0; k < d->n_in; k++) {
    if (d->in[k] < 0) continue;
    const vg_node *from = &g->nodes[d->in[k]];
    vg_shape shape = from->shape;
    if (from->tensor) c->in[k] = vg_tensor_retain(from->tensor);
    else {
      shape.dim[0] = batch * shape.dim[0];
      VG_TRY(new_random(&c->in[k], &shape, g->precision));
    }
  }
  return VG_OK;
}

vg_status vg_measure_node(vg_latency *out, vg_graph *g, int node, const vg_measure_opts *opts) {
  vg_measure_opts o = opts ? *opts : (vg_measure_opts){ 0 };
  vg_status status;
  if (node < 0 || node >= g->n || g->nodes[node].kind != VG_NODE_OP) return vg_fail(VG_EARG, "latency: node %d is no operator", node + 1);
  if (g->n_slots) return vg_fail(VG_EARG, "latency: this is a supernet; extract an architecture first");
  if (!g->values) return vg_fail(VG_EARG, "latency: the graph has no parameters yet");
  const vg_node *d = &g->nodes[node];
  subject s = { .call = { .op = d->op, .n_in = d->n_in } };
  memcpy(s.call.arg, d->arg, sizeof s.call.arg);
  VG_GOTO(fill_inputs(&s.call, g, d, o.batch > 0 ? o.batch : 1));
  status = time_subject(out, &s, &o);
done:
  for (int k = 0; k < d->n_in; k++) vg_tensor_release(s.call.in[k]);
  return status;
}
