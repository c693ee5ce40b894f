/* vega.core.model: tables of architectures and the models of search strategies.
 * rows({ { levels =, category =, guard =, guard_length =, group = }, ... }, guards, intervals): guards is a flat list of steps (operator of
 * vg_guard_op, column from 1, first interval from 0, count), intervals a flat list of low, high; a column's guard counts steps from 0. */
#include "bind/model.h"

#include "base/alloc.h"

vg_rows *vgl_checkrows(lua_State *L, int arg) { return luaL_checkudata(L, arg, VGL_ROWS); }

/* --- lists and options -------------------------------------------------------------------------------------------------------------- */

static void *new_buffer(lua_State *L, size_t n, size_t size) { return lua_newuserdatauv(L, (n + 1) * size, 0); }

static void read_numbers(lua_State *L, int at, double *out, size_t n) {
  for (size_t i = 0; i < n; i++) {
    if (lua_rawgeti(L, at, (lua_Integer)i + 1) != LUA_TNUMBER) vgl_error(L, "model: number %d of the list is a %s", (int)i + 1, luaL_typename(L, -1));
    out[i] = lua_tonumber(L, -1);
    lua_pop(L, 1);
  }
}

double *vgl_checkdoubles(lua_State *L, int arg, size_t *n) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = lua_rawlen(L, arg);
  double *v = new_buffer(L, *n, sizeof *v);
  read_numbers(L, arg, v, *n);
  return v;
}

uint32_t *vgl_checkindex(lua_State *L, int arg, const vg_rows *rows, size_t *n) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = lua_rawlen(L, arg);
  uint32_t *v = new_buffer(L, *n, sizeof *v);
  for (size_t i = 0; i < *n; i++) {
    lua_rawgeti(L, arg, (lua_Integer)i + 1);
    lua_Integer row = lua_tointeger(L, -1);
    if (row < 1 || (size_t)row > rows->n) vgl_error(L, "model: row %d is not one of the table's %d", (int)row, (int)rows->n);
    v[i] = (uint32_t)row - 1;
    lua_pop(L, 1);
  }
  return v;
}

double *vgl_checkpoints(lua_State *L, int arg, size_t columns, size_t *n) {
  luaL_checktype(L, arg, LUA_TTABLE);
  *n = lua_rawlen(L, arg);
  double *v = new_buffer(L, *n * columns, sizeof *v);
  for (size_t i = 0; i < *n; i++) {
    if (lua_rawgeti(L, arg, (lua_Integer)i + 1) != LUA_TTABLE || lua_rawlen(L, -1) != columns)
      vgl_error(L, "model: row %d does not have %d numbers", (int)i + 1, (int)columns);
    read_numbers(L, lua_gettop(L), v + i * columns, columns);
    lua_pop(L, 1);
  }
  return v;
}

void vgl_pushdoubles(lua_State *L, const double *v, size_t n) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    lua_pushnumber(L, v[i]);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

void vgl_pushpoints(lua_State *L, const double *rows, size_t n, size_t columns) {
  lua_createtable(L, (int)n, 0);
  for (size_t i = 0; i < n; i++) {
    vgl_pushdoubles(L, rows + i * columns, columns);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
  }
}

double vgl_numberfield(lua_State *L, int arg, const char *key, double def) {
  int type = lua_getfield(L, arg, key);
  if (type != LUA_TNIL && type != LUA_TNUMBER) vgl_error(L, "model: %s must be a number, got %s", key, luaL_typename(L, -1));
  double v = type == LUA_TNIL ? def : lua_tonumber(L, -1);
  lua_pop(L, 1);
  return v;
}

size_t vgl_countfield(lua_State *L, int arg, const char *key, size_t def) {
  int type = lua_getfield(L, arg, key), whole = 1;
  lua_Integer v = type == LUA_TNIL ? (lua_Integer)def : lua_tointegerx(L, -1, &whole);
  if (!whole || v < 0 || v > 1 << 24) vgl_error(L, "model: %s must be a whole number from 0 to 2^24, got %s", key, luaL_tolstring(L, -1, NULL));
  lua_pop(L, 1);
  return (size_t)v;
}

