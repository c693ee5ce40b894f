/* vega.core.store: the store's named statements for Lua. Rows are tables from column name to value. */
#include "bind/store.h"

#include "bind/vgl.h"
#include "store/url.h"

#define TYPE "vega.store"
enum { MAX_VALUES = 16 };

vg_store *vgl_checkstore(lua_State *L, int arg) {
  vg_store **box = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, *box != NULL, arg, "store is closed");
  return *box;
}

static int l_open(lua_State *L) {                     /* open(path) -> store | nil, message, code */
  const char *path = luaL_checkstring(L, 1);
  vg_store **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, TYPE);
  vg_status s = vg_store_open(box, path);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

/* where(url) -> { kind = "memory" | "sqlite" | "postgres", path (a file's, or nil), shown (for people: without a password) }. Raises on a wrong URL. */
static int l_where(lua_State *L) {
  static const char *const KINDS[] = { [VG_STORE_MEMORY] = "memory", [VG_STORE_SQLITE] = "sqlite", [VG_STORE_POSTGRES] = "postgres" };
  const char *text = luaL_checkstring(L, 1);
  char shown[4096];
  vg_store_url url;
  vg_status s = vg_store_url_parse(&url, text);
  if (s != VG_OK) return vgl_fail(L, s);
  vg_store_url_show(shown, sizeof shown, text);
  lua_createtable(L, 0, 3);
  lua_pushstring(L, KINDS[url.kind]);
  lua_setfield(L, -2, "kind");
  lua_pushstring(L, shown);
  lua_setfield(L, -2, "shown");
  if (url.kind != VG_STORE_SQLITE) return 1;
  lua_pushstring(L, url.path);
  lua_setfield(L, -2, "path");
  return 1;
}

static int l_close(lua_State *L) {                    /* store:close() */
  vg_store **box = luaL_checkudata(L, 1, TYPE);
  vg_store_close(*box);
  *box = NULL;
  return 0;
}

static int answer(lua_State *L, vg_status s) {
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* store:begin() -> true | nil, message, code: what is written until commit is written wholly or not at all */
static int l_begin(lua_State *L) { return answer(L, vg_store_begin(vgl_checkstore(L, 1))); }
/* store:commit() -> true | nil, message, code */
static int l_commit(lua_State *L) { return answer(L, vg_store_commit(vgl_checkstore(L, 1))); }
/* store:rollback() undoes what was written since begin */
static int l_rollback(lua_State *L) {
  vg_store_rollback(vgl_checkstore(L, 1));
  return 0;
}

static void push_value(lua_State *L, const vg_value *v) {
  switch (v->kind) {
    case VG_INTEGER: lua_pushinteger(L, v->i); break;
    case VG_REAL: lua_pushnumber(L, v->f); break;
    case VG_TEXT: lua_pushlstring(L, v->s, v->length); break;
    default: lua_pushnil(L);
  }
}

/* The next statement resets what a raise (no memory) leaves open here; nothing is owned. */
vg_status vgl_add_row(void *context, int n, const char *const *names, const vg_value *values) {
  lua_State *L = context;
  lua_createtable(L, 0, n);
  for (int i = 0; i < n; i++) {
    push_value(L, &values[i]);
    lua_setfield(L, -2, names[i]);
  }
  lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
  return VG_OK;
}

static vg_value check_value(lua_State *L, int arg) {
  vg_value v = { .kind = VG_NULL };
  switch (lua_type(L, arg)) {
    case LUA_TNIL: break;
    case LUA_TSTRING: v.kind = VG_TEXT, v.s = lua_tolstring(L, arg, &v.length); break;
    case LUA_TNUMBER:
      if (lua_isinteger(L, arg)) v.kind = VG_INTEGER, v.i = lua_tointeger(L, arg);
      else v.kind = VG_REAL, v.f = lua_tonumber(L, arg);
      break;
    default: luaL_argerror(L, arg, "a number, a string or nil expected");
  }
  return v;
}

static int l_run(lua_State *L) {                      /* store:run(statement, ...) -> rows | nil, message, code */
  vg_store *s = vgl_checkstore(L, 1);
  const char *name = luaL_checkstring(L, 2);
  vg_value values[MAX_VALUES];
  int n = lua_gettop(L) - 2;
  luaL_argcheck(L, n <= MAX_VALUES, 3, "too many values");
  for (int i = 0; i < n; i++) values[i] = check_value(L, i + 3);
  lua_newtable(L);
  vg_status status = vg_store_run(s, name, values, n, vgl_add_row, L);
  if (status != VG_OK) return vgl_fail(L, status);
  return 1;
}

static int l_tostring(lua_State *L) {
  vg_store **box = luaL_checkudata(L, 1, TYPE);
  lua_pushstring(L, *box ? "store (open)" : "store (closed)");
  return 1;
}

/* store:wait(seconds) -> has another process written since the last wait? | nil, message, code. Sleeps until then; an interrupt ends it, too. */
static int l_wait(lua_State *L) {
  int changed = 0;
  vg_status status = vg_store_wait(vgl_checkstore(L, 1), luaL_checknumber(L, 2), &changed);
  if (status != VG_OK) return vgl_fail(L, status);
  lua_pushboolean(L, changed);
  return 1;
}

/* store:undone() -> of the last failure: was nothing written, and may the transaction be done again? (a connection or a deadlock) */
static int l_undone(lua_State *L) {
  lua_pushboolean(L, vg_store_is_undone(vgl_checkstore(L, 1)));
  return 1;
}

static const luaL_Reg METHODS[] = { { "close", l_close }, { "begin", l_begin }, { "commit", l_commit }, { "rollback", l_rollback },
                                    { "run", l_run },     { "wait", l_wait },   { "undone", l_undone }, { NULL, NULL } };
static const luaL_Reg METAMETHODS[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "open", l_open }, { "where", l_where }, { NULL, NULL } };

int luaopen_vega_core_store(lua_State *L) {
  vgl_newtype(L, TYPE, METAMETHODS, METHODS);
  luaL_getmetatable(L, TYPE);
  lua_getfield(L, -1, "__index");
  luaL_setfuncs(L, vgl_store_protocol, 0);
  lua_pop(L, 2);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
