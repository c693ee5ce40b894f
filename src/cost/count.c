#include "cost/count.h"

#include <stdio.h>
#include <string.h>

#include "base/alloc.h"

/* The graph with the shape that every node has for the input in question. */
typedef struct walk {
  const vg_graph *g;
  vg_shape *shape;
} walk;

/* The operators that counting knows by name; the others cost nothing but their output. */
extern const vg_op vg_op_conv2d, vg_op_linear, vg_op_matmul, vg_op_batch_norm, vg_op_relu, vg_op_relu6, vg_op_leaky_relu, vg_op_sigmoid, vg_op_tanh,
  vg_op_hswish, vg_op_hsigmoid, vg_op_swish, vg_op_add, vg_op_sub, vg_op_mul, vg_op_scale, vg_op_dropout, vg_op_drop_path, vg_op_reshape,
  vg_op_avg_pool, vg_op_max_pool, vg_op_global_avg_pool, vg_op_global_max_pool, vg_op_adaptive_avg_pool;

static bool is_one_of(const vg_node *d, const vg_op *const *ops) {
  for (; *ops; ops++)
    if (d->op == *ops) return true;
  return false;
}

static bool is_activation(const vg_node *d) {
  static const vg_op *const OPS[] = { &vg_op_relu, &vg_op_relu6, &vg_op_leaky_relu, &vg_op_sigmoid, &vg_op_tanh, &vg_op_hswish, &vg_op_hsigmoid,
                                      &vg_op_swish, NULL };
  return is_one_of(d, OPS);
}

static bool is_global_pool(const vg_node *d) {
  static const vg_op *const OPS[] = { &vg_op_global_avg_pool, &vg_op_global_max_pool, &vg_op_adaptive_avg_pool, NULL };
  return is_one_of(d, OPS);
}

/* Every output element depends on the input element at its own place alone. */
static bool is_elementwise(const vg_node *d) {
  static const vg_op *const OPS[] = { &vg_op_batch_norm, &vg_op_add, &vg_op_sub, &vg_op_mul, &vg_op_scale, &vg_op_dropout, &vg_op_drop_path,
                                      &vg_op_reshape, NULL };
  return is_activation(d) || is_one_of(d, OPS);
}

static double arg_of(const vg_node *d, const char *name) {
  for (int i = 0; i < vg_op_n_args(d->op); i++)
    if (strcmp(d->op->args[i].name, name) == 0) return d->arg[i];
  return 0;
}

static int64_t elements(const walk *w, int node) { return node < 0 ? 0 : vg_shape_count(&w->shape[node]); }

/* A call of node i on tensors without data, as the operator's own rules read it. The call points into `ghosts`. */
static vg_call call_of(const walk *w, int i, vg_tensor ghosts[VG_MAX_IN]) {
  const vg_node *d = &w->g->nodes[i];
  vg_call c = { .op = d->op, .n_in = d->n_in };
  memset(ghosts, 0, (size_t)d->n_in * sizeof *ghosts);
  memcpy(c.arg, d->arg, sizeof c.arg);
  for (int k = 0; k < d->n_in; k++) {
    if (d->in[k] < 0) continue;
    ghosts[k].shape = w->shape[d->in[k]];
    ghosts[k].dtype = w->g->nodes[d->in[k]].dtype;
    c.in[k] = &ghosts[k];
  }
  return c;
}

static int64_t macs_of(const walk *w, int i) {
  vg_tensor ghosts[VG_MAX_IN];
  vg_call c = call_of(w, i, ghosts);
  return c.op->macs(&w->shape[i], &c);
}

static vg_status find_shapes(walk *w, const vg_shape *input) {
  const vg_graph *g = w->g;
  vg_tensor ghosts[VG_MAX_IN];
  vg_dtype dtype;
  for (int i = 0; i < g->n; i++) w->shape[i] = g->nodes[i].shape;
  if (!input) return VG_OK;
  if (input->rank + 1 != w->shape[0].rank)
    return vg_fail(VG_ESHAPE, "count: a sample of this network has %d axes, got %d", w->shape[0].rank - 1, input->rank);
  memcpy(w->shape[0].dim + 1, input->dim, (size_t)input->rank * sizeof *input->dim);
  for (int i = 1; i < g->n; i++) {
    if (g->nodes[i].kind != VG_NODE_OP) continue;
    vg_call c = call_of(w, i, ghosts);
    VG_TRY(c.op->shape(&w->shape[i], &dtype, &c));
  }
  return VG_OK;
}

