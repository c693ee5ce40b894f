/* The state of a target in Lua lives as long as the process: making one takes longer than an input. */
#include <stdlib.h>
#include <string.h>

#include "bind/vgl.h"
#include "fuzz.h"

enum { LIMIT = 512 << 20 };

/* One allocation of Lua's may not pass the limit either; Lua then raises, and fuzz_lua reports it. */
static void *allocate(void *state, void *p, size_t old, size_t size) {
  size_t *used = state;
  if (!p) old = 0;
  if (size == 0) {
    free(p);
    *used -= old;
    return NULL;
  }
  if (size > old && *used + (size - old) > LIMIT) return NULL;
  void *q = realloc(p, size);
  if (q) *used += size - old;
  return q;
}

#ifdef VEGA_FUZZ
enum { COUNTERS = 1 << 14 };
__attribute__((section("__libfuzzer_extra_counters"))) static uint8_t counters[COUNTERS];

static void count_line(lua_State *L, lua_Debug *ar) {
  static unsigned before;
  (void)L;
  unsigned line = (unsigned)ar->currentline * 2654435761u >> 8;
  counters[(line ^ before >> 1) % COUNTERS]++;
  before = line;
}
#endif

static int traceback(lua_State *L) {
  luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
  return 1;
}

static void add_path(lua_State *L) {
  lua_getglobal(L, "package");
  lua_pushstring(L, VEGA_SOURCE_DIR "/lua/?.lua;" VEGA_SOURCE_DIR "/lua/?/init.lua");
  lua_setfield(L, -2, "path");
  lua_pop(L, 1);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_vega_core);
  lua_setfield(L, -2, "vega.core");
  lua_pop(L, 1);
}

/* A state with the message handler at 1 and the target's function at 2. */
static lua_State *open_target(const char *name) {
  static size_t used;
  char path[512];
  lua_State *L = lua_newstate(allocate, &used);
  if (!L) fuzz_fail("no memory for a Lua state");
  luaL_openlibs(L);
  add_path(L);
  lua_pushcfunction(L, traceback);
  snprintf(path, sizeof path, VEGA_SOURCE_DIR "/fuzz/target/%s.lua", name);
  if (luaL_loadfilex(L, path, "t") != LUA_OK || lua_pcall(L, 0, 1, 1) != LUA_OK) fuzz_fail("%s", lua_tostring(L, -1));
#ifdef VEGA_FUZZ
  lua_sethook(L, count_line, LUA_MASKLINE, 0);
#endif
  return L;
}

void fuzz_lua(const char *name, const uint8_t *data, size_t size) {
  static lua_State *L;
  static const char *open;
  if (open != name) {
    if (L) lua_close(L);
    L = open_target(open = name);
  }
  lua_pushvalue(L, 2);
  lua_pushlstring(L, (const char *)data, size);
  if (lua_pcall(L, 1, 0, 1) != LUA_OK) fuzz_fail("%s", lua_tostring(L, -1));
}
