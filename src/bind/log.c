/* vega.core.log: what the program says, on standard error and in the file of --log-file. vega.log is its face. */
#include "base/log.h"

#include "bind/vgl.h"

static int l_write(lua_State *L) {                    /* write(level, text) */
  vg_log((vg_log_level)luaL_checkoption(L, 1, NULL, vg_log_names), luaL_checkstring(L, 2));
  return 0;
}

/* file(level, text): to the file alone, for what is printed in another way */
static int l_file(lua_State *L) {
  vg_log_file((vg_log_level)luaL_checkoption(L, 1, NULL, vg_log_names), luaL_checkstring(L, 2));
  return 0;
}

/* level([word]) -> the least important level that is printed; sets it when given. Raises on another word than error, warn, info, debug, trace. */
static int l_level(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) vg_log_set((vg_log_level)luaL_checkoption(L, 1, NULL, vg_log_names));
  lua_pushstring(L, vg_log_names[vg_log_get()]);
  return 1;
}

/* open(path [, bytes]) -> true | nil, message, "EIO": from now on lines go to that file, too; turned when it has so many bytes (64 MiB) */
static int l_open(lua_State *L) {
  vg_status s = vg_log_open(luaL_checkstring(L, 1), (uint64_t)luaL_optinteger(L, 2, (lua_Integer)VG_LOG_MIB << 20));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_close(lua_State *L) {                    /* close(): no file any more */
  (void)L;
  vg_log_close();
  return 0;
}

static const luaL_Reg FUNCTIONS[] = { { "close", l_close }, { "file", l_file },   { "level", l_level },
                                      { "open", l_open },   { "write", l_write }, { NULL, NULL } };

int luaopen_vega_core_log(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