bool vgl_boolfield(lua_State *L, int arg, const char *key, bool def) {
  bool v = lua_getfield(L, arg, key) == LUA_TNIL ? def : lua_toboolean(L, -1);
  lua_pop(L, 1);
  return v;
}

/* --- rows --------------------------------------------------------------------------------------------------------------------------- */

typedef struct layout {                               /* vg_columns and its arrays, in one userdata */
  vg_columns columns;
  size_t n_guards, n_intervals;
} layout;

static void read_column(lua_State *L, int at, vg_column *c, size_t n_guards) {
  double levels = vgl_numberfield(L, at, "levels", 0);
  if (!(levels >= 0 && levels < 0x1p53)) vgl_error(L, "rows: levels must be 0 to 2^53");
  c->levels = (int64_t)levels;
  c->category = vgl_boolfield(L, at, "category", false);
  c->guard = vgl_countfield(L, at, "guard", 0);
  c->guard_length = vgl_countfield(L, at, "guard_length", 0);
  c->group = (int)vgl_countfield(L, at, "group", 0);
  if (c->guard + c->guard_length > n_guards) vgl_error(L, "rows: a column's guard is beyond the program's end");
}

/* A program may not run over its stack, and may look at existing columns and intervals only. */
static void read_guards(lua_State *L, const double *flat, vg_guard *guards, const layout *l) {
  for (size_t i = 0; i < l->n_guards; i++) {
    const double *step = flat + 4 * i;
    if (!(step[0] >= 0 && step[0] <= VG_GUARD_NOT)) vgl_error(L, "rows: step %d of the guards has no operator", (int)i + 1);
    guards[i] = (vg_guard){ (vg_guard_op)step[0], (size_t)step[1] - 1, (size_t)step[2], (size_t)step[3] };
    bool within = guards[i].op == VG_GUARD_WITHIN;
    if (within && (step[1] < 1 || step[1] > (double)l->columns.n || step[2] < 0 || step[3] < 0 || step[2] + step[3] > (double)l->n_intervals))
      vgl_error(L, "rows: step %d of the guards looks at what does not exist", (int)i + 1);
  }
}

static void check_stack(lua_State *L, const vg_columns *c) {
  for (size_t j = 0; j < c->n; j++) {
    int depth = 0, most = 0, least = 1;
    for (size_t i = c->at[j].guard; i < c->at[j].guard + c->at[j].guard_length; i++) {
      depth += c->guards[i].op == VG_GUARD_WITHIN ? 1 : c->guards[i].op == VG_GUARD_NOT ? 0 : -1;
      most = depth > most ? depth : most;
      least = depth < least ? depth : least;
    }
    bool empty = c->at[j].guard_length == 0;
    if (!empty && (depth != 1 || least < 1 || most > VG_GUARD_DEPTH)) vgl_error(L, "rows: the guard of column %d is no program", (int)j + 1);
  }
}

