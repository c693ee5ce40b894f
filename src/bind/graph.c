/* vega.core.graph: networks. Nodes are known to Lua by their number, from 1; lua/vega/nn/ gives them layers. */
#include "bind/graph.h"

#include <limits.h>
#include <string.h>

#include "bind/op.h"

#define TYPE "vega.graph"

static vg_graph **new_box(lua_State *L) {
  vg_graph **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, TYPE);
  return box;
}

void vgl_pushgraph(lua_State *L, vg_graph *owned) { *new_box(L) = owned; }

vg_graph *vgl_checkgraph(lua_State *L, int arg) {
  vg_graph **box = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, *box != NULL, arg, "graph is closed");
  return *box;
}

static int push_node(lua_State *L, vg_status s, int id) {
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, id + 1);
  return 1;
}

static int l_new(lua_State *L) {                          /* new(shape of one sample) -> graph */
  vg_shape shape = vgl_checkshape(L, 1);
  vg_graph **box = new_box(L);
  vg_status s = vg_graph_new(box, &shape);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

const char *const vgl_groups[] = { "weights", "arch", NULL };

static const char *const INITS[] = { "zeros", "ones", "kaiming_normal", "uniform", NULL };

static int l_param(lua_State *L) {                        /* graph:param(name, shape, init, fan, decays, group) -> node */
  vg_graph *g = vgl_checkgraph(L, 1);
  const char *name = luaL_checkstring(L, 2);
  vg_shape shape = vgl_checkshape(L, 3);
  int init = luaL_checkoption(L, 4, "zeros", INITS), group = luaL_checkoption(L, 7, "weights", vgl_groups), id = 0;
  vg_status s = vg_graph_param(&id, g, name, &shape, (vg_init)init, luaL_optinteger(L, 5, 1), lua_toboolean(L, 6));
  if (s == VG_OK) s = vg_graph_set_group(g, id, group);
  return push_node(L, s, id);
}

static int l_buffer(lua_State *L) {                       /* graph:buffer(name, shape, fill) -> node */
  vg_graph *g = vgl_checkgraph(L, 1);
  const char *name = luaL_checkstring(L, 2);
  vg_shape shape = vgl_checkshape(L, 3);
  int id = 0;
  vg_status s = vg_graph_buffer(&id, g, name, &shape, luaL_optnumber(L, 4, 0));
  return push_node(L, s, id);
}

/* A node or slot from 1, as C counts; what is none becomes one that no graph has. */
static int node_at(lua_State *L, int at) {
  lua_Integer id = luaL_checkinteger(L, at);
  return id >= 1 && id < INT_MAX ? (int)id - 1 : INT_MAX;
}

/* A list of nodes, false for an absent one. */
static int read_nodes(lua_State *L, int arg, int in[VG_MAX_IN], const char *who) {
  luaL_checktype(L, arg, LUA_TTABLE);
  int n = (int)lua_rawlen(L, arg);
  if (n > VG_MAX_IN) return vgl_error(L, "%s: at most %d inputs, got %d", who, VG_MAX_IN, n);
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, arg, i + 1);
    in[i] = lua_toboolean(L, -1) ? node_at(L, -1) : -1;
    lua_pop(L, 1);
  }
  return n;
}

/* { argument = slot } at `arg`, which may be nil. */
static void read_bound(lua_State *L, int arg, int slot[VG_MAX_ARGS], const vg_op *op) {
  for (int i = 0; i < VG_MAX_ARGS; i++) slot[i] = -1;
  for (int i = 0; lua_istable(L, arg) && i < vg_op_n_args(op); i++) {
    if (lua_getfield(L, arg, op->args[i].name) != LUA_TNIL) slot[i] = node_at(L, -1);
    lua_pop(L, 1);
  }
}

