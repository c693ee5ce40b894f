/* Slots and the nodes that read them, and what of a graph a setting of the slots reaches. */
#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "graph/node.h"

vg_status vg_graph_slot(int *slot, vg_graph *g, double first) {
  if (g->n_slots == VG_MAX_SLOTS) return vg_fail(VG_EARG, "graph: at most %d slots", VG_MAX_SLOTS);
  VG_TRY(vg_realloc((void **)&g->slot, (size_t)(g->n_slots + 1) * sizeof *g->slot));
  g->slot[g->n_slots] = first;
  *slot = g->n_slots++;
  return VG_OK;
}

static vg_status check_slot(const vg_graph *g, int slot, const char *name) {
  return slot >= 0 && slot < g->n_slots ? VG_OK : vg_fail(VG_EARG, "graph: '%s' reads a slot that the graph does not have", name);
}

/* Takes shape and dtype of the first input that is something; the others must agree. */
static vg_status agree(vg_node *d, const vg_graph *g) {
  const vg_node *first = NULL;
  char a[VG_SHAPE_TEXT], b[VG_SHAPE_TEXT];
  for (int i = 0; i < d->n_in; i++) {
    const vg_node *x = d->in[i] < 0 ? NULL : &g->nodes[d->in[i]];
    if (!x) continue;
    if (!first) first = x;
    if (!vg_shape_is_equal(&x->shape, &first->shape) || x->dtype != first->dtype)
      return vg_fail(VG_ESHAPE, "graph: the inputs of '%s' must be alike, but '%s' is %s and '%s' is %s", d->name, first->name,
                     vg_shape_text(a, &first->shape), x->name, vg_shape_text(b, &x->shape));
  }
  if (!first) return vg_fail(VG_EARG, "graph: '%s' has no input but nothing", d->name);
  d->shape = first->shape;
  d->dtype = first->dtype;
  return VG_OK;
}

static vg_status add_joint(int *id, vg_graph *g, const char *name, vg_node_kind kind, int slot, const int *in, int n_in) {
  vg_node *d;
  VG_TRY(vg__graph_open_node(&d, g, name, kind));
  d->slot = slot;
  vg_status s = vg__graph_set_inputs(d, g, name, in, n_in);
  if (s == VG_OK) s = agree(d, g);
  for (int i = 0; s == VG_OK && kind == VG_NODE_CHOICE && i < n_in; i++) d->may_be_nothing |= in[i] < 0 || g->nodes[in[i]].may_be_nothing;
  if (s == VG_OK) vg__graph_close_node(id, g);
  else vg_free(d->name);
  return s;
}

vg_status vg_graph_choice(int *id, vg_graph *g, const char *name, int slot, const int *in, int n_in) {
  VG_TRY(check_slot(g, slot, name));
  return add_joint(id, g, name, VG_NODE_CHOICE, slot, in, n_in);
}

vg_status vg_graph_sum(int *id, vg_graph *g, const char *name, const int *in, int n_in, int like) {
  int all[VG_MAX_IN];
  if (n_in >= VG_MAX_IN) return vg_fail(VG_EARG, "graph: '%s' has %d terms, at most %d are possible", name, n_in, VG_MAX_IN - 1);
  memcpy(all, in, (size_t)n_in * sizeof *in);
  all[n_in] = like;
  return add_joint(id, g, name, VG_NODE_SUM, 0, all, n_in + 1);
}

vg_status vg_graph_prefix(int *id, vg_graph *g, const char *name, int buffer, int slot) {
  vg_node *d;
  VG_TRY(check_slot(g, slot, name));
  if (buffer < 0 || buffer >= g->n || g->nodes[buffer].kind != VG_NODE_BUFFER || g->nodes[buffer].shape.rank != 1)
    return vg_fail(VG_EARG, "graph: '%s' wants a buffer of one axis", name);
  VG_TRY(vg__graph_open_node(&d, g, name, VG_NODE_PREFIX));
  d->n_in = 1;
  d->in[0] = buffer;
  d->slot = slot;
  d->shape = VG_SHAPE((int64_t)g->slot[slot]);
  vg__graph_close_node(id, g);
  return VG_OK;
}

/* --- what slots reach --------------------------------------------------------------------------------------------------------------- */

void vg__graph_active(int *begin, int *end, const vg_node *d, const double *slots) {
  *begin = d->kind == VG_NODE_CHOICE ? (int)slots[d->slot] : 0;
  *end = d->kind == VG_NODE_CHOICE ? *begin + 1 : d->n_in;
}

static vg_status check_setting(const vg_node *d, const double *slots) {
  double v = slots[d->slot];
  if (d->kind == VG_NODE_CHOICE && !(v >= 0 && v < d->n_in && v == floor(v)))
    return vg_fail(VG_EARG, "graph: choice '%s' has candidates 0 to %d, its slot says %g", d->name, d->n_in - 1, v);
  return VG_OK;
}

vg_status vg__graph_reach(int *last_use, const vg_graph *g, const double *slots, bool auxiliary) {
  for (int i = 0; i < g->n; i++) last_use[i] = -1;
  last_use[g->output] = g->n;
  if (auxiliary && g->auxiliary >= 0) last_use[g->auxiliary] = g->n;
  for (int i = g->n - 1, begin, end; i > 0; i--) {
    const vg_node *d = &g->nodes[i];
    if (last_use[i] < 0) continue;
    if (d->kind == VG_NODE_CHOICE) VG_TRY(check_setting(d, slots));
    vg__graph_active(&begin, &end, d, slots);
    for (int k = begin; k < end; k++)
      if (d->in[k] >= 0 && last_use[d->in[k]] < 0) last_use[d->in[k]] = i;
  }
  return VG_OK;
}

vg_status vg_graph_count_reads(int *count, const vg_graph *g, const double *slots) {
  void *last_use;
  VG_TRY(vg_alloc(&last_use, (size_t)g->n * sizeof(int)));
  vg_status s = vg__graph_reach(last_use, g, slots ? slots : g->slot, true);
  for (int i = 0; s == VG_OK && i < g->n; i++) count[i] += ((int *)last_use)[i] >= 0;
  vg_free(last_use);
  return s;
}

void vg__graph_args(double arg[VG_MAX_ARGS], const vg_node *d, const double *slots) {
  memcpy(arg, d->arg, sizeof d->arg);
  for (int i = 0; i < VG_MAX_ARGS; i++)
    if (d->arg_slot[i]) arg[i] = slots[d->arg_slot[i] - 1];
}

int vg__find_arg(const vg_op *op, const char *name) {
  for (int i = 0, n = vg_op_n_args(op); i < n; i++)
    if (strcmp(op->args[i].name, name) == 0) return i;
  return -1;
}

double vg__graph_arg(const vg_node *d, const char *name) {
  int i = vg__find_arg(d->op, name);
  return i < 0 ? 0 : d->arg[i];
}

bool vg__graph_is_op(const vg_node *d, const char *name) { return d->kind == VG_NODE_OP && strcmp(d->op->name, name) == 0; }

vg_status vg__graph_prefix(vg_tensor **out, const vg_graph *g, const vg_node *d, const double *slots) {
  const vg_node *buffer = &g->nodes[d->in[0]];
  double n = slots[d->slot];
  if (!(n >= 1 && n <= (double)buffer->shape.dim[0]))
    return vg_fail(VG_EARG, "graph: '%s' takes 1 to %lld elements, its slot says %g", d->name, (long long)buffer->shape.dim[0], n);
  return vg_tensor_view(out, buffer->tensor, 0, &VG_SHAPE((int64_t)n));
}
