/* vega.core.quasi: points of low-discrepancy sequences by their index. */
#include "base/quasi.h"

#include "bind/vgl.h"

static const char *const SCRAMBLES[] = { "none", "shift", "owen", NULL };

/* The arguments index, dimensions [, scramble [, seed]]; pushes a buffer for the point.  [-0, +1, e] */
static double *check_call(lua_State *L, uint64_t *index, size_t *m, vg_scramble *scramble, uint64_t *seed) {
  lua_Integer i = luaL_checkinteger(L, 1), d = luaL_checkinteger(L, 2);
  luaL_argcheck(L, i >= 0, 1, "an index >= 0 expected");
  luaL_argcheck(L, d >= 1 && d <= 100000, 2, "1 to 100000 dimensions expected");
  *index = (uint64_t)i;
  *m = (size_t)d;
  *scramble = (vg_scramble)luaL_checkoption(L, 3, "none", SCRAMBLES);
  *seed = (uint64_t)luaL_optinteger(L, 4, 0);
  return lua_newuserdatauv(L, *m * sizeof(double), 0);
}

static int push_point(lua_State *L, const double *x, size_t m) {
  lua_createtable(L, (int)m, 0);
  for (size_t i = 0; i < m; i++) {
    lua_pushnumber(L, x[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

static int l_sobol(lua_State *L) {                    /* sobol(index, dimensions [, "none" | "shift" | "owen" [, seed]]) -> list in [0, 1) */
  uint64_t index, seed;
  size_t m;
  vg_scramble scramble;
  double *x = check_call(L, &index, &m, &scramble, &seed);
  vg_status s = vg_sobol(x, index, m, scramble, seed);
  return s == VG_OK ? push_point(L, x, m) : vgl_fail(L, s);
}

static int l_halton(lua_State *L) {                   /* halton(index, dimensions [, "none" | "shift" [, seed]]) -> list in [0, 1) */
  uint64_t index, seed;
  size_t m;
  vg_scramble scramble;
  double *x = check_call(L, &index, &m, &scramble, &seed);
  luaL_argcheck(L, scramble != VG_SCRAMBLE_OWEN, 3, "\"none\" or \"shift\" expected");
  vg_halton(x, index, m, scramble, seed);
  return push_point(L, x, m);
}

static const luaL_Reg FUNCTIONS[] = { { "halton", l_halton }, { "sobol", l_sobol }, { NULL, NULL } };

int luaopen_vega_core_quasi(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  lua_pushinteger(L, VG_SOBOL_DIMENSIONS);
  lua_setfield(L, -2, "sobol_dimensions");
  return 1;
}
