/* vega.core.io: tensors to and from files, the format by the extension: .npy (one tensor), .npz and .safetensors (a table name -> tensor). */
#include <string.h>

#include "bind/vgl.h"
#include "tensor/npy.h"
#include "tensor/npz.h"
#include "tensor/safetensors.h"

#define BOX "vega.io.bundle"

typedef enum format { NPY, NPZ, SAFETENSORS } format;
static const char *const FORMATS[] = { ".npy", ".npz", ".safetensors" };

static format check_format(lua_State *L, const char *path) {
  const char *dot = strrchr(path, '.');
  for (int i = 0; dot && i < 3; i++) {
    if (strcmp(dot, FORMATS[i]) == 0) return (format)i;
  }
  return (format)vgl_error(L, "%s: expected a name that ends in .npy, .npz or .safetensors", path);
}

/* A bundle in a collectable box, for the time in which Lua may raise. */
static vg_bundle *new_bundle(lua_State *L) {
  vg_bundle *b = lua_newuserdatauv(L, sizeof *b, 0);
  *b = (vg_bundle){ 0 };
  luaL_setmetatable(L, BOX);
  return b;
}

static int l_bundle_gc(lua_State *L) {
  vg_bundle_clear(luaL_checkudata(L, 1, BOX));
  return 0;
}

static int push_bundle(lua_State *L, const vg_bundle *b) {       /* [-0, +2, m] tensors, metadata */
  lua_createtable(L, 0, b->n);
  for (int i = 0; i < b->n; i++) {
    vgl_pushtensor(L, vg_tensor_retain(b->item[i].tensor));
    lua_setfield(L, -2, b->item[i].name);
  }
  lua_createtable(L, 0, b->n_meta);
  for (int i = 0; i < b->n_meta; i++) {
    lua_pushstring(L, b->meta[i].value);
    lua_setfield(L, -2, b->meta[i].key);
  }
  return 2;
}

static bool wants_mapping(lua_State *L, format f) {
  static const char *const KNOWN[] = { "map", NULL };
  if (lua_isnoneornil(L, 2)) return false;
  vgl_checkkeys(L, 2, "load", KNOWN);
  lua_getfield(L, 2, "map");
  bool map = lua_toboolean(L, -1);
  if (map && f != SAFETENSORS) vgl_error(L, "load: map is for .safetensors alone");
  return map;
}

/* load(path [, { map = false }]) -> tensor (.npy) | table name -> tensor, table of metadata | nil, message, code.
 * map: .safetensors alone: the tensors are the file, shared by all programs that map it; what one writes into them is its own. */
static int l_load(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  format f = check_format(L, path);
  bool map = wants_mapping(L, f);
  if (f == NPY) {
    vg_tensor **box = vgl_newtensor(L);
    vg_status s = vg_npy_read(box, path);
    if (s != VG_OK) return vgl_fail(L, s);
    vgl_account(L, vg_tensor_bytes(*box));
    return 1;
  }
  vg_bundle *b = new_bundle(L);
  lua_toclose(L, -1);
  vg_status s = f == NPZ ? vg_npz_read(b, path) : map ? vg_safetensors_map(b, path) : vg_safetensors_read(b, path);
  return s == VG_OK ? push_bundle(L, b) : vgl_fail(L, s);
}

/* The text at the top, refusing what C texts cannot hold. */
static const char *plain_text(lua_State *L, int at, const char *what) {
  size_t n;
  const char *s = lua_type(L, at) == LUA_TSTRING ? lua_tolstring(L, at, &n) : NULL;
  if (!s || strlen(s) != n) vgl_error(L, "save: %s must be texts without zero bytes, got %s", what, luaL_typename(L, at));
  return s;
}

static vg_status add_meta(lua_State *L, vg_bundle *b, int opts) {
  static const char *const KNOWN[] = { "metadata", "deflate", NULL };
  vgl_checkkeys(L, opts, "save", KNOWN);
  int type = lua_getfield(L, opts, "metadata");
  if (type == LUA_TNIL) return VG_OK;
  if (type != LUA_TTABLE) vgl_error(L, "save: metadata must be a table of texts, got %s", luaL_typename(L, -1));
  for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1)) {
    const char *key = plain_text(L, -2, "metadata keys"), *value = plain_text(L, -1, "metadata values");
    VG_TRY(vg_bundle_set_meta(b, key, value));
  }
  return VG_OK;
}

/* Tensors of the table at 2 in the order of their names, so that equal tables give equal files. */
static vg_status add_tensors(lua_State *L, vg_bundle *b) {
  lua_newtable(L);
  int names = lua_gettop(L), n = 0;
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    plain_text(L, -2, "names");
    if (!vgl_totensor(L, -1)) vgl_error(L, "save: '%s' must be a tensor, got %s", lua_tostring(L, -2), luaL_typename(L, -1));
    lua_pushvalue(L, -2);
    lua_seti(L, names, ++n);
  }
  lua_getglobal(L, "table");
  lua_getfield(L, -1, "sort");
  lua_pushvalue(L, names);
  lua_call(L, 1, 0);
  for (int i = 1; i <= n; i++) {
    lua_geti(L, names, i);
    const char *name = lua_tostring(L, -1);
    lua_getfield(L, 2, name);
    VG_TRY(vg_bundle_add(b, name, vgl_totensor(L, -1)));
    lua_pop(L, 2);
  }
  return VG_OK;
}

/* save(path, tensor or table name -> tensor [, { metadata = { key = text }, deflate = false }]) -> path | nil, message, code.
 * metadata: .safetensors alone; deflate: .npz alone. The file is replaced atomically. */
static int l_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  format f = check_format(L, path);
  vg_status s;
  if (f == NPY) {
    luaL_argcheck(L, lua_isnoneornil(L, 3), 3, "a .npy has no options");
    s = vg_npy_write(path, vgl_checktensor(L, 2));
  } else {
    luaL_checktype(L, 2, LUA_TTABLE);
    bool deflate = false, has_opts = !lua_isnoneornil(L, 3);
    if (has_opts) luaL_checktype(L, 3, LUA_TTABLE);
    vg_bundle *b = new_bundle(L);
    lua_toclose(L, -1);
    s = add_tensors(L, b);
    if (s == VG_OK && has_opts) {
      s = add_meta(L, b, 3);
      lua_getfield(L, 3, "deflate");
      deflate = lua_toboolean(L, -1);
    }
    if (f == NPZ && b->n_meta > 0) return vgl_error(L, "save: %s: a .npz keeps no metadata (use .safetensors)", path);
    if (f == SAFETENSORS && deflate) return vgl_error(L, "save: %s: deflate is for .npz alone", path);
    if (s == VG_OK) s = f == NPZ ? vg_npz_write(path, b, deflate) : vg_safetensors_write(path, b);
  }
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushvalue(L, 1);
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "load", l_load }, { "save", l_save }, { NULL, NULL } };
static const luaL_Reg BUNDLE_META[] = { { "__gc", l_bundle_gc }, { "__close", l_bundle_gc }, { NULL, NULL } };

int luaopen_vega_core_io(lua_State *L) {
  luaL_newmetatable(L, BOX);
  luaL_setfuncs(L, BUNDLE_META, 0);
  lua_pop(L, 1);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