static int rows_new(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lua_rawlen(L, 1), n_guards, n_intervals;
  luaL_argcheck(L, n > 0, 1, "at least one column expected");
  lua_settop(L, 3);
  double *flat_guards = vgl_checkdoubles(L, 2, &n_guards), *flat_intervals = vgl_checkdoubles(L, 3, &n_intervals);
  luaL_argcheck(L, n_guards % 4 == 0, 2, "four numbers a step expected");
  luaL_argcheck(L, n_intervals % 2 == 0, 3, "two numbers an interval expected");
  vg_rows *t = lua_newuserdatauv(L, sizeof *t, 1);
  vg_rows_init(t, NULL);
  luaL_setmetatable(L, VGL_ROWS);
  layout *l = lua_newuserdatauv(L, sizeof *l + n * sizeof(vg_column) + n_guards / 4 * sizeof(vg_guard) + n_intervals / 2 * sizeof(vg_interval), 0);
  vg_column *at = (vg_column *)(l + 1);
  vg_guard *guards = (vg_guard *)(at + n);
  vg_interval *intervals = (vg_interval *)(guards + n_guards / 4);
  *l = (layout){ { n, at, guards, intervals }, n_guards / 4, n_intervals / 2 };
  for (size_t i = 0; i < l->n_intervals; i++) intervals[i] = (vg_interval){ flat_intervals[2 * i], flat_intervals[2 * i + 1] };
  read_guards(L, flat_guards, guards, l);
  for (size_t i = 0; i < n; i++) {
    luaL_argcheck(L, lua_rawgeti(L, 1, (lua_Integer)i + 1) == LUA_TTABLE, 1, "a list of tables expected");
    read_column(L, lua_gettop(L), &at[i], l->n_guards);
    lua_pop(L, 1);
  }
  check_stack(L, &l->columns);
  t->columns = &l->columns;
  lua_setiuservalue(L, -2, 1);
  return 1;
}

static int rows_add(lua_State *L) {                   /* rows:add(row) -> its number, from 1 */
  vg_rows *t = vgl_checkrows(L, 1);
  size_t n;
  double *row = vgl_checkdoubles(L, 2, &n);
  luaL_argcheck(L, n == t->columns->n, 2, "as many numbers as columns expected");
  vg_status s = vg_rows_add(t, row);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_pushinteger(L, (lua_Integer)t->n);
  return 1;
}

static int rows_has(lua_State *L) {                   /* rows:has(row) -> boolean */
  vg_rows *t = vgl_checkrows(L, 1);
  size_t n;
  double *row = vgl_checkdoubles(L, 2, &n);
  luaL_argcheck(L, n == t->columns->n, 2, "as many numbers as columns expected");
  lua_pushboolean(L, vg_rows_has(t, row));
  return 1;
}

static int rows_latin(lua_State *L) {                 /* rows:latin(n, seed) -> a list of n rows: a Latin hypercube; nothing is added */
  vg_rows *t = vgl_checkrows(L, 1);
  lua_Integer n = luaL_checkinteger(L, 2);
  luaL_argcheck(L, n >= 0 && n < 1 << 20, 2, "0 to 2^20 rows");
  vg_rng rng = vg_rng_at((uint64_t)luaL_checkinteger(L, 3), 0);
  double *rows = new_buffer(L, (size_t)n * t->columns->n, sizeof *rows);
  vg_status s = vg_columns_latin(t->columns, rows, (size_t)n, &rng);
  if (s != VG_OK) return vgl_fail(L, s);
  vgl_pushpoints(L, rows, (size_t)n, t->columns->n);
  return 1;
}

static int rows_len(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)vgl_checkrows(L, 1)->n);
  return 1;
}

static int rows_gc(lua_State *L) {
  vg_rows *t = vgl_checkrows(L, 1);
  vg_rows_deinit(t);
  return 0;
}

static int rows_tostring(lua_State *L) {
  const vg_rows *t = vgl_checkrows(L, 1);
  lua_pushfstring(L, "rows (%d of %d columns)", (int)t->n, (int)t->columns->n);
  return 1;
}

static const luaL_Reg ROWS[] = {
  { "add", rows_add },   { "has", rows_has }, { "latin", rows_latin }, { "__len", rows_len },
  { "__gc", rows_gc },   { "__tostring", rows_tostring }, { NULL, NULL },
};
static const luaL_Reg FUNCTIONS[] = { { "rows", rows_new }, { NULL, NULL } };

int luaopen_vega_core_model(lua_State *L) {
  vgl_newtype(L, VGL_ROWS, ROWS, NULL);
  luaL_newlib(L, FUNCTIONS);
  vgl_open_gp(L);
  vgl_open_forest(L);
  vgl_open_tpe(L);
  vgl_open_bayes(L);
  vgl_open_ensemble(L);
  return 1;
}
