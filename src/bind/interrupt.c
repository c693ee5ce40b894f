/* Signals that ask to stop, for the program (not for the module in a stock Lua, whose host has its own).
 * A handler can only set a hook on the Lua thread that runs, and Lua does not tell which one that is: resume and wrap of the coroutine library
 * are replaced by functions of the same behaviour that keep account of it. */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "bind/interrupt.h"

static lua_State *running;

static void stop_here(lua_State *L, lua_Debug *ar) {
  (void)ar;
  lua_sethook(L, NULL, 0, 0);
  luaL_error(L, "interrupted!");
}

static void stop_soon(lua_State *L) { lua_sethook(L, stop_here, LUA_MASKCALL | LUA_MASKRET | LUA_MASKLINE | LUA_MASKCOUNT, 1); }

static void on_signal(int number) {
  if (vg_interrupted) _exit(128 + number);
  vg_interrupted = number;
  stop_soon(running);
}

/* -- SIGUSR1: what is going on? ---------------------------------------------------------------------------------------------------- */

static const char STATUS_KEY;           /* of the function in the registry of each state */

/* Prints what the function that vgl_on_status was given says; without one, the line that runs. */
static void show_status(lua_State *L, lua_Debug *ar) {
  lua_sethook(L, NULL, 0, 0);
  if (vg_interrupted) stop_soon(L);
  if (!lua_checkstack(L, 8)) return;
  lua_rawgetp(L, LUA_REGISTRYINDEX, &STATUS_KEY);
  if (lua_isfunction(L, -1) && lua_pcall(L, 0, 1, 0) == LUA_OK && lua_isstring(L, -1)) {
    fprintf(stderr, "%s\n", lua_tostring(L, -1));
  } else {
    lua_getinfo(L, "Sl", ar);
    fprintf(stderr, "vega-lua: no study runs; at %s:%d\n", ar->short_src, ar->currentline);
  }
  lua_pop(L, 1);
}

static void on_status(int number) {
  (void)number;
  if (!vg_interrupted) lua_sethook(running, show_status, LUA_MASKLINE | LUA_MASKCOUNT, 1);
}

void vgl_on_status(lua_State *L) {
  lua_pushvalue(L, -1);
  lua_rawsetp(L, LUA_REGISTRYINDEX, &STATUS_KEY);
}

/* A closed pipe is a failed write, not a signal. Not SIG_IGN: started programs would inherit that. */
static void on_closed_pipe(int number) { (void)number; }

static int fails(lua_State *L, const char *message) {
  lua_pushstring(L, message);
  return -1;
}

/* Moves n values to the coroutine, runs it, moves its results back. @return how many, or -1 with the error on top */
static int resume(lua_State *L, lua_State *co, int n) {
  int n_results = 0;
  lua_State *before = running;
  if (!lua_checkstack(co, n)) return fails(L, "too many arguments to resume");
  lua_xmove(L, co, n);
  running = co;
  int status = lua_resume(co, L, n, &n_results);
  running = before;
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_xmove(co, L, 1);
    return -1;
  }
  if (vg_interrupted) stop_soon(before);          /* the signal came as the coroutine gave way */
  if (!lua_checkstack(L, n_results + 1)) {
    lua_pop(co, n_results);
    return fails(L, "too many results to resume");
  }
  lua_xmove(co, L, n_results);
  return n_results;
}

static int l_resume(lua_State *L) {
  lua_State *co = lua_tothread(L, 1);
  luaL_argexpected(L, co, 1, "coroutine");
  int n = resume(L, co, lua_gettop(L) - 1);
  lua_pushboolean(L, n >= 0);
  lua_insert(L, -(n < 0 ? 1 : n) - 1);
  return n < 0 ? 2 : n + 1;
}

/* Raises the error on top at the caller; a coroutine that failed closes its variables first. */
static int raise_error(lua_State *L, lua_State *co) {
  int status = lua_status(co);
  if (status != LUA_OK && status != LUA_YIELD) {
    lua_pop(L, 1);
    status = lua_resetthread(co);                 /* leaves the error, or that of a closing variable, on co */
    lua_xmove(co, L, 1);
  }
  if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
    luaL_where(L, 1);
    lua_insert(L, -2);
    lua_concat(L, 2);
  }
  return lua_error(L);
}

static int l_call_wrapped(lua_State *L) {
  lua_State *co = lua_tothread(L, lua_upvalueindex(1));
  int n = resume(L, co, lua_gettop(L));
  return n < 0 ? raise_error(L, co) : n;
}

static int l_wrap(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_State *co = lua_newthread(L);
  lua_pushvalue(L, 1);
  lua_xmove(L, co, 1);
  lua_pushcclosure(L, l_call_wrapped, 1);
  return 1;
}

static int is_ignored(int number) {
  struct sigaction now;
  return sigaction(number, NULL, &now) == 0 && now.sa_handler == SIG_IGN;
}

void vgl_watch_signals(lua_State *L) {
  struct sigaction action = { .sa_handler = on_signal };   /* no SA_RESTART: a blocked read must end */
  running = L;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  sigaction(SIGTERM, &action, NULL);
  if (!is_ignored(SIGHUP)) sigaction(SIGHUP, &action, NULL);          /* nohup asked for that */
  action.sa_handler = on_closed_pipe;
  sigaction(SIGPIPE, &action, NULL);
  action.sa_handler = on_status;
  action.sa_flags = SA_RESTART;
  sigaction(SIGUSR1, &action, NULL);
}

int vgl_open_coroutines(lua_State *L) {
  lua_getglobal(L, LUA_COLIBNAME);
  lua_pushcfunction(L, l_resume);
  lua_setfield(L, -2, "resume");
  lua_pushcfunction(L, l_wrap);
  lua_setfield(L, -2, "wrap");
  lua_pop(L, 1);
  return 0;
}
