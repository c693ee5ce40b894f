#include "cost/count.h"

#include <string.h>

#include "base/alloc.h"

static bool is(const vg_node *d, const char *name) { return strcmp(d->op->name, name) == 0; }

static double arg_of(const vg_node *d, const char *name) {
  for (int i = 0; i < vg_op_n_args(d->op); i++)
    if (strcmp(d->op->args[i].name, name) == 0) return d->arg[i];
  return 0;
}

/* The shapes of a node's inputs as the operator's own rule wants them. */
static int64_t macs_of(const vg_graph *g, const vg_node *d) {
  vg_call c = { .op = d->op, .n_in = d->n_in };
  vg_tensor ghosts[VG_MAX_IN];
  memset(ghosts, 0, sizeof ghosts);
  memcpy(c.arg, d->arg, sizeof c.arg);
  for (int i = 0; i < d->n_in; i++) {
    if (d->in[i] < 0) continue;
    ghosts[i].shape = g->nodes[d->in[i]].shape;
    ghosts[i].dtype = g->nodes[d->in[i]].dtype;
    c.in[i] = &ghosts[i];
  }
  return d->op->macs(&d->shape, &c);
}

static void count_layer(vg_counts *c, const vg_graph *g, const vg_node *d, int64_t out) {
  int64_t macs = macs_of(g, d);
  bool biased = d->n_in > 2 && d->in[2] >= 0;
  c->macs += macs;
  c->acts += out;
  c->bias_adds += biased ? out : 0;
  if (is(d, "conv2d")) {
    const vg_shape *w = &g->nodes[d->in[1]].shape;
    if (arg_of(d, "groups") > 1 && w->dim[3] == 1) c->macs_depthwise += macs;
    else if (w->dim[1] == 1 && w->dim[2] == 1) c->macs_pointwise += macs;
    else c->macs_spatial += macs;
  } else {
    c->macs_linear += macs;
    c->linear_bias_adds += biased ? out : 0;
  }
}

static bool is_activation(const vg_node *d) {
  static const char *const NAMES[] = { "relu", "relu6", "leaky_relu", "sigmoid", "tanh", "hswish", "hsigmoid", "swish" };
  for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
    if (is(d, NAMES[i])) return true;
  return false;
}

static void count_op(vg_counts *c, const vg_graph *g, const vg_node *d) {
  int64_t out = vg_shape_count(&d->shape), in = d->in[0] >= 0 ? vg_shape_count(&g->nodes[d->in[0]].shape) : 0;
  c->activation_bytes += out * 4;
  if (is(d, "conv2d") || is(d, "linear")) count_layer(c, g, d, out);
  else if (is(d, "matmul")) {
    c->macs += macs_of(g, d);
    c->macs_linear += macs_of(g, d);
  } else if (is(d, "batch_norm")) {
    c->norm_elements += out;
    if (arg_of(d, "act") > 0) c->act_elements += out;
  } else if (is_activation(d)) c->act_elements += out;
  else if (is(d, "add")) c->adds += out;
  else if (is(d, "global_avg_pool") || is(d, "global_max_pool")) {
    c->global_pool_inputs += in;
    c->global_pool_outputs += out;
  } else if (is(d, "avg_pool") || is(d, "max_pool")) {
    c->pool_inputs += in;
    if (is(d, "avg_pool")) c->avg_pool_outputs += out;
  }
}

static bool works_in_place(const vg_graph *g, const vg_node *d, const int *last) {
  int self = (int)(d - g->nodes);
  return (is(d, "batch_norm") || is_activation(d)) && d->in[0] > 0 && last[d->in[0]] == self;
}

static void find_peak(vg_counts *c, const vg_graph *g, int *last) {
  int64_t alive = vg_shape_count(&g->nodes[0].shape);
  for (int i = 0; i < g->n; i++)
    for (int k = 0; g->nodes[i].is_live && g->nodes[i].kind == VG_NODE_OP && k < g->nodes[i].n_in; k++)
      if (g->nodes[i].in[k] >= 0) last[g->nodes[i].in[k]] = i;
  last[g->output] = g->n;
  for (int i = 1; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    if (!d->is_live || d->kind != VG_NODE_OP) continue;
    bool in_place = works_in_place(g, d, last);
    if (!in_place) alive += vg_shape_count(&d->shape);
    if (alive * 4 > c->peak_bytes) {
      c->peak_bytes = alive * 4;
      c->peak_node = i;
    }
    for (int k = 0; k < d->n_in; k++) {
      int in = d->in[k];
      bool holds = in >= 0 && (g->nodes[in].kind == VG_NODE_OP || in == 0) && last[in] == i && !(in_place && k == 0);
      for (int j = 0; j < k; j++) holds &= d->in[j] != in;
      if (holds) alive -= vg_shape_count(&g->nodes[in].shape);
    }
  }
}

vg_status vg_count(vg_counts *out, const vg_graph *g) {
  vg_counts c = { 0 };
  int *last = NULL;
  if (g->output < 0) return vg_fail(VG_EARG, "count: the graph has no output");
  VG_TRY(vg_alloc_zero((void **)&last, (size_t)g->n * sizeof *last));
  for (int i = 0; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    if (d->kind == VG_NODE_PARAM) c.params += vg_shape_count(&d->shape);
    if (d->kind != VG_NODE_OP) continue;
    count_op(&c, g, d);
    for (int k = 3; is(d, "batch_norm") && k < d->n_in; k++)
      if (d->in[k] >= 0) c.norm_params += vg_shape_count(&g->nodes[d->in[k]].shape);
  }
  find_peak(&c, g, last);
  vg_free(last);
  *out = c;
  return VG_OK;
}

vg_status vg_count_convention(int64_t *out, const vg_counts *c, const char *convention) {
  int64_t pools = c->global_pool_inputs;
  if (strcmp(convention, "macs") == 0) *out = c->macs;
  else if (strcmp(convention, "nb201") == 0) *out = c->macs + c->linear_bias_adds;
  else if (strcmp(convention, "pycls") == 0) *out = c->macs + c->bias_adds;
  else if (strcmp(convention, "fvcore") == 0) *out = c->macs + 2 * c->norm_elements + pools;
  else if (strcmp(convention, "thop") == 0) *out = c->macs + 4 * c->norm_elements + c->avg_pool_outputs + pools + c->global_pool_outputs;
  else return vg_fail(VG_EARG, "count: convention is one of macs, nb201, pycls, fvcore, thop; got '%s'", convention);
  return VG_OK;
}
