/* vega.core.sandbox: code of others under budgets; lua/vega/sandbox.lua builds its environment.
 *
 *   memory        the state's allocator counts and refuses; tensors by vg_alloc_set_limit
 *   instructions  a count hook, set from C before the code starts, so that its coroutines inherit it
 *   seconds       the same hook looks at the clock. It does not run inside C functions (one string.find can take minutes): a thread ends the process,
 *                 exit code 5, when the code is still running GRACE seconds after its time
 *
 * A budget that is used up is used up: the hook then raises at every instruction, and the pcall, xpcall and coroutine functions of the environment
 * raise again what they would have caught. Message handlers run with hooks off when a hook raised: those of the code do not run then at all. For the
 * same reason its metatables may have no __gc (vega/sandbox/environment.lua). */
#include "bind/sandbox.h"

#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/alloc.h"
#include "base/clock.h"
#include "base/interrupt.h"

enum { STEP = 1000, EXIT_RESOURCES = 5, NAME = 80 };
/* The stack of l_call. */
enum { LIMITS = 1, STRINGS, STRINGS_BEFORE, STRING_META, STRING_KEY, FUNCTION };
static const double GRACE = 1;

/* -- memory ---------------------------------------------------------------------------------------------------------------------- */

/* Stands between a state and the allocator it was made with. One for each state, kept to the end of the process: a closed state still frees by it. */
typedef struct pool {
  lua_Alloc f;
  void *ud;
  size_t used, limit;
  struct pool *next;
} pool;

static void *count_alloc(void *ud, void *p, size_t old, size_t size) {
  pool *m = ud;
  size_t before = p ? old : 0;
  if (size > before && (m->used >= m->limit || size - before > m->limit - m->used)) return NULL;
  void *q = m->f(m->ud, p, old, size);
  if (q || size == 0) m->used += size - before;
  return q;
}

/* The pool of a state; made when the first sandbox runs in it. NULL: no memory. */
static pool *pool_of(lua_State *L) {
  static pool *all;
  void *ud;
  lua_Alloc f = lua_getallocf(L, &ud);
  if (f == count_alloc) return ud;
  pool *m = malloc(sizeof *m);
  if (!m) return NULL;
  *m = (pool){ .f = f, .ud = ud, .limit = SIZE_MAX, .next = all };
  m->used = ((size_t)lua_gc(L, LUA_GCCOUNT, 0) << 10) + (size_t)lua_gc(L, LUA_GCCOUNTB, 0);
  all = m;
  lua_setallocf(L, count_alloc, m);
  return m;
}

/* -- budgets --------------------------------------------------------------------------------------------------------------------- */

typedef struct budget {
  char name[NAME];
  long long instructions, used;
  double seconds, began, deadline;
  size_t memory, old_memory, old_tensors;
  pool *pool;
  const char *exceeded;          /* what is used up; NULL: nothing yet */
  struct budget *outer;
} budget;

static budget *current;          /* of the code that runs now; a Lua program has one thread */

static int raise_exceeded(lua_State *L) {
  const budget *b = current;
  if (strcmp(b->exceeded, "seconds") == 0) return luaL_error(L, "sandbox '%s': its time of %f s is over", b->name, b->seconds);
  return luaL_error(L, "sandbox '%s': its %I instructions are used up", b->name, (LUAI_UACINT)b->instructions);
}

static void on_count(lua_State *L, lua_Debug *ar) {
  budget *b = current;
  (void)ar;
  if (!b) {                      /* a coroutine that outlived its sandbox */
    lua_sethook(L, NULL, 0, 0);
    return;
  }
  if (vg_interrupted) luaL_error(L, "interrupted!");
  if (!b->exceeded) {
    b->used += STEP;
    if (b->used > b->instructions) b->exceeded = "instructions";
    else if (vg_clock_s() > b->deadline) b->exceeded = "seconds";
    else return;
  }
  lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
  raise_exceeded(L);
}