/* --- the parts -------------------------------------------------------------------------------------------------------------------- */

static void count_layer(vg_counts *c, const walk *w, int i) {
  const vg_node *d = &w->g->nodes[i];
  int64_t macs = macs_of(w, i), out = elements(w, i), biased = d->n_in > 2 && d->in[2] >= 0 ? out : 0;
  c->macs += macs;
  c->acts += out;
  c->bias_adds += biased;
  if (d->op == &vg_op_conv2d) {
    const vg_shape *weight = &w->shape[d->in[1]];
    if (arg_of(d, "groups") > 1 && weight->dim[3] == 1) c->macs_depthwise += macs;
    else if (weight->dim[1] == 1 && weight->dim[2] == 1) c->macs_pointwise += macs;
    else c->macs_spatial += macs;
  } else {
    c->macs_linear += macs;
    c->linear_bias_adds += biased;
  }
}

static void count_norm(vg_counts *c, const walk *w, int i) {
  const vg_node *d = &w->g->nodes[i];
  c->norm_elements += elements(w, i);
  if (d->n_in < 4 || d->in[3] < 0) c->plain_norm_elements += elements(w, i);
  if (arg_of(d, "act") > 0) c->act_elements += elements(w, i);
  for (int k = 3; k < d->n_in; k++) c->norm_params += elements(w, d->in[k]);
}

static void count_op(vg_counts *c, const walk *w, int i) {
  const vg_node *d = &w->g->nodes[i];
  int64_t out = elements(w, i), in = elements(w, d->in[0]);
  c->activation_bytes += out * 4;
  if (d->op == &vg_op_conv2d || d->op == &vg_op_linear) count_layer(c, w, i);
  else if (d->op == &vg_op_matmul) {
    c->macs += macs_of(w, i);
    c->macs_linear += macs_of(w, i);
  } else if (d->op == &vg_op_batch_norm) count_norm(c, w, i);
  else if (is_activation(d)) c->act_elements += out;
  else if (d->op == &vg_op_add) c->adds += out;
  else if (is_global_pool(d)) {
    c->global_pool_inputs += in;
    c->global_pool_outputs += out;
  } else if (d->op == &vg_op_avg_pool || d->op == &vg_op_max_pool) {
    c->pool_inputs += in;
    *(d->op == &vg_op_avg_pool ? &c->avg_pool_outputs : &c->max_pool_outputs) += out;
  }
}

/* --- what counts ------------------------------------------------------------------------------------------------------------------ */

/* reached[i]: node i depends on the input. */
static void find_reached(const vg_graph *g, bool *reached) {
  for (int i = 0; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    bool is_zero = d->kind == VG_NODE_OP && d->op == &vg_op_scale && arg_of(d, "factor") == 0;
    reached[i] = d->kind == VG_NODE_INPUT;
    for (int k = 0; k < d->n_in && !is_zero; k++) reached[i] |= d->in[k] >= 0 && reached[d->in[k]];
  }
}

/* counted[i]: the output depends on node i, and i on the input where `reached` says so. */
static void find_counted(const vg_graph *g, bool *counted, const bool *reached) {
  memset(counted, 0, (size_t)g->n * sizeof *counted);
  counted[g->output] = true;
  for (int i = g->output; i >= 0; i--) {
    const vg_node *d = &g->nodes[i];
    if (reached && d->kind == VG_NODE_OP) counted[i] = counted[i] && reached[i];
    for (int k = 0; k < d->n_in && counted[i]; k++)
      if (d->in[k] >= 0) counted[d->in[k]] = true;
  }
}

