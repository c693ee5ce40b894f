/* vega.core.comm: the communicator of a process, and gangs of processes. lua/vega/comm.lua says what a user calls. */
#include "bind/comm.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "comm/gang.h"

vg_comm *vgl_checkcomm(lua_State *L, int arg) {
  vg_comm **box = luaL_checkudata(L, arg, VGL_COMM);
  luaL_argcheck(L, *box != NULL, arg, "the communicator is closed");
  return *box;
}

static int succeed(lua_State *L, vg_status s) {
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* join(["single" | "shm" | "mpi"]) -> communicator | nil, message, code: what the process was started for unless a back end is named. */
static int l_join(lua_State *L) {
  const char *name = luaL_optstring(L, 1, NULL);
  vg_comm **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, VGL_COMM);
  vg_status s = vg_comm_join(box, name);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static const char *const HOW[] = { "sum", "min", "max", NULL };

/* comm:allreduce(tensor) -> true: each element of the f32 tensor becomes its sum over the ranks, added in their order.
 * comm:allreduce(number, "sum" | "min" | "max") -> that of all ranks' numbers. Both | nil, message, code */
static int l_allreduce(lua_State *L) {
  vg_comm *c = vgl_checkcomm(L, 1);
  vg_tensor *t = vgl_totensor(L, 2);
  if (t) {
    luaL_argcheck(L, t->dtype == VG_F32, 2, "a tensor of f32 expected");
    luaL_argcheck(L, lua_isnoneornil(L, 3) || strcmp(luaL_checkstring(L, 3), "sum") == 0, 3, "tensors can be summed only");
    return succeed(L, vg_comm_sum(c, vg_f32(t), &(vg_span){ 0, vg_tensor_count(t) }, 1, 1));
  }
  double v = luaL_checknumber(L, 2);
  vg_status s = vg_comm_reduce(c, &v, (vg_reduce)luaL_checkoption(L, 3, "sum", HOW));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushnumber(L, v);
  return 1;
}

/* The text of rank `root`: its length first, for which the others make room. */
static int broadcast_text(lua_State *L, vg_comm *c, int root) {
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  int64_t length = (int64_t)n;
  vg_status s = vg_comm_broadcast(c, &length, sizeof length, root);
  if (s != VG_OK) return vgl_fail(L, s);
  char *copy = lua_newuserdatauv(L, (size_t)length + 1, 0);
  if (c->rank == root) memcpy(copy, text, n);
  s = vg_comm_broadcast(c, copy, (size_t)length, root);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushlstring(L, copy, (size_t)length);
  return 1;
}

/* comm:broadcast(tensor [, root = 0]) -> true: it becomes that of rank root. comm:broadcast(text [, root = 0]) -> the text of rank root (the others
 * may give an empty one). Both | nil, message, code */
static int l_broadcast(lua_State *L) {
  vg_comm *c = vgl_checkcomm(L, 1);
  vg_tensor *t = vgl_totensor(L, 2);
  int root = (int)luaL_optinteger(L, 3, 0);
  return t ? succeed(L, vg_comm_broadcast(c, vg_tensor_data(t), vg_tensor_bytes(t), root)) : broadcast_text(L, c, root);
}

static int l_barrier(lua_State *L) {                      /* comm:barrier() -> true once all ranks are here | nil, message, code */
  return succeed(L, vg_comm_barrier(vgl_checkcomm(L, 1)));
}

/* comm:abort([code = 1]): ends this process at once with the exit code, and the exchange of all others: their calls fail. */
static int l_abort(lua_State *L) {
  vg_comm *c = vgl_checkcomm(L, 1);
  int code = (int)luaL_optinteger(L, 2, 1);
  fflush(NULL);
  vg_comm_abort(c, code);
  _exit(code);
}

static int l_close(lua_State *L) {                        /* comm:close(): leaves; also when it is collected, at the latest as the program ends */
  vg_comm **box = luaL_checkudata(L, 1, VGL_COMM);
  vg_comm_free(*box);
  *box = NULL;
  return 0;
}

static int l_tostring(lua_State *L) {
  vg_comm **box = luaL_checkudata(L, 1, VGL_COMM);
  if (*box) lua_pushfstring(L, "vega.comm: rank %d of %d (%s)", (*box)->rank, (*box)->size, (*box)->backend->name);
  else lua_pushstring(L, "vega.comm (closed)");
  return 1;
}

/* comm.rank (from 0), comm.size, comm.backend, or a method */
static int l_index(lua_State *L) {
  const char *key = luaL_checkstring(L, 2);
  if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TNIL) return 1;
  const vg_comm *c = vgl_checkcomm(L, 1);
  if (strcmp(key, "rank") == 0) lua_pushinteger(L, c->rank);
  else if (strcmp(key, "size") == 0) lua_pushinteger(L, c->size);
  else if (strcmp(key, "backend") == 0) lua_pushstring(L, c->backend->name);
  else return 0;
  return 1;
}

