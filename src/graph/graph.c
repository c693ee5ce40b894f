#include "graph/graph.h"

#include <math.h>
#include <string.h>

#include "base/alloc.h"
#include "base/hash.h"
#include "graph/node.h"

/* --- names ------------------------------------------------------------------------------------------------------------------------ */

/* The place of `name` in the table: that of the node which has it, or an empty one. */
static int *place_of(const vg_graph *g, const char *name) {
  size_t mask = 2 * (size_t)g->room - 1, i = vg_hash_fnv(VG_FNV_START, name, strlen(name)) & mask;   /* room is a power of 2 */
  while (g->by_name[i] && strcmp(g->nodes[g->by_name[i] - 1].name, name) != 0) i = (i + 1) & mask;
  return &g->by_name[i];
}

bool vg__graph_has_name(const vg_graph *g, const char *name) { return *place_of(g, name) != 0; }

static vg_status set_room(vg_graph *g, int room) {
  int *by_name;
  VG_TRY(vg_realloc((void **)&g->nodes, (size_t)room * sizeof *g->nodes));
  VG_TRY(vg_alloc_zero((void **)&by_name, 2 * (size_t)room * sizeof *by_name));
  vg_free(g->by_name);
  g->by_name = by_name;
  g->room = room;
  for (int i = 0; i < g->n; i++) *place_of(g, g->nodes[i].name) = i + 1;
  return VG_OK;
}

/* --- nodes ------------------------------------------------------------------------------------------------------------------------ */

vg_status vg__graph_open_node(vg_node **out, vg_graph *g, const char *name, vg_node_kind kind) {
  if (vg__graph_has_name(g, name)) return vg_fail(VG_EARG, "graph: the name '%s' is taken", name);
  if (g->n == g->room) VG_TRY(set_room(g, 2 * g->room));
  vg_node *d = &g->nodes[g->n];
  memset(d, 0, sizeof *d);
  d->kind = kind;
  VG_TRY(vg_alloc((void **)&d->name, strlen(name) + 1));
  strcpy(d->name, name);
  *out = d;
  return VG_OK;
}

void vg__graph_close_node(int *id, vg_graph *g) {
  *place_of(g, g->nodes[g->n].name) = g->n + 1;
  *id = g->n++;
}

vg_status vg_graph_new(vg_graph **out, const vg_shape *input) {
  vg_graph *g = NULL;
  if (input->rank < 1 || input->rank >= VG_MAX_RANK) return vg_fail(VG_EARG, "graph: the input of one sample has 1 to %d axes, got %d", VG_MAX_RANK - 1, input->rank);
  VG_TRY(vg_shape_check(input));
  VG_TRY(VG_NEW(&g));
  g->output = g->auxiliary = -1;
  vg_node *in = NULL;
  vg_status s = set_room(g, 64);
  if (s == VG_OK) s = vg__graph_open_node(&in, g, "input", VG_NODE_INPUT);
  if (s != VG_OK) {
    vg_graph_free(g);
    return s;
  }
  in->shape.rank = input->rank + 1;
  in->shape.dim[0] = 1;
  memcpy(in->shape.dim + 1, input->dim, (size_t)input->rank * sizeof *input->dim);
  vg__graph_close_node(&(int){ 0 }, g);
  *out = g;
  return VG_OK;
}

void vg_graph_free(vg_graph *g) {
  if (!g) return;
  for (int i = 0; i < g->n; i++) {
    vg_free(g->nodes[i].name);
    vg_tensor_release(g->nodes[i].tensor);
  }
  vg_free(g->nodes);
  vg_free(g->by_name);
  vg_free(g->slot);
  vg_tensor_release(g->values);
  vg_tensor_release(g->grads);
  vg_tensor_release(g->shadow);
  vg_free(g);
}

vg_status vg_graph_param(int *id, vg_graph *g, const char *name, const vg_shape *shape, vg_init init, int64_t fan, bool decays) {
  vg_node *d;
  if (g->values) return vg_fail(VG_EARG, "graph: parameter '%s' comes after the arena was made", name);
  VG_TRY(vg_shape_check(shape));
  VG_TRY(vg__graph_open_node(&d, g, name, VG_NODE_PARAM));
  d->shape = *shape;
  d->init = init;
  d->fan = fan > 0 ? fan : 1;
  d->decays = decays;
  g->n_params += vg_shape_count(shape);
  vg__graph_close_node(id, g);
  return VG_OK;
}

vg_status vg_graph_set_group(vg_graph *g, int id, vg_group group) {
  if (id < 0 || id >= g->n || g->nodes[id].kind != VG_NODE_PARAM) return vg_fail(VG_EARG, "graph: only a parameter belongs to a group");
  if (g->values) return vg_fail(VG_EARG, "graph: parameter '%s' changes its group after the arena was made", g->nodes[id].name);
  g->nodes[id].group = group;
  return VG_OK;
}

