/* vega.core.rng: streams of random numbers. A stream is named by (seed, label, id); its numbers depend on nothing else. */
#include <math.h>

#include "bind/vgl.h"

static void push_rng(lua_State *L, vg_rng r) {
  vg_rng *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = r;
  luaL_setmetatable(L, VGL_RNG);
}

/* new(seed [, label [, id]]) */
static int rng_new(lua_State *L) {
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 1);
  size_t length = 0;
  const char *label = luaL_optlstring(L, 2, "", &length);
  lua_Integer id = luaL_optinteger(L, 3, 0);
  push_rng(L, vg_rng_at(seed, vg_rng_stream(label, length, id)));
  return 1;
}

/* r:seek(seed, label [, id]): moves to the start of another stream, as new() would make it. */
static int rng_seek(lua_State *L) {
  vg_rng *r = vgl_checkrng(L, 1);
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 2);
  size_t length = 0;
  const char *label = luaL_checklstring(L, 3, &length);
  *r = vg_rng_at(seed, vg_rng_stream(label, length, luaL_optinteger(L, 4, 0)));
  lua_settop(L, 1);
  return 1;
}

static uint64_t state_field(lua_State *L, const char *name) {
  int is_integer;
  lua_getfield(L, 1, name);
  lua_Integer n = lua_tointegerx(L, -1, &is_integer);
  if (!is_integer) vgl_error(L, "rng.restore: field '%s' must be a whole number", name);
  lua_pop(L, 1);
  return (uint64_t)n;
}

/* restore(state): a stream that goes on where state() was taken. */
static int rng_restore(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  vg_rng r = { .seed = state_field(L, "seed"), .stream = state_field(L, "stream"), .counter = state_field(L, "counter") };
  push_rng(L, r);
  return 1;
}

/* rng:state() -> a table from which restore goes on */
static int rng_state(lua_State *L) {
  const vg_rng *r = vgl_checkrng(L, 1);
  lua_createtable(L, 0, 3);
  lua_pushinteger(L, (lua_Integer)r->seed);
  lua_setfield(L, -2, "seed");
  lua_pushinteger(L, (lua_Integer)r->stream);
  lua_setfield(L, -2, "stream");
  lua_pushinteger(L, (lua_Integer)r->counter);
  lua_setfield(L, -2, "counter");
  return 1;
}

/* r:uniform([lo, hi]): in [lo, hi), by default [0, 1). */
static int rng_uniform(lua_State *L) {
  vg_rng *r = vgl_checkrng(L, 1);
  double lo = luaL_optnumber(L, 2, 0), hi = luaL_optnumber(L, 3, 1);
  luaL_argcheck(L, isfinite(lo) && isfinite(hi) && lo <= hi, 2, "finite bounds with lo <= hi expected");
  lua_pushnumber(L, lo + (hi - lo) * vg_rng_uniform(r));
  return 1;
}

/* r:int(a, b): a whole number, both ends included. */
static int rng_int(lua_State *L) {
  vg_rng *r = vgl_checkrng(L, 1);
  lua_Integer a = luaL_checkinteger(L, 2), b = luaL_checkinteger(L, 3);
  luaL_argcheck(L, a <= b, 3, "rng:int(a, b) needs a <= b");
  uint64_t span = (uint64_t)b - (uint64_t)a;
  luaL_argcheck(L, span < INT64_MAX, 3, "the range is too wide");
  lua_pushinteger(L, (lua_Integer)((uint64_t)a + (uint64_t)vg_rng_below(r, (int64_t)span + 1)));
  return 1;
}

/* r:normal([mean, sd]) */
static int rng_normal(lua_State *L) {
  vg_rng *r = vgl_checkrng(L, 1);
  double mean = luaL_optnumber(L, 2, 0), sd = luaL_optnumber(L, 3, 1);
  luaL_argcheck(L, sd >= 0, 3, "a standard deviation >= 0 expected");
  lua_pushnumber(L, mean + sd * vg_rng_normal(r));
  return 1;
}

/* r:pick(list): one element and its place. */
static int rng_pick(lua_State *L) {
  vg_rng *r = vgl_checkrng(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_Integer n = luaL_len(L, 2);
  luaL_argcheck(L, n > 0, 2, "the list is empty");
  lua_Integer i = 1 + vg_rng_below(r, n);
  lua_geti(L, 2, i);
  lua_pushinteger(L, i);
  return 2;
}

/* r:shuffle(list): in place, Fisher-Yates from the end; returns the list. */
static int rng_shuffle(lua_State *L) {
  vg_rng *r = vgl_checkrng(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  for (lua_Integer i = luaL_len(L, 2); i > 1; i--) {
    lua_Integer j = 1 + vg_rng_below(r, i);
    lua_geti(L, 2, i);
    lua_geti(L, 2, j);
    lua_seti(L, 2, i);
    lua_seti(L, 2, j);
  }
  lua_settop(L, 2);
  return 1;
}

static int rng_tostring(lua_State *L) {
  const vg_rng *r = vgl_checkrng(L, 1);
  lua_pushfstring(L, "rng (seed %I, stream %I, counter %I)", (LUAI_UACINT)r->seed, (LUAI_UACINT)r->stream, (LUAI_UACINT)r->counter);
  return 1;
}

static const luaL_Reg METHODS[] = {
  { "int", rng_int },         { "normal", rng_normal }, { "pick", rng_pick },       { "shuffle", rng_shuffle },
  { "seek", rng_seek },       { "state", rng_state },   { "uniform", rng_uniform }, { "__tostring", rng_tostring },
  { NULL, NULL },
};
static const luaL_Reg FUNCTIONS[] = { { "new", rng_new }, { "restore", rng_restore }, { NULL, NULL } };

int luaopen_vega_core_rng(lua_State *L) {
  vgl_newtype(L, VGL_RNG, METHODS, NULL);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
