/* vega.core.keeper: the thread that keeps a worker's leases (store/keeper.h). */
#include "store/keeper.h"

#include "bind/vgl.h"

#define TYPE "vega.keeper"

static vg_keeper *check_keeper(lua_State *L) {
  vg_keeper **box = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, *box != NULL, 1, "keeper is closed");
  return *box;
}

/* start(url [, worker id, lease = 60, backoff = 5]) -> keeper | nil, message, code. worker id: a row of `worker` that it keeps fresh, or nil. */
static int l_start(lua_State *L) {
  const char *url = luaL_checkstring(L, 1), *worker_id = luaL_optstring(L, 2, NULL);
  lua_Number lease_s = luaL_optnumber(L, 3, VG_LEASE_S), backoff_s = luaL_optnumber(L, 4, 5);
  vg_keeper **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, TYPE);
  vg_status s = vg_keeper_start(box, url, worker_id, lease_s, backoff_s);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_close(lua_State *L) {                    /* keeper:close(): ends the thread; leases stay as they are */
  vg_keeper **box = luaL_checkudata(L, 1, TYPE);
  vg_keeper *k = *box;
  *box = NULL;
  vg_keeper_stop(k);
  return 0;
}

/* now() -> seconds of the clock that `at` below is read from: before the claim is sent */
static int l_now(lua_State *L) {
  lua_pushnumber(L, vg_keeper_now());
  return 1;
}

/* keeper:hold(trial_id, epoch, at): renews the lease from now on */
static int l_hold(lua_State *L) {
  vg_status s = vg_keeper_hold(check_keeper(L), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), luaL_checknumber(L, 4));
  return s == VG_OK ? 0 : vgl_fail(L, s);
}

/* keeper:drop(trial_id): renews it no more; also when it is not held */
static int l_drop(lua_State *L) {
  vg_keeper_drop(check_keeper(L), luaL_checkinteger(L, 2));
  return 0;
}

/* keeper:limit(trial_id, seconds): a trial that is not dropped by then fails ("timeout") and the process ends with 124; 0: no limit any more */
static int l_limit(lua_State *L) {
  vg_keeper_limit(check_keeper(L), luaL_checkinteger(L, 2), luaL_checknumber(L, 3));
  return 0;
}

/* keeper:fenced(trial_id) -> must the trial be given up? Reads no store. */
static int l_fenced(lua_State *L) {
  lua_pushboolean(L, vg_keeper_is_fenced(check_keeper(L), luaL_checkinteger(L, 2)));
  return 1;
}

/* keeper:lead(study, epoch, at): renews the strategy's lease; epoch 0: no more */
static int l_lead(lua_State *L) {
  vg_keeper_lead(check_keeper(L), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), luaL_optnumber(L, 4, 0));
  return 0;
}

/* keeper:leads() -> do we still? Reads no store. */
static int l_leads(lua_State *L) {
  lua_pushboolean(L, vg_keeper_leads(check_keeper(L)));
  return 1;
}

/* keeper:status() -> rounds that succeeded, what the last one failed for or nil */
static int l_status(lua_State *L) {
  char failure[256];
  lua_pushinteger(L, vg_keeper_rounds(check_keeper(L), failure, sizeof failure));
  if (*failure) lua_pushstring(L, failure);
  else lua_pushnil(L);
  return 2;
}

static int l_tostring(lua_State *L) {
  vg_keeper **box = luaL_checkudata(L, 1, TYPE);
  lua_pushstring(L, *box ? "keeper (running)" : "keeper (closed)");
  return 1;
}

static const luaL_Reg METHODS[] = { { "close", l_close }, { "drop", l_drop }, { "fenced", l_fenced }, { "hold", l_hold }, { "lead", l_lead },
                                    { "leads", l_leads }, { "limit", l_limit }, { "status", l_status }, { NULL, NULL } };
static const luaL_Reg METAMETHODS[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "now", l_now }, { "start", l_start }, { NULL, NULL } };

int luaopen_vega_core_keeper(lua_State *L) {
  vgl_newtype(L, TYPE, METAMETHODS, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