void vg_graph_want_group(vg_graph *g, vg_group group) {
  for (int i = 0; i < g->n; i++)
    if (g->nodes[i].kind == VG_NODE_PARAM && g->nodes[i].tensor) g->nodes[i].tensor->wants_grad = g->nodes[i].group == group;
}

void vg_graph_want_all(vg_graph *g) {
  for (int i = 0; i < g->n; i++)
    if (g->nodes[i].kind == VG_NODE_PARAM && g->nodes[i].tensor) g->nodes[i].tensor->wants_grad = true;
}

vg_status vg_graph_buffer(int *id, vg_graph *g, const char *name, const vg_shape *shape, double fill) {
  vg_node *d;
  VG_TRY(vg_shape_check(shape));
  VG_TRY(vg__graph_open_node(&d, g, name, VG_NODE_BUFFER));
  d->shape = *shape;
  d->fill = fill;
  vg__graph_close_node(id, g);
  return VG_OK;
}

/* The shape rule of `d` on tensors without data. */
static vg_status infer(vg_node *d, const vg_graph *g) {
  vg_call c = { .op = d->op, .n_in = d->n_in };
  vg_tensor ghosts[VG_MAX_IN];
  memset(ghosts, 0, (size_t)d->n_in * sizeof *ghosts);
  memcpy(c.arg, d->arg, sizeof c.arg);
  for (int i = 0; i < d->n_in; i++) {
    if (d->in[i] < 0) continue;
    ghosts[i].shape = g->nodes[d->in[i]].shape;
    ghosts[i].dtype = g->nodes[d->in[i]].dtype;
    c.in[i] = &ghosts[i];
  }
  VG_TRY(vg_op_check(&c));
  VG_TRY(d->op->shape(&d->shape, &d->dtype, &c));
  return vg_shape_check(&d->shape);                /* or the next rules would compute with numbers that have wrapped around */
}

vg_status vg__graph_set_inputs(vg_node *d, const vg_graph *g, const char *who, const int *in, int n_in) {
  if (n_in > VG_MAX_IN) return vg_fail(VG_EARG, "%s: at most %d inputs, got %d", who, VG_MAX_IN, n_in);
  for (int i = 0; i < n_in; i++) {
    if (in[i] >= g->n || in[i] < -1) return vg_fail(VG_EARG, "%s: input %d is not a node of this graph", who, i + 1);
    if (d->kind == VG_NODE_OP && in[i] >= 0 && g->nodes[in[i]].may_be_nothing)
      return vg_fail(VG_EARG, "%s: input %d, '%s', can come out as nothing; only a sum or another choice takes it", who, i + 1, g->nodes[in[i]].name);
  }
  d->n_in = n_in;
  memcpy(d->in, in, (size_t)n_in * sizeof *in);
  return VG_OK;
}

static vg_status fill_op(vg_node *d, const vg_graph *g, const vg_op *op, const int *in, int n_in, const double *arg, const int *arg_slot) {
  vg_call defaults = { 0 };
  vg_op_defaults(&defaults, op);
  d->op = op;
  memcpy(d->arg, arg ? arg : defaults.arg, sizeof d->arg);
  VG_TRY(vg__graph_set_inputs(d, g, op->name, in, n_in));
  for (int i = 0; arg_slot && i < vg_op_n_args(op); i++) {
    if (arg_slot[i] < 0) continue;
    if (arg_slot[i] >= g->n_slots) return vg_fail(VG_EARG, "%s: %s is bound to a slot that the graph does not have", op->name, op->args[i].name);
    d->arg_slot[i] = (unsigned char)(arg_slot[i] + 1);
    d->arg[i] = g->slot[arg_slot[i]];
  }
  return infer(d, g);
}

vg_status vg_graph_bound_op(int *id, vg_graph *g, const char *name, const vg_op *op, const int *in, int n_in, const double *arg, const int *arg_slot) {
  vg_node *d;
  VG_TRY(vg__graph_open_node(&d, g, name, VG_NODE_OP));
  vg_status s = fill_op(d, g, op, in, n_in, arg, arg_slot);
  if (s == VG_OK) vg__graph_close_node(id, g);
  else vg_free(d->name);
  return s;
}

vg_status vg_graph_op(int *id, vg_graph *g, const char *name, const vg_op *op, const int *in, int n_in, const double *arg) {
  return vg_graph_bound_op(id, g, name, op, in, n_in, arg, NULL);
}

