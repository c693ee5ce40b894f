/* vega.core.cmaes: the distribution of CMA-ES as a Lua object. */
#include "base/cmaes.h"

#include "bind/vgl.h"

#define TYPE "vega.cmaes"

static vg_cmaes *check_cmaes(lua_State *L) {
  vg_cmaes **box = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, *box, 1, "the object could not be made");
  return *box;
}

/* A list of n numbers at the top of the stack into v.  [-0, +0, e] */
static void read_numbers(lua_State *L, double *v, size_t n) {
  if (lua_type(L, -1) != LUA_TTABLE || lua_rawlen(L, -1) != n) luaL_error(L, "cmaes: a list of %d numbers expected", (int)n);
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, -1, (lua_Integer)i + 1) != LUA_TNUMBER) luaL_error(L, "cmaes: number %d of a list is missing", (int)i + 1);
    v[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
}

static void push_numbers(lua_State *L, const double *v, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushnumber(L, v[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

static int l_new(lua_State *L) {                      /* new(mean, sigma, lambda) */
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lua_rawlen(L, 1);
  double sigma = luaL_checknumber(L, 2);
  lua_Integer lambda = luaL_checkinteger(L, 3);
  luaL_argcheck(L, lambda >= 2, 3, "a generation of at least 2 expected");
  double *mean = lua_newuserdatauv(L, (n + 1) * sizeof *mean, 0);
  lua_pushvalue(L, 1);
  read_numbers(L, mean, n);
  vg_cmaes **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, TYPE);
  vg_status s = vg_cmaes_new(box, mean, n, sigma, (size_t)lambda);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_sample(lua_State *L) {                   /* c:sample(seed) -> list; one draw, a pure function of the state and the seed */
  vg_cmaes *c = check_cmaes(L);
  size_t n = vg_cmaes_dimensions(c);
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, 2), vg_rng_stream("cmaes", 5, 0));
  double *x = lua_newuserdatauv(L, n * sizeof *x, 0);
  vg_cmaes_sample(x, c, &rng);
  push_numbers(L, x, n);
  return 1;
}

static int l_update(lua_State *L) {                   /* c:update(list of lambda points, the best first) -> true | nil, message, "ENAN" */
  vg_cmaes *c = check_cmaes(L);
  size_t n = vg_cmaes_dimensions(c), lambda = vg_cmaes_lambda(c);
  luaL_checktype(L, 2, LUA_TTABLE);
  luaL_argcheck(L, lua_rawlen(L, 2) == lambda, 2, "as many points as a generation has expected");
  double *x = lua_newuserdatauv(L, lambda * n * sizeof *x, 0);
  for (size_t j = 0; j < lambda; j++) {
    lua_rawgeti(L, 2, (lua_Integer)j + 1);
    read_numbers(L, x + j * n, n);
    lua_pop(L, 1);
  }
  vg_status s = vg_cmaes_update(c, x);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_spread(lua_State *L) {                   /* c:spread() -> sigma, widest standard deviation, condition */
  vg_cmaes_spread s = vg_cmaes_get_spread(check_cmaes(L));
  lua_pushnumber(L, s.sigma);
  lua_pushnumber(L, s.widest);
  lua_pushnumber(L, s.condition);
  return 3;
}

static int l_free(lua_State *L) {
  vg_cmaes **box = luaL_checkudata(L, 1, TYPE);
  vg_cmaes_free(*box);
  *box = NULL;
  return 0;
}

static int l_tostring(lua_State *L) {
  vg_cmaes *c = check_cmaes(L);
  lua_pushfstring(L, "cmaes (%d dimensions, %d a generation)", (int)vg_cmaes_dimensions(c), (int)vg_cmaes_lambda(c));
  return 1;
}

static const luaL_Reg METHODS[] = {
  { "sample", l_sample }, { "spread", l_spread }, { "update", l_update },
  { "__close", l_free },  { "__gc", l_free },     { "__tostring", l_tostring }, { NULL, NULL },
};
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { NULL, NULL } };

int luaopen_vega_core_cmaes(lua_State *L) {
  vgl_newtype(L, TYPE, METHODS, NULL);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
