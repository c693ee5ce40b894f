/* The stand-alone network of one setting of the slots. A parameter on its way through slices that slots cut is kept as a tensor until an
 * operator of the network reads it: then it becomes a parameter of the size that is left. */
#include <stdio.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/node.h"

typedef struct extract {
  const vg_graph *old;
  vg_graph *new;
  const double *slots;
  int *map;                 /* [old->n] node of the new graph; NOTHING, or PENDING while it is a weight not yet read */
  vg_tensor **weight;       /* [old->n] owned: the value of a pending node */
  int *root;                /* [old->n] the parameter or buffer that a pending node comes from */
  int *source;              /* [room] for each node of the new graph, the pending node that gives its value, or -1 */
  int *last_use;
} extract;

enum { NOTHING = -1, PENDING = -2 };

static vg_status hold(extract *e, int i, int root, vg_tensor *value) {
  e->map[i] = PENDING;
  e->root[i] = root;
  e->weight[i] = value;
  return VG_OK;
}

/* A slice of a pending node is itself pending. */
static vg_status cut(extract *e, int i) {
  const vg_node *d = &e->old->nodes[i];
  vg_tensor *y;
  if (d->kind == VG_NODE_PREFIX) {
    int64_t n = (int64_t)e->slots[d->slot];
    VG_TRY(vg_tensor_view(&y, e->weight[d->in[0]], 0, &VG_SHAPE(n)));
  } else {
    vg_call c = { .op = d->op, .n_in = 1, .in = { e->weight[d->in[0]] } };
    vg__graph_args(c.arg, d, e->slots);
    VG_TRY(vg_op_run(&y, &c));
  }
  return hold(e, i, e->root[d->in[0]], y);
}

static bool is_cut(const extract *e, const vg_node *d) {
  bool is_slice = d->kind == VG_NODE_PREFIX || (d->kind == VG_NODE_OP && strcmp(d->op->name, "slice") == 0);
  return is_slice && e->map[d->in[0]] == PENDING;
}

/* The new graph's node for node `i` of the old one; a pending one is added now. A parameter read in two sizes gets two names. */
static vg_status bring(int *id, extract *e, int i) {
  *id = i < 0 ? NOTHING : e->map[i];
  if (*id != PENDING) return VG_OK;
  const vg_node *root = &e->old->nodes[e->root[i]];
  char name[256];
  snprintf(name, sizeof name, "%s", root->name);
  for (int n = 2; vg__graph_has_name(e->new, name); n++) snprintf(name, sizeof name, "%s.%d", root->name, n);
  if (root->kind == VG_NODE_PARAM) VG_TRY(vg_graph_param(id, e->new, name, &e->weight[i]->shape, VG_INIT_ZEROS, root->fan, root->decays));
  else VG_TRY(vg_graph_buffer(id, e->new, name, &e->weight[i]->shape, root->fill));
  e->new->nodes[*id].init = root->init;
  e->new->nodes[*id].group = root->group;
  e->source[*id] = i;
  e->map[i] = *id;
  return VG_OK;
}

static vg_status add_zeros(extract *e, int i) {
  const vg_node *d = &e->old->nodes[i];
  int like;
  VG_TRY(bring(&like, e, d->in[d->n_in - 1]));
  if (like < 0) return vg_fail(VG_EARG, "extract: nothing enters '%s'", d->name);
  return vg_graph_op(&e->map[i], e->new, d->name, vg_op_find("scale"), &like, 1, (double[VG_MAX_ARGS]){ 0 });
}

/* Additions in the order of a run, so that the bits are the same; zeros where nothing enters. */
static vg_status add_sum(extract *e, int i) {
  const vg_node *d = &e->old->nodes[i];
  char name[256];
  int sum = NOTHING;
  for (int k = 0; k < d->n_in - 1; k++) {
    int x;
    VG_TRY(bring(&x, e, d->in[k]));
    if (x < 0) continue;
    snprintf(name, sizeof name, "%s.%d", d->name, k + 1);
    if (sum < 0) sum = x;
    else VG_TRY(vg_graph_op(&sum, e->new, name, vg_op_find("add"), (int[]){ sum, x }, 2, NULL));
  }
  if (sum >= 0) e->map[i] = sum;
  return sum >= 0 ? VG_OK : add_zeros(e, i);
}

