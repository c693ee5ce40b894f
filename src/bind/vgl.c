/* What binding files share: errors that point at the user's line, boxes for tensors, options tables. */
#include "bind/vgl.h"

#include <string.h>

#include "base/alloc.h"

/* The innermost Lua line: what an operator of a tensor calls has a C function between. */
static void push_where(lua_State *L) {
  lua_Debug ar;
  for (int level = 1; lua_getstack(L, level, &ar); level++) {
    lua_getinfo(L, "Sl", &ar);
    if (ar.currentline <= 0) continue;
    lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
    return;
  }
  lua_pushliteral(L, "");
}

int vgl_error(lua_State *L, const char *fmt, ...) {
  va_list args;
  va_start(args, fmt);
  push_where(L);
  lua_pushvfstring(L, fmt, args);
  va_end(args);
  lua_concat(L, 2);
  return lua_error(L);
}

int vgl_fail(lua_State *L, vg_status s) {
  if (s == VG_ECALLBACK) return lua_error(L);
  if (s == VG_EARG || s == VG_ESHAPE) return vgl_error(L, "%s", vg_message());
  lua_pushnil(L);
  lua_pushstring(L, vg_message());
  lua_pushstring(L, vg_status_name(s));
  return 3;
}

/* __gc and __close of a tensor box. A closed box is empty; vgl_checktensor says so. */
static int box_free(lua_State *L) {
  vg_tensor **box = luaL_checkudata(L, 1, VGL_TENSOR);
  vg_tensor *t = *box;
  *box = NULL;
  vg_tensor_release(t);
  return 0;
}

vg_tensor **vgl_newtensor(lua_State *L) {
  vg_tensor **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  if (luaL_newmetatable(L, VGL_TENSOR)) {  /* the opener of vega.core.tensor adds the methods */
    lua_pushcfunction(L, box_free);
    lua_setfield(L, -2, "__gc");
    lua_pushcfunction(L, box_free);
    lua_setfield(L, -2, "__close");
  }
  lua_setmetatable(L, -2);
  return box;
}

static int push_box(lua_State *L) {
  vg_tensor *t = lua_touserdata(L, 1);
  *vgl_newtensor(L) = t;
  return 1;
}

void vgl_pushtensor(lua_State *L, vg_tensor *owned) {
  luaL_checkstack(L, 3, "tensor");
  lua_pushcfunction(L, push_box);
  lua_pushlightuserdata(L, owned);
  if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
    vg_tensor_release(owned);
    lua_error(L);
  }
  vgl_account(L, vg_tensor_bytes(owned));
}

static int push_text(lua_State *L) {
  lua_pushlstring(L, lua_touserdata(L, 1), *(size_t *)lua_touserdata(L, 2));
  return 1;
}

void vgl_pushtext(lua_State *L, char *owned, size_t length) {
  lua_pushcfunction(L, push_text);                 /* a C function is called with room for 20 values; this needs 3 */
  lua_pushlightuserdata(L, owned);
  lua_pushlightuserdata(L, &length);
  int failed = lua_pcall(L, 2, 1, 0) != LUA_OK;
  vg_free(owned);
  if (failed) lua_error(L);
}

vg_tensor *vgl_checktensor(lua_State *L, int arg) {
  vg_tensor **box = luaL_checkudata(L, arg, VGL_TENSOR);
  luaL_argcheck(L, *box, arg, "the tensor is closed");
  return *box;
}

vg_tensor *vgl_totensor(lua_State *L, int arg) {
  vg_tensor **box = luaL_testudata(L, arg, VGL_TENSOR);
  return box ? *box : NULL;
}

