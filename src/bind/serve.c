/* vega.core.serve: the HTTP server of the live view (serve/server.h says what it lets through). Lua asks for the next request and answers it. */
#include "bind/vgl.h"
#include "serve/server.h"

#define TYPE "vega.server"

static vg_server **new_box(lua_State *L) {
  vg_server **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, TYPE);
  return box;
}

static vg_server *check_server(lua_State *L, int arg) {
  vg_server **box = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, *box != NULL, arg, "the server is closed");
  return *box;
}

/* A text field of the options, NULL without it; the table keeps it alive. */
static const char *text_field(lua_State *L, const char *key) {
  int type = lua_getfield(L, 1, key);
  if (type != LUA_TNIL && type != LUA_TSTRING) vgl_error(L, "serve: %s must be a string, got %s", key, luaL_typename(L, -1));
  const char *text = lua_tostring(L, -1);
  lua_pop(L, 1);
  return text;
}

static int integer_field(lua_State *L, const char *key, int most) {
  int type = lua_getfield(L, 1, key), is_whole = 1;
  lua_Integer v = type == LUA_TNIL ? 0 : lua_tointegerx(L, -1, &is_whole);
  if (!is_whole || v < 0 || v > most) vgl_error(L, "serve: %s must be a whole number from 0 to %d", key, most);
  lua_pop(L, 1);
  return (int)v;
}

static void read_hosts(lua_State *L, vg_server_opts *o) {
  if (lua_getfield(L, 1, "hosts") == LUA_TTABLE) {
    lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
    if (n > VG_SERVER_MOST_HOSTS) vgl_error(L, "serve: at most %d hosts expected", VG_SERVER_MOST_HOSTS);
    for (lua_Integer i = 0; i < n; i++) {
      if (lua_rawgeti(L, -1, i + 1) != LUA_TSTRING) vgl_error(L, "serve: the name of a host must be a string, got %s", luaL_typename(L, -1));
      o->hosts[i] = lua_tostring(L, -1);
      lua_pop(L, 1);
    }
  }
  lua_pop(L, 1);
}

/* start { policy = text, port =, address =, token =, hosts = { names }, timeout = seconds } -> server | nil, message, code */
static int serve_start(lua_State *L) {
  static const char *const KNOWN[] = { "address", "hosts", "policy", "port", "timeout", "token", NULL };
  luaL_checktype(L, 1, LUA_TTABLE);
  vgl_checkkeys(L, 1, "serve", KNOWN);
  vg_server_opts o = { .address = text_field(L, "address"), .token = text_field(L, "token"), .policy = text_field(L, "policy"),
    .port = integer_field(L, "port", 65535), .timeout_s = integer_field(L, "timeout", 3600) };
  if (!o.policy) return vgl_error(L, "serve: option 'policy' is missing");
  read_hosts(L, &o);
  vg_server **box = new_box(L);
  vg_status s = vg_server_start(box, &o);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int serve_available(lua_State *L) {            /* available() -> true | nil, message, code */
  vg_status s = vg_server_available();
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_port(lua_State *L) {                     /* server:port() -> its port */
  lua_pushinteger(L, vg_server_port(check_server(L, 1)));
  return 1;
}

/* server:next(seconds) -> id, route ("index", "study", "api"), name, after (nil without ?after=) of the next request, or false when none came in time
 * | nil, message, code */
static int l_next(lua_State *L) {
  static const char *const ROUTES[] = { [VG_ROUTE_INDEX] = "index", [VG_ROUTE_STUDY] = "study", [VG_ROUTE_API_STUDY] = "api" };
  const vg_request *q;
  vg_status s = vg_server_next(&q, check_server(L, 1), luaL_checknumber(L, 2));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 0);
  if (!q) return 1;
  lua_pushinteger(L, q->id);
  lua_pushstring(L, ROUTES[q->route]);
  lua_pushstring(L, q->name);
  if (q->after >= 0) lua_pushinteger(L, q->after);
  else lua_pushnil(L);
  return 4;
}

/* server:answer(id, status, type, etag or nil, body) -> true | nil, message, code */
static int l_answer(lua_State *L) {
  vg_server *server = check_server(L, 1);
  size_t n;
  int id = (int)luaL_checkinteger(L, 2), status = (int)luaL_checkinteger(L, 3);
  const char *type = luaL_checkstring(L, 4), *etag = luaL_optstring(L, 5, NULL), *body = luaL_checklstring(L, 6, &n);
  vg_status s = vg_server_answer(server, id, status, type, etag, body, n);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_close(lua_State *L) {                    /* server:close() */
  vg_server **box = luaL_checkudata(L, 1, TYPE);
  vg_server_stop(*box);
  *box = NULL;
  return 0;
}

static int l_tostring(lua_State *L) {
  vg_server **box = luaL_checkudata(L, 1, TYPE);
  if (*box) lua_pushfstring(L, "server (port %d)", vg_server_port(*box));
  else lua_pushliteral(L, "server (closed)");
  return 1;
}

static const luaL_Reg METHODS[] = { { "answer", l_answer }, { "close", l_close }, { "next", l_next }, { "port", l_port }, { NULL, NULL } };
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "available", serve_available }, { "start", serve_start }, { NULL, NULL } };

int luaopen_vega_core_serve(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
