/* vega.core.model: tables of architectures and the models of search strategies. rows { { levels =, category =, parent =, option = }, ... }. */
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

static void read_column(lua_State *L, int at, vg_column *c, size_t place) {
  c->levels = (int64_t)vgl_numberfield(L, at, "levels", 0);
  c->category = vgl_boolfield(L, at, "category", false);
  c->parent = (int)vgl_countfield(L, at, "parent", 0) - 1;
  c->option = (int64_t)vgl_countfield(L, at, "option", 0) - 1;
  if (c->levels < 0 || c->parent >= (int)place) vgl_error(L, "rows: column %d: levels >= 0 and an earlier parent expected", (int)place + 1);
}

static int rows_new(lua_State *L) {                   /* rows(columns) -> rows */
  luaL_checktype(L, 1, LUA_TTABLE);
  size_t n = lua_rawlen(L, 1);
  luaL_argcheck(L, n > 0, 1, "at least one column expected");
  vg_rows *t = lua_newuserdatauv(L, sizeof *t, 1);
  vg_rows_init(t, NULL);
  luaL_setmetatable(L, VGL_ROWS);
  vg_columns *c = lua_newuserdatauv(L, sizeof *c + n * sizeof *c->at, 0);
  c->n = n;
  for (size_t i = 0; i < n; i++) {
    luaL_argcheck(L, lua_rawgeti(L, 1, (lua_Integer)i + 1) == LUA_TTABLE, 1, "a list of tables expected");
    read_column(L, lua_gettop(L), &c->at[i], i);
    lua_pop(L, 1);
  }
  t->columns = c;
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
  luaL_newmetatable(L, VGL_ROWS);
  luaL_setfuncs(L, ROWS, 0);
  lua_pushvalue(L, -1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  luaL_newlib(L, FUNCTIONS);
  vgl_open_gp(L);
  vgl_open_forest(L);
  vgl_open_tpe(L);
  vgl_open_bayes(L);
  vgl_open_ensemble(L);
  return 1;
}