vg_status vg_graph_set_output(vg_graph *g, int id) {
  if (id < 0 || id >= g->n) return vg_fail(VG_EARG, "graph: the output is not a node of this graph");
  if (g->nodes[id].may_be_nothing) return vg_fail(VG_EARG, "graph: the output, '%s', can come out as nothing", g->nodes[id].name);
  g->output = id;
  g->auxiliary = -1;
  for (int i = 0; i < g->n; i++) {
    g->nodes[i].is_live = i == id;
    g->nodes[i].is_auxiliary = false;
  }
  for (int i = id; i > 0; i--)
    for (int k = 0; g->nodes[i].is_live && k < g->nodes[i].n_in; k++)
      if (g->nodes[i].in[k] >= 0) g->nodes[g->nodes[i].in[k]].is_live = true;
  return VG_OK;
}

vg_status vg_graph_set_auxiliary(vg_graph *g, int id, double weight) {
  if (g->output < 0) return vg_fail(VG_EARG, "graph: an auxiliary output comes after the output");
  if (id < 0 || id >= g->n) return vg_fail(VG_EARG, "graph: the auxiliary output is not a node of this graph");
  if (g->nodes[id].may_be_nothing) return vg_fail(VG_EARG, "graph: the auxiliary output, '%s', can come out as nothing", g->nodes[id].name);
  if (!(weight > 0 && isfinite(weight))) return vg_fail(VG_EARG, "graph: the auxiliary output's weight must be > 0, got %g", weight);
  VG_TRY(vg_graph_set_output(g, g->output));       /* forgets the one before */
  g->auxiliary = id;
  g->auxiliary_weight = weight;
  g->nodes[id].is_auxiliary = !g->nodes[id].is_live;
  for (int i = id; i > 0; i--)
    for (int k = 0; g->nodes[i].is_auxiliary && k < g->nodes[i].n_in; k++)
      if (g->nodes[i].in[k] >= 0) g->nodes[g->nodes[i].in[k]].is_auxiliary = !g->nodes[g->nodes[i].in[k]].is_live;
  return VG_OK;
}

/* --- parameters ------------------------------------------------------------------------------------------------------------------- */

static void draw(const vg_node *d, uint64_t seed, int index) {
  vg_rng rng = vg_rng_at(seed, vg_rng_stream("init", 4, index));
  size_t n = (size_t)vg_shape_count(&d->shape);
  float *v = vg_f32(d->tensor), bound = 1.0f / sqrtf((float)d->fan);
  switch (d->init) {
    case VG_INIT_ZEROS: vg_tensor_fill(d->tensor, 0); break;
    case VG_INIT_ONES: vg_tensor_fill(d->tensor, 1); break;
    case VG_INIT_KAIMING_NORMAL: vg_rng_fill_normal(&rng, v, n, 0, sqrtf(2.0f / (float)d->fan)); break;
    case VG_INIT_UNIFORM: vg_rng_fill_uniform(&rng, v, n, -bound, bound); break;
  }
}

/* Gives each parameter its place in the arena. */
static void lay_out(vg_graph *g) {
  int64_t at = 0;
  for (int group = VG_WEIGHTS; group <= VG_ARCH; group++) {
    for (int i = 0; i < g->n; i++) {
      vg_node *d = &g->nodes[i];
      if (d->kind != VG_NODE_PARAM || (int)d->group != group) continue;
      d->offset = at;
      at += vg_shape_count(&d->shape);
    }
    if (group == VG_WEIGHTS) g->n_weights = at;
  }
}

void vg_graph_slice(int64_t *begin, int64_t *end, const vg_graph *g, vg_group group) {
  *begin = group == VG_WEIGHTS ? 0 : g->n_weights;
  *end = group == VG_WEIGHTS ? g->n_weights : g->n_params;
}

static vg_status allocate(vg_graph *g) {
  if (!g->values) {
    lay_out(g);
    VG_TRY(vg_tensor_zeros(&g->values, VG_F32, &VG_SHAPE(g->n_params)));
  }
  for (int i = 0; i < g->n; i++) {
    vg_node *d = &g->nodes[i];
    if (d->tensor) continue;
    if (d->kind == VG_NODE_BUFFER) VG_TRY(vg_tensor_new(&d->tensor, VG_F32, &d->shape));
    if (d->kind == VG_NODE_PARAM) {
      VG_TRY(vg_tensor_view(&d->tensor, g->values, d->offset, &d->shape));
      d->tensor->wants_grad = true;
    }
  }
  return VG_OK;
}

vg_status vg_graph_materialise(vg_graph *g, uint64_t seed) {
  VG_TRY(allocate(g));
  for (int i = 0, p = 0; i < g->n; i++) {
    vg_node *d = &g->nodes[i];
    if (d->kind == VG_NODE_BUFFER) vg_tensor_fill(d->tensor, d->fill);
    if (d->kind == VG_NODE_PARAM) draw(d, seed, p++);
  }
  vg_graph_refresh_shadow(g);
  return VG_OK;
}

