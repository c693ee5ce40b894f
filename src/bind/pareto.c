/* vega.core.pareto: ranks, crowding and hypervolume of lists of points, all objectives minimised. */
#include "base/pareto.h"

#include "bind/vgl.h"

/* Userdata buffers: collected by Lua, so that any check below may raise.  [-0, +1, e] */
static double *check_points(lua_State *L, int arg, size_t *n, size_t *m) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = lua_rawlen(L, arg);
  *m = 1;
  if (*n > 0) {
    luaL_argcheck(L, lua_rawgeti(L, arg, 1) == LUA_TTABLE, arg, "a list of points expected");
    *m = lua_rawlen(L, -1);
    lua_pop(L, 1);
    luaL_argcheck(L, *m > 0, arg, "a point has no objectives");
  }
  double *f = lua_newuserdatauv(L, (*n * *m + 1) * sizeof *f, 0);
  for (size_t i = 0; i < *n; i++) {
    if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TTABLE || lua_rawlen(L, -1) != *m)
      luaL_error(L, "pareto: point %d does not have %d objectives", (int)i + 1, (int)*m);
    for (size_t k = 0; k < *m; k++) {
      if (lua_rawgeti(L, -1, (lua_Integer)k + 1) != LUA_TNUMBER) luaL_error(L, "pareto: point %d, objective %d is not a number", (int)i + 1, (int)k + 1);
      f[i * *m + k] = lua_tonumber(L, -1);
      lua_pop(L, 1);
    }
    lua_pop(L, 1);
  }
  return f;
}

/* [-0, +1, e] */
static double *check_numbers(lua_State *L, int arg, size_t n, const char *what) {
  luaL_checktype(L, arg, LUA_TTABLE);
  if (lua_rawlen(L, arg) != n) luaL_error(L, "pareto: %d %s expected, got %d", (int)n, what, (int)lua_rawlen(L, arg));
  double *v = lua_newuserdatauv(L, (n + 1) * sizeof *v, 0);
  for (size_t i = 0; i < n; i++) {
    lua_rawgeti(L, arg, (lua_Integer)i + 1);
    luaL_argcheck(L, lua_isnumber(L, -1), arg, "a list of numbers expected");
    v[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
  return v;
}

static int l_rank(lua_State *L) {                     /* rank(points [, violations]) -> list of ranks, 1 = nobody dominates */
  size_t n, m;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  double *violation = lua_isnoneornil(L, 2) ? NULL : check_numbers(L, 2, n, "violations");
  int *rank = lua_newuserdatauv(L, (n + 1) * sizeof *rank, 0);
  vg_status s = vg_pareto_rank(rank, f, violation, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushinteger(L, rank[i] + 1);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_crowding(lua_State *L) {                 /* crowding(points, ranks) -> list of distances */
  size_t n, m;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  double *given = check_numbers(L, 2, n, "ranks");
  int *rank = lua_newuserdatauv(L, (n + 1) * sizeof *rank, 0);
  for (size_t i = 0; i < n; i++) rank[i] = (int)given[i];
  double *crowding = lua_newuserdatauv(L, (n + 1) * sizeof *crowding, 0);
  vg_status s = vg_pareto_crowding(crowding, f, rank, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushnumber(L, crowding[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_hypervolume(lua_State *L) {              /* hypervolume(points, ref) -> number */
  size_t n, m;
  double volume = 0;
  lua_settop(L, 2);
  double *f = check_points(L, 1, &n, &m);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (n == 0) m = lua_rawlen(L, 2);
  double *ref = check_numbers(L, 2, m, "reference values");
  vg_status s = vg_pareto_hypervolume(&volume, f, ref, n, m);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, volume);
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "rank", l_rank }, { "crowding", l_crowding }, { "hypervolume", l_hypervolume }, { NULL, NULL } };

int luaopen_vega_core_pareto(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
