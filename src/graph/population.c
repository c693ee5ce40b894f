/* A run goes through the networks in order. Of each it collects what must be computed (backwards from the output, down to what is there),
 * computes that inputs first, hands the output over, and lets go what nobody will read:
 *
 *     pending[v]   readers of v in the list of this network that have not run yet
 *     waiting[v]   readers of v in the whole population that have not run for the first time
 *
 * A memo with pending 0 may be dropped to save memory; one with both 0 is dropped. A value that was dropped too early is collected again with
 * all that it needs; its second run counts in nobody's `waiting`. */
#include "graph/population.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/interrupt.h"
#include "graph/values.h"
#include "ops/conv2d.h"

typedef struct state {
  vg_tensor *tensor;           /* owned; NULL: not there. Of a layer its weight */
  vg_conv_fixed *layer;        /* owned; only of layers */
  vg_tensor *statistics[2];    /* owned; of a recalibrated batch norm: its own mean and variance */
  int pending, waiting;
  bool is_listed, has_run;
} state;

struct vg_population {
  vg_graph *g;                 /* borrowed */
  double *slots;               /* owned */
  vg_population_opts opts;
  vg__values values;
  state *state;                /* [values] */
  int *readers;                /* [values] how often each is read by others that some network needs */
  int *list;                   /* [values] what this network computes */
  int *live;                   /* [values] memos, the oldest first */
  int n_list, n_live;
  size_t bytes;                /* of the memos */
  int64_t calibrating;         /* number of the batch, 0: evaluation */
  vg_population_counts counts;
};

/* --- setting up -------------------------------------------------------------------------------------------------------------------- */

static bool is_computed(const vg__value *v) { return v->varies && v->kind != VG__VALUE_INPUT; }

/* Marks what value `v` needs, in `state`, and appends the computed ones to the list. */
static void collect(vg_population *p, int v) {
  int first = p->n_list;
  state *st = p->state;
  if (!is_computed(&p->values.value[v]) || st[v].tensor || st[v].is_listed) return;
  st[v].is_listed = true;
  p->list[p->n_list++] = v;
  for (int at = first; at < p->n_list; at++) {
    const int *in = vg__value_in(&p->values, p->list[at]);
    for (int k = 0; k < p->values.value[p->list[at]].n_in; k++) {
      int x = in[k];
      if (x < 0 || !is_computed(&p->values.value[x])) continue;
      st[x].pending++;
      if (st[x].tensor || st[x].is_listed) continue;
      st[x].is_listed = true;
      p->list[p->n_list++] = x;
    }
  }
}

/* Counts readers and what one path alone would compute. */
static void count_readers(vg_population *p) {
  vg__values *s = &p->values;
  int *size = p->live;                                   /* scratch: [n_networks] <= [values] */
  for (int k = 0; k < s->n_networks; k++) {
    p->n_list = 0;
    collect(p, s->output[k]);
    size[k] = p->n_list;
    for (int i = 0; i < p->n_list; i++) {
      state *st = &p->state[p->list[i]];
      if (!st->has_run) {
        st->has_run = true;
        p->counts.distinct++;
        const int *in = vg__value_in(s, p->list[i]);
        for (int j = 0; j < s->value[p->list[i]].n_in; j++)
          if (in[j] >= 0) p->readers[in[j]]++;
      }
      st->is_listed = false;
      st->pending = 0;
    }
  }
  for (int path = 0; path < s->n_paths; path++) p->counts.alone += size[s->network[path]];
}

static bool is_finite(const vg_tensor *t) {
  for (int64_t i = 0, n = vg_tensor_count(t); i < n; i++)
    if (!isfinite(vg_f32(t)[i])) return false;
  return true;
}

/* Buffer `i`, or those that it is a part of or chosen from. */
static bool is_variance(const vg_graph *g, int i) {
  const vg_node *d = &g->nodes[i];
  for (int k = 0; k < d->n_in; k++)
    if (d->in[k] >= 0 && !is_variance(g, d->in[k])) return false;
  for (int64_t k = 0, n = d->kind == VG_NODE_BUFFER ? vg_tensor_count(d->tensor) : 0; k < n; k++)
    if (vg_f32(d->tensor)[k] < 0) return false;
  return true;
}

static bool can_fold(const vg_graph *g) {
  bool can = g->precision == VG_F32 && is_finite(g->values);
  for (int i = 0; can && i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    if (d->kind == VG_NODE_BUFFER) can = is_finite(d->tensor);
    if (d->kind == VG_NODE_OP && strcmp(d->op->name, "batch_norm") == 0) can = is_variance(g, d->in[2]);
  }
  return can;
}

