/* vega.core.curve: extrapolation of learning curves. */
#include "model/curve.h"

#include "bind/model.h"

/* predict(steps, values, horizon) -> mean, sd, number of families | nil, nil, 0 when none fits */
static int curve_predict(lua_State *L) {
  size_t n, m;
  double horizon = luaL_checknumber(L, 3);
  double *x = vgl_checkdoubles(L, 1, &n), *y = vgl_checkdoubles(L, 2, &m);
  luaL_argcheck(L, n == m, 2, "as many values as steps expected");
  vg_curve_prediction p;
  vg_status s = vg_curve_predict(&p, x, y, n, horizon);
  if (s != VG_OK) return vgl_fail(L, s);
  if (p.n_models > 0) {
    lua_pushnumber(L, p.mean);
    lua_pushnumber(L, p.sd);
  } else {
    lua_pushnil(L);
    lua_pushnil(L);
  }
  lua_pushinteger(L, p.n_models);
  return 3;
}

static const luaL_Reg FUNCTIONS[] = { { "predict", curve_predict }, { NULL, NULL } };

int luaopen_vega_core_curve(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
