/* vega.op: one function for each operator of the table, made from its argument list.
 *   op.NAME(tensor, ..., { option = value })     op.concat({ tensors }, { axis = 4 })
 * An optional input may be nil. Axes and positions count from 1 here and from 0 in C. */
#include <string.h>

#include "bind/op.h"

static bool counts_from_one(const char *name) { return strncmp(name, "axis", 4) == 0 || strcmp(name, "begin") == 0; }

static const char *nth_word(char out[32], const char *words, int n) {
  while (n-- > 0) {
    words = strchr(words, ' ');
    if (!words) return NULL;
    words++;
  }
  size_t length = strcspn(words, " ");
  snprintf(out, 32, "%.*s", (int)length, words);
  return out;
}

static double word_index(lua_State *L, const vg_op *op, const vg_arg *a, int at) {
  char word[32];
  const char *given = luaL_checkstring(L, at);
  for (int i = 0; nth_word(word, a->words, i); i++)
    if (strcmp(word, given) == 0) return i;
  return vgl_error(L, "%s: %s must be one of '%s', got '%s'", op->name, a->name, a->words, given);
}

static double arg_value(lua_State *L, const vg_op *op, const vg_arg *a, int at) {
  if (a->words) return word_index(L, op, a, at);
  if (lua_isboolean(L, at)) return lua_toboolean(L, at);
  if (!lua_isnumber(L, at)) return vgl_error(L, "%s: %s must be a number, got %s", op->name, a->name, luaL_typename(L, at));
  double v = lua_tonumber(L, at);
  return counts_from_one(a->name) && v > 0 ? v - 1 : v;
}

void vgl_opargs(lua_State *L, vg_call *c, int table, const char *const *extra) {
  const char *known[VG_MAX_ARGS + 8];
  int n_args = vg_op_n_args(c->op), n = 0;
  bool given = table && !lua_isnoneornil(L, table);
  for (int i = 0; i < n_args; i++) known[n++] = c->op->args[i].name;
  for (; extra && *extra; extra++) known[n++] = *extra;
  known[n] = NULL;
  if (given) vgl_checkkeys(L, table, c->op->name, known);
  for (int i = 0; i < n_args; i++) {
    const vg_arg *a = &c->op->args[i];
    if (given && lua_getfield(L, table, a->name) != LUA_TNIL) c->arg[i] = arg_value(L, c->op, a, lua_gettop(L));
    else if (a->required) vgl_error(L, "%s: option '%s' is missing", c->op->name, a->name);
    if (given) lua_pop(L, 1);
  }
}

static void add_input(lua_State *L, vg_call *c, vg_tensor *x) {
  if (c->n_in >= c->op->max_in) vgl_error(L, "%s: at most %d inputs", c->op->name, c->op->max_in);
  c->in[c->n_in++] = x;
}

static int l_call(lua_State *L) {
  static const char *const EXTRA[] = { "train", NULL };
  const vg_op *op = lua_touserdata(L, lua_upvalueindex(1));
  vgl_tape *tape = vgl_current_tape(L);
  vg_call c = { 0 };
  int top = lua_gettop(L), options = 0;
  vg_op_defaults(&c, op);
  c.train = tape && tape->train && vg_tape_is_recording(tape->tape);
  for (int i = 1; i <= top; i++) {
    if (vgl_totensor(L, i) || lua_isnil(L, i)) add_input(L, &c, vgl_totensor(L, i));
    else if (i == 1 && lua_istable(L, 1) && lua_rawlen(L, 1) > 0) {
      for (int k = 1, n = (int)lua_rawlen(L, 1); k <= n; k++) {
        lua_rawgeti(L, 1, k);
        add_input(L, &c, vgl_checktensor(L, -1));
        lua_pop(L, 1);
      }
    } else if (i == top && lua_istable(L, i)) options = i;
    else if (luaL_testudata(L, i, VGL_TENSOR)) return vgl_error(L, "%s: argument %d is a closed tensor", op->name, i);
    else return vgl_error(L, "%s: argument %d must be a tensor, got %s  (%s)", op->name, i, luaL_typename(L, i), op->doc);
  }
  vgl_opargs(L, &c, options, EXTRA);
  if (options && lua_getfield(L, options, "train") != LUA_TNIL) c.train = lua_toboolean(L, -1);
  return vgl_apply(L, &c);
}