/* graph:op(op, { nodes, false = absent }, options, name, { argument = slot that it is read from }) -> node */
static int l_op(lua_State *L) {
  vg_graph *g = vgl_checkgraph(L, 1);
  const vg_op *op = vg_op_find(luaL_checkstring(L, 2));
  if (!op) return vgl_error(L, "graph: no operator '%s'", lua_tostring(L, 2));
  int in[VG_MAX_IN], slot[VG_MAX_ARGS], id = 0, n = read_nodes(L, 3, in, op->name);
  read_bound(L, 6, slot, op);
  vg_call c = { 0 };
  vg_op_defaults(&c, op);
  vgl_opargs(L, &c, lua_istable(L, 4) ? 4 : 0, NULL);
  const char *name = lua_isnoneornil(L, 5) ? lua_pushfstring(L, "%s_%d", op->name, g->n) : luaL_checkstring(L, 5);
  vg_status s = vg_graph_bound_op(&id, g, name, op, in, n, c.arg, slot);
  return push_node(L, s, id);
}

static int l_slot(lua_State *L) {                         /* graph:slot(first value) -> slot */
  int slot = 0;
  vg_status s = vg_graph_slot(&slot, vgl_checkgraph(L, 1), luaL_checknumber(L, 2));
  return push_node(L, s, slot);
}

static int l_choice(lua_State *L) {                       /* graph:choice(name, slot, { nodes, false = nothing }) -> node */
  vg_graph *g = vgl_checkgraph(L, 1);
  const char *name = luaL_checkstring(L, 2);
  int in[VG_MAX_IN], id = 0, n = read_nodes(L, 4, in, name);
  vg_status s = vg_graph_choice(&id, g, name, node_at(L, 3), in, n);
  return push_node(L, s, id);
}

static int l_sum(lua_State *L) {                          /* graph:sum(name, { nodes, false = nothing }, zeros like this node?) -> node */
  vg_graph *g = vgl_checkgraph(L, 1);
  const char *name = luaL_checkstring(L, 2);
  int in[VG_MAX_IN], id = 0, n = read_nodes(L, 3, in, name);
  vg_status s = vg_graph_sum(&id, g, name, in, n, lua_isnoneornil(L, 4) ? -1 : node_at(L, 4));
  return push_node(L, s, id);
}

static int l_prefix(lua_State *L) {                       /* graph:prefix(name, buffer, slot) -> node */
  vg_graph *g = vgl_checkgraph(L, 1);
  int id = 0;
  vg_status s = vg_graph_prefix(&id, g, luaL_checkstring(L, 2), node_at(L, 3), node_at(L, 4));
  return push_node(L, s, id);
}

