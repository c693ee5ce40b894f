/* vega.core: one table that holds what the binding files of this folder offer. A part that is not built is absent. */
#include <string.h>

#include "bind/vgl.h"
#include "kernels/simd.h"

#define PARTS(X) \
  X(tensor) X(rng) X(op) X(tape) X(graph) X(population) X(data) X(train) X(cost) X(csv) X(hash) X(store) X(json) X(pareto) X(model) X(curve) \
  X(space) X(cmaes) X(quasi) X(io) X(sys) X(net) X(edit) X(linalg) X(comm) X(keeper) X(log) X(process) X(serve) X(sandbox)

#define DECLARE(name) extern __attribute__((weak)) int luaopen_vega_core_##name(lua_State *L);
PARTS(DECLARE)

#define ENTRY(name) { #name, luaopen_vega_core_##name },
static const luaL_Reg OPENERS[] = { PARTS(ENTRY) { NULL, NULL } };
enum { N_PARTS = sizeof OPENERS / sizeof *OPENERS - 1 };

/* getmetatable gives false for everything of the engine's: a metatable in other hands is a way around its checks. */
static void hide_metatables(lua_State *L) {
  lua_pushnil(L);
  while (lua_next(L, LUA_REGISTRYINDEX)) {
    int value = lua_gettop(L);
    if (lua_type(L, value - 1) == LUA_TSTRING && strncmp(lua_tostring(L, value - 1), "vega.", 5) == 0 && lua_istable(L, value) &&
        lua_getfield(L, value, "__name") == LUA_TSTRING) {
      lua_pushboolean(L, 0);
      lua_setfield(L, value, "__metatable");
    }
    lua_settop(L, value - 1);
  }
}

int luaopen_vega_core(lua_State *L) {
  if (vg_cpu_check_isa() != VG_OK) return luaL_error(L, "%s", vg_message());
  lua_newtable(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  for (int i = 0; i < N_PARTS; i++) {
    if (!OPENERS[i].func) continue;
    lua_pushcfunction(L, OPENERS[i].func);
    lua_call(L, 0, 1);
    lua_pushfstring(L, "vega.core.%s", OPENERS[i].name);
    lua_pushvalue(L, -2);
    lua_settable(L, -4);                     /* package.loaded["vega.core.NAME"] */
    lua_setfield(L, -3, OPENERS[i].name);
  }
  lua_pop(L, 1);
  hide_metatables(L);
  return 1;
}
