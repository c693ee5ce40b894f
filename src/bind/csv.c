/* vega.core.csv: a table of comma-separated values as lists of numbers and texts, one a column. */
#include "data/csv.h"

#include <stdlib.h>

#include "bind/vgl.h"

#define BOX "vega.csv"

static const uint64_t LIMIT = 1ull << 30;
static const char *const KINDS[] = { "integer", "real", "text" };

static int l_box_gc(lua_State *L) {
  vg_csv_clear(luaL_checkudata(L, 1, BOX));
  return 0;
}

static void push_field(lua_State *L, const char *text, vg_csv_kind kind) {        /* [-0, +1, m] nil: no number is there */
  if (kind == VG_CSV_TEXT) lua_pushstring(L, text);
  else if (!*text) lua_pushnil(L);
  else if (kind == VG_CSV_INTEGER) lua_pushinteger(L, strtoll(text, NULL, 10));
  else lua_pushnumber(L, strtod(text, NULL));
}

static void push_column(lua_State *L, const vg_csv *csv, size_t c, vg_csv_kind kind) {        /* [-0, +1, m] */
  lua_createtable(L, (int)csv->n_rows, 0);
  for (size_t row = 1; row <= csv->n_rows; row++) {
    push_field(L, vg_csv_field(csv, row, c), kind);
    lua_rawseti(L, -2, (lua_Integer)row);
  }
}

/* text[name] is true: kept as it stands, whatever it looks like. */
static vg_csv_kind wanted_kind(lua_State *L, const vg_csv *csv, size_t c) {
  if (!lua_istable(L, 2)) return csv->kind[c];
  lua_getfield(L, 2, vg_csv_field(csv, 0, c));
  int as_text = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return as_text ? VG_CSV_TEXT : csv->kind[c];
}

/* read(path [, text]) -> { rows =, names = { .. }, kinds = { name -> "integer" | "real" | "text" }, columns = { name -> { .. } } }
 * or nil, message, code.  text: a set of names to keep as text. An empty field of a number column is nil. */
static int l_read(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  lua_settop(L, 2);
  vg_csv *csv = lua_newuserdatauv(L, sizeof *csv, 0);
  *csv = (vg_csv){ 0 };
  luaL_setmetatable(L, BOX);
  vg_status s = vg_csv_read(csv, path, LIMIT);
  if (s != VG_OK) return vgl_fail(L, s);
  lua_createtable(L, 0, 4);
  lua_pushinteger(L, (lua_Integer)csv->n_rows);
  lua_setfield(L, -2, "rows");
  lua_createtable(L, (int)csv->n_columns, 0);
  lua_createtable(L, 0, (int)csv->n_columns);
  lua_createtable(L, 0, (int)csv->n_columns);
  for (size_t c = 0; c < csv->n_columns; c++) {
    const char *name = vg_csv_field(csv, 0, c);
    vg_csv_kind kind = wanted_kind(L, csv, c);
    lua_pushstring(L, name);
    lua_rawseti(L, -4, (lua_Integer)c + 1);
    lua_pushstring(L, KINDS[kind]);
    lua_setfield(L, -3, name);
    push_column(L, csv, c, kind);
    lua_setfield(L, -2, name);
  }
  lua_setfield(L, -4, "columns");
  lua_setfield(L, -3, "kinds");
  lua_setfield(L, -2, "names");
  return 1;
}

static const luaL_Reg FUNCTIONS[] = { { "read", l_read }, { NULL, NULL } };

int luaopen_vega_core_csv(lua_State *L) {
  luaL_newmetatable(L, BOX);
  lua_pushcfunction(L, l_box_gc);
  lua_setfield(L, -2, "__gc");
  lua_pop(L, 1);
  luaL_newlib(L, FUNCTIONS);
  return 1;
}