static vg_status check_adoption(const vg_graph *g, const vg_tensor *values) {
  if (!g->values) return vg_fail(VG_EARG, "adopt: the graph has no parameters yet");
  if (g->grads || g->shadow) return vg_fail(VG_EARG, "adopt: the graph was trained, or read in bf16, already");
  if (values->dtype != VG_F32) return vg_fail(VG_EARG, "adopt: a tensor of f32 expected, got %s", vg_dtype_name(values->dtype));
  if (vg_tensor_count(values) != g->n_params)
    return vg_fail(VG_ESHAPE, "adopt: the graph has %lld parameters, the tensor %lld", (long long)g->n_params, (long long)vg_tensor_count(values));
  return VG_OK;
}

vg_status vg_graph_adopt(vg_graph *g, vg_tensor *values) {
  VG_TRY(check_adoption(g, values));
  vg_tensor *before = g->values;
  vg_storage *storage = values->storage;
  g->values = vg_tensor_retain(values);
  for (int i = 0; i < g->n; i++) {
    vg_node *d = &g->nodes[i];
    vg_tensor *view;
    if (d->kind != VG_NODE_PARAM || d->tensor->storage == storage) continue;
    vg_status s = vg_tensor_view(&view, values, d->offset, &d->shape);
    if (s != VG_OK) return s;                    /* out of memory for a few bytes: those before have the new values, the rest keeps the old ones */
    view->wants_grad = d->tensor->wants_grad;
    vg_tensor_release(d->tensor);
    d->tensor = view;
  }
  vg_tensor_release(before);
  return VG_OK;
}

vg_status vg_graph_prepare_training(vg_graph *g) {
  if (!g->values) return vg_fail(VG_EARG, "graph: no parameters yet");
  if (!g->grads) VG_TRY(vg_tensor_zeros(&g->grads, VG_F32, &VG_SHAPE(g->n_params)));
  for (int i = 0; i < g->n; i++) {
    vg_node *d = &g->nodes[i];
    if (d->kind == VG_NODE_PARAM && !d->tensor->grad) VG_TRY(vg_tensor_view(&d->tensor->grad, g->grads, d->offset, &d->shape));
  }
  vg_graph_zero_grads(g);
  return VG_OK;
}

/* Weights are read in bf16; vectors (norms, biases) stay f32, as the operators want them. */
static bool has_shadow(const vg_node *d) { return d->kind == VG_NODE_PARAM && d->shape.rank >= 2 && d->group == VG_WEIGHTS; }

vg_status vg_graph_set_precision(vg_graph *g, vg_dtype precision) {
  if (precision != VG_F32 && precision != VG_BF16) return vg_fail(VG_EARG, "graph: precision is f32 or bf16, got %s", vg_dtype_name(precision));
  if (!g->values) return vg_fail(VG_EARG, "graph: no parameters yet");
  if (precision == VG_BF16 && !g->shadow) VG_TRY(vg_tensor_new(&g->shadow, VG_BF16, &VG_SHAPE(g->n_params)));
  for (int i = 0; i < g->n; i++) {
    vg_node *d = &g->nodes[i];
    if (!has_shadow(d)) continue;
    if (precision == VG_BF16 && !d->tensor->shadow) VG_TRY(vg_tensor_view(&d->tensor->shadow, g->shadow, d->offset, &d->shape));
    if (precision == VG_F32) {
      vg_tensor_release(d->tensor->shadow);
      d->tensor->shadow = NULL;
    }
  }
  g->precision = precision;
  vg_graph_refresh_shadow(g);
  return VG_OK;
}

void vg_graph_refresh_shadow(vg_graph *g) {
  if (g->precision != VG_BF16 || !g->shadow) return;
  vg_status s = vg_tensor_assign(g->shadow, g->values);
  (void)s;                                       /* equal counts by construction */
}

static bool is_wanted(const vg_node *d) { return d->kind == VG_NODE_PARAM && d->tensor && d->tensor->wants_grad; }

void vg_graph_zero_grads(vg_graph *g) {
  for (int i = 0; i < g->n; i++)
    if (is_wanted(&g->nodes[i])) g->nodes[i].tensor->grad_stale = true;
}

void vg_graph_clear_stale(vg_graph *g) {
  for (int i = 0; i < g->n; i++) {
    vg_tensor *t = g->nodes[i].tensor;
    if (is_wanted(&g->nodes[i]) && t->grad && t->grad_stale) vg_tensor_fill(t->grad, 0);
  }
}