vg_status vg_population_new(vg_population **out, vg_graph *g, const double *slots, int n, const vg_population_opts *opts) {
  vg_population *p;
  vg_status status;
  if (g->output < 0 || !g->values) return vg_fail(VG_EARG, "population: the graph has no output or no parameters yet");
  if (n < 1) return vg_fail(VG_EARG, "population: at least one path expected, got %d", n);
  size_t bytes = (size_t)n * (size_t)g->n_slots * sizeof *slots;
  VG_TRY(VG_NEW(&p));
  p->g = g;
  if (opts) p->opts = *opts;
  VG_GOTO(vg_alloc((void **)&p->slots, bytes));
  if (bytes) memcpy(p->slots, slots, bytes);
  vg__values_opts v = { .layers = p->opts.fold && !p->opts.recalibrates && can_fold(g), .training = p->opts.recalibrates };
  VG_GOTO(vg__values_init(&p->values, g, p->slots, n, v));
  size_t values = (size_t)p->values.n;
  VG_GOTO(vg_alloc_zero((void **)&p->state, values * sizeof *p->state));
  VG_GOTO(vg_alloc_zero((void **)&p->readers, values * sizeof *p->readers));
  VG_GOTO(vg_alloc((void **)&p->list, values * sizeof *p->list));
  VG_GOTO(vg_alloc((void **)&p->live, values * sizeof *p->live));
  count_readers(p);
  *out = p;
  return VG_OK;
done:
  vg_population_free(p);
  return status;
}

void vg_population_free(vg_population *p) {
  if (!p) return;
  for (int v = 0; p->state && v < p->values.n; v++) {
    vg_tensor_release(p->state[v].tensor);
    vg_conv_fixed_free(p->state[v].layer);
    for (int i = 0; i < 2; i++) vg_tensor_release(p->state[v].statistics[i]);
  }
  vg_free(p->state);
  vg_free(p->readers);
  vg_free(p->list);
  vg_free(p->live);
  vg__values_deinit(&p->values);
  vg_free(p->slots);
  vg_free(p);
}

int vg_population_n_networks(const vg_population *p) { return p->values.n_networks; }
int vg_population_n_paths(const vg_population *p) { return p->values.n_paths; }
int vg_population_network_of(const vg_population *p, int path) { return p->values.network[path]; }

vg_population_counts vg_population_count(const vg_population *p) {
  vg_population_counts c = p->counts;
  for (int v = 0; v < p->values.n; v++) {
    const vg__value *d = &p->values.value[v];
    for (int i = 0; i < 2; i++)
      if (p->state[v].statistics[i]) c.fixed_bytes += vg_tensor_bytes(p->state[v].statistics[i]);
    if (d->kind == VG__VALUE_INPUT || d->kind == VG__VALUE_STORED || d->varies || !p->state[v].tensor) continue;
    c.fixed_bytes += vg_tensor_bytes(p->state[v].tensor);
    if (p->state[v].layer) c.fixed_bytes += vg_conv_fixed_bytes(p->state[v].layer);
  }
  return c;
}

/* --- memos ------------------------------------------------------------------------------------------------------------------------- */

static void forget(vg_population *p, int at) {
  state *st = &p->state[p->live[at]];
  p->bytes -= vg_tensor_bytes(st->tensor);
  vg_tensor_release(st->tensor);
  st->tensor = NULL;
  memmove(p->live + at, p->live + at + 1, (size_t)(--p->n_live - at) * sizeof *p->live);
}

/* The oldest are those of the first layers, which the paths to come read last. */
static void keep_within_memory(vg_population *p) {
  for (int i = 0; p->opts.memory && i < p->n_live && p->bytes > p->opts.memory;) {
    if (p->state[p->live[i]].pending > 0) i++;
    else forget(p, i);
  }
}

static void remember(vg_population *p, int v, vg_tensor *owned) {
  p->state[v].tensor = owned;
  p->live[p->n_live++] = v;
  p->bytes += vg_tensor_bytes(owned);
  if (p->bytes > p->counts.peak_bytes) p->counts.peak_bytes = p->bytes;
}

/* One reader of `v` has run. */
static void read_once(vg_population *p, int v, bool is_first) {
  state *st = &p->state[v];
  st->pending--;
  if (is_first) st->waiting--;
  if (st->pending > 0 || st->waiting > 0) return;
  for (int i = p->n_live - 1; i >= 0; i--)
    if (p->live[i] == v) {
      forget(p, i);
      return;
    }
}

static void forget_all(vg_population *p) {
  while (p->n_live > 0) forget(p, p->n_live - 1);
}

/* --- values ------------------------------------------------------------------------------------------------------------------------ */

/* An argument of the norm that ends the layer of `v`; 0 where there is none. */
static double norm_arg(const vg_population *p, int v, const char *name) {
  int node = p->values.value[v].node;
  double arg[VG_MAX_ARGS];
  vg__value_args(arg, &p->values, v);
  return p->values.layer[node] == node ? 0 : arg[vg__find_arg(p->g->nodes[node].op, name)];
}

