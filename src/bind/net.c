/* vega.core.net: TCP sockets that carry messages, and programs at the other end of one. Every wait ends after the given seconds; what fails gives
 * nil, message and "EIO", "EFORMAT", "ETIMEDOUT" or "EINTR". */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/net.h"
#include "base/process.h"
#include "bind/vgl.h"

#define TYPE "vega.socket"
enum { MOST_WORDS = 64, MOST_WAITED = 16 };

static int *new_box(lua_State *L) {
  int *box = lua_newuserdatauv(L, sizeof *box, 0);
  *box = -1;
  luaL_setmetatable(L, TYPE);
  return box;
}

static int check_socket(lua_State *L, int arg) {
  int *box = luaL_checkudata(L, arg, TYPE);
  luaL_argcheck(L, *box >= 0, arg, "the socket is closed");
  return *box;
}

static double check_seconds(lua_State *L, int arg) {
  double seconds = luaL_checknumber(L, arg);
  luaL_argcheck(L, seconds >= 0, arg, "seconds >= 0 expected");
  return seconds;
}

static int check_port(lua_State *L, int arg) {
  lua_Integer port = luaL_checkinteger(L, arg);
  luaL_argcheck(L, port >= 0 && port <= 65535, arg, "a port from 0 to 65535 expected");
  return (int)port;
}

static int net_listen(lua_State *L) {                     /* listen(host, port) -> socket; port 0: any that is free */
  const char *host = luaL_checkstring(L, 1);
  int port = check_port(L, 2), *box = new_box(L);
  vg_status s = vg_net_listen(box, host, port);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int net_connect(lua_State *L) {                    /* connect(host, port, seconds) -> socket */
  const char *host = luaL_checkstring(L, 1);
  int port = check_port(L, 2);
  double seconds = check_seconds(L, 3);
  int *box = new_box(L);
  vg_status s = vg_net_connect(box, host, port, seconds);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_accept(lua_State *L) {                       /* socket:accept(seconds) -> socket to the next caller */
  int listener = check_socket(L, 1);
  double seconds = check_seconds(L, 2);
  int *box = new_box(L);
  vg_status s = vg_net_accept(box, listener, seconds);
  return s == VG_OK ? 1 : vgl_fail(L, s);
}

static int l_port(lua_State *L) {                         /* socket:port() -> its port here */
  int port;
  vg_status s = vg_net_port(&port, check_socket(L, 1));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, port);
  return 1;
}

static int l_send(lua_State *L) {                         /* socket:send(text, seconds) -> true */
  size_t n;
  const char *text = luaL_checklstring(L, 2, &n);
  vg_status s = vg_net_send(check_socket(L, 1), text, n, check_seconds(L, 3));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushboolean(L, 1);
  return 1;
}

static int l_receive(lua_State *L) {                      /* socket:receive(seconds, most) -> text of at most so many bytes */
  int fd = check_socket(L, 1);
  double seconds = check_seconds(L, 2);
  lua_Integer most = luaL_checkinteger(L, 3);
  char *text;
  size_t n;
  luaL_argcheck(L, most >= 0 && most <= VG_NET_LONGEST, 3, "a number of bytes from 0 to 64 MiB expected");
  vg_status s = vg_net_receive(&text, &n, fd, (size_t)most, seconds);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushtext(L, text, n);
  return 1;
}

static int l_close(lua_State *L) {                        /* socket:close() */
  int *box = luaL_checkudata(L, 1, TYPE);
  if (*box >= 0) close(*box);
  *box = -1;
  return 0;
}

static int l_tostring(lua_State *L) {
  int *box = luaL_checkudata(L, 1, TYPE);
  if (*box < 0) lua_pushliteral(L, "socket (closed)");
  else lua_pushfstring(L, "socket (%d)", *box);
  return 1;
}

/* wait({ sockets }, seconds) -> the place of the first that has something to read, or false when none had in time. {} sleeps. */
static int net_wait(lua_State *L) {
  int fd[MOST_WAITED], ready;
  luaL_checktype(L, 1, LUA_TTABLE);
  double seconds = check_seconds(L, 2);
  int n = (int)lua_rawlen(L, 1);
  luaL_argcheck(L, n <= MOST_WAITED, 1, "at most 16 sockets expected");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    fd[i] = check_socket(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  vg_status s = vg_net_wait(&ready, fd, n, seconds);
  if (s != VG_OK) return vgl_fail(L, s);
  if (ready < 0) lua_pushboolean(L, 0);
  else lua_pushinteger(L, ready + 1);
  return 1;
}

/* spawn({ program, argument, ... }) -> socket, pid: a program whose standard input is the other end of the socket. Its output and error are ours. */
static int net_spawn(lua_State *L) {
  char *argv[MOST_WORDS + 1];
  int ends[2], pid;
  luaL_checktype(L, 1, LUA_TTABLE);
  int n = (int)lua_rawlen(L, 1);
  luaL_argcheck(L, n >= 1 && n <= MOST_WORDS, 1, "1 to 64 words expected");
  luaL_checkstack(L, n + 8, "words");
  for (int i = 0; i < n; i++) {
    lua_rawgeti(L, 1, i + 1);
    argv[i] = (char *)luaL_checkstring(L, -1);
  }
  argv[n] = NULL;
  int *box = new_box(L);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return vgl_fail(L, vg_fail(VG_EIO, "spawn: %s", strerror(errno)));
  *box = ends[0];
  vg_status s = vg_process_start_on(&pid, ends[1], argv);
  close(ends[1]);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, pid);
  return 2;
}

static int net_stop(lua_State *L) {                       /* stop(pid) -> exit code of a spawned program, which is ended unless it has; 137: it was */
  int code;
  vg_status s = vg_process_end(&code, (int)luaL_checkinteger(L, 1));
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, code);
  return 1;
}

static int net_parent(lua_State *L) {                     /* parent() -> socket to the program that spawned this one, whose end is now ours, too */
  int *box = new_box(L);
  *box = STDIN_FILENO;
  vg_process_follow_parent();
  return 1;
}

static const luaL_Reg METHODS[] = { { "accept", l_accept }, { "close", l_close }, { "port", l_port }, { "receive", l_receive }, { "send", l_send },
                                    { NULL, NULL } };
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { "__tostring", l_tostring }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "connect", net_connect }, { "listen", net_listen }, { "parent", net_parent }, { "spawn", net_spawn },
                                      { "stop", net_stop }, { "wait", net_wait }, { NULL, NULL } };

int luaopen_vega_core_net(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
