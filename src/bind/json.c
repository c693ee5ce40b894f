/* vega.core.json on Jansson.  encode writes sorted keys, integers as integers and floats with 17 digits; decode refuses duplicate
 * keys and nesting deeper than 512.  A json_t tree or a text that is alive while Lua may raise hangs in a collectable box. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/alloc.h"
#include "base/json_text.h"
#include "bind/vgl.h"

#define BOX "vega.json.box"
#define ARRAY "vega.json.array"
#define NULL_TYPE "vega.json.null"
#define MAX_DEPTH 512
#define MAX_BYTES ((size_t)64 << 20)

typedef struct box {
  json_t *root;
  char *text;
} box;

static int l_box_gc(lua_State *L) {
  box *b = luaL_checkudata(L, 1, BOX);
  json_decref(b->root);
  vg_free(b->text);
  b->root = NULL;
  b->text = NULL;
  return 0;
}

static box *new_box(lua_State *L) {                   /* [-0, +1, m] */
  box *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (box){ NULL, NULL };
  luaL_setmetatable(L, BOX);
  return b;
}

/* What an encoding or decoding needs at every level. The error text is kept here: nothing raises while a tree is being built. */
typedef struct walk {
  int tag_nonfinite, null_at, array_at;               /* stack positions of the sentinel and of the array metatable */
  char error[160];
} walk;

static json_t *from_lua(lua_State *L, int at, walk *w, int depth);

static json_t *from_float(double x, walk *w) {
  if (isfinite(x)) return json_real(x);
  const char *name = isnan(x) ? "nan" : x > 0 ? "+inf" : "-inf";
  if (w->tag_nonfinite) return json_pack("{s:s}", "$f", name);
  snprintf(w->error, sizeof w->error, "json: %s cannot be written; pass { nonfinite = \"tag\" } to allow it", name);
  return NULL;
}

static json_t *from_string(lua_State *L, int at, walk *w) {
  size_t n;
  const char *s = lua_tolstring(L, at, &n);
  json_t *j = json_stringn(s, n);
  if (!j) snprintf(w->error, sizeof w->error, "json: a string is not valid UTF-8");
  return j;
}

static json_t *from_list(lua_State *L, int at, lua_Integer n, walk *w, int depth) {
  json_t *list = json_array();
  for (lua_Integer i = 1; list && i <= n; i++) {
    lua_rawgeti(L, at, i);
    json_t *value = from_lua(L, lua_gettop(L), w, depth + 1);
    lua_pop(L, 1);
    if (!value || json_array_append_new(list, value) != 0) {
      json_decref(list);
      return NULL;
    }
  }
  return list;
}

static int set_field(lua_State *L, json_t *object, walk *w, int depth) {   /* key at -2, value at -1 */
  if (lua_type(L, -2) != LUA_TSTRING) {
    snprintf(w->error, sizeof w->error, "json: a table with both list entries and other keys, or a list with holes, cannot be written");
    return 0;
  }
  size_t n;
  const char *key = lua_tolstring(L, -2, &n);
  if (strlen(key) != n) {
    snprintf(w->error, sizeof w->error, "json: a key contains a zero byte");
    return 0;
  }
  json_t *value = from_lua(L, lua_gettop(L), w, depth + 1);
  if (!value) return 0;
  if (json_object_set_new(object, key, value) == 0) return 1;
  snprintf(w->error, sizeof w->error, "json: key is not valid UTF-8");
  return 0;
}

static json_t *from_table(lua_State *L, int at, walk *w, int depth) {
  lua_Integer n = (lua_Integer)lua_rawlen(L, at), keys = 0;
  int marked = lua_getmetatable(L, at) ? lua_rawequal(L, -1, w->array_at) : 0;
  lua_settop(L, at);
  lua_pushnil(L);
  while (lua_next(L, at)) {
    keys++;
    lua_pop(L, 1);
  }
  if (n == keys && (n > 0 || marked)) return from_list(L, at, n, w, depth);
  json_t *object = json_object();
  lua_pushnil(L);
  while (object && lua_next(L, at)) {
    if (!set_field(L, object, w, depth)) {
      json_decref(object);
      object = NULL;
      break;
    }
    lua_pop(L, 1);
  }
  lua_settop(L, at);
  return object;
}