static vg_status mark(bool *counted, const vg_graph *g, vg_prune prune) {
  bool *reached;
  if (prune == VG_PRUNE_NOTHING) {
    memset(counted, 1, (size_t)g->n * sizeof *counted);
    return VG_OK;
  }
  VG_TRY(vg_alloc((void **)&reached, (size_t)g->n * sizeof *reached));
  find_reached(g, reached);
  find_counted(g, counted, prune == VG_PRUNE_UNREACHED ? reached : NULL);
  vg_free(reached);
  return VG_OK;
}

/* --- memory ----------------------------------------------------------------------------------------------------------------------- */

/* The input whose memory node i takes over: one that dies here and has the output's size. -1: none. */
static int taken_over(const walk *w, int i, const int *last) {
  const vg_node *d = &w->g->nodes[i];
  for (int k = 0; k < d->n_in && is_elementwise(d); k++) {
    int in = d->in[k];
    bool is_value = in > 0 && w->g->nodes[in].kind == VG_NODE_OP;
    if (is_value && last[in] == i && elements(w, in) == elements(w, i)) return in;
  }
  return -1;
}

static bool is_run(const vg_node *d) { return d->is_live && d->kind == VG_NODE_OP; }

static void find_last_uses(const vg_graph *g, int *last) {
  for (int i = 0; i < g->n; i++)
    for (int k = 0; is_run(&g->nodes[i]) && k < g->nodes[i].n_in; k++)
      if (g->nodes[i].in[k] >= 0) last[g->nodes[i].in[k]] = i;
  last[g->output] = g->n;
}

/* Elements that are dead after node i: its inputs read for the last time, each once, but not the one that became its output. */
static int64_t freed_by(const walk *w, int i, const int *last, int kept) {
  const vg_node *d = &w->g->nodes[i];
  int64_t sum = 0;
  for (int k = 0; k < d->n_in; k++) {
    int in = d->in[k];
    bool dies = in >= 0 && in != kept && last[in] == i && (in == 0 || w->g->nodes[in].kind == VG_NODE_OP);
    for (int j = 0; j < k; j++) dies &= d->in[j] != in;
    if (dies) sum += elements(w, in);
  }
  return sum;
}

static void find_peak(vg_counts *c, const walk *w, const int *last) {
  int64_t alive = elements(w, 0);
  for (int i = 1; i < w->g->n; i++) {
    if (!is_run(&w->g->nodes[i])) continue;
    int kept = taken_over(w, i, last);
    if (kept < 0) alive += elements(w, i);
    if (alive * 4 > c->peak_bytes) {
      c->peak_bytes = alive * 4;
      c->peak_node = i;
    }
    alive -= freed_by(w, i, last, kept);
  }
}

static int64_t in_blocks(int64_t n) { return (n + 15) / 16 * 16; }

/* Elements of the copy of the weight that a dense convolution runs on. A depthwise kernel wants none worth counting; neither does what
 * kernels/conv.c computes as a product of matrices: 1x1 over few pixels without bias (its other products are where activations dwarf weights). */
static int64_t packed_weight(const walk *w, int i) {
  const vg_node *d = &w->g->nodes[i];
  if (d->op != &vg_op_conv2d) return 0;
  const vg_shape *k = &w->shape[d->in[1]];
  int64_t pixels = elements(w, i) / k->dim[0];
  bool is_point = k->dim[1] == 1 && k->dim[2] == 1 && arg_of(d, "groups") == 1 && pixels == elements(w, d->in[0]) / k->dim[3];
  bool is_product = is_point && pixels <= 64 && (d->n_in < 3 || d->in[2] < 0);
  bool is_depthwise = k->dim[3] == 1 && arg_of(d, "groups") > 1;
  return is_product || is_depthwise ? 0 : in_blocks(k->dim[0]) * k->dim[1] * k->dim[2] * in_blocks(k->dim[3]);
}

static void find_engine_peak(vg_counts *c, const walk *w, const int *last) {
  int64_t alive = elements(w, 0);
  for (int i = 1; i < w->g->n; i++) {
    if (!is_run(&w->g->nodes[i])) continue;
    alive += elements(w, i);
    int64_t bytes = 4 * (alive + packed_weight(w, i));
    if (bytes > c->engine_peak_bytes) c->engine_peak_bytes = bytes;
    alive -= freed_by(w, i, last, 0);                      /* the input is the caller's */
  }
}