/* The activations that vg_conv_fixed does not take are a pass of their own. */
static vg_act act_of(const vg_population *p, int v) { return (vg_act)norm_arg(p, v, "act"); }

static vg_status run_layer(vg_tensor **out, vg_population *p, int v) {
  const int *in = vg__value_in(&p->values, v);
  vg_tensor *part[6] = { 0 }, *w = NULL, *b = NULL;
  vg_status status;
  for (int k = 0; k < 6; k++)
    if (in[k] >= 0) part[k] = p->state[in[k]].tensor;
  VG_GOTO(vg_tensor_copy(&w, part[0]));
  VG_GOTO(part[1] ? vg_tensor_copy(&b, part[1]) : vg_tensor_zeros(&b, VG_F32, &VG_SHAPE(w->shape.dim[0])));
  if (part[2]) vg__fold_norm(w, b, &(vg__norm){ part[2], part[3], part[4], part[5], norm_arg(p, v, "eps") });
  vg_act act = act_of(p, v);
  VG_GOTO(vg_conv_fixed_new(&p->state[v].layer, w, b, act > VG_ACT_RELU6 ? VG_ACT_NONE : act));
  *out = vg_tensor_retain(w);
done:
  vg_tensor_release(w);
  vg_tensor_release(b);
  return status;
}

static vg_status run_conv(vg_tensor **out, vg_population *p, int v) {
  const int *in = vg__value_in(&p->values, v);
  vg_act act = act_of(p, v);
  vg_call c = { .op = vg_op_find("conv2d"), .n_in = 2, .in = { p->state[in[0]].tensor, p->state[in[1]].tensor } };
  vg_tensor *y;
  vg_shape shape;
  vg_dtype dtype;
  vg__value_conv_args(c.arg, &p->values, v);
  VG_TRY(vg_op_check(&c));
  VG_TRY(c.op->shape(&shape, &dtype, &c));
  VG_TRY(vg_tensor_new(&y, VG_F32, &shape));
  vg_conv_shape s = vg_conv2d_shape(&c);
  vg_status status = vg_conv_fixed_run(p->state[in[1]].layer, &s, vg_f32(y), vg_f32(c.in[0]));
  if (status != VG_OK) {
    vg_tensor_release(y);
    return status;
  }
  if (act > VG_ACT_RELU6) vg_act_forward(y, y, act, 0.01f);
  p->counts.macs += vg_conv_macs(&s);
  *out = y;
  return VG_OK;
}

/* A batch norm moves its own statistics once a batch, also when it is computed again. */
static vg_status use_own_statistics(vg_call *c, const vg_population *p, state *st) {
  if (strcmp(c->op->name, "batch_norm") != 0) return VG_OK;
  for (int i = 0; i < 2; i++) {
    if (!st->statistics[i]) VG_TRY(vg_tensor_copy(&st->statistics[i], c->in[i + 1]));
    c->in[i + 1] = st->statistics[i];
  }
  if (p->calibrating) c->arg[vg__find_arg(c->op, "momentum")] = st->has_run ? 0 : 1 / (double)p->calibrating;
  return VG_OK;
}

static vg_status apply(vg_tensor **out, vg_population *p, int v) {
  const vg__value *d = &p->values.value[v];
  const int *in = vg__value_in(&p->values, v);
  vg_call c = { .op = d->kind == VG__VALUE_ADD ? vg_op_find("add") : p->g->nodes[d->node].op, .n_in = d->n_in, .train = p->calibrating > 0 };
  c.rng.stream = (uint64_t)d->node;                      /* as vg_graph_run */
  if (d->kind == VG__VALUE_OP) vg__value_args(c.arg, &p->values, v);
  for (int k = 0; k < d->n_in; k++)
    if (in[k] >= 0) c.in[k] = p->state[in[k]].tensor;
  if (p->opts.recalibrates) VG_TRY(use_own_statistics(&c, p, &p->state[v]));
  VG_TRY(vg_tape_apply(out, NULL, &c));
  p->counts.macs += c.op->macs(&(*out)->shape, &c);
  return VG_OK;
}

/* The inputs are there. */
static vg_status compute(vg_tensor **out, vg_population *p, int v) {
  const vg__value *d = &p->values.value[v];
  switch (d->kind) {
    case VG__VALUE_STORED: *out = vg_tensor_retain(p->g->nodes[d->node].tensor); return VG_OK;
    case VG__VALUE_PREFIX: return vg__graph_prefix(out, p->g, &p->g->nodes[d->node], p->slots + (size_t)d->path * (size_t)p->g->n_slots);
    case VG__VALUE_ZEROS: return vg_tensor_zeros(out, p->g->precision, &p->state[*vg__value_in(&p->values, v)].tensor->shape);
    case VG__VALUE_LAYER: return run_layer(out, p, v);
    case VG__VALUE_CONV: return run_conv(out, p, v);
    default: return apply(out, p, v);
  }
}

