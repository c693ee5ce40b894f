/* vega.core.process: this program and those it starts and watches (base/process.h). sys.run and sys.start are the plain forms. */
#include "base/process.h"

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "bind/vgl.h"

extern char **environ;

static void set_text(lua_State *L, const char *key, const char *value) {
  lua_pushstring(L, value);
  lua_setfield(L, -2, key);
}

static void set_link(lua_State *L, const char *key, const char *path) {
  char target[PATH_MAX];
  ssize_t n = readlink(path, target, sizeof target - 1);
  target[n > 0 ? n : 0] = '\0';
  set_text(L, key, target);
}

static void set_line(lua_State *L, const char *key, const char *path) {
  char text[128] = "";
  FILE *f = fopen(path, "re");
  if (f) {
    if (!fgets(text, sizeof text, f)) text[0] = '\0';
    fclose(f);
  }
  text[strcspn(text, "\n")] = '\0';
  set_text(L, key, text);
}

/* about() -> { pid, start (clock ticks since the boot), host, boot_id, namespace (that pids are of), program, folder } of this program */
static int l_about(lua_State *L) {
  lua_createtable(L, 0, 7);
  lua_pushinteger(L, getpid());
  lua_setfield(L, -2, "pid");
  lua_pushinteger(L, vg_process_start_time(getpid()));
  lua_setfield(L, -2, "start");
  set_line(L, "host", "/proc/sys/kernel/hostname");
  set_line(L, "boot_id", "/proc/sys/kernel/random/boot_id");
  set_link(L, "namespace", "/proc/self/ns/pid");
  set_link(L, "program", "/proc/self/exe");
  set_link(L, "folder", "/proc/self/cwd");
  return 1;
}

/* start_time(pid) -> clock ticks since the boot, or nil when there is no such program, or only its remains */
static int l_start_time(lua_State *L) {
  int64_t start = vg_process_start_time((int)luaL_checkinteger(L, 1));
  if (start) lua_pushinteger(L, start);
  else lua_pushnil(L);
  return 1;
}

enum { MOST_WORDS = 1024 };

/* The texts of the list at `at` as a vector that ends with NULL; pushes what holds it. [-0, +1, e] */
static char **check_words(lua_State *L, int at) {
  luaL_checktype(L, at, LUA_TTABLE);
  int n = (int)lua_rawlen(L, at);
  luaL_argcheck(L, n >= 1 && n <= MOST_WORDS, at, "1 to 1024 words expected");
  char **words = lua_newuserdatauv(L, sizeof *words * (size_t)(n + 1), 0);
  for (int i = 0; i < n; i++) {
    if (lua_rawgeti(L, at, i + 1) != LUA_TSTRING) luaL_argerror(L, at, "a list of texts expected");
    words[i] = (char *)lua_tostring(L, -1);          /* lives as long as the list */
    lua_pop(L, 1);
  }
  words[n] = NULL;
  return words;
}

static int is_overridden(lua_State *L, int at, const char *entry) {
  const char *equals = strchr(entry, '=');
  if (!equals) return 0;
  lua_pushlstring(L, entry, (size_t)(equals - entry));
  int found = lua_rawget(L, at) != LUA_TNIL;
  lua_pop(L, 1);
  return found;
}

/* Our environment with the texts of the table at `at` put in. [-0, +1 list of texts, e] */
static void push_environment(lua_State *L, int at) {
  lua_Integer n = 0;
  lua_newtable(L);
  int list = lua_gettop(L);
  for (char **entry = environ; *entry; entry++) {
    if (is_overridden(L, at, *entry)) continue;
    lua_pushstring(L, *entry);
    lua_rawseti(L, list, ++n);
  }
  for (lua_pushnil(L); lua_next(L, at); lua_pop(L, 1)) {
    lua_pushfstring(L, "%s=%s", luaL_checkstring(L, -2), luaL_checkstring(L, -1));
    lua_rawseti(L, list, ++n);
  }
}