/* To be called where an error may just have been caught. */
static void raise_again(lua_State *L) {
  if (current && !current->exceeded && vg_clock_s() > current->deadline) current->exceeded = "seconds";
  if (current && current->exceeded) {
    lua_sethook(L, on_count, LUA_MASKCOUNT, 1);
    raise_exceeded(L);
  }
  if (current && vg_interrupted) luaL_error(L, "interrupted!");
}

/* -- the watchdog ---------------------------------------------------------------------------------------------------------------- */

static struct {
  pthread_mutex_t lock;
  pthread_cond_t changed;
  double until, asleep;          /* when the process ends, INFINITY: nothing runs; when the thread looks next */
  double seconds;
  char name[NAME];
  int started;
} dog = { .lock = PTHREAD_MUTEX_INITIALIZER, .until = INFINITY, .asleep = INFINITY };

static void end_process(void) {
  char text[NAME + 160];
  int n = snprintf(text, sizeof text, "vega-lua: sandbox '%s': its time of %g s is over and it is still in one step of the engine or of a pattern: the process is ended\n", dog.name, dog.seconds);
  (void)!write(STDERR_FILENO, text, (size_t)n);
  _exit(EXIT_RESOURCES);
}

static void *watch(void *unused) {
  (void)unused;
  pthread_mutex_lock(&dog.lock);
  for (;;) {
    dog.asleep = dog.until;
    if (isinf(dog.until)) {
      pthread_cond_wait(&dog.changed, &dog.lock);
      continue;
    }
    if (vg_clock_s() >= dog.until) end_process();
    struct timespec at = { .tv_sec = (time_t)dog.until, .tv_nsec = (long)(1e9 * (dog.until - floor(dog.until))) };
    pthread_cond_timedwait(&dog.changed, &dog.lock, &at);
  }
  return NULL;
}

/* 0, or an error number. All signals stay with the main thread. */
static int start_dog(void) {
  pthread_t thread;
  pthread_condattr_t attributes;
  sigset_t all, before;
  if (dog.started) return 0;
  pthread_condattr_init(&attributes);
  pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
  pthread_cond_init(&dog.changed, &attributes);
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  int bad = pthread_create(&thread, NULL, watch, NULL);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  if (!bad) pthread_detach(thread);
  dog.started = !bad;
  return bad;
}

static void set_dog(const budget *b) {
  pthread_mutex_lock(&dog.lock);
  dog.until = b ? b->deadline + GRACE : INFINITY;
  if (b) {
    dog.seconds = b->seconds;
    memcpy(dog.name, b->name, NAME);
  }
  if (dog.until < dog.asleep) pthread_cond_signal(&dog.changed);         /* else it finds out by itself: waking it costs more than most calls */
  pthread_mutex_unlock(&dog.lock);
}

/* -- running --------------------------------------------------------------------------------------------------------------------- */

