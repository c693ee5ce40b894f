/* What binding files share. Only src/bind and main.c see Lua.  Stack notation: [-popped, +pushed, may raise: m memory, e error, - never]. */
#ifndef VG_BIND_VGL_H
#define VG_BIND_VGL_H

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "tensor/tensor.h"

/* The one converter of failures. VG_EARG and VG_ESHAPE raise, blamed on the calling Lua line; VG_ECALLBACK re-raises the error on top of
 * the stack; every other status returns nil, message, code (3 values).  [-0, +3, e] */
int vgl_fail(lua_State *L, vg_status s);
/* Raises "WHERE: message" at the line of the innermost Lua function. [-0, +0, e] */
int vgl_error(lua_State *L, const char *fmt, ...);

/* Tensors in Lua. vgl_newtensor pushes an empty box to be filled: `vg_tensor **box = vgl_newtensor(L); s = vg_..(box, ..)`. [-0, +1, m] */
#define VGL_TENSOR "vega.tensor"
vg_tensor **vgl_newtensor(lua_State *L);
/* Pushes a box that takes over the caller's reference; on a memory error the reference is released. [-0, +1, m] */
void vgl_pushtensor(lua_State *L, vg_tensor *owned);
/* Pushes a copy of the text and frees it, also when memory runs out. [-0, +1, m] */
void vgl_pushtext(lua_State *L, char *owned, size_t length);
vg_tensor *vgl_checktensor(lua_State *L, int arg);      /* [-0, +0, e] */
vg_tensor *vgl_totensor(lua_State *L, int arg);         /* NULL when it is no tensor, or nil */
vg_shape vgl_checkshape(lua_State *L, int arg);         /* an array of lengths; [-0, +0, e] */
vg_dtype vgl_optdtype(lua_State *L, int arg, vg_dtype def);
/* Reports `bytes` of new tensor memory to the collector; steps it every few MiB. [-0, +0, m] */
void vgl_account(lua_State *L, size_t bytes);

#define VGL_RNG "vega.rng"
vg_rng *vgl_checkrng(lua_State *L, int arg);

/* Options tables. Both raise on an unknown key, naming it, the nearest known one and `who`. `known` ends with NULL. */
void vgl_checkkeys(lua_State *L, int arg, const char *who, const char *const *known);
/* The metatable `name` of a userdata; `methods` is what values of the type are indexed with, NULL: `meta` itself. [-0, +0, e] */
void vgl_newtype(lua_State *L, const char *name, const luaL_Reg *meta, const luaL_Reg *methods);
/* Nearest of `known` to `word` (edit distance at most 3), or NULL. */
const char *vgl_nearest(const char *word, const char *const *known);

/* Each binding file has one opener that leaves its module table on the stack; vega.core collects them. CMake's list is in core.c. */
int luaopen_vega_core(lua_State *L);
int luaopen_vega_core_tensor(lua_State *L);
int luaopen_vega_core_rng(lua_State *L);
int luaopen_vega_core_op(lua_State *L);
int luaopen_vega_core_tape(lua_State *L);
int luaopen_vega_core_graph(lua_State *L);
int luaopen_vega_core_population(lua_State *L);
int luaopen_vega_core_data(lua_State *L);
int luaopen_vega_core_train(lua_State *L);
int luaopen_vega_core_cost(lua_State *L);
int luaopen_vega_core_hash(lua_State *L);
int luaopen_vega_core_store(lua_State *L);
int luaopen_vega_core_keeper(lua_State *L);
int luaopen_vega_core_serve(lua_State *L);
int luaopen_vega_core_json(lua_State *L);
int luaopen_vega_core_pareto(lua_State *L);
int luaopen_vega_core_model(lua_State *L);
int luaopen_vega_core_space(lua_State *L);
int luaopen_vega_core_cmaes(lua_State *L);
int luaopen_vega_core_quasi(lua_State *L);
int luaopen_vega_core_io(lua_State *L);
int luaopen_vega_core_csv(lua_State *L);
int luaopen_vega_core_sys(lua_State *L);
int luaopen_vega_core_net(lua_State *L);
int luaopen_vega_core_edit(lua_State *L);
int luaopen_vega_core_linalg(lua_State *L);
int luaopen_vega_core_comm(lua_State *L);
int luaopen_vega_core_process(lua_State *L);

#endif