/* `at` is the top of the stack. NULL with w->error on failure. */
static json_t *from_lua(lua_State *L, int at, walk *w, int depth) {
  if (depth > MAX_DEPTH || !lua_checkstack(L, 8)) {
    snprintf(w->error, sizeof w->error, "json: nested deeper than %d (a table that contains itself?)", MAX_DEPTH);
    return NULL;
  }
  switch (lua_type(L, at)) {
    case LUA_TNIL: return json_null();
    case LUA_TBOOLEAN: return json_boolean(lua_toboolean(L, at));
    case LUA_TNUMBER: return lua_isinteger(L, at) ? json_integer(lua_tointeger(L, at)) : from_float(lua_tonumber(L, at), w);
    case LUA_TSTRING: return from_string(L, at, w);
    case LUA_TTABLE: return from_table(L, at, w, depth);
    default:
      if (lua_rawequal(L, at, w->null_at)) return json_null();
      snprintf(w->error, sizeof w->error, "json: a %s cannot be written", lua_typename(L, lua_type(L, at)));
      return NULL;
  }
}

static int field_is(lua_State *L, int arg, const char *key, const char *wanted) {
  if (lua_isnoneornil(L, arg)) return 0;
  lua_getfield(L, arg, key);
  if (!lua_isnil(L, -1) && strcmp(luaL_checkstring(L, -1), wanted) != 0)
    luaL_error(L, "json: option %s must be \"%s\", got \"%s\"", key, wanted, lua_tostring(L, -1));
  int set = !lua_isnil(L, -1);
  lua_pop(L, 1);
  return set;
}

static void push_marks(lua_State *L, walk *w) {       /* [-0, +2, m] */
  lua_getfield(L, LUA_REGISTRYINDEX, NULL_TYPE ".value");
  w->null_at = lua_gettop(L);
  luaL_getmetatable(L, ARRAY);
  w->array_at = lua_gettop(L);
}

static int l_encode(lua_State *L) {                   /* encode(value [, { nonfinite = "tag", indent = n }]) -> text; raises on what JSON cannot hold */
  static const char *const known[] = { "nonfinite", "indent", NULL };
  luaL_checkany(L, 1);
  walk w = { .error = "" };
  size_t flags = JSON_SORT_KEYS | JSON_ENCODE_ANY | JSON_REAL_PRECISION(17) | JSON_COMPACT;
  if (!lua_isnoneornil(L, 2)) {
    vgl_checkkeys(L, 2, "json.encode", known);
    w.tag_nonfinite = field_is(L, 2, "nonfinite", "tag");
    lua_getfield(L, 2, "indent");
    lua_Integer indent = luaL_optinteger(L, -1, 0);
    luaL_argcheck(L, indent >= 0 && indent <= 31, 2, "indent must be from 0 to 31");
    if (indent > 0) flags = (flags & ~(size_t)JSON_COMPACT) | JSON_INDENT((size_t)indent);
  }
  box *b = new_box(L);
  push_marks(L, &w);
  lua_pushvalue(L, 1);
  b->root = from_lua(L, lua_gettop(L), &w, 1);
  if (!b->root) return luaL_error(L, "%s", w.error[0] ? w.error : "json: out of memory");
  if (vg_json_print(&b->text, b->root, flags) != VG_OK) return luaL_error(L, "json: out of memory");
  lua_pushstring(L, b->text);
  return 1;
}

static int to_lua(lua_State *L, const json_t *j, walk *w, int depth);

static int is_tagged(lua_State *L, const json_t *object, const walk *w) {
  const char *name = json_string_value(json_object_get(object, "$f"));
  if (!w->tag_nonfinite || !name || json_object_size(object) != 1) return 0;
  if (strcmp(name, "nan") == 0) lua_pushnumber(L, (lua_Number)NAN);
  else if (strcmp(name, "+inf") == 0) lua_pushnumber(L, (lua_Number)INFINITY);
  else if (strcmp(name, "-inf") == 0) lua_pushnumber(L, -(lua_Number)INFINITY);
  else return 0;
  return 1;
}