static double number_of(lua_State *L, int arg, const char *key, double most) {
  if (lua_getfield(L, arg, key) != LUA_TNUMBER || !(lua_tonumber(L, -1) > 0) || lua_tonumber(L, -1) > most)
    luaL_error(L, "sandbox: %s must be a number > 0 and at most %f, got %s", key, most, luaL_tolstring(L, -1, NULL));
  double v = lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

static void read_limits(budget *b, lua_State *L, int arg) {
  luaL_checktype(L, arg, LUA_TTABLE);
  lua_getfield(L, arg, "name");
  snprintf(b->name, NAME, "%s", luaL_checkstring(L, -1));
  for (char *p = b->name; *p; p++)
    if ((unsigned char)*p < 32 || *p == 127) *p = '?';
  lua_pop(L, 1);
  b->memory = (size_t)number_of(L, arg, "memory", 1e15);
  b->instructions = (long long)number_of(L, arg, "instructions", 1e18);
  b->seconds = number_of(L, arg, "seconds", 1e9);
}

/* What strings are indexed with becomes the value at `with`. The metatable and the key stand on the stack, so that nothing here raises. */
static void set_string_index(lua_State *L, int with) {
  lua_pushvalue(L, STRING_KEY);
  lua_pushvalue(L, with);
  lua_rawset(L, STRING_META);
}

/* From here to the end of leave nothing raises: a budget that stays current would be a pointer into a frame that is gone. */
static void enter(budget *b, lua_State *L, size_t tensors) {
  vg_alloc_stats stats = vg_alloc_get_stats();
  b->outer = current;
  b->began = vg_clock_s();
  b->deadline = b->began + b->seconds;
  b->old_memory = b->pool->limit;
  b->old_tensors = vg_alloc_get_limit();
  size_t memory = b->pool->used + b->memory;
  if (memory < b->pool->limit) b->pool->limit = memory;
  if (!b->old_tensors || stats.live_bytes + tensors < b->old_tensors) vg_alloc_set_limit(stats.live_bytes + tensors);
  if (b->outer) {
    if (b->outer->deadline < b->deadline) b->deadline = b->outer->deadline;
    if (b->outer->instructions - b->outer->used < b->instructions) b->instructions = b->outer->instructions - b->outer->used;
  }
  set_string_index(L, STRINGS);
  lua_sethook(L, on_count, LUA_MASKCOUNT, STEP);
  current = b;
  set_dog(b);
}

static void leave(budget *b, lua_State *L) {
  current = b->outer;
  set_dog(current);
  if (current) current->used += b->used;
  lua_sethook(L, current ? on_count : NULL, current ? LUA_MASKCOUNT : 0, current && !current->exceeded ? STEP : 1);
  set_string_index(L, STRINGS_BEFORE);
  vg_alloc_set_limit(b->old_tensors);
  b->pool->limit = b->old_memory;
}

/* The error as a text, by the code's own __tostring: still under the budget. */
static int explain(lua_State *L) {
  if (lua_istable(L, 1)) {
    lua_pushliteral(L, "message");
    lua_rawget(L, 1);
    if (lua_type(L, -1) == LUA_TSTRING) return 1;
  }
  luaL_tolstring(L, 1, NULL);
  return 1;
}

/* call({ name =, memory =, tensors =, instructions =, seconds =, strings = }, f, ...) -> true, results of f | false, message, code, the error
 * value: "EBUDGET" when instructions or seconds are used up, "ENOMEM", "EINTR", "ESCRIPT" for an error of the code. `strings` is what strings are
 * indexed with meanwhile. */
static int l_call(lua_State *L) {
  budget b = { 0 };
  read_limits(&b, L, LIMITS);
  size_t tensors = (size_t)number_of(L, LIMITS, "tensors", 1e15);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  luaL_argcheck(L, lua_getfield(L, LIMITS, "strings") == LUA_TTABLE, 1, "strings: a table expected");
  luaL_checkstack(L, 8, "sandbox");
  lua_insert(L, STRINGS);
  lua_pushliteral(L, "");
  lua_getmetatable(L, -1);
  lua_replace(L, -2);
  lua_insert(L, STRINGS_BEFORE);
  lua_getfield(L, STRINGS_BEFORE, "__index");
  lua_insert(L, STRINGS_BEFORE);
  lua_pushliteral(L, "__index");
  lua_insert(L, STRING_KEY);
  b.pool = pool_of(L);
  if (!b.pool || start_dog() != 0) return luaL_error(L, "sandbox: not enough memory for its watchdog");
  enter(&b, L, tensors);
  int status = lua_pcall(L, lua_gettop(L) - FUNCTION, LUA_MULTRET, 0);
  if (!lua_checkstack(L, 8)) {
    status = LUA_ERRMEM;
    lua_settop(L, FUNCTION);
  }
  if (status != LUA_OK) {
    lua_pushcfunction(L, explain);
    lua_pushvalue(L, -2);
    lua_pcall(L, 1, 1, 0);
  }
  leave(&b, L);
  if (status == LUA_OK) {
    lua_pushboolean(L, 1);
    lua_replace(L, STRING_KEY);
    return lua_gettop(L) - STRING_KEY + 1;
  }
  if (lua_type(L, -1) != LUA_TSTRING) {
    lua_pushliteral(L, "an error that is no text");
    lua_replace(L, -2);
  }
  lua_pushboolean(L, 0);
  lua_insert(L, -3);
  lua_pushstring(L, b.exceeded ? "EBUDGET" : vg_interrupted ? "EINTR" : status == LUA_ERRMEM ? "ENOMEM" : "ESCRIPT");
  lua_rotate(L, -3, 2);                               /* false, value, text, code -> false, text, code, value */
  return 4;
}

/* -- what the environment has in place of Lua's own ------------------------------------------------------------------------------ */

static int finish(lua_State *L, int status, lua_KContext extra) {
  raise_again(L);
  if (status == LUA_OK || status == LUA_YIELD) return lua_gettop(L) - (int)extra;
  lua_pushboolean(L, 0);
  lua_pushvalue(L, -2);
  return 2;
}

static int l_pcall(lua_State *L) {                    /* pcall(f, ...) as Lua's, but for a budget that is used up */
  luaL_checkany(L, 1);
  lua_pushboolean(L, 1);
  lua_insert(L, 1);
  return finish(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish), 0);
}

