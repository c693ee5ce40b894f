/* vega.core.model.forest: random forests. forest(rows [, { trees =, bootstrap =, min_split =, min_leaf =, features = }]) -> forest. */
#include "bind/model.h"
#include "model/forest.h"

static vg_forest **check_forest(lua_State *L, int arg) { return luaL_checkudata(L, arg, VGL_FOREST); }

static vg_rows *rows_of(lua_State *L, int arg) {
  lua_getiuservalue(L, arg, 1);
  vg_rows *rows = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return rows;
}

static int forest_new(lua_State *L) {
  static const char *const KEYS[] = { "trees", "bootstrap", "min_split", "min_leaf", "features", NULL };
  vg_rows *rows = vgl_checkrows(L, 1);
  lua_settop(L, 2);
  if (lua_isnil(L, 2)) {
    lua_newtable(L);
    lua_replace(L, 2);
  }
  vgl_checkkeys(L, 2, "forest", KEYS);
  vg_forest_opts opts = { .trees = vgl_countfield(L, 2, "trees", 10), .bootstrap = vgl_boolfield(L, 2, "bootstrap", true),
    .min_split = vgl_countfield(L, 2, "min_split", 2), .min_leaf = vgl_countfield(L, 2, "min_leaf", 1),
    .features = vgl_numberfield(L, 2, "features", 1) };
  vg_forest **box = lua_newuserdatauv(L, sizeof *box, 1);
  *box = NULL;
  luaL_setmetatable(L, VGL_FOREST);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, 1);
  vg_status s = vg_forest_new(box, rows->columns, &opts);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* forest:grow(count, index, y, seed): `count` trees anew, the oldest first; rows beyond the targets are pending. */
static int forest_grow(lua_State *L) {
  vg_forest *f = *check_forest(L, 1);
  vg_rows *rows = rows_of(L, 1);
  size_t n, m;
  lua_Integer count = luaL_checkinteger(L, 2);
  uint32_t *index = vgl_checkindex(L, 3, rows, &n);
  double *y = vgl_checkdoubles(L, 4, &m);
  luaL_argcheck(L, m <= n, 4, "more targets than rows");
  luaL_argcheck(L, count >= 0 && count < 1 << 16, 2, "a number of trees expected");
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, 5), 0);
  vg_status s = vg_forest_grow(f, (size_t)count, rows, index, m, n - m, y, &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int forest_predict(lua_State *L) {             /* forest:predict(points) -> means, standard deviations */
  vg_forest *f = *check_forest(L, 1);
  size_t m, d = rows_of(L, 1)->columns->n;
  double *points = vgl_checkpoints(L, 2, d, &m);
  double *mean = lua_newuserdatauv(L, (2 * m + 1) * sizeof *mean, 0);
  vg_status s = vg_forest_predict(f, mean, mean + m, points, m);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushdoubles(L, mean, m);
  vgl_pushdoubles(L, mean + m, m);
  return 2;
}

static int forest_gc(lua_State *L) {
  vg_forest **box = check_forest(L, 1);
  vg_forest_free(*box);
  *box = NULL;
  return 0;
}

static const luaL_Reg METHODS[] = { { "grow", forest_grow }, { "predict", forest_predict }, { "__gc", forest_gc }, { NULL, NULL } };

void vgl_open_forest(lua_State *L) {
  vgl_newtype(L, VGL_FOREST, METHODS, NULL);
  lua_pushcfunction(L, forest_new);
  lua_setfield(L, -2, "forest");
}