static void set_number(lua_State *L, const vg_arg *a, const char *field, double v) {
  if (counts_from_one(a->name) && v >= 0) v += 1;
  if (a->integer) lua_pushinteger(L, (lua_Integer)v);
  else lua_pushnumber(L, v);
  lua_setfield(L, -2, field);
}

static void set_words(lua_State *L, const vg_arg *a) {
  char word[32];
  lua_newtable(L);
  for (int i = 0; nth_word(word, a->words, i); i++) {
    lua_pushstring(L, word);
    lua_rawseti(L, -2, i + 1);
  }
  lua_setfield(L, -2, "one_of");
  if (a->required) return;
  lua_pushstring(L, nth_word(word, a->words, (int)a->def));
  lua_setfield(L, -2, "default");
}

/* Pushes { name =, default =, min =, max =, one_of = { words }, required = }, in the units of Lua. */
static void push_option(lua_State *L, const vg_arg *a) {
  lua_newtable(L);
  lua_pushstring(L, a->name);
  lua_setfield(L, -2, "name");
  lua_pushboolean(L, a->required);
  lua_setfield(L, -2, "required");
  if (a->words) {
    set_words(L, a);
    return;
  }
  if (!a->required) set_number(L, a, "default", a->def);
  if (a->min != 0 || a->max != 0) set_number(L, a, "min", a->min);
  if (a->max > a->min) set_number(L, a, "max", a->max);
}

static int l_list(lua_State *L) {                         /* list() -> { { name=, doc=, args = {names}, options = {...} }, ... }, sorted by name */
  lua_newtable(L);
  for (int i = 0; vg_op_table[i]; i++) {
    const vg_op *op = vg_op_table[i];
    lua_newtable(L);
    lua_pushstring(L, op->name);
    lua_setfield(L, -2, "name");
    lua_pushstring(L, op->doc);
    lua_setfield(L, -2, "doc");
    lua_newtable(L);
    for (int k = 0; k < vg_op_n_args(op); k++) {
      lua_pushstring(L, op->args[k].name);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "args");
    lua_newtable(L);
    for (int k = 0; k < vg_op_n_args(op); k++) {
      push_option(L, &op->args[k]);
      lua_rawseti(L, -2, k + 1);
    }
    lua_setfield(L, -2, "options");
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

const char *vgl_nearestop(const char *word) {
  const char *names[512];
  int n = 0;
  for (; n < 511 && vg_op_table[n]; n++) names[n] = vg_op_table[n]->name;
  names[n] = NULL;
  return vgl_nearest(word, names);
}

/* A member that is not there: a call of nil would not say what was meant. */
static int l_unknown(lua_State *L) {
  const char *name = luaL_checkstring(L, 2), *near = vgl_nearestop(name);
  return near ? vgl_error(L, "no operator '%s'; did you mean '%s'?", name, near) : vgl_error(L, "no operator '%s'", name);
}

int luaopen_vega_core_op(lua_State *L) {
  lua_newtable(L);
  for (const vg_op *const *op = vg_op_table; *op; op++) {
    lua_pushlightuserdata(L, (void *)*op);
    lua_pushcclosure(L, l_call, 1);
    lua_setfield(L, -2, (*op)->name);
  }
  lua_pushcfunction(L, l_list);
  lua_setfield(L, -2, "list");
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, l_unknown);
  lua_setfield(L, -2, "__index");
  lua_setmetatable(L, -2);
  return 1;
}
