/* The text of a script, as it is loaded: text only. It is not run. */
#include "bind/vgl.h"
#include "fuzz.h"

void fuzz_script(const uint8_t *data, size_t size);
void fuzz_script(const uint8_t *data, size_t size) {
  static lua_State *L;
  if (!L && !(L = luaL_newstate())) fuzz_fail("no Lua state");
  int status = luaL_loadbufferx(L, (const char *)data, size, "=script", "t");
  if (status == LUA_OK && size > 0 && data[0] == LUA_SIGNATURE[0]) fuzz_fail("bytecode was loaded");
  if (status == LUA_ERRMEM) fuzz_fail("%s", lua_tostring(L, -1));
  lua_settop(L, 0);
}
