/* vega.cost: what a network costs. */
#include <stdio.h>

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

/* count(graph) -> { params=, macs=, ..., peak_bytes=, peak_at= }, all per image */
static int l_count(lua_State *L) {
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_counts c;
  vg_status s = vg_count(&c, g);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_newtable(L);
  set_integer(L, "params", c.params);
  set_integer(L, "norm_params", c.norm_params);
  set_integer(L, "macs", c.macs);
  set_integer(L, "macs_pointwise", c.macs_pointwise);
  set_integer(L, "macs_depthwise", c.macs_depthwise);
  set_integer(L, "macs_spatial", c.macs_spatial);
  set_integer(L, "macs_linear", c.macs_linear);
  set_integer(L, "bias_adds", c.bias_adds);
  set_integer(L, "norm_elements", c.norm_elements);
  set_integer(L, "act_elements", c.act_elements);
  set_integer(L, "pool_inputs", c.pool_inputs);
  set_integer(L, "global_pool_inputs", c.global_pool_inputs);
  set_integer(L, "adds", c.adds);
  set_integer(L, "acts", c.acts);
  set_integer(L, "activation_bytes", c.activation_bytes);
  set_integer(L, "peak_bytes", c.peak_bytes);
  lua_pushstring(L, g->nodes[c.peak_node].name);
  lua_setfield(L, -2, "peak_at");
  static const char *const CONVENTIONS[] = { "nb201", "pycls", "fvcore", "thop" };
  for (int i = 0; i < 4; i++) {
    int64_t n;
    if (vg_count_convention(&n, &c, CONVENTIONS[i]) != VG_OK) return vgl_fail(L, VG_EARG);
    char key[32];
    lua_pushfstring(L, "macs_as_%s", CONVENTIONS[i]);
    snprintf(key, sizeof key, "%s", lua_tostring(L, -1));
    lua_pop(L, 1);
    set_integer(L, key, n);
  }
  return 1;
}

/* latency(graph, { batch = 1, repeats = , max_seconds = 1 }) -> { median_ms=, min_ms=, mean_ms=, p90_ms=, iqr_ms=, count= } */
static int l_latency(lua_State *L) {
  static const char *const KEYS[] = { "batch", "repeats", "max_seconds", NULL };
  vg_graph *g = vgl_checkgraph(L, 1);
  vg_measure_opts o = { 0 };
  vg_latency r;
  if (!lua_isnoneornil(L, 2)) {
    vgl_checkkeys(L, 2, "latency", KEYS);
    lua_getfield(L, 2, "batch");
    o.batch = (int)luaL_optinteger(L, -1, 1);
    lua_getfield(L, 2, "repeats");
    o.repeats = (int)luaL_optinteger(L, -1, 0);
    lua_getfield(L, 2, "max_seconds");
    o.max_seconds = luaL_optnumber(L, -1, 0);
  }
  vg_status s = vg_measure(&r, g, &o);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_newtable(L);
  set_number(L, "median_ms", r.median_ms);
  set_number(L, "min_ms", r.min_ms);
  set_number(L, "mean_ms", r.mean_ms);
  set_number(L, "p90_ms", r.p90_ms);
  set_number(L, "iqr_ms", r.iqr_ms);
  set_integer(L, "count", r.count);
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

static const luaL_Reg FUNCTIONS[] = { { "count", l_count }, { "latency", l_latency }, { "peak", l_peak }, { NULL, NULL } };

int luaopen_vega_core_cost(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
