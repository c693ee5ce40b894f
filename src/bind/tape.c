/* vega.tape: records the operators that run while it is open. The newest open tape is the current one. */
#include "bind/tape.h"

#include <string.h>

#define TYPE "vega.tape"
static const char CURRENT = 'c';                          /* its address keys the registry */

vgl_tape *vgl_current_tape(lua_State *L) {
  lua_rawgetp(L, LUA_REGISTRYINDEX, &CURRENT);
  vgl_tape *t = lua_touserdata(L, -1);
  lua_pop(L, 1);
  return t && t->tape ? t : NULL;
}

static vgl_tape *check_tape(lua_State *L, int arg) {
  vgl_tape *t = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, t->tape != NULL, arg, "tape is closed");
  return t;
}

int vgl_apply(lua_State *L, vg_call *c) {
  vgl_tape *t = vgl_current_tape(L);
  if (c->op->flags & VG_OP_RANDOM && t) {
    c->rng = t->rng;
    t->rng.stream++;                                      /* the next random operator draws from a stream of its own */
  }
  vg_tensor **box = vgl_newtensor(L);
  vg_status s = vg_tape_apply(box, t ? t->tape : NULL, c);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_account(L, vg_tensor_bytes(*box));
  return 1;
}

/* { the current tape }, which does not keep it alive: a tape that nobody closes is collected all the same. [-0, +1, m] */
static void push_previous(lua_State *L) {
  lua_createtable(L, 1, 0);
  lua_rawgetp(L, LUA_REGISTRYINDEX, &CURRENT);
  lua_rawseti(L, -2, 1);
  lua_createtable(L, 0, 1);
  lua_pushstring(L, "v");
  lua_setfield(L, -2, "__mode");
  lua_setmetatable(L, -2);
}

static int l_new(lua_State *L) {                          /* tape({ seed = 1, train = true }) -> tape, now current */
  static const char *const KEYS[] = { "seed", "train", NULL };
  uint64_t seed = 1;
  bool train = true;
  if (!lua_isnoneornil(L, 1)) {
    vgl_checkkeys(L, 1, "tape", KEYS);
    if (lua_getfield(L, 1, "seed") != LUA_TNIL) seed = (uint64_t)luaL_checkinteger(L, -1);
    if (lua_getfield(L, 1, "train") != LUA_TNIL) train = lua_toboolean(L, -1);
  }
  vgl_tape *t = lua_newuserdatauv(L, sizeof *t, 1);       /* the user value: { the tape that was current before }, weak */
  memset(t, 0, sizeof *t);
  luaL_setmetatable(L, TYPE);
  t->train = train;
  t->rng = vg_rng_at(seed, vg_rng_stream("tape", 4, 0));
  vg_status s = vg_tape_new(&t->tape);
  if (s != VG_OK) return vgl_fail(L, s);
  push_previous(L);
  lua_setiuservalue(L, -2, 1);
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &CURRENT);
  return 1;
}

enum { MAX_LIST = 256 };

/* A tensor or a list of them at `arg`; borrowed from the stack. */
static int check_list(lua_State *L, int arg, vg_tensor **out) {
  if (vgl_totensor(L, arg)) {
    out[0] = vgl_totensor(L, arg);
    return 1;
  }
  luaL_checktype(L, arg, LUA_TTABLE);
  int n = (int)lua_rawlen(L, arg);
  luaL_argcheck(L, n <= MAX_LIST, arg, "at most 256 tensors");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, arg, i + 1);
    out[i] = vgl_checktensor(L, -1);
    lua_pop(L, 1);
  }
  return n;
}

/* tape:backward(loss or {losses}, { only = {tensors}, seeds = {tensors}, retain = false }) */
static int l_backward(lua_State *L) {
  static const char *const KEYS[] = { "only", "seeds", "retain", NULL };
  vgl_tape *t = check_tape(L, 1);
  vg_tensor *losses[MAX_LIST], *only[MAX_LIST], *seeds[MAX_LIST];
  vg_backward_opts o = { 0 };
  int n = check_list(L, 2, losses);
  if (!lua_isnoneornil(L, 3)) {
    vgl_checkkeys(L, 3, "backward", KEYS);
    if (lua_getfield(L, 3, "only") != LUA_TNIL) {
      o.n_only = check_list(L, lua_gettop(L), only);
      o.only = only;
    }
    if (lua_getfield(L, 3, "seeds") != LUA_TNIL) {
      if (check_list(L, lua_gettop(L), seeds) != n) return vgl_error(L, "backward: %d losses need as many seeds", n);
      o.seeds = seeds;
    }
    lua_getfield(L, 3, "retain");
    o.retain = lua_toboolean(L, -1);
  }
  vg_status s = vg_tape_backward(t->tape, losses, n, &o);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_no_grad(lua_State *L) {                      /* tape:no_grad(f, ...) -> what f returns, nothing recorded meanwhile */
  vgl_tape *t = check_tape(L, 1);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  vg_tape *tape = t->tape;
  bool was = vg_tape_is_recording(tape);
  vg_tape_set_recording(tape, false);
  int ok = lua_pcall(L, lua_gettop(L) - 2, LUA_MULTRET, 0);
  if (t->tape == tape) vg_tape_set_recording(tape, was);    /* unless f closed it */
  return ok == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

static int l_reset(lua_State *L) {                        /* tape:reset() forgets what was recorded */
  vg_tape_reset(check_tape(L, 1)->tape);
  return 0;
}

/* tape:close() frees it; the newest tape that is still open is current again, where there is one. */
static int l_close(lua_State *L) {
  vgl_tape *t = luaL_checkudata(L, 1, TYPE);
  bool was_current = t->tape && vgl_current_tape(L) == t;
  vg_tape_free(t->tape);
  t->tape = NULL;
  if (!was_current) return 0;
  lua_settop(L, 1);
  while (t && !t->tape) {                                 /* nil ends the chain */
    if (lua_getiuservalue(L, 1, 1) == LUA_TTABLE) lua_rawgeti(L, -1, 1);
    t = lua_touserdata(L, -1);
    lua_replace(L, 1);
    lua_settop(L, 1);
  }
  lua_rawsetp(L, LUA_REGISTRYINDEX, &CURRENT);
  return 0;
}

static int l_tostring(lua_State *L) {
  vgl_tape *t = luaL_checkudata(L, 1, TYPE);
  lua_pushstring(L, t->tape ? "vega.tape" : "vega.tape (closed)");
  return 1;
}

static const luaL_Reg METHODS[] = { { "backward", l_backward }, { "no_grad", l_no_grad }, { "reset", l_reset }, { "close", l_close }, { NULL, NULL } };
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { NULL, NULL } };

int luaopen_vega_core_tape(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
