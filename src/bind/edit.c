/* vega.core.edit: a line editor on the terminal (libedit), with history and completion by a Lua function.
 * Ctrl-C while a line is edited drops the line, so it is taken from the pending interrupt here; other signals end the line and stay pending. */
#include <errno.h>
#include <histedit.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/interrupt.h"
#include "bind/vgl.h"

#define TYPE "vega.edit"
enum { HISTORY_SIZE = 1000, COMPLETER = 1 /* user value: the Lua function */ };

typedef struct editor {
  EditLine *el;
  History *history;
  lua_State *L;              /* while a line is read; argument 1 is this editor */
  char prompt[32];
} editor;

static editor *check_editor(lua_State *L) {
  editor *e = luaL_checkudata(L, 1, TYPE);
  luaL_argcheck(L, e->el, 1, "the editor is closed");
  return e;
}

static char *prompt_of(EditLine *el) {
  editor *e;
  el_get(el, EL_CLIENTDATA, &e);
  return e->prompt;
}

/* Waits for a byte; -1 when a signal asks to stop. The signals are let in only while it sleeps, so none slips between the look and the sleep. */
static ssize_t read_byte(char *byte) {
  sigset_t stop, before;
  struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };
  sigemptyset(&stop);
  sigaddset(&stop, SIGINT);
  sigaddset(&stop, SIGTERM);
  sigaddset(&stop, SIGHUP);
  sigprocmask(SIG_BLOCK, &stop, &before);
  while (!vg_interrupted && ppoll(&input, 1, NULL, &before) < 0 && errno == EINTR) continue;
  sigprocmask(SIG_SETMASK, &before, NULL);
  errno = EINTR;
  return vg_interrupted ? -1 : read(STDIN_FILENO, byte, 1);
}

/* One character, from as many bytes as it has. */
static int read_character(EditLine *el, wchar_t *out) {
  (void)el;
  mbstate_t state = { 0 };
  for (;;) {
    char byte;
    ssize_t n = read_byte(&byte);
    if (n <= 0) return (int)n;
    size_t length = mbrtowc(out, &byte, 1, &state);
    if (length == (size_t)-1) memset(&state, 0, sizeof state);     /* no character of this locale: dropped */
    else if (length != (size_t)-2) return 1;
  }
}

/* Calls completer(text before the cursor) -> text to insert, list to show or nil. */
static int call_completer(lua_State *L, const editor *e) {
  const LineInfo *line = el_line(e->el);
  if (lua_getiuservalue(L, 1, COMPLETER) != LUA_TFUNCTION) return 0;
  lua_pushlstring(L, line->buffer, (size_t)(line->cursor - line->buffer));
  return lua_pcall(L, 1, 2, 0) == LUA_OK;
}

static unsigned char complete(EditLine *el, int key) {
  (void)key;
  editor *e;
  el_get(el, EL_CLIENTDATA, &e);
  lua_State *L = e->L;
  int top = lua_gettop(L);
  unsigned char answer = CC_ERROR;               /* a beep */
  if (lua_checkstack(L, 8) && call_completer(L, e)) {
    const char *insert = lua_tostring(L, -2), *list = lua_tostring(L, -1);
    if (insert && *insert && el_insertstr(el, insert) == 0) answer = CC_REFRESH;
    if (list) {
      FILE *out;
      el_get(el, EL_GETFP, 1, &out);
      fprintf(out, "\n%s\n", list);
      answer = CC_REDISPLAY;
    }
  }
  lua_settop(L, top);
  return answer;
}

static int start(editor *e) {
  HistEvent event;
  e->history = history_init();
  e->el = el_init("vega-lua", stdin, stdout, stderr);
  if (!e->history || !e->el) return 0;
  history(e->history, &event, H_SETSIZE, HISTORY_SIZE);
  history(e->history, &event, H_SETUNIQUE, 1);
  el_set(e->el, EL_CLIENTDATA, e);
  el_set(e->el, EL_EDITOR, "emacs");
  el_set(e->el, EL_PROMPT, prompt_of);
  el_set(e->el, EL_HIST, history, e->history);
  el_set(e->el, EL_GETCFN, read_character);
  el_set(e->el, EL_ADDFN, "complete", "completes a name", complete);
  el_set(e->el, EL_BIND, "^I", "complete", NULL);
  el_set(e->el, EL_BIND, "^R", "em-inc-search-prev", NULL);
  return 1;
}

/* new(completer) -> editor */
static int l_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TFUNCTION);
  editor *e = lua_newuserdatauv(L, sizeof *e, 1);
  memset(e, 0, sizeof *e);
  luaL_setmetatable(L, TYPE);
  lua_pushvalue(L, 1);
  lua_setiuservalue(L, -2, COMPLETER);
  if (!start(e)) return luaL_error(L, "not enough memory");
  return 1;
}

/* Nothing was read: Ctrl-C drops the line (false), any other signal and the end of the input end the session (nil). */
static int nothing(lua_State *L, editor *e) {
  putchar('\n');
  fflush(stdout);
  if (vg_interrupted != SIGINT) return 0;
  vg_interrupted = 0;
  lua_sethook(L, NULL, 0, 0);                    /* the interrupt has not reached Lua, and need not */
  el_reset(e->el);
  lua_pushboolean(L, 0);
  return 1;
}

/* editor:read(prompt) -> line | false: dropped by Ctrl-C | nil: the input has ended */
static int l_read(lua_State *L) {
  editor *e = check_editor(L);
  snprintf(e->prompt, sizeof e->prompt, "%s", luaL_checkstring(L, 2));
  int n = 0;
  e->L = L;
  el_resize(e->el);
  const char *line = el_gets(e->el, &n);
  if (!line || n <= 0) return nothing(L, e);
  lua_pushlstring(L, line, strcspn(line, "\n"));
  return 1;
}

/* editor:add(text): to the history */
static int l_add(lua_State *L) {
  HistEvent event;
  editor *e = check_editor(L);
  history(e->history, &event, H_ENTER, luaL_checkstring(L, 2));
  return 0;
}

static int history_file(lua_State *L, int action) {
  HistEvent event;
  editor *e = check_editor(L);
  lua_pushboolean(L, history(e->history, &event, action, luaL_checkstring(L, 2)) >= 0);
  return 1;
}

/* editor:load(path), editor:save(path): the history -> boolean */
static int l_load(lua_State *L) { return history_file(L, H_LOAD); }
static int l_save(lua_State *L) { return history_file(L, H_SAVE); }

/* editor:close() gives the terminal back */
static int l_close(lua_State *L) {
  editor *e = luaL_checkudata(L, 1, TYPE);
  if (e->el) el_end(e->el);
  if (e->history) history_end(e->history);
  e->el = NULL;
  e->history = NULL;
  return 0;
}

static const luaL_Reg METHODS[] = { { "add", l_add },   { "close", l_close }, { "load", l_load },
                                    { "read", l_read }, { "save", l_save },   { NULL, NULL } };
static const luaL_Reg META[] = { { "__gc", l_close }, { "__close", l_close }, { NULL, NULL } };
static const luaL_Reg FUNCTIONS[] = { { "new", l_new }, { NULL, NULL } };

int luaopen_vega_core_edit(lua_State *L) {
  vgl_newtype(L, TYPE, META, METHODS);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