/* The list of slots at `arg` (nil: NULL), in a buffer that stays on the stack. */
const double *vgl_optslots(lua_State *L, int arg, const vg_graph *g) {
  if (lua_isnoneornil(L, arg)) return NULL;
  luaL_checktype(L, arg, LUA_TTABLE);
  if ((int)lua_rawlen(L, arg) != g->n_slots) vgl_error(L, "slots: the graph has %d, got %d", g->n_slots, (int)lua_rawlen(L, arg));
  double *slots = lua_newuserdatauv(L, (size_t)(g->n_slots + 1) * sizeof *slots, 0);
  for (int i = 0; i < g->n_slots; i++) {
    if (lua_rawgeti(L, arg, i + 1) != LUA_TNUMBER) vgl_error(L, "slots: number %d is a %s", i + 1, luaL_typename(L, -1));
    slots[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return slots;
}

const double *vgl_checksettings(lua_State *L, int arg, const vg_graph *g, int *n, const char *who) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = (int)lua_rawlen(L, arg);
  size_t one = (size_t)g->n_slots;
  double *all = lua_newuserdatauv(L, ((size_t)*n * one + 1) * sizeof *all, 0);
  for (int k = 0; k < *n; k++) {
    int top = lua_gettop(L);
    lua_rawgeti(L, arg, k + 1);
    const double *slots = vgl_optslots(L, top + 1, g);
    if (slots) memcpy(all + (size_t)k * one, slots, one * sizeof *all);
    else vgl_error(L, "%s: setting %d is missing", who, k + 1);
    lua_settop(L, top);
  }
  return all;
}

static int l_extract(lua_State *L) {                      /* graph:extract(slots) -> the stand-alone graph of these slots */
  vg_graph *g = vgl_checkgraph(L, 1);
  const double *slots = vgl_optslots(L, 2, g);
  vg_graph **box = new_box(L);
  vg_status s = vg_graph_extract(box, g, slots);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int push_self(lua_State *L, vg_status s) {         /* the graph, for chaining, or the failure */
  if (s != VG_OK) return vgl_fail(L, s);
  lua_settop(L, 1);
  return 1;
}

static void push_optnode(lua_State *L, int id) {
  if (id < 0) lua_pushnil(L);
  else lua_pushinteger(L, id + 1);
}

static int set_outputs(lua_State *L, vg_graph *g) {
  static const char *const KEYS[] = { "auxiliary", "weight", NULL };
  vg_status s = vg_graph_set_output(g, node_at(L, 2));
  if (s != VG_OK || lua_isnoneornil(L, 3)) return push_self(L, s);
  vgl_checkkeys(L, 3, "output", KEYS);
  lua_getfield(L, 3, "weight");
  lua_getfield(L, 3, "auxiliary");
  if (lua_type(L, -1) != LUA_TNUMBER) return vgl_error(L, "output: auxiliary must be a node, got %s", luaL_typename(L, -1));
  return push_self(L, vg_graph_set_auxiliary(g, node_at(L, -1), luaL_optnumber(L, -2, 0.4)));
}

/* graph:output(node [, { auxiliary = node, weight = 0.4 }]) -> graph: from now on the node is the result, and the other, if any, a second one whose
 * loss, times its weight, training adds; graph:output() -> the node, the auxiliary one and its weight; nil before, and where there is none */
static int l_output(lua_State *L) {
  vg_graph *g = vgl_checkgraph(L, 1);
  if (!lua_isnone(L, 2)) return set_outputs(L, g);
  push_optnode(L, g->output);
  push_optnode(L, g->auxiliary);
  if (g->auxiliary < 0) lua_pushnil(L);
  else lua_pushnumber(L, g->auxiliary_weight);
  return 3;
}

static int l_materialise(lua_State *L) {                  /* graph:materialise(seed) -> graph */
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_status s = vg_graph_materialise(g, (uint64_t)luaL_optinteger(L, 2, 1));
  vgl_account(L, (size_t)g->n_params * sizeof(float));
  return push_self(L, s);
}

static int l_precision(lua_State *L) {                    /* graph:precision() -> "f32"; graph:precision("bf16") -> graph */
  vg_graph *g = vgl_checkgraph(L, 1);
  if (!lua_isnoneornil(L, 2)) return push_self(L, vg_graph_set_precision(g, vgl_optdtype(L, 2, VG_F32)));
  lua_pushstring(L, vg_dtype_name(g->precision));
  return 1;
}

/* graph:run(x, { train = false, seed = 0, slots = nil, momentum = nil, auxiliary = false }) -> output, and with auxiliary that of its head or nil */
static int l_run(lua_State *L) {
  static const char *const KEYS[] = { "train", "seed", "slots", "momentum", "auxiliary", NULL };
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_tensor *x = vgl_checktensor(L, 2);
  vgl_tape *tape = vgl_current_tape(L);
  vg_run_opts o = { .tape = tape ? tape->tape : NULL };
  vg_tensor *auxiliary = NULL;
  if (!lua_isnoneornil(L, 3)) {
    vgl_checkkeys(L, 3, "run", KEYS);
    lua_getfield(L, 3, "auxiliary");
    if (lua_toboolean(L, -1)) o.auxiliary = &auxiliary;
    lua_getfield(L, 3, "train");
    o.train = lua_toboolean(L, -1);
    lua_getfield(L, 3, "seed");
    o.rng = vg_rng_at((uint64_t)luaL_optinteger(L, -1, 0), 0);
    lua_getfield(L, 3, "momentum");
    o.momentum = luaL_optnumber(L, -1, 0);
    lua_getfield(L, 3, "slots");
    o.slots = vgl_optslots(L, lua_gettop(L), g);
  }
  vg_tensor **box = vgl_newtensor(L);
  vg_tensor **second = o.auxiliary ? vgl_newtensor(L) : NULL;
  vg_status s = vg_graph_run(box, g, x, &o);
  if (second) *second = auxiliary;
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_account(L, vg_tensor_bytes(*box));
  if (second && !auxiliary) {
    lua_pop(L, 1);
    lua_pushnil(L);
  }
  return second ? 2 : 1;
}

static int l_fold(lua_State *L) {                         /* graph:fold() -> a graph for inference */
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_graph **box = new_box(L);
  vg_status s = vg_graph_fold(box, g);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int push_tensors(lua_State *L, vg_node_kind kind) {
  vg_graph *g = vgl_checkgraph(L, 1);
  lua_newtable(L);
  for (int i = 0; i < g->n; i++) {
    vg_node *d = &g->nodes[i];
    if (d->kind != kind || !d->tensor) continue;
    vgl_pushtensor(L, vg_tensor_retain(d->tensor));
    lua_setfield(L, -2, d->name);
  }
  return 1;
}

static int l_params(lua_State *L) { return push_tensors(L, VG_NODE_PARAM); }     /* graph:params() -> { name = tensor }, sharing memory */
static int l_buffers(lua_State *L) { return push_tensors(L, VG_NODE_BUFFER); }

static int l_refresh(lua_State *L) {                      /* after a script wrote into params(): brings the bf16 copies up to date */
  vg_graph_refresh_shadow(vgl_checkgraph(L, 1));
  return 0;
}

static void push_shape(lua_State *L, const vg_shape *s) {
  lua_createtable(L, s->rank, 0);
  for (int i = 0; i < s->rank; i++) {
    lua_pushinteger(L, s->dim[i]);
    lua_rawseti(L, -2, i + 1);
  }
}

static void push_inputs(lua_State *L, const vg_node *d) {
  lua_createtable(L, d->n_in, 0);
  for (int i = 0; i < d->n_in; i++) {
    if (d->in[i] < 0) lua_pushboolean(L, 0);
    else lua_pushinteger(L, d->in[i] + 1);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "inputs");
}

static void push_op_fields(lua_State *L, const vg_node *d) {
  lua_pushstring(L, d->op->name);
  lua_setfield(L, -2, "op");
  lua_newtable(L);
  for (int i = 0; i < vg_op_n_args(d->op); i++) {
    lua_pushnumber(L, d->arg[i]);
    lua_setfield(L, -2, d->op->args[i].name);
  }
  lua_setfield(L, -2, "args");
}

static void push_param_fields(lua_State *L, const vg_node *d) {
  lua_pushstring(L, INITS[d->init]);
  lua_setfield(L, -2, "init");
  lua_pushinteger(L, d->fan);
  lua_setfield(L, -2, "fan");
}

/* graph:nodes() -> { { kind=, name=, shape= (of a batch of 1), inputs=, op=, args= | init=, fan= | fill= }, ... }. args are as C has them: axes count
 * from 0, a word is its place. */
static int l_nodes(lua_State *L) {
  static const char *const KINDS[] = { "input", "param", "buffer", "op", "choice", "sum", "prefix" };
  vg_graph *g = vgl_checkgraph(L, 1);
  lua_createtable(L, g->n, 0);
  for (int i = 0; i < g->n; i++) {
    const vg_node *d = &g->nodes[i];
    lua_createtable(L, 0, 6);
    lua_pushstring(L, KINDS[d->kind]);
    lua_setfield(L, -2, "kind");
    lua_pushstring(L, d->name);
    lua_setfield(L, -2, "name");
    push_shape(L, &d->shape);
    lua_setfield(L, -2, "shape");
    if (d->n_in > 0) push_inputs(L, d);
    if (d->kind == VG_NODE_OP) push_op_fields(L, d);
    if (d->kind == VG_NODE_PARAM) push_param_fields(L, d);
    if (d->kind == VG_NODE_BUFFER) {
      lua_pushnumber(L, d->fill);
      lua_setfield(L, -2, "fill");
    }
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static int l_shape(lua_State *L) {                        /* graph:shape(node) -> the shape of its value for batch 1 */
  vg_graph *g = vgl_checkgraph(L, 1);
  lua_Integer id = luaL_checkinteger(L, 2);
  luaL_argcheck(L, id >= 1 && id <= g->n, 2, "no such node");
  push_shape(L, &g->nodes[id - 1].shape);
  return 1;
}

static int l_channels(lua_State *L) {                     /* graph:channels(node) -> the extent of its last axis */
  vg_graph *g = vgl_checkgraph(L, 1);
  lua_Integer id = luaL_checkinteger(L, 2);
  luaL_argcheck(L, id >= 1 && id <= g->n, 2, "no such node");
  const vg_shape *s = &g->nodes[id - 1].shape;
  lua_pushinteger(L, s->rank ? s->dim[s->rank - 1] : 1);
  return 1;
}

static int l_n_params(lua_State *L) {                     /* graph:n_params() -> number of trained values */
  lua_pushinteger(L, vgl_checkgraph(L, 1)->n_params);
  return 1;
}

vg_status vgl_pushslice(lua_State *L, const vg_graph *g, const vg_tensor *arena, vg_group group) {
  int64_t begin, end;
  vg_graph_slice(&begin, &end, g, group);
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tensor_view(box, arena, begin, &VG_SHAPE(end - begin));
  if (s != VG_OK) lua_pop(L, 1);
  return s;
}

/* graph:arena("weights" | "arch") -> values, gradients: all parameters of the group as flat tensors that share memory with the graph; no gradients
 * before a trainer was made. graph:refresh() after writing values. */
static int l_arena(lua_State *L) {
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_group group = (vg_group)luaL_checkoption(L, 2, NULL, vgl_groups);
  if (!g->values) return vgl_error(L, "arena: the graph has no parameters yet; materialise comes first");
  vg_status s = vgl_pushslice(L, g, g->values, group);
  if (s == VG_OK && g->grads) s = vgl_pushslice(L, g, g->grads, group);
  else if (s == VG_OK) lua_pushnil(L);
  return s == VG_OK ? 2 : vgl_fail(L, s);
}

/* graph:values() -> all parameters as one flat tensor that shares memory with the graph */
static int l_values(lua_State *L) {
  vg_graph *g = vgl_checkgraph(L, 1);
  if (!g->values) return vgl_error(L, "values: the graph has no parameters yet; materialise comes first");
  vgl_pushtensor(L, vg_tensor_retain(g->values));
  return 1;
}

/* graph:adopt(tensor) -> graph: these f32 numbers, in the order of graph:values, are its parameters from now on; shared, not copied. Before training. */
static int l_adopt(lua_State *L) {
  vg_status s = vg_graph_adopt(vgl_checkgraph(L, 1), vgl_checktensor(L, 2));
  lua_settop(L, 1);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_close(lua_State *L) {                        /* graph:close() frees it now */
  vg_graph **box = luaL_checkudata(L, 1, TYPE);
  vg_graph_free(*box);
  *box = NULL;
  return 0;
}

static int l_tostring(lua_State *L) {
  vg_graph **box = luaL_checkudata(L, 1, TYPE);
  if (!*box) lua_pushstring(L, "vega.graph (closed)");
  else lua_pushfstring(L, "vega.graph: %d nodes, %I parameters, %s", (*box)->n, (LUAI_UACINT)(*box)->n_params, vg_dtype_name((*box)->precision));
  return 1;
}

static const luaL_Reg METHODS[] = {
  { "param", l_param }, { "buffer", l_buffer }, { "op", l_op }, { "slot", l_slot }, { "choice", l_choice },
  { "sum", l_sum }, { "prefix", l_prefix }, { "extract", l_extract }, { "output", l_output }, { "materialise", l_materialise },
  { "precision", l_precision }, { "run", l_run }, { "fold", l_fold }, { "params", l_params }, { "buffers", l_buffers },
  { "refresh", l_refresh }, { "adopt", l_adopt }, { "values", l_values }, { "arena", l_arena },
  { "nodes", l_nodes }, { "shape", l_shape }, { "channels", l_channels }, { "n_params", l_n_params },
  { "close", l_close }, { NULL, NULL }
};
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { NULL, NULL } };

int luaopen_vega_core_graph(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