static int handle(lua_State *L) {
  if (current && current->exceeded) return 1;
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, 1);
  return 1;
}

static int l_xpcall(lua_State *L) {                   /* xpcall(f, handler, ...) as Lua's, in the same way */
  int n = lua_gettop(L);
  luaL_checktype(L, 2, LUA_TFUNCTION);
  lua_pushvalue(L, 2);
  lua_pushcclosure(L, handle, 1);
  lua_replace(L, 2);
  lua_pushboolean(L, 1);
  lua_pushvalue(L, 1);
  lua_rotate(L, 3, 2);
  return finish(L, lua_pcallk(L, n - 2, LUA_MULTRET, 2, 2, finish), 2);
}

static int call_upvalue(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  raise_again(L);
  return lua_gettop(L);
}

static int l_checked(lua_State *L) {                  /* checked(f) -> f, after which a budget that is used up is raised again */
  luaL_checktype(L, 1, LUA_TFUNCTION);
  lua_settop(L, 1);
  lua_pushcclosure(L, call_upvalue, 1);
  return 1;
}

/* Raises unless as many bytes may still be had. */
static void check_room(lua_State *L, const char *what, double bytes) {
  const pool *m = pool_of(L);
  double room = m && m->limit > m->used ? (double)(m->limit - m->used) : 0;
  if (current && bytes > room) luaL_error(L, "sandbox '%s': %s would take %I bytes, %I are left of its memory", current->name, what, (LUAI_UACINT)fmin(bytes, 9e18), (LUAI_UACINT)room);
}

static int call_original(lua_State *L) {
  lua_pushvalue(L, lua_upvalueindex(1));
  lua_insert(L, 1);
  lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
  return lua_gettop(L);
}

static int l_rep(lua_State *L) {                      /* string.rep, its result's size checked first */
  size_t n, separator = 0;
  luaL_checklstring(L, 1, &n);
  lua_Integer times = luaL_checkinteger(L, 2);
  luaL_optlstring(L, 3, "", &separator);
  if (times > 0) check_room(L, "string.rep", (double)times * (double)(n + separator));
  return call_original(L);
}

static int l_format(lua_State *L) {                   /* string.format, in the same way: %q writes a byte as four at most */
  size_t total = 0, n;
  luaL_checklstring(L, 1, &total);
  for (int i = 2; i <= lua_gettop(L); i++)
    if (lua_type(L, i) == LUA_TSTRING) total += 4 * (lua_tolstring(L, i, &n), n);
  check_room(L, "string.format", (double)total);
  return call_original(L);
}

