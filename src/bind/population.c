/* vega.core.population: many paths of a supernet scored together. lua/vega/supernet.lua goes through a data set with it. */
#include "base/alloc.h"
#include "bind/graph.h"
#include "bind/vgl.h"
#include "train/trainer.h"

#define TYPE "vega.population"

typedef struct box {
  vg_population *population;
  vg_score *scores;                 /* [n_networks] */
} box;

static box *check_population(lua_State *L, int arg) {
  box *b = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, b->population != NULL, arg, "population is closed");
  return b;
}

static vg_population_opts read_options(lua_State *L, int arg) {
  static const char *const KEYS[] = { "memory", "fold", "recalibrates", NULL };
  vg_population_opts o = { 0 };
  if (lua_isnoneornil(L, arg)) return o;
  vgl_checkkeys(L, arg, "population", KEYS);
  if (lua_getfield(L, arg, "memory") != LUA_TNIL) {
    lua_Number bytes = luaL_checknumber(L, -1);
    luaL_argcheck(L, bytes >= 1 && bytes < 1e15, arg, "memory is a number of bytes, at least 1");
    o.memory = (size_t)bytes;
  }
  lua_getfield(L, arg, "fold");
  o.fold = lua_toboolean(L, -1);
  lua_getfield(L, arg, "recalibrates");
  o.recalibrates = lua_toboolean(L, -1);
  lua_pop(L, 3);
  return o;
}

/* new(graph, list of settings, { memory = bytes kept for other paths, fold = false, recalibrates = false }) -> population */
static int l_new(lua_State *L) {
  vg_graph *g = vgl_checkgraph(L, 1);
  int n;
  lua_settop(L, 3);
  vg_population_opts o = read_options(L, 3);
  const double *slots = vgl_checksettings(L, 2, g, &n, "population");
  box *b = lua_newuserdatauv(L, sizeof *b, 1);
  *b = (box){ 0 };
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);                            /* the graph outlives its population */
  vg_status s = vg_population_new(&b->population, g, slots, n, &o);
  if (s == VG_OK) s = vg_alloc_zero((void **)&b->scores, (size_t)vg_population_n_networks(b->population) * sizeof *b->scores);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_calibrate(lua_State *L) {                    /* population:calibrate(x, k) -> true | nil, message, code: the k-th batch, from 1 */
  vg_status s = vg_population_calibrate(check_population(L, 1)->population, vgl_checktensor(L, 2), luaL_checkinteger(L, 3));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_score(lua_State *L) {                        /* population:score(x, labels) -> true | nil, message, code: adds a batch */
  box *b = check_population(L, 1);
  vg_tensor *x = vgl_checktensor(L, 2), *y = vgl_checktensor(L, 3);
  vg_status s = vg_score_population(b->scores, b->population, x, y);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* population:scores() -> a list of { n, correct, accuracy, loss }, one a setting, over the batches so far */
static int l_scores(lua_State *L) {
  box *b = check_population(L, 1);
  int n = vg_population_n_paths(b->population);
  lua_createtable(L, n, 0);
  for (int k = 0; k < n; k++) {
    vg_score s = b->scores[vg_population_network_of(b->population, k)];
    lua_createtable(L, 0, 4);
    lua_pushinteger(L, s.n);
    lua_setfield(L, -2, "n");
    lua_pushinteger(L, s.correct);
    lua_setfield(L, -2, "correct");
    lua_pushnumber(L, (double)s.correct / (double)s.n);
    lua_setfield(L, -2, "accuracy");
    lua_pushnumber(L, s.loss_sum / (double)s.n);
    lua_setfield(L, -2, "loss");
    lua_rawseti(L, -2, k + 1);
  }
  return 1;
}

/* population:counts() -> { paths, networks (distinct), distinct, alone, computed, macs, peak_bytes, fixed_bytes }, as in graph/population.h */
static int l_counts(lua_State *L) {
  const vg_population *p = check_population(L, 1)->population;
  vg_population_counts c = vg_population_count(p);
  struct { const char *name; int64_t value; } list[] = {
    { "paths", vg_population_n_paths(p) }, { "networks", vg_population_n_networks(p) }, { "distinct", c.distinct }, { "alone", c.alone },
    { "computed", c.computed }, { "macs", c.macs }, { "peak_bytes", (int64_t)c.peak_bytes }, { "fixed_bytes", (int64_t)c.fixed_bytes },
  };
  lua_createtable(L, 0, sizeof list / sizeof *list);
  for (size_t i = 0; i < sizeof list / sizeof *list; i++) {
    lua_pushinteger(L, list[i].value);
    lua_setfield(L, -2, list[i].name);
  }
  return 1;
}

static int l_close(lua_State *L) {                        /* population:close() frees it now */
  box *b = luaL_checkudata(L, 1, TYPE);
  vg_population_free(b->population);
  vg_free(b->scores);
  *b = (box){ 0 };
  return 0;
}

static int l_tostring(lua_State *L) {
  const box *b = luaL_checkudata(L, 1, TYPE);
  if (!b->population) lua_pushstring(L, "vega.population (closed)");
  else lua_pushfstring(L, "vega.population: %d paths, %d networks", vg_population_n_paths(b->population), vg_population_n_networks(b->population));
  return 1;
}

static const luaL_Reg METHODS[] = {
  { "calibrate", l_calibrate }, { "score", l_score }, { "scores", l_scores }, { "counts", l_counts }, { "close", l_close }, { NULL, NULL }
};
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { NULL, NULL } };

int luaopen_vega_core_population(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