vg_shape vgl_checkshape(lua_State *L, int arg) {
  vg_shape s = { 0 };
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_Integer rank = luaL_len(L, arg);
  if (rank > VG_MAX_RANK) luaL_argerror(L, arg, lua_pushfstring(L, "a shape of at most %d axes expected", VG_MAX_RANK));
  s.rank = (int)rank;
  for (int i = 0; i < s.rank; i++) {
    int is_integer;
    lua_geti(L, arg, i + 1);
    s.dim[i] = lua_tointegerx(L, -1, &is_integer);
    if (!is_integer || s.dim[i] < 0)
      luaL_argerror(L, arg, lua_pushfstring(L, "axis %d of the shape: a whole number >= 0 expected, got %s", i + 1, luaL_tolstring(L, -1, NULL)));
    lua_pop(L, 1);
  }
  return s;
}

vg_dtype vgl_optdtype(lua_State *L, int arg, vg_dtype def) {
  vg_dtype t = def;
  if (lua_isnoneornil(L, arg)) return def;
  const char *name = luaL_checkstring(L, arg);
  if (!vg_dtype_parse(&t, name)) luaL_argerror(L, arg, lua_pushfstring(L, "dtype f32, bf16, i32 or u8 expected, got '%s'", name));
  return t;
}

/* Lua sees a box of 8 bytes where megabytes hang on it. Told of the real size, it collects in time. */
void vgl_account(lua_State *L, size_t bytes) {
  enum { STEP = 4 << 20 };
  static _Thread_local size_t unreported;
  unreported += bytes;
  if (unreported < STEP) return;
  size_t kib = unreported >> 10;
  unreported = 0;
  lua_gc(L, LUA_GCSTEP, (int)(kib > 1u << 20 ? 1u << 20 : kib));
}

vg_rng *vgl_checkrng(lua_State *L, int arg) { return luaL_checkudata(L, arg, VGL_RNG); }

/* Levenshtein's distance, cut off at words of 63 bytes. */
static size_t edit_distance(const char *a, const char *b) {
  size_t row[64], n = strlen(a), m = strlen(b);
  if (n > 63 || m > 63) return 64;
  for (size_t j = 0; j <= m; j++) row[j] = j;
  for (size_t i = 1; i <= n; i++) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= m; j++) {
      size_t best = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      if (row[j] + 1 < best) best = row[j] + 1;
      if (row[j - 1] + 1 < best) best = row[j - 1] + 1;
      row[j] = best;
    }
  }
  return row[m];
}

const char *vgl_nearest(const char *word, const char *const *known) {
  const char *best = NULL;
  size_t least = 4;
  for (; *known; known++) {
    size_t d = edit_distance(word, *known);
    if (d < least && d < strlen(*known)) {
      least = d;
      best = *known;
    }
  }
  return best;
}

void vgl_checkkeys(lua_State *L, int arg, const char *who, const char *const *known) {
  if (lua_isnoneornil(L, arg)) return;
  luaL_checktype(L, arg, LUA_TTABLE);
  arg = lua_absindex(L, arg);
  lua_pushnil(L);
  while (lua_next(L, arg)) {
    if (lua_type(L, -2) != LUA_TSTRING)
      vgl_error(L, "%s: options have names, got the key %s", who, luaL_tolstring(L, -2, NULL));
    const char *key = lua_tostring(L, -2);
    const char *const *k = known;
    while (*k && strcmp(*k, key) != 0) k++;
    if (!*k) {
      const char *near = vgl_nearest(key, known);
      if (near) vgl_error(L, "%s: unknown option '%s', did you mean '%s'?", who, key, near);
      vgl_error(L, "%s: unknown option '%s'", who, key);
    }
    lua_pop(L, 1);
  }
}

void vgl_newtype(lua_State *L, const char *name, const luaL_Reg *meta, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  luaL_setfuncs(L, meta, 0);
  lua_newtable(L);
  if (methods) luaL_setfuncs(L, methods, 0);
  for (const luaL_Reg *m = methods ? NULL : meta; m && m->name; m++) {
    if (strncmp(m->name, "__", 2) == 0) continue;              /* x.__gc(x) is nothing to be called */
    lua_pushcfunction(L, m->func);
    lua_setfield(L, -2, m->name);
  }
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