static int l_concat(lua_State *L) {                   /* table.concat, in the same way */
  size_t total = 0, n, separator = 0;
  luaL_checktype(L, 1, LUA_TTABLE);
  luaL_optlstring(L, 2, "", &separator);
  lua_Integer first = luaL_optinteger(L, 3, 1), last = lua_isnoneornil(L, 4) ? (lua_Integer)lua_rawlen(L, 1) : luaL_checkinteger(L, 4);
  for (lua_Integer i = first; i <= last; i++) {
    if (lua_rawgeti(L, 1, i) != LUA_TSTRING && !lua_isnumber(L, -1)) break;             /* it says itself what is wrong */
    if (lua_type(L, -1) == LUA_TSTRING) lua_tolstring(L, -1, &n);
    else n = 24;
    total += n + separator;
    lua_pop(L, 1);
    if (i == LUA_MAXINTEGER) break;
  }
  check_room(L, "table.concat", (double)total);
  lua_settop(L, 4);
  return call_original(L);
}

static void push_sized(lua_State *L, const char *library, const char *name, lua_CFunction f) {      /* table on top gets name = f(original) */
  lua_getglobal(L, library);
  lua_getfield(L, -1, name);
  lua_remove(L, -2);
  lua_pushcclosure(L, f, 1);
  lua_setfield(L, -2, name);
}

/* room() -> bytes of Lua's memory left, instructions left, seconds left; nothing outside of a sandbox */
static int l_room(lua_State *L) {
  const budget *b = current;
  if (!b) return 0;
  lua_pushinteger(L, (lua_Integer)(b->pool->limit > b->pool->used ? b->pool->limit - b->pool->used : 0));
  lua_pushinteger(L, b->instructions - b->used);
  lua_pushnumber(L, b->deadline - vg_clock_s());
  return 3;
}

/* -- states of their own --------------------------------------------------------------------------------------------------------- */

static int open_state(lua_State *L) {
  luaL_openlibs(L);
  vgl_refuse_bytecode(L);
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_PRELOAD_TABLE);
  lua_pushcfunction(L, luaopen_vega_core);
  lua_setfield(L, -2, "vega.core");
  return 0;
}

static int run_inside(lua_State *L) {                 /* path, module, two texts -> what the module's function returns of them, a string */
  lua_getglobal(L, "package");
  lua_pushvalue(L, 1);
  lua_setfield(L, -2, "path");
  lua_getglobal(L, "require");
  lua_pushvalue(L, 2);
  lua_call(L, 1, 1);
  lua_pushvalue(L, 3);
  lua_pushvalue(L, 4);
  lua_call(L, 2, 1);
  luaL_checkstring(L, -1);
  return 1;
}

typedef struct state { lua_State *L; } state;
#define STATE "vega.sandbox.state"

static int l_state_gc(lua_State *L) {
  state *s = luaL_checkudata(L, 1, STATE);
  if (s->L) lua_close(s->L);
  s->L = NULL;
  return 0;
}

/* apart(path, module, text, text) -> the string that the function of `module` gives for the texts in a Lua state made for it and closed afterwards; or
 * nil, message. Only strings cross. */
static int l_apart(lua_State *L) {
  const char *path = luaL_checkstring(L, 1), *module = luaL_checkstring(L, 2);
  size_t n, m, n_second;
  const char *text = luaL_checklstring(L, 3, &n), *second = luaL_checklstring(L, 4, &n_second);
  lua_settop(L, 4);
  state *s = lua_newuserdatauv(L, sizeof *s, 0);
  s->L = NULL;
  luaL_setmetatable(L, STATE);
  s->L = luaL_newstate();
  if (!s->L) return luaL_error(L, "not enough memory");
  lua_pushcfunction(s->L, open_state);
  int status = lua_pcall(s->L, 0, 0, 0);
  if (status == LUA_OK) {
    lua_pushcfunction(s->L, run_inside);
    lua_pushstring(s->L, path);
    lua_pushstring(s->L, module);
    lua_pushlstring(s->L, text, n);
    lua_pushlstring(s->L, second, n_second);
    status = lua_pcall(s->L, 4, 1, 0);
  }
  const char *result = lua_tolstring(s->L, -1, &m);
  if (status != LUA_OK) lua_pushnil(L);
  lua_pushlstring(L, result ? result : "an error that is no text", result ? m : 24);
  lua_close(s->L);
  s->L = NULL;
  return status == LUA_OK ? 1 : 2;
}