/* --- gangs ------------------------------------------------------------------------------------------------------------------------ */

#define GANG "vega.gang"

static int l_gang_gc(lua_State *L) {
  vg_gang **box = luaL_checkudata(L, 1, GANG);
  vg_gang_free(*box);
  *box = NULL;
  return 0;
}

/* The words of the list at `arg` as argv; the texts stay alive in it.  [-0, +1, e] */
static char **check_argv(lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_Integer n = luaL_len(L, arg);
  luaL_argcheck(L, n >= 1, arg, "a program expected");
  char **argv = lua_newuserdatauv(L, ((size_t)n + 1) * sizeof *argv, 0);
  for (lua_Integer i = 0; i < n; i++) {
    luaL_argcheck(L, lua_rawgeti(L, arg, i + 1) == LUA_TSTRING, arg, "a list of texts expected");
    argv[i] = (char *)lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  argv[n] = NULL;
  return argv;
}

/* gang({ program, argument, ... }, ranks, threads, patience_s, seconds) -> process that ended badly (from 0) or nil, exit code | nil, message, code.
 * ranks = 0: one program that starts them itself. */
static int l_gang(lua_State *L) {
  vg_gang_opts o = { .ranks = (int)luaL_checkinteger(L, 2), .threads = (int)luaL_checkinteger(L, 3), .patience_s = luaL_checknumber(L, 4) };
  double seconds = luaL_checknumber(L, 5);
  int process, code;
  o.argv = check_argv(L, 1);
  vg_gang **box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = NULL;
  luaL_setmetatable(L, GANG);
  vg_status s = vg_gang_start(box, &o);
  if (s == VG_OK) s = vg_gang_wait(&process, &code, *box, seconds);
  if (s != VG_OK) return vgl_fail(L, s);
  if (process >= 0) lua_pushinteger(L, process);
  else lua_pushnil(L);
  lua_pushinteger(L, code);
  return 2;
}

static int l_program(lua_State *L) {                      /* program() -> the path of the program that runs, for gang */
  char path[4096];
  ssize_t n = readlink("/proc/self/exe", path, sizeof path);
  if (n <= 0) return vgl_error(L, "comm: cannot read /proc/self/exe");
  lua_pushlstring(L, path, (size_t)n);
  return 1;
}

static int l_is_root(lua_State *L) {                      /* is_root() -> whether the user may do anything: Open MPI wants to be told */
  lua_pushboolean(L, geteuid() == 0);
  return 1;
}

static const luaL_Reg METHODS[] = { { "allreduce", l_allreduce }, { "broadcast", l_broadcast }, { "barrier", l_barrier }, { "abort", l_abort },
                                    { "close", l_close }, { NULL, NULL } };
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg GANG_META[] = { { "__gc", l_gang_gc }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "join", l_join }, { "gang", l_gang }, { "program", l_program }, { "is_root", l_is_root }, { NULL, NULL } };

int luaopen_vega_core_comm(lua_State *L) {
  luaL_newmetatable(L, VGL_COMM);
  luaL_setfuncs(L, META, 0);
  luaL_newlib(L, METHODS);
  lua_pushcclosure(L, l_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  vgl_newtype(L, GANG, GANG_META, NULL);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