static vg_status add_op(extract *e, int i) {
  const vg_node *d = &e->old->nodes[i];
  int in[VG_MAX_IN];
  double arg[VG_MAX_ARGS];
  for (int k = 0; k < d->n_in; k++) VG_TRY(bring(&in[k], e, d->in[k]));
  vg__graph_args(arg, d, e->slots);
  return vg_graph_op(&e->map[i], e->new, d->name, d->op, in, d->n_in, arg);
}

static vg_status add(extract *e, int i) {
  const vg_node *d = &e->old->nodes[i];
  if (d->kind == VG_NODE_PARAM || d->kind == VG_NODE_BUFFER) return hold(e, i, i, vg_tensor_retain(d->tensor));
  if (is_cut(e, d)) return cut(e, i);
  if (d->kind == VG_NODE_OP) return add_op(e, i);
  if (d->kind == VG_NODE_SUM) return add_sum(e, i);
  int chosen = d->in[(int)e->slots[d->slot]];              /* a choice is what it chose */
  return bring(&e->map[i], e, chosen);
}

static vg_status copy(extract *e) {
  VG_TRY(vg_graph_materialise(e->new, 0));
  for (int i = 1; i < e->new->n; i++)
    if (e->source[i] >= 0) VG_TRY(vg_tensor_assign(e->new->nodes[i].tensor, e->weight[e->source[i]]));
  return vg_graph_set_precision(e->new, e->old->precision);
}

static vg_status prepare(extract *e) {
  size_t n = (size_t)e->old->n;
  vg_shape input = { .rank = e->old->nodes[0].shape.rank - 1 };
  memcpy(input.dim, e->old->nodes[0].shape.dim + 1, (size_t)input.rank * sizeof *input.dim);
  VG_TRY(vg_graph_new(&e->new, &input));
  VG_TRY(vg_alloc_zero((void **)&e->map, n * sizeof *e->map));
  VG_TRY(vg_alloc_zero((void **)&e->weight, n * sizeof *e->weight));
  VG_TRY(vg_alloc_zero((void **)&e->root, n * sizeof *e->root));
  VG_TRY(vg_alloc((void **)&e->source, n * VG_MAX_IN * sizeof *e->source));       /* a sum becomes at most VG_MAX_IN nodes */
  VG_TRY(vg_alloc((void **)&e->last_use, n * sizeof *e->last_use));
  for (size_t i = 0; i < n * VG_MAX_IN; i++) e->source[i] = -1;
  return vg__graph_reach(e->last_use, e->old, e->slots, false);
}

vg_status vg_graph_extract(vg_graph **out, const vg_graph *g, const double *slots) {
  vg_status status;
  extract e = { .old = g, .slots = slots ? slots : g->slot };
  int output;
  if (g->output < 0 || !g->values) return vg_fail(VG_EARG, "extract: the graph has no output or no parameters yet");
  VG_GOTO(prepare(&e));
  for (int i = 1; i < g->n; i++)
    if (e.last_use[i] >= 0) VG_GOTO(add(&e, i));
  VG_GOTO(bring(&output, &e, g->output));
  VG_GOTO(vg_graph_set_output(e.new, output));
  VG_GOTO(copy(&e));
  *out = e.new;
  e.new = NULL;
done:
  for (int i = 0; e.weight && i < g->n; i++) vg_tensor_release(e.weight[i]);
  vg_free(e.map);
  vg_free(e.weight);
  vg_free(e.root);
  vg_free(e.source);
  vg_free(e.last_use);
  vg_graph_free(e.new);
  return status;
}
