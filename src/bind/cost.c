/* vega.cost: what a network costs. */
#include <stddef.h>
#include <string.h>

#include "bind/graph.h"
#include "cost/count.h"
#include "cost/measure.h"
#include "cost/peak.h"

static void set_integer(lua_State *L, const char *key, int64_t v) {
  lua_pushinteger(L, v);
  lua_setfield(L, -2, key);
}

static void set_number(lua_State *L, const char *key, double v) {
  lua_pushnumber(L, v);
  lua_setfield(L, -2, key);
}

#define FIELD(name) { #name, offsetof(vg_counts, name) }
static const struct { const char *name; size_t at; } COUNTS[] = {
  FIELD(params), FIELD(norm_params), FIELD(auxiliary_params), FIELD(auxiliary_macs), FIELD(macs), FIELD(macs_pointwise), FIELD(macs_depthwise),
  FIELD(macs_spatial), FIELD(macs_linear), FIELD(bias_adds), FIELD(linear_bias_adds), FIELD(norm_elements), FIELD(plain_norm_elements),
  FIELD(act_elements), FIELD(pool_inputs), FIELD(avg_pool_outputs), FIELD(max_pool_outputs),
  FIELD(global_pool_inputs), FIELD(global_pool_outputs), FIELD(adds), FIELD(acts), FIELD(activation_bytes), FIELD(peak_bytes),
  FIELD(engine_peak_bytes),
};

static vg_prune check_prune(lua_State *L, int arg) {
  static const char *const WORDS[] = { "nothing", "dead_ends", "unreached", NULL };
  const char *word = luaL_checkstring(L, arg);
  for (int i = 0; WORDS[i]; i++)
    if (strcmp(word, WORDS[i]) == 0) return (vg_prune)i;
  return (vg_prune)vgl_error(L, "count: prune is one of nothing, dead_ends, unreached; got '%s'", word);
}

/* count(graph [, { input = { H, W, C }, prune = "nothing", convention = name }]) -> { params=, macs=, flops= (2 a multiply-add), ...,
 * peak_bytes=, peak_at=, engine_peak_bytes= }, all per image, of the graph's own input or of another; with a convention: its total instead */
static int l_count(lua_State *L) {
  static const char *const KEYS[] = { "input", "prune", "convention", NULL };
  vg_count_opts opts = { 0 };
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_counts c;
  vg_shape input = { 0 };
  const char *convention = NULL;
  vgl_checkkeys(L, 2, "count", KEYS);
  if (!lua_isnoneornil(L, 2)) {
    if (lua_getfield(L, 2, "input") != LUA_TNIL) input = vgl_checkshape(L, lua_gettop(L));
    if (lua_getfield(L, 2, "prune") != LUA_TNIL) opts.prune = check_prune(L, lua_gettop(L));
    if (lua_getfield(L, 2, "convention") != LUA_TNIL) convention = luaL_checkstring(L, -1);
  }
  if (input.rank) opts.input = &input;
  vg_status s = vg_count(&c, g, &opts);
  int64_t total = 0;
  if (s == VG_OK && convention) s = vg_count_convention(&total, &c, convention);
  if (s != VG_OK) return vgl_fail(L, s);
  if (convention) {
    lua_pushinteger(L, total);
    return 1;
  }
  lua_createtable(L, 0, 24);
  for (size_t i = 0; i < sizeof COUNTS / sizeof *COUNTS; i++) {
    int64_t n;
    memcpy(&n, (const char *)&c + COUNTS[i].at, sizeof n);
    set_integer(L, COUNTS[i].name, n);
  }
  set_integer(L, "flops", 2 * c.macs);
  lua_pushstring(L, g->nodes[c.peak_node].name);
  lua_setfield(L, -2, "peak_at");
  return 1;
}

/* conventions() -> { name = rule } of every counter that `convention` knows */
static int l_conventions(lua_State *L) {
  lua_newtable(L);
  for (const vg_convention *v = vg_conventions; v->name; v++) {
    lua_pushstring(L, v->rule);
    lua_setfield(L, -2, v->name);
  }
  return 1;
}

/* latency(graph, { batch = 1, repeats = , max_seconds = 1, node = }) -> { median_ms=, min_ms=, mean_ms=, p90_ms=, iqr_ms=, count=, rejected= };
 * node: that operator alone */
static int l_latency(lua_State *L) {
  static const char *const KEYS[] = { "batch", "repeats", "max_seconds", "node", NULL };
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_measure_opts o = { 0 };
  vg_latency r;
  int node = 0;
  if (!lua_isnoneornil(L, 2)) {
    vgl_checkkeys(L, 2, "latency", KEYS);
    lua_getfield(L, 2, "batch");
    o.batch = (int)luaL_optinteger(L, -1, 1);
    luaL_argcheck(L, o.batch >= 1, 2, "batch must be at least 1");
    lua_getfield(L, 2, "repeats");
    o.repeats = (int)luaL_optinteger(L, -1, 0);
    lua_getfield(L, 2, "max_seconds");
    o.max_seconds = luaL_optnumber(L, -1, 0);
    lua_getfield(L, 2, "node");
    node = (int)luaL_optinteger(L, -1, 0);
  }
  vg_status s = node ? vg_measure_node(&r, g, node - 1, &o) : vg_measure(&r, g, &o);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_newtable(L);
  set_number(L, "median_ms", r.median_ms);
  set_number(L, "min_ms", r.min_ms);
  set_number(L, "mean_ms", r.mean_ms);
  set_number(L, "p90_ms", r.p90_ms);
  set_number(L, "iqr_ms", r.iqr_ms);
  set_integer(L, "count", r.count);
  set_integer(L, "rejected", r.rejected);
  return 1;
}

/* peak("f32" or "bf16") -> { flops=, copy_bytes= }, a second: what this machine can do at most, measured */
static int l_peak(lua_State *L) {
  vg_peak p;
  vg_status s = vg_measure_peak(&p, vgl_optdtype(L, 1, VG_F32));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_newtable(L);
  set_number(L, "flops", p.flops);
  set_number(L, "copy_bytes", p.copy_bytes);
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "count", l_count }, { "conventions", l_conventions }, { "latency", l_latency }, { "peak", l_peak },
  { NULL, NULL } };

int luaopen_vega_core_cost(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