/* -- bytecode -------------------------------------------------------------------------------------------------------------------- */

static void refuse_mode(lua_State *L, int arg) {
  const char *mode = luaL_optstring(L, arg, "t");
  if (strchr(mode, 'b') && !strchr(mode, 't')) luaL_argerror(L, arg, "bytecode is not loaded (see vega-lua --allow-bytecode)");
}

static int l_load(lua_State *L) {                     /* load, text only */
  refuse_mode(L, 3);
  if (lua_gettop(L) < 3) lua_settop(L, 3);
  lua_pushliteral(L, "t");
  lua_replace(L, 3);
  return call_original(L);
}

static int l_loadfile(lua_State *L) {                 /* loadfile, text only */
  refuse_mode(L, 2);
  if (lua_gettop(L) < 2) lua_settop(L, 2);
  lua_pushliteral(L, "t");
  lua_replace(L, 2);
  return call_original(L);
}

static int l_dofile(lua_State *L) {                   /* dofile, text only */
  const char *path = luaL_optstring(L, 1, NULL);
  lua_settop(L, 1);
  if (luaL_loadfilex(L, path, "t") != LUA_OK) return lua_error(L);
  lua_call(L, 0, LUA_MULTRET);
  return lua_gettop(L) - 1;
}

static int l_search_lua(lua_State *L) {               /* package.searchers[2], text only */
  const char *name = luaL_checkstring(L, 1);
  lua_settop(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "searchpath");
  lua_pushvalue(L, 1);
  lua_getfield(L, lua_upvalueindex(1), "path");
  if (lua_type(L, -1) != LUA_TSTRING) return luaL_error(L, "'package.path' must be a string");
  lua_call(L, 2, 2);
  if (lua_isnil(L, -2)) return 1;
  lua_pop(L, 1);
  const char *path = lua_tostring(L, -1);
  if (luaL_loadfilex(L, path, "t") != LUA_OK)
    return luaL_error(L, "error loading module '%s' from file '%s':\n\t%s", name, path, lua_tostring(L, -1));
  lua_insert(L, -2);
  return 2;
}

static void replace_global(lua_State *L, const char *name, lua_CFunction f) {
  lua_getglobal(L, name);
  lua_pushcclosure(L, f, 1);
  lua_setglobal(L, name);
}

int vgl_refuse_bytecode(lua_State *L) {
  replace_global(L, "load", l_load);
  replace_global(L, "loadfile", l_loadfile);
  replace_global(L, "dofile", l_dofile);
  lua_getglobal(L, "package");
  lua_getfield(L, -1, "searchers");
  lua_pushvalue(L, -2);
  lua_pushcclosure(L, l_search_lua, 1);
  lua_rawseti(L, -2, 2);
  lua_pop(L, 2);
  return 0;
}

static const luaL_Reg FUNCTIONS[] = { { "call", l_call }, { "apart", l_apart }, { "checked", l_checked }, { "pcall", l_pcall }, { "xpcall", l_xpcall },
  { "room", l_room }, { NULL, NULL } };
static const luaL_Reg STATE_META[] = { { "__gc", l_state_gc }, { NULL, NULL } };

int luaopen_vega_core_sandbox(lua_State *L) {
  luaL_newmetatable(L, STATE);
  luaL_setfuncs(L, STATE_META, 0);
  lua_pop(L, 1);
  luaL_newlib(L, FUNCTIONS);
  push_sized(L, LUA_STRLIBNAME, "rep", l_rep);
  push_sized(L, LUA_STRLIBNAME, "format", l_format);
  push_sized(L, LUA_TABLIBNAME, "concat", l_concat);
  return 1;
}