vg_status vg_count(vg_counts *out, const vg_graph *g, const vg_count_opts *opts) {
  vg_status status;
  vg_counts c = { 0 };
  walk w = { .g = g };
  int *last = NULL;
  bool *counted = NULL;
  if (g->output < 0) return vg_fail(VG_EARG, "count: the graph has no output");
  if (g->n_slots) return vg_fail(VG_EARG, "count: this is a supernet; extract an architecture first");
  VG_GOTO(vg_alloc_zero((void **)&last, (size_t)g->n * sizeof *last));
  VG_GOTO(vg_alloc((void **)&w.shape, (size_t)g->n * sizeof *w.shape));
  VG_GOTO(vg_alloc((void **)&counted, (size_t)g->n * sizeof *counted));
  VG_GOTO(mark(counted, g, opts ? opts->prune : VG_PRUNE_NOTHING));
  VG_GOTO(find_shapes(&w, opts ? opts->input : NULL));
  for (int i = 0; i < g->n; i++) {
    bool is_auxiliary = g->nodes[i].is_auxiliary;
    if (!counted[i]) continue;
    if (g->nodes[i].kind == VG_NODE_PARAM) *(is_auxiliary ? &c.auxiliary_params : &c.params) += elements(&w, i);
    if (g->nodes[i].kind != VG_NODE_OP) continue;
    if (is_auxiliary) c.auxiliary_macs += macs_of(&w, i);
    else count_op(&c, &w, i);
  }
  find_last_uses(g, last);
  find_peak(&c, &w, last);
  find_engine_peak(&c, &w, last);
  *out = c;
  status = VG_OK;
done:
  vg_free(counted);
  vg_free(last);
  vg_free(w.shape);
  return status;
}

/* --- conventions ------------------------------------------------------------------------------------------------------------------ */

static int64_t nb201(const vg_counts *c) { return c->macs + c->linear_bias_adds; }
static int64_t pycls(const vg_counts *c) { return c->macs + c->bias_adds; }
static int64_t fvcore(const vg_counts *c) { return c->macs + 2 * c->norm_elements - c->plain_norm_elements + c->global_pool_inputs; }
static int64_t thop(const vg_counts *c) {
  return c->macs + 4 * c->norm_elements - 2 * c->plain_norm_elements + c->avg_pool_outputs + c->global_pool_inputs + c->global_pool_outputs;
}
static int64_t ptflops(const vg_counts *c) {
  return c->macs + c->bias_adds + 2 * c->norm_elements + c->act_elements + c->pool_inputs + c->global_pool_inputs;
}
static int64_t plain(const vg_counts *c) { return c->macs; }
static int64_t doubled(const vg_counts *c) { return 2 * c->macs; }
static int64_t fvcore_train(const vg_counts *c) { return c->macs + 5 * c->norm_elements - c->plain_norm_elements + c->global_pool_inputs; }
static int64_t old_thop(const vg_counts *c) { return c->macs + c->macs_linear + c->bias_adds - c->linear_bias_adds; }

const vg_convention vg_conventions[] = {
  { "macs", "M", plain },
  { "flops", "2M", doubled },
  { "nb201", "M + classifier bias", nb201 },
  { "nas_bench_201", "M + classifier bias", nb201 },
  { "pycls", "M + b", pycls },
  { "fvcore", "M + 2B + G", fvcore },
  { "fvcore_train", "M + 5B + G", fvcore_train },
  { "thop", "M + 4B + A + G + g", thop },
  { "thop_old", "M + M of linear layers + b of convolutions", old_thop },
  { "ptflops", "M + b + 2B + R + P + G", ptflops },
  { 0 },
};

vg_status vg_count_convention(int64_t *out, const vg_counts *c, const char *convention) {
  char known[256] = "";
  for (const vg_convention *v = vg_conventions; v->name; v++) {
    if (strcmp(v->name, convention) == 0) {
      *out = v->total(c);
      return VG_OK;
    }
    size_t n = strlen(known);
    snprintf(known + n, sizeof known - n, "%s%s", n ? ", " : "", v->name);
  }
  return vg_fail(VG_EARG, "count: convention is one of %s; got '%s'", known, convention);
}