/* spawn({ program, argument, ... }, { NAME = text } [, record]) -> pid | nil, message, "EIO": in a process group of its own, with these in its
 * environment; output and error are ours. record.pid = pid: an interrupt may come before the caller has the result, but not before that. */
static int l_spawn(lua_State *L) {
  int pid;
  luaL_checktype(L, 2, LUA_TTABLE);
  lua_settop(L, 3);
  if (!lua_isnil(L, 3)) {
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_pushinteger(L, 0);
    lua_setfield(L, 3, "pid");                       /* makes the room: nothing may fail once the program runs */
  }
  char **words = check_words(L, 1);
  push_environment(L, 2);
  char **environment = check_words(L, lua_gettop(L));
  vg_status s = vg_process_spawn(&pid, words, environment);
  if (!lua_isnil(L, 3)) {
    if (s == VG_OK) lua_pushinteger(L, pid);
    else lua_pushnil(L);
    lua_setfield(L, 3, "pid");
  }
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, pid);
  return 1;
}

/* poll(pid) -> false while it runs, then once { exit_code =, signal =, max_rss_kb = }, one of the first two. Raises when it is not ours. */
static int l_poll(lua_State *L) {
  vg_process_end_of end;
  vg_status s = vg_process_poll(&end, (int)luaL_checkinteger(L, 1));
  if (s != VG_OK) return vgl_fail(L, s);
  if (!end.has_ended) {
    lua_pushboolean(L, 0);
    return 1;
  }
  lua_createtable(L, 0, 2);
  lua_pushinteger(L, end.signal ? end.signal : end.exit_code);
  lua_setfield(L, -2, end.signal ? "signal" : "exit_code");
  lua_pushinteger(L, end.max_rss_kb);
  lua_setfield(L, -2, "max_rss_kb");
  return 1;
}

/* signal(pid, "TERM" | "KILL" | "STOP" | "CONT" | "INT") -> true | nil, message, "EIO" when there is no such program */
static int l_signal(lua_State *L) {
  static const char *const NAMES[] = { "TERM", "KILL", "STOP", "CONT", "INT", NULL };
  static const int NUMBERS[] = { SIGTERM, SIGKILL, SIGSTOP, SIGCONT, SIGINT };
  vg_status s = vg_process_signal((int)luaL_checkinteger(L, 1), NUMBERS[luaL_checkoption(L, 2, NULL, NAMES)]);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* follow(parent) -> true | nil, message, "EIO" when that has ended: from now on we are asked to stop (SIGTERM) when it ends */
static int l_follow(lua_State *L) {
  vg_status s = vg_process_follow((int)luaL_checkinteger(L, 1), SIGTERM);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

/* setenv(name [, value]): for what is started from now on; without a value it is taken out */
static int l_setenv(lua_State *L) {
  const char *name = luaL_checkstring(L, 1), *value = luaL_optstring(L, 2, NULL);
  luaL_argcheck(L, *name && !strchr(name, '='), 1, "a name without '=' expected");
  if (value) setenv(name, value, 1);
  else unsetenv(name);
  return 0;
}

/* sleep(seconds): a signal ends it early */
static int l_sleep(lua_State *L) {
  lua_Number s = luaL_checknumber(L, 1);
  luaL_argcheck(L, s >= 0 && s <= 1000, 1, "0 to 1000 seconds expected");
  usleep((useconds_t)(1e6 * s));
  return 0;
}

static const luaL_Reg FUNCTIONS[] = { { "about", l_about }, { "follow", l_follow }, { "poll", l_poll }, { "setenv", l_setenv },
                                      { "signal", l_signal },
                                      { "sleep", l_sleep }, { "spawn", l_spawn }, { "start_time", l_start_time }, { NULL, NULL } };

int luaopen_vega_core_process(lua_State *L) {
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