static int object_to_lua(lua_State *L, json_t *object, walk *w, int depth) {
  const char *key;
  json_t *value;
  if (is_tagged(L, object, w)) return 1;
  lua_createtable(L, 0, (int)json_object_size(object));
  json_object_foreach(object, key, value) {
    if (!to_lua(L, value, w, depth + 1)) return 0;
    lua_setfield(L, -2, key);
  }
  return 1;
}

static int array_to_lua(lua_State *L, json_t *array, walk *w, int depth) {
  size_t n = json_array_size(array);
  lua_createtable(L, (int)n, 0);
  lua_pushvalue(L, w->array_at);
  lua_setmetatable(L, -2);
  for (size_t i = 0; i < n; i++) {
    if (!to_lua(L, json_array_get(array, i), w, depth + 1)) return 0;
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
  return 1;
}

/* Pushes the value; 0 when it is nested too deep. The tree hangs in a box, so Lua may raise. */
static int to_lua(lua_State *L, const json_t *j, walk *w, int depth) {
  if (depth > MAX_DEPTH) return 0;
  luaL_checkstack(L, 8, "json");
  switch (json_typeof(j)) {
    case JSON_OBJECT: return object_to_lua(L, (json_t *)j, w, depth);
    case JSON_ARRAY: return array_to_lua(L, (json_t *)j, w, depth);
    case JSON_STRING: lua_pushlstring(L, json_string_value(j), json_string_length(j)); return 1;
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(j)); return 1;
    case JSON_REAL: lua_pushnumber(L, json_real_value(j)); return 1;
    case JSON_NULL: lua_pushvalue(L, w->null_at); return 1;
    default: lua_pushboolean(L, json_is_true(j)); return 1;
  }
}

static int refuse(lua_State *L, const char *message) {
  lua_pushnil(L);
  lua_pushstring(L, message);
  lua_pushstring(L, vg_status_name(VG_EFORMAT));
  return 3;
}

static int l_decode(lua_State *L) {                   /* decode(text [, { nonfinite = "tag" }]) -> value | nil, message, "EFORMAT" */
  static const char *const known[] = { "nonfinite", NULL };
  size_t n;
  const char *text = luaL_checklstring(L, 1, &n);
  walk w = { .error = "" };
  if (!lua_isnoneornil(L, 2)) {
    vgl_checkkeys(L, 2, "json.decode", known);
    w.tag_nonfinite = field_is(L, 2, "nonfinite", "tag");
  }
  if (n > MAX_BYTES) return refuse(L, "json: text is longer than 64 MiB");
  box *b = new_box(L);
  push_marks(L, &w);
  json_error_t e;
  b->root = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &e);
  if (!b->root) return refuse(L, lua_pushfstring(L, "json: line %d, column %d: %s", e.line, e.column, e.text));
  if (!to_lua(L, b->root, &w, 1)) return refuse(L, lua_pushfstring(L, "json: nested deeper than %d", MAX_DEPTH));
  return 1;
}

static int l_array(lua_State *L) {                    /* array(list) -> the same table, marked so that it is written as [] even when empty */
  if (lua_isnoneornil(L, 1)) lua_newtable(L);
  else luaL_checktype(L, 1, LUA_TTABLE), lua_settop(L, 1);
  luaL_setmetatable(L, ARRAY);
  return 1;
}

static int l_null_tostring(lua_State *L) {
  lua_pushliteral(L, "null");
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "encode", l_encode }, { "decode", l_decode }, { "array", l_array }, { NULL, NULL } };

int luaopen_vega_core_json(lua_State *L) {
  luaL_newmetatable(L, BOX);
  lua_pushcfunction(L, l_box_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newmetatable(L, ARRAY);
  luaL_newlib(L, FUNCTIONS);
  lua_newuserdatauv(L, 0, 0);
  luaL_newmetatable(L, NULL_TYPE);
  lua_pushcfunction(L, l_null_tostring);
  lua_setfield(L, -2, "__tostring");
  lua_setmetatable(L, -2);
  lua_pushvalue(L, -1);
  lua_setfield(L, LUA_REGISTRYINDEX, NULL_TYPE ".value");
  lua_setfield(L, -2, "null");
  return 1;
}