/* The parts of weights that a layer was made of: who needs one again takes it again. */
static void forget_parts(vg_population *p, int v) {
  const vg__value *d = &p->values.value[v];
  for (int k = 0; k < d->n_in; k++) {
    int x = vg__value_in(&p->values, v)[k];
    if (x < 0 || !p->state[x].tensor) continue;
    vg_tensor_release(p->state[x].tensor);
    p->state[x].tensor = NULL;
    forget_parts(p, x);
  }
}

/* What depends on parameters alone is computed once and stays. The recursion goes no deeper than the slices of a weight. */
static vg_status need_fixed(vg_population *p, int v) {
  if (v < 0 || p->values.value[v].varies || p->state[v].tensor) return VG_OK;
  for (int k = 0; k < p->values.value[v].n_in; k++) VG_TRY(need_fixed(p, vg__value_in(&p->values, v)[k]));
  VG_TRY(compute(&p->state[v].tensor, p, v));
  if (p->values.value[v].kind == VG__VALUE_LAYER) forget_parts(p, v);
  return VG_OK;
}

static vg_status run_value(vg_population *p, int v) {
  const int *in = vg__value_in(&p->values, v);
  state *st = &p->state[v];
  vg_tensor *y;
  for (int k = 0; k < p->values.value[v].n_in; k++) VG_TRY(need_fixed(p, in[k]));
  VG_TRY(compute(&y, p, v));
  remember(p, v, y);
  p->counts.computed++;
  for (int k = 0; k < p->values.value[v].n_in; k++)
    if (in[k] >= 0 && is_computed(&p->values.value[in[k]])) read_once(p, in[k], !st->has_run);
  st->has_run = true;
  keep_within_memory(p);
  return VG_OK;
}

/* --- runs -------------------------------------------------------------------------------------------------------------------------- */

static int compare(const void *a, const void *b) { return *(const int *)a - *(const int *)b; }

static vg_status run_network(vg_population *p, int network, vg_population_reader read, void *to) {
  int out = p->values.output[network];
  p->n_list = 0;
  collect(p, out);
  p->state[out].pending++;                               /* its reader is `read` */
  qsort(p->list, (size_t)p->n_list, sizeof *p->list, compare);
  for (int i = 0; i < p->n_list; i++) VG_TRY(run_value(p, p->list[i]));
  for (int i = 0; i < p->n_list; i++) p->state[p->list[i]].is_listed = false;
  VG_TRY(need_fixed(p, out));
  if (read) VG_TRY(read(to, network, p->state[out].tensor));
  if (is_computed(&p->values.value[out])) read_once(p, out, false);
  return VG_OK;
}

/* Ready for a batch: of an earlier one, which may have failed, only the fixed values are left. */
static void reset(vg_population *p) {
  for (int v = 0; v < p->values.n; v++) {
    state *st = &p->state[v];
    st->pending = 0;
    st->waiting = p->readers[v];
    st->is_listed = st->has_run = false;
  }
  p->counts.computed = p->counts.macs = 0;
  p->counts.peak_bytes = 0;
}

/* read NULL: nobody wants the outputs. */
static vg_status run_all(vg_population *p, vg_tensor *x, vg_population_reader read, void *to) {
  vg_status status;
  vg_tensor **input = &p->state[0].tensor;
  VG_TRY(vg__graph_check_input(p->g, x));
  reset(p);
  if (x->dtype == p->g->precision) *input = vg_tensor_retain(x);
  else VG_TRY(vg_tensor_cast(input, x, p->g->precision));
  for (int k = 0; k < p->values.n_networks; k++) {
    if (vg_interrupted) VG_GOTO(vg_fail(VG_EINTR, "population: interrupted"));
    VG_GOTO(run_network(p, p->values.order[k], read, to));
  }
  status = VG_OK;
done:
  forget_all(p);
  vg_tensor_release(*input);
  *input = NULL;
  return status;
}

vg_status vg_population_run(vg_population *p, vg_tensor *x, vg_population_reader read, void *to) { return run_all(p, x, read, to); }

vg_status vg_population_calibrate(vg_population *p, vg_tensor *x, int64_t k) {
  if (!p->opts.recalibrates || k < 1) return vg_fail(VG_EARG, "population: it was not made to be recalibrated, or the batch's number is below 1");
  p->calibrating = k;
  vg_status status = run_all(p, x, NULL, NULL);
  p->calibrating = 0;
  return status;
}
